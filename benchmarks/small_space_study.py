r"""How good are the search's choices? Every architecture of a small space, trained and ranked.

    python benchmarks/zoo/recipes.py bsds500-fair .
    python benchmarks/small_space_study.py bsds500-fair study.json
    python benchmarks/small_space_study.py bsds500-fair study.json --label mixture sampling=false \
        lambda_arch=0.01 dual_rate=0.02

Two cells of two columns, width 8: 16 architectures. Each is trained from several seeds; the mean
validation PSNR is the truth. The search of the quick preset then runs from other seeds, without a
budget and under budgets, and its choices are ranked by that truth. Words of the form
``name=value`` change fields of the search's settings; such searches are kept under ``--label``. The
file is written after each result, and results that it holds are skipped.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau
from torch import nn

from clearer.costs.budget import Budget, choose_architecture
from clearer.costs.cost import FilePrecision, cost_table
from clearer.costs.cost_source import CostSource
from clearer.data.patches import PatchSampler
from clearer.data.splits import Splits, load_splits, partition
from clearer.networks.freeze import inherit_weights
from clearer.networks.network import RestorationNet
from clearer.networks.supernet import SuperNet
from clearer.pictures.images import ImageSet
from clearer.planning.workflow import make_settings
from clearer.restoring.evaluate import VALIDATION_SEED, evaluate, torch_restorer
from clearer.runs.checkpoint import load_checkpoint
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings
from clearer.searching.search import search
from clearer.space.space import Architecture
from clearer.support.device import device_name
from clearer.support.files import read_json, write_json
from clearer.tasks.denoise import Denoise
from clearer.training.loop import Loop
from clearer.training.processes import Processes
from clearer.training.train import train

TRAIN_SEEDS = (0, 1, 2)
TRAIN_ITERATIONS = 500
SEARCH_SEEDS = (10, 11, 12, 13, 14)  # none of them trained a network of the table
# Positions of budgets between the cheapest and the most expensive architecture; None: no budget.
POSITIONS = (None, 0.4, 0.6, 0.8)
VAL_SIDE = 128
CALIBRATION_BATCHES = 20
CALIBRATION_STREAM = 5


def main() -> None:
    """Add what the file lacks, then summarise and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder with train/ and val/")
    parser.add_argument("out", type=Path, help="JSON file to create or resume")
    parser.add_argument("--label", default="sampled", help="name of the searches in the file")
    parser.add_argument("change", nargs="*", help="name=value of the search's settings")
    arguments = parser.parse_intermixed_args()
    words = dict(word.split("=", 1) for word in arguments.change)
    changes = {name: json.loads(value) for name, value in words.items()}
    out: Path = arguments.out
    splits = load_splits(arguments.data, "gray", 0, Denoise())
    splits = replace(splits, val=splits.val.middles(VAL_SIDE))
    result: dict[str, Any] = {
        "about": _about(splits),
        "settings": {},
        "trained": {},
        "searches": {},
    }
    if out.exists():
        result.update(read_json(out))
    result["settings"][arguments.label] = asdict(_settings(0, changes).search)
    train_all(result, out, splits)
    search_all(result, out, splits, arguments.label, changes)
    result["summary"] = summarise(result)
    write_json(out, result)
    print(json.dumps(result["summary"], indent=2))


def train_all(result: dict[str, Any], out: Path, splits: Splits) -> None:
    """Train every architecture from every seed."""
    for seed in TRAIN_SEEDS:
        settings = _settings(seed)
        for architecture in settings.space.architectures():
            key = f"{architecture.text}/{seed}"
            if key not in result["trained"]:
                result["trained"][key] = _trained_psnr_db(architecture, settings, splits)
                write_json(out, result)


def search_all(
    result: dict[str, Any], out: Path, splits: Splits, label: str, changes: dict[str, Any]
) -> None:
    """Search from every seed, without a budget and under budgets."""
    for seed in SEARCH_SEEDS:
        keys = [f"{label}/{_name(position)}/{seed}" for position in POSITIONS]
        if all(key in result["searches"] for key in keys):
            continue
        with tempfile.TemporaryDirectory() as folder:
            warm = _warmed_up(Path(folder) / "warm", _settings(seed, changes), splits)
            for key, position in zip(keys, POSITIONS, strict=True):
                settings = _settings(seed, changes, position)
                result["searches"][key] = _searched(
                    Path(folder) / _name(position), settings, splits, warm
                )
                write_json(out, result)


