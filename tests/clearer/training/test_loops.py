from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from torch import nn

from clearer.costs.cost_source import CostSource
from clearer.data.splits import Splits
from clearer.errors import ClearerError, InputError, Interrupted
from clearer.networks.network import RestorationNet, load_network, save_network
from clearer.networks.supernet import SuperNet
from clearer.pictures.images import ImageSet
from clearer.planning.workflow import make_settings
from clearer.runs.checkpoint import save_checkpoint
from clearer.runs.run import Run
from clearer.runs.settings import PRESETS, RunSettings, SearchSettings
from clearer.searching.search import search
from clearer.space.space import Architecture, SearchSpace
from clearer.support.files import read_jsonl, write_atomic, write_json
from clearer.tasks.denoise import Denoise
from clearer.training.ema import MovingAverage
from clearer.training.loop import Loop
from clearer.training.processes import Processes
from clearer.training.progress import LoopLog, Progress
from clearer.training.schedule import cosine, training_rate
from clearer.training.train import train

COSTS = CostSource((64, 64), lambda architecture, precision: 1.0)


def tiny_settings(**changes: Any) -> RunSettings:
    values: dict[str, Any] = {
        "preset": "quick",
        "task": Denoise(),
        "color": "gray",
        "data": None,
        "budgets": (),
        "image_size": (64, 64),
        "costs": COSTS,
        "strategy": "gradient",
        "num_seeds": 1,
        "seed": 0,
        "device": "cpu",
        "precision": "fp32",
        "space": {"width": 2, "columns": (1, 1)},
        "search": {"iterations": 8, "batch_size": 2, "patch_size": 16, "log_every": 2},
        "train": {"iterations": 6, "batch_size": 2, "patch_size": 16},
    }
    return make_settings(**{**values, **changes})


def pictures(count: int = 4) -> ImageSet:
    rng = np.random.default_rng(0)
    images = tuple(rng.integers(256, size=(24, 24, 1), dtype=np.uint8) for _ in range(count))
    return ImageSet(tuple(map(str, range(count))), images)


def run_search(folder: Path, settings: RunSettings, **options: Any) -> tuple[np.ndarray, Run]:
    run = Run.create(folder, settings) if not folder.exists() else Run(folder)
    values: dict[str, Any] = {
        "resume": False,
        "checkpoint_seconds": 1e9,
        "listener": lambda state: None,
        "processes": Processes(),
    }
    weights = search(run, settings, pictures(), [], Loop(**{**values, **options}), "again")
    return weights, run


def log_without_speed(run: Run) -> list[dict[str, Any]]:
    records = read_jsonl(run.search_log)
    return [{k: v for k, v in record.items() if k != "iterations_per_s"} for record in records]


def test_same_seed_same_log_and_op_weights(tmp_path: Path) -> None:
    settings = tiny_settings()
    one, run_one = run_search(tmp_path / "one", settings)
    other, run_other = run_search(tmp_path / "other", settings)
    assert (one == other).all()
    assert log_without_speed(run_one) == log_without_speed(run_other) != []
    different, _ = run_search(tmp_path / "different", tiny_settings(seed=1))
    assert (one != different).any()


@pytest.mark.parametrize(("sampling", "stopped"), [(False, 5), (True, 5), (True, 8)])
def test_interrupt_and_resume_end_like_an_unbroken_search(
    tmp_path: Path, sampling: bool, stopped: int
) -> None:
    """Also if it is stopped in the last iteration: the next stage does not begin."""
    settings = tiny_settings(search={**_search(), "iterations": 8, "sampling": sampling})
    unbroken, run_unbroken = run_search(tmp_path / "unbroken", settings)

    def stop(state: Progress) -> None:
        if state.iteration == stopped:
            os.kill(os.getpid(), 2)

    with pytest.raises(Interrupted, match=rf"search iteration {stopped}; .* with: again"):
        run_search(tmp_path / "broken", settings, listener=stop)
    resumed, run_resumed = run_search(tmp_path / "broken", settings, resume=True)
    assert (resumed == unbroken).all()
    assert log_without_speed(run_resumed) == log_without_speed(run_unbroken)


@pytest.mark.parametrize("sampling", [False, True])
def test_weights_rest_in_the_architecture_step_and_alpha_in_the_warm_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampling: bool
) -> None:
    """In the warm-up, alpha keeps its start; its step never gives a weight a gradient."""
    settings = tiny_settings(search={**_search(), "iterations": 4, "sampling": sampling})
    seen: list[bool] = []
    original: Any = torch.autograd.grad

    def spy(outputs: torch.Tensor, inputs: torch.Tensor, **options: Any) -> Any:
        # The graph of the architecture step has one leaf that requires a gradient: alpha.
        leaves, stack, known = set(), [outputs.grad_fn], set()
        while stack:
            node = stack.pop()
            if node is None or node in known:
                continue
            known.add(node)
            if hasattr(node, "variable"):
                leaves.add(node.variable.data_ptr())
            stack += [parent for parent, _ in node.next_functions]
        seen.append(leaves == {inputs.data_ptr()})
        return original(outputs, inputs, **options)

    monkeypatch.setattr(torch.autograd, "grad", spy)
    run_search(tmp_path / "run", settings)
    warmup = settings.search.warmup_iterations
    assert 0 < warmup < 4
    assert seen == [True] * (4 - warmup)


