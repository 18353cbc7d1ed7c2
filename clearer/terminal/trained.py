"""Prints the result of a training."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from clearer.support.json_text import to_json
from clearer.terminal import console, live
from clearer.terminal.search_tables import print_quality

if TYPE_CHECKING:
    from clearer.data.splits import Splits
    from clearer.planning.more_training import MoreTraining
    from clearer.runs.run import Run

__all__ = ["print_trained"]

_LEAST_GAIN_DB: Final = 0.01


def print_trained(run: Run, splits: Splits, as_json: bool) -> None:
    """Print validation figures of a trained run, with the input and classical denoising."""
    from clearer.bench.accuracy import reference_qualities
    from clearer.networks.weights_file import read_weights
    from clearer.planning.more_training import estimate_more_training
    from clearer.support.files import read_jsonl

    info = read_weights(run.weights).info
    settings, log = run.settings(), read_jsonl(run.train_log)
    with live.status("non-local means on the same images"):
        rows = reference_qualities(splits.val, settings.task, console.say)
    if settings.fine_tuned_from is not None:
        first = next(iter(log), {})
        if first.get("val_psnr_db") is not None and first.get("val_ssim") is not None:
            figures = {"psnr_db": first["val_psnr_db"], "ssim": first["val_ssim"]}
            rows["before fine-tuning"] = figures
    more = estimate_more_training(log)
    rows["this network"] = {"psnr_db": info["val_psnr_db"], "ssim": info["val_ssim"]}
    if as_json:
        text = run.read_architecture().text
        result = {"run": str(run.path), "architecture": text, "validation": rows, "info": info}
        print(to_json({**result, "more_training": None if more is None else asdict(more)}))
        return
    title = f"{settings.task.text}; {len(splits.val)} validation images of {splits.source}"
    print_quality(title, rows)
    print(f"written: {run.weights}; next: clearer export {run.path}")
    if more is not None:
        console.say(_promise(more, settings.train.iterations))


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
