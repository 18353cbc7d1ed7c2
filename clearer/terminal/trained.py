"""Prints the result of a training."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from clearer.errors import ClearerError
from clearer.support.json_text import to_json
from clearer.terminal import console, live
from clearer.terminal.search_tables import print_quality

if TYPE_CHECKING:
    from clearer.data.splits import Splits
    from clearer.planning.more_training import MoreTraining
    from clearer.runs.run import Run
    from clearer.runs.settings import StartWeights
    from clearer.zoo.catalogue import ZooNetwork

__all__ = ["print_trained"]

Rows = dict[str, dict[str, float]]
"""PSNR and SSIM by name."""

_LEAST_GAIN_DB: Final = 0.01
_LEAST_LEAD_DB: Final = 0.05
"""The lead of a network that comes with clearer from which on it is recommended."""


def print_trained(run: Run, splits: Splits, as_json: bool) -> None:
    """Print validation figures of a trained run, and those of what could stand in for it.

    That is the input, classical denoising, and a network that comes with clearer, if one fits. If
    none does, say which could be cut.
    """
    from clearer.bench.accuracy import reference_qualities
    from clearer.networks.weights_file import read_weights
    from clearer.planning.more_training import estimate_more_training
    from clearer.support.files import read_jsonl

    info = read_weights(run.weights).info
    settings, log = run.settings(), read_jsonl(run.train_log)
    with live.status("non-local means on the same images"):
        rows = reference_qualities(splits.val, settings.task, console.say)
    start = settings.fine_tuned_from
    if start is not None:
        first = next(iter(log), {})
        if first.get("val_psnr_db") is not None and first.get("val_ssim") is not None:
            figures = {"psnr_db": first["val_psnr_db"], "ssim": first["val_ssim"]}
            rows[_before(run, start)] = figures
    rival = _measure_rival(run, splits, rows)
    more = estimate_more_training(log)
    rows["this network"] = {"psnr_db": info["val_psnr_db"], "ssim": info["val_ssim"]}
    if as_json:
        result = {
            "run": str(run.path),
            "architecture": run.read_architecture().text,
            "validation": rows,
            "info": info,
            "shipped_rival": None if rival is None else rival.name,
            "more_training": None if more is None else asdict(more),
        }
        print(to_json(result))
        return
    title = f"{settings.task.text}; {len(splits.val)} validation images of {splits.source}"
    print_quality(title, rows)
    print(f"written: {run.weights}; next: clearer export {run.path}")
    if more is not None:
        console.say(_promise(more, settings.train.iterations))
    if rival is not None:
        lead = rows[rival.name]["psnr_db"] - rows["this network"]["psnr_db"]
        if lead > _LEAST_LEAD_DB:
            console.say(_advice(rival, lead))
    elif start is None:
        _tell_of_cutting(run)


def _before(run: Run, start: StartWeights) -> str:
    """What the training began with, in words."""
    from clearer.planning.pruned_start import name_when_cut

    if start.is_warm:
        return f"{start.name}, inside"
    record = run.read_decision().get("pruned_from")
    is_cut = record is not None and start.name == name_when_cut(record["name"])
    return start.name if is_cut else "before fine-tuning"


def _measure_rival(run: Run, splits: Splits, rows: Rows) -> ZooNetwork | None:
    """Add the row of a network that comes with clearer; None if there is none, or it is damaged."""
    from clearer.bench.shipped_rival import rival_quality, shipped_rival

    settings, decided = run.settings(), run.read_decision().get("budgets", [])
    try:
        rival = shipped_rival(settings, run.read_architecture(), decided)
        if rival is None:
            return None
        with live.status(f"{rival.name} on the same images"):
            quality = rival_quality(rival, splits.val, settings)
    except ClearerError as error:  # what was trained is not at fault
        console.say(f"no network that comes with clearer is compared: {error}")
        return None
    rows[rival.name] = {"psnr_db": quality.psnr_db, "ssim": quality.ssim}
    return rival


def _advice(rival: ZooNetwork, lead: float) -> str:
    """What to do where a network that comes with clearer is better, in one line."""
    size = f"{rival.card['onnx_bytes'] / 1e6:.2f} MB"
    sets = ", ".join(sorted({name.split()[0] for name in rival.card["training"]["train"]}))
    return (
        f"{rival.name} ({size}), which comes with clearer for non-commercial research, fits too and"
        f" has {lead:.2f} dB more here (it was trained on {sets}; if these images are from there, "
        f"that is too much): clearer export {rival.name}, or go on from it with clearer train "
        f"{rival.name} --fine-tune --data FOLDER"
    )


def _tell_of_cutting(run: Run) -> None:
    """Say which network that comes with clearer could be cut to the budgets of a run, if any."""
    from clearer.bench.shipped_rival import network_to_cut

    settings, decided = run.settings(), run.read_decision().get("budgets", [])
    try:
        found = network_to_cut(settings, run.read_architecture(), decided)
    except ClearerError:  # what was trained is not at fault
        return
    if found is None:
        return
    options = [f"{budget.option} {budget.limit:g}" for budget in settings.budgets]
    if settings.budget_precision != "fp32":
        options.append(f"--budget-precision {settings.budget_precision}")
    if any(budget.metric in ("ms", "gmacs") for budget in settings.budgets):
        options.append("--size {}x{}".format(*settings.image_size))
    console.say(
        f"{found.name}, which comes with clearer for non-commercial research, is over the budget; "
        "cut to it and trained again, it may restore better than this network: clearer train "
        f"{found.name} --fine-tune {' '.join(options)} --data FOLDER"
    )


def _promise(more: MoreTraining, iterations: int) -> str:
    """The gain of more training, in one line."""
    minutes = "a minute" if more.minutes < 1.5 else f"{more.minutes:,.0f} minutes"
    text = (
        f"estimate from the validation curve: {more.iterations:,} iterations, about {minutes}, in "
        f"place of {iterations:,}"
    )
    if more.high_db < _LEAST_GAIN_DB:
        return f"{text} would give no visible gain"
    return f"{text} would give {more.gain_db:+.2f} dB ({more.low_db:+.2f} to {more.high_db:+.2f})"