def test_statistics_are_frozen_also_after_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From then on, the network in training is the deployed one; before, it is not."""
    settings, images = tiny_settings(), pictures()
    changed = replace(settings.train, ema_share=1.0, batch_statistics_share=0.5)
    settings = replace(settings, train=changed)
    splits = Splits(source="random", train=images, val=images, test=ImageSet((), ()))
    seen: dict[int, dict[str, Any]] = {}
    original = save_checkpoint

    def spy(path: Path, state: dict[str, Any]) -> None:
        seen[state["iteration"]] = {
            name: {k: t.clone() for k, t in state[name].items()} for name in ("network", "average")
        }
        original(path, state)

    def learn(folder: Path, resume: bool, listener: Callable[[Progress], None]) -> dict[str, Any]:
        run = Run(folder) if resume else Run.create(folder, settings)
        if not resume:
            write_json(run.architecture, Architecture.from_text("P-F", settings.space).to_dict())
        options = {"resume": resume, "checkpoint_seconds": -1.0, "listener": listener}
        options["processes"] = Processes()
        return train(run, settings, splits, Loop(**options))  # type: ignore[arg-type]

    monkeypatch.setattr("clearer.training.train.save_checkpoint", spy)
    learn(tmp_path / "unbroken", False, lambda _: None)
    statistics = [name for name in seen[0]["network"] if name.endswith("running_mean")]
    half = settings.train.iterations // 2
    for name in statistics:
        before, after = seen[half]["network"][name], seen[half + 1]["network"][name]
        assert not torch.equal(before, after)  # those of the average replaced them,
        torch.testing.assert_close(seen[half + 1]["average"][name], after)
        assert not torch.equal(seen[half]["average"][name], after)  # measured for its weights
        assert torch.equal(after, seen[2 * half]["network"][name])
    unbroken = seen[2 * half]

    def stop_late(progress: Progress) -> None:
        if progress.iteration == half + 1:
            os.kill(os.getpid(), 2)

    with pytest.raises(Interrupted):
        learn(tmp_path / "broken", False, stop_late)
    learn(tmp_path / "broken", True, lambda _: None)
    for name, tensor in unbroken["network"].items():
        assert torch.equal(tensor, seen[2 * half]["network"][name])


def _search() -> dict[str, Any]:
    return {"batch_size": 2, "patch_size": 16, "log_every": 2}


def test_a_loss_that_is_not_finite_stops_the_search(tmp_path: Path) -> None:
    search_settings = {**_search(), "iterations": 50, "learning_rate": 1e30}
    with pytest.raises(ClearerError, match=r"(nan|inf) before iteration.*--search-learning-rate"):
        run_search(tmp_path / "run", tiny_settings(search=search_settings))


def test_the_budget_pulls_the_expected_cost_below_its_limit(tmp_path: Path) -> None:
    """Dual ascent: with a limit below the start, the multiplier rises and the cost falls."""
    from clearer.costs.budget import Budget
    from clearer.costs.cost import cost_table

    space = SearchSpace(width=2, columns=(1, 1), residual=True)
    table = cost_table(space, "params")
    limit = table.cheapest + 0.2 * (table.most_expensive - table.cheapest)
    budget = Budget(metric="params", limit=limit)
    many = {**_search(), "iterations": 150, "dual_rate": 1.0, "alpha_learning_rate": 0.05}
    settings = tiny_settings(search=many, budgets=(budget,))
    run = Run.create(tmp_path / "run", settings)
    search(
        run,
        settings,
        pictures(),
        [table],
        Loop(
            resume=False,
            checkpoint_seconds=1e9,
            listener=lambda state: None,
            processes=Processes(),
        ),
        "again",
    )
    records = [r for r in read_jsonl(run.search_log) if "loss_arch" in r]
    assert records[0]["expected_cost"][0] > limit
    assert min(r["expected_cost"][0] for r in records) <= limit
    assert max(r["lambda_comp"][0] for r in records) > 0


def test_paper_preset_has_the_settings_of_section_4_1() -> None:
    preset = PRESETS["paper"]
    expected = SearchSettings(
        iterations=10_000,
        warmup_iterations=1_000,
        batch_size=32,
        patch_size=64,
        optimizer="sgd",
        learning_rate=0.025,
        min_learning_rate=0.001,
        decay="search",
        weight_decay=3e-4,
        alpha_learning_rate=3e-4,
        alpha_weight_decay=1e-3,
        sampling=False,
        gradient_clip=5.0,
        lambda_arch=0.01,
        lambda_comp=0.0,
    )
    assert preset.search == expected
    assert (preset.train.iterations, preset.train.learning_rate) == (100_000, 0.01)
    assert preset.space == SearchSpace(width=32, unshuffle=1, residual=False)


def test_settings_survive_json() -> None:
    settings = tiny_settings()
    assert RunSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    with pytest.raises(InputError, match="not the settings"):
        RunSettings.from_dict({"preset": "quick"})


@given(st.integers(2, 200), st.floats(0.1, 0.9))
def test_the_learning_rate_falls_twice(iterations: int, share: float) -> None:
    settings = replace(PRESETS["quick"].train, iterations=iterations, warmup_iterations=0)
    frozen = math.ceil(share * iterations)
    rates = [training_rate(settings, i, frozen) for i in range(iterations)]
    first, second = rates[:frozen], rates[frozen:]
    assert first == sorted(first, reverse=True)
    assert second == sorted(second, reverse=True)
    assert first[0] == settings.learning_rate
    assert second[:1] in ([], [settings.frozen_norm_rate * settings.learning_rate])
    alone = [training_rate(settings, i, 0) for i in range(iterations)]
    assert alone == [cosine(i, iterations, settings.learning_rate, 0.0) for i in range(iterations)]
    assert alone == [training_rate(settings, i, iterations) for i in range(iterations)]


def test_cosine_rises_falls_and_stays() -> None:
    rates = [cosine(i, 100, 1.0, 0.1, warmup=10) for i in range(120)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.55)
    assert rates[100:] == [0.1] * 20
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_moving_average_by_hand() -> None:
    network = nn.BatchNorm2d(1)
    average = MovingAverage(network, span=4)
    with torch.no_grad():
        network.weight.fill_(2.0)
        network.running_mean.fill_(8.0)  # type: ignore[union-attr]
    average.update(average.rate(0))  # decay 1/11
    assert average.network.state_dict()["weight"].item() == pytest.approx(1 / 11 + 2 * 10 / 11)
    for step in range(1, 400):
        average.update(average.rate(step))
    assert average.network.state_dict()["running_mean"].item() == pytest.approx(8.0)


def test_a_log_drops_lines_from_after_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = LoopLog(path)
    for iteration in (1, 2, 3):
        log.add(loss=torch.tensor(float(iteration)))
        log.write_means(iteration)
    with path.open("a") as file:
        file.write('{"iteration": 4, "lo')
    resumed = LoopLog(path, iteration=2)
    assert resumed.record["iteration"] == 2
    assert [record["iteration"] for record in read_jsonl(path)] == [1, 2]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights"
    write_atomic(path, b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_weights_bring_their_architecture(tmp_path: Path) -> None:
    supernet = SuperNet(SearchSpace(width=2, columns=(1, 1)))
    architecture = Architecture.from_text("P-F", supernet.space)
    from clearer.networks.freeze import inherit_weights

    network = inherit_weights(supernet, architecture).eval()
    path = tmp_path / "weights.safetensors"
    save_network(path, architecture, network.state_dict(), {"val_psnr_db": 1.5})
    again, info = load_network(path)
    assert again.architecture == architecture
    assert info == {"val_psnr_db": 1.5}
    image = torch.rand(1, 1, 9, 13)
    with torch.inference_mode():
        assert torch.equal(again(image), network(image))


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\xff" * 8 + b"{}"])
def test_damaged_weights_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="does not hold the weights"):
        load_network(path)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float8_e4m3fn, torch.float64])
def test_weights_of_another_type_are_named(tmp_path: Path, kind: torch.dtype) -> None:
    architecture = Architecture.from_text("P-F", SearchSpace(width=2, columns=(1, 1)))
    path, state = tmp_path / "weights.safetensors", RestorationNet(architecture).state_dict()
    save_network(path, architecture, state, {})
    with safe_open(path, framework="pt") as file:
        described = json.loads(file.metadata()["clearer"])
    changed = {name: v.to(kind) if v.is_floating_point() else v for name, v in state.items()}
    described.pop("sha256")
    safetensors.torch.save_file(changed, path, {"clearer": json.dumps(described)})
    with pytest.raises(InputError, match="it has numbers of type "):
        load_network(path)


def test_the_newest_run_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="clearer search"):
        Run.open(None)
    for name in ("20260101-000000", "20260102-000000"):
        write_json(Path("runs") / name / "config.json", {})
    assert Run.open(None).path.name == "20260102-000000"


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    settings = tiny_settings()
    Run.create(tmp_path / "run", settings)
    with pytest.raises(InputError, match="exists"):
        Run.create(tmp_path / "run", settings)


def test_the_logs_can_be_read_by_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, run = run_search(tmp_path / "run", tiny_settings(tensorboard=True))
    events = EventAccumulator(str(run.tensorboard / "search"))
    events.Reload()
    logged = read_jsonl(run.search_log)
    for name in ("loss_res", "op_weights/1/0"):
        assert [event.step for event in events.Scalars(name)] == [r["iteration"] for r in logged]
    assert events.Scalars("loss_res")[-1].value == pytest.approx(logged[-1]["loss_res"])
