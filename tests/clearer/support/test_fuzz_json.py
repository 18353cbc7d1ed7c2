"""Every kind of JSON that is read, changed in a hundred ways: refused in a line, or accepted."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from clearer.bench.compare import compare, read_bench
from clearer.bench.cost_fit import collect
from clearer.bench.device_timer import PLAN_FILE, RESULT_FILE, run_plan
from clearer.bench.plan import Plan, read_plan, write_plan
from clearer.bench.report_race import draw_race
from clearer.costs.cost_file import read_cost_table, write_cost_table
from clearer.errors import ClearerError
from clearer.export.engine_record import read_engine, record_path
from clearer.export.export import _earlier_files
from clearer.runs.picture_list import check_pictures, write_pictures
from clearer.runs.run import Run
from clearer.runs.settings import PRESETS, RunSettings
from clearer.searching.race import read_race
from clearer.searching.standing import race_front, ranked
from clearer.space.shapes import smallest_network
from clearer.space.space import Architecture, SearchSpace
from clearer.support.files import read_jsonl, write_json
from clearer.support.machine_cache import read_measured, remember
from clearer.terminal.console import describe_decision
from clearer.terminal.live import loop_bars
from clearer.terminal.tables import print_zoo
from clearer.training.compilation import StepTimes
from clearer.training.progress import LoopLog, Progress
from clearer.zoo.catalogue import FOLDER, zoo_names, zoo_network
from tests.bench.fake_timing import fake_times
from tests.bench.test_compare import report
from tests.bounded_memory import bounded_memory
from tests.run_settings import quick_run

SEED, PER_KIND = 20, 24
SPACE = SearchSpace(width=2, columns=(1, 2), residual=True)
ARCHITECTURE = Architecture.from_text("P-PF", SPACE)
U_SHAPE = smallest_network(SPACE)
ODD: list[Any] = [None, True, -1, 0, 1.5, 10**400, 1e308, "", "x", "\0", "é" * 300, [], {}, [[]]]
ODD += [[None], {"a": 1}, -(2**63), 2**64, "../..", "NaN"]


def settings() -> RunSettings:
    search = replace(PRESETS["quick"].search, patch_size=32)
    return quick_run(SPACE, {"patch_size": 32}, search=search, image_size=(32, 32))


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value in plain data."""
    found = [path] if path else []
    if isinstance(data, (dict, list)):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            found += places(value, (*path, key))
    return found


def changed(data: Any, rng: random.Random) -> bytes:
    """One change: of the structure, of a value, or of the text."""
    kind = rng.choice(["drop", "value", "value", "key", "deep", "cut", "bytes", "nan", "encoding"])
    data = copy.deepcopy(data)
    *path, last = rng.choice(places(data))
    place = data
    for key in path:
        place = place[key]
    if kind == "drop":
        del place[last]
    elif kind == "value":
        place[last] = rng.choice(ODD)
    elif kind == "key" and isinstance(place, dict):
        place[f"{last}x"] = place.pop(last)
    elif kind == "deep":
        place[last] = "DEEP"
    elif kind == "nan":
        place[last] = float(rng.choice(["nan", "inf", "-inf"]))
    text = json.dumps(data)
    if kind == "deep":
        depth = rng.choice([900, 50_000])
        text = text.replace('"DEEP"', rng.choice(["[" * depth + "]" * depth, '{"a":' * depth]))
    raw = bytearray(
        text.encode(rng.choice(["utf-16", "latin-1"]) if kind == "encoding" else "utf-8")
    )
    if kind == "cut":
        del raw[rng.randrange(len(raw)) :]
    elif kind == "bytes":
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
    return bytes(raw)


@dataclass
class Kind:
    """A file, and what reads it and uses the result."""

    path: Path
    use: Callable[[], object]
    is_log: bool = False