def summarise(result: dict[str, Any]) -> dict[str, Any]:
    """The truth, how noisy it is, and how the searches rank in it."""
    space = _settings(0).space
    table = cost_table(space, "params")
    architectures = list(space.architectures())
    texts = [architecture.text for architecture in architectures]
    psnr_db = np.array([[result["trained"][f"{t}/{s}"] for t in texts] for s in TRAIN_SEEDS])
    truth = psnr_db.mean(axis=0)
    costs = np.array([table.cost(architecture) for architecture in architectures])
    # A shift that a seed gives all architectures alike (they share its batches) changes no rank.
    noise = psnr_db - truth - psnr_db.mean(axis=1, keepdims=True) + truth.mean()
    variance = (noise**2).sum() / ((len(TRAIN_SEEDS) - 1) * (len(texts) - 1))
    labels = dict.fromkeys(key.split("/")[0] for key in result["searches"])
    return {
        "truth": {
            text: {"params": int(cost), "psnr_db": round(float(value), 4)}
            for text, cost, value in sorted(
                zip(texts, costs, truth, strict=True), key=lambda row: -row[2]
            )
        },
        "standard_error_db": round(float(np.sqrt(variance / len(TRAIN_SEEDS))), 4),
        "tau_between_seeds": [
            round(float(kendalltau(psnr_db[i], psnr_db[j]).statistic), 3)
            for i, j in itertools.combinations(range(len(TRAIN_SEEDS)), 2)
        ],
        "searches": {
            label: {
                _name(position): _placed(result["searches"], label, position, truth, costs, texts)
                for position in POSITIONS
            }
            for label in labels
        },
    }


def _placed(
    searches: dict[str, Any],
    label: str,
    position: float | None,
    truth: NDArray[np.float64],
    costs: NDArray[np.float64],
    texts: list[str],
) -> dict[str, Any]:
    """How the choices of all seeds rank among the architectures that the budget allows.

    Beside them: a random choice, the most expensive, and the one with the most parallel columns,
    each the mean over all architectures that fit the rule.
    """
    records = [searches[f"{label}/{_name(position)}/{seed}"] for seed in SEARCH_SEEDS]
    budgets = _settings(0, position=position).budgets
    allowed = costs <= budgets[0].limit if budgets else np.full(len(costs), True)
    choices = [texts.index(record["chosen"]) for record in records]
    best = truth[allowed].max()
    parallel = np.array([text.count("P") for text in texts])
    rivals = [truth[i] - truth[costs == costs[i]].mean() for i in choices]
    figures: dict[str, Any] = {
        "allowed": int(allowed.sum()),
        "chosen": [texts[i] for i in choices],
        "rank": [1 + int((truth[allowed] > truth[i]).sum()) for i in choices],
        "regret_db": [round(float(best - truth[i]), 4) for i in choices],
        "mean_regret_db": round(float(best - truth[choices].mean()), 4),
        "random_regret_db": round(float(best - truth[allowed].mean()), 4),
        "dearest_regret_db": round(
            float(best - truth[allowed & (costs == costs[allowed].max())].mean()), 4
        ),
        "most_parallel_regret_db": round(
            float(best - truth[allowed & (parallel == parallel[allowed].max())].mean()), 4
        ),
        "over_equal_cost_db": [round(float(value), 4) for value in rivals],
        "tau_op_weights": [_tau(_log_probabilities(r), truth, texts) for r in records],
    }
    if position is None:
        figures["tau_supernet"] = [_tau(r["supernet_psnr_db"], truth, texts) for r in records]
    return figures


def _log_probabilities(record: dict[str, Any]) -> dict[str, float]:
    """Log probability of every architecture, by the op weights at the end of a search."""
    log_op_weights = np.log(record["op_weights"])
    columns = np.arange(len(log_op_weights))
    return {
        architecture.text: float(log_op_weights[columns, architecture.picks].sum())
        for architecture in _settings(0).space.architectures()
    }


def _tau(scores: dict[str, float], truth: NDArray[np.float64], texts: list[str]) -> float:
    return round(float(kendalltau([scores[text] for text in texts], truth).statistic), 3)


def _name(position: float | None) -> str:
    return "none" if position is None else f"{position:g}"