def run_kinds(folder: Path) -> dict[str, Kind]:
    run = Run.create(
        folder / "runs" / "run", settings(), lambda run: write_pictures(run, settings())
    )
    write_json(
        run.architecture,
        {
            **{**ARCHITECTURE.to_dict(), "strategy": "gradient", "params": 10.0},
            "macs_per_pixel": 2.5,
            "budgets": [{"metric": "mb", "limit": 1.0, "predicted": 0.5, "measured": None}],
            "op_weights": [[0.5, 0.5]] * 3,
            "seeds": ["P-PF", "P-PP"],
            "agreement": 0.5,
        },
    )
    write_json(
        run.export_report,
        {
            **{"schema_version": 2, "weights_sha256": "0"},
            "files": [
                {
                    **{"file": "model.onnx", "precision": "fp32", "io": "tensor", "shape": None},
                    **{"bytes": 3, "sha256": {"config.json": "0"}},
                    "check": {
                        **{"passed": True, "max_abs": 0.0, "mean_abs": 0.0},
                        **{"psnr_torch_db": 30.0, "psnr_file_db": 30.0, "psnr_change_db": 0.0},
                    },
                }
            ],
        },
    )
    scores: list[list[dict[str, Any]]] = [
        [{"iterations": 3, "psnr_db": 20.5}, {"iterations": 6, "psnr_db": 21.0}]
    ]
    scores.append([{"iterations": 4, "psnr_db": None}])
    contenders = [ARCHITECTURE.to_dict(), U_SHAPE.to_dict()]
    write_json(run.race, {"schema_version": 1, "contenders": contenders, "scores": scores})
    log = {"iteration": 2, "loss_res": 0.1, "op_weights": [[0.5, 0.5]] * 3, "lambda_comp": [0.0]}
    log |= {"expected_cost": [2.0], "iterations_per_s": 2.0, "val_psnr_db": 20.0, "val_ssim": 0.5}
    run.train_log.write_text(json.dumps(log) + "\n")

    def use_config() -> None:
        assert Run.newest() == run.path.relative_to(folder)
        run.settings()

    def use_decision() -> None:
        describe_decision(run.read_decision())
        run.log_op_weights()

    def use_race() -> None:
        standing = read_race(run)
        race_front(standing, [1.0] * len(standing))
        draw_race(ranked(standing))

    def use_log() -> None:
        read_jsonl(run.train_log)
        record = LoopLog(run.train_log, iteration=5).record
        with loop_bars(settings()) as listener:
            listener(Progress(stage="train", iteration=5, total=5, record=record))

    return {
        "config": Kind(run.config, use_config),
        "architecture": Kind(run.architecture, use_decision),
        "pictures": Kind(run.pictures, lambda: check_pictures(run, settings(), may_change=False)),
        "export": Kind(run.export_report, lambda: _earlier_files(run, "0")),
        "race": Kind(run.race, use_race),
        "log": Kind(run.train_log, use_log, is_log=True),
    }


def profile_kinds(folder: Path) -> dict[str, Kind]:
    write_plan(folder, Plan.make(SPACE, 32, 32))

    setting = {"backend": "onnxruntime", "threads": 1, "asked_precision": "fp32"}
    run_plan(folder, setting, fake_times, 0.01, lambda *_: None)
    table, _ = collect(folder)
    cost = folder / "cost.json"
    write_cost_table(cost, table)
    return {
        "plan": Kind(folder / PLAN_FILE, lambda: read_plan(folder)),
        "result": Kind(folder / RESULT_FILE, lambda: collect(folder)),
        "cost": Kind(cost, lambda: read_cost_table(cost).cost(ARCHITECTURE)),
    }


def other_kinds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Kind]:
    bench = folder / "bench.json"
    write_json(bench, report())
    engine = folder / "model.engine"
    engine.write_bytes(b"plan")
    texts = ("version", "precision", "profile", "onnx_sha256", "plan_sha256")
    record = {"schema_version": 1, "flavour": "tensorrt", **dict.fromkeys(texts, "0")}
    write_json(record_path(engine), record)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    times = StepTimes(eager_s=1.0, compiled_s=None, compilation_s=2.0)
    remember("compilation", "a machine", asdict(times))
    (cache,) = (folder / "cache").rglob("compilation.json")
    name = zoo_names()[0]
    (folder / f"{name}.safetensors").write_bytes(b"")
    card = folder / f"{name}.json"
    card.write_bytes((FOLDER / card.name).read_bytes())
    monkeypatch.setattr("clearer.zoo.catalogue.FOLDER", folder)

    def use_card() -> None:
        network = zoo_network(name)
        _ = network.task, network.settings
        print_zoo([network.card])

    return {
        "bench": Kind(bench, lambda: compare(read_bench(bench), report())),
        "engine": Kind(record_path(engine), lambda: read_engine(engine)),
        "cache": Kind(
            cache, lambda: [t.pays(3) for t in read_measured("compilation", StepTimes).values()]
        ),
        "card": Kind(card, use_card),
    }


def test_no_change_of_a_file_is_more_than_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kinds = {**run_kinds(tmp_path), **profile_kinds(tmp_path / "profile")}
    kinds |= other_kinds(tmp_path, monkeypatch)
    rng, counts = random.Random(SEED), {"refused": 0, "taken": 0}
    for name, kind in kinds.items():
        original = kind.path.read_bytes()
        data = json.loads(original)
        if name != "engine":  # its plan is another one
            kind.use()
        for number in range(PER_KIND):
            text = changed(data, rng)
            kind.path.write_bytes(text + (b"\n" if kind.is_log else b""))
            message = ""
            try:
                with bounded_memory(300):
                    kind.use()
            except ClearerError as error:
                message = str(error)
            except BaseException as error:
                raise AssertionError(f"{name}, change {number}: {text[:2000]!r}") from error
            counts["refused" if message else "taken"] += 1
            assert "\n" not in message
            assert len(message) < 2000
        kind.path.write_bytes(original)
    assert counts["refused"] > 100, counts