def _about(splits: Splits) -> dict[str, Any]:
    """What the figures were measured with."""
    settings = _settings(0)
    return {
        "space": settings.space.to_dict(),
        "task": settings.task.text,
        "protocol": settings.task.protocol,
        "data": splits.source,
        "train_images": len(splits.train),
        "val_images": len(splits.val),
        "val_side": VAL_SIDE,
        "train": asdict(settings.train),
        "precision": settings.precision,
        "device": device_name(settings.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _settings(
    seed: int, changes: dict[str, Any] | None = None, position: float | None = None
) -> RunSettings:
    """The quick preset on the small space, with a budget at a position, or none."""
    settings = make_settings(
        preset="quick",
        task=Denoise(),
        color="gray",
        data=None,
        budgets=(),
        image_size=(256, 256),
        costs=CostSource((256, 256), _no_file),
        strategy="gradient",
        num_seeds=1,
        seed=seed,
        device="cpu",
        precision="fp32",
        space={"width": 8, "columns": (2, 2)},
        search={},
        train={"iterations": TRAIN_ITERATIONS, "validate_every": TRAIN_ITERATIONS},
    )
    settings = replace(settings, search=replace(settings.search, **(changes or {})))
    if position is None:
        return settings
    table = cost_table(settings.space, "params")
    limit = table.cheapest + position * (table.most_expensive - table.cheapest)
    return replace(settings, budgets=(Budget(metric="params", limit=limit),))


def _trained_psnr_db(architecture: Architecture, settings: RunSettings, splits: Splits) -> float:
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", settings)
        write_json(run.architecture, architecture.to_dict())
        best = train(
            run,
            settings,
            splits,
            _loop(resume=False),
        )
    return round(float(best["val_psnr_db"]), 4)


def _loop(*, resume: bool) -> Loop:
    """A loop that prints nothing and keeps only its last state."""
    return Loop(
        resume=resume,
        checkpoint_seconds=1e9,
        listener=lambda progress: None,
        processes=Processes(),
    )


def _warmed_up(path: Path, settings: RunSettings, splits: Splits) -> Run:
    """A run that ends with the warm-up, before budgets have any effect: searches start here."""
    s = settings.search
    settings = replace(settings, search=replace(s, iterations=s.warmup_iterations))
    run = Run.create(path, settings)
    _search(run, settings, splits)
    return run


def _searched(path: Path, settings: RunSettings, splits: Splits, warm: Run) -> dict[str, Any]:
    """Continue from a warm-up and choose; without a budget, rate all architectures too."""
    run = Run.create(path, settings)
    shutil.copytree(warm.search_checkpoint.parent, run.search_checkpoint.parent)
    log_op_weights = _search(run, settings, splits)
    tables = [cost_table(settings.space, "params") for _ in settings.budgets]
    limits = [budget.limit for budget in settings.budgets]
    chosen = choose_architecture(settings.space, log_op_weights, tables, limits)
    assert chosen is not None
    record: dict[str, Any] = {
        "chosen": chosen.text,
        "op_weights": np.exp(log_op_weights).round(6).tolist(),
    }
    if not settings.budgets:
        record["supernet_psnr_db"] = _supernet_psnr_db(run, settings, splits)
    return record


def _search(run: Run, settings: RunSettings, splits: Splits) -> NDArray[np.float64]:
    tables = [cost_table(settings.space, "params") for _ in settings.budgets]
    return search(
        run,
        settings,
        splits.train,
        tables,
        _loop(resume=True),
        go_on="the same command",
    )


def _no_file(architecture: Architecture, precision: FilePrecision) -> float:
    raise AssertionError("a budget in parameters needs no file")


def _supernet_psnr_db(run: Run, settings: RunSettings, splits: Splits) -> dict[str, float]:
    """Validation PSNR of every architecture with the weights of the supernet."""
    supernet = SuperNet(settings.space)
    supernet.load_state_dict(load_checkpoint(run.search_checkpoint)["supernet"])
    weight_half, _ = partition(splits.train, settings.seed)
    figures = {}
    for architecture in settings.space.architectures():
        network = inherit_weights(supernet, architecture)
        _calibrate(network, settings, weight_half)
        restore = torch_restorer(network)
        quality = evaluate(restore, splits.val, settings.task, VALIDATION_SEED)
        figures[architecture.text] = round(quality.psnr_db, 4)
    return figures


def _calibrate(network: RestorationNet, settings: RunSettings, images: ImageSet) -> None:
    """Measure the batch statistics of this architecture: the supernet's are those of a mixture."""
    s = settings.search
    sampler = PatchSampler(
        images,
        settings.task,
        patch_size=s.patch_size,
        batch_size=s.batch_size,
        seed=[settings.seed, CALIBRATION_STREAM],
    )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain mean over all batches
    network.train()
    with torch.inference_mode():
        for index in range(CALIBRATION_BATCHES):
            network(sampler.batch(index).degraded)
    network.eval()


if __name__ == "__main__":
    main()
