"""What is printed of a trained run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearer.support.json_text import to_json
from clearer.terminal import console

if TYPE_CHECKING:
    from clearer.data.splits import Splits
    from clearer.runs.run import Run

__all__ = ["print_trained"]


def print_trained(run: Run, splits: Splits, as_json: bool) -> None:
    """Validation figures of a trained run, beside the input and classical denoising."""
    from clearer.bench.accuracy import reference_qualities
    from clearer.networks.network import load_network
    from clearer.planning.estimate import preset_hours
    from clearer.support.files import read_jsonl

    _, info = load_network(run.weights)
    settings = run.settings()
    with console.status("non-local means on the same images"):
        rows = reference_qualities(splits.val, settings.task, console.say)
    if settings.fine_tuned_from is not None:
        first = next(iter(read_jsonl(run.train_log)), {})
        if first.get("val_psnr_db") is not None and first.get("val_ssim") is not None:
            figures = {"psnr_db": first["val_psnr_db"], "ssim": first["val_ssim"]}
            rows["before fine-tuning"] = figures
    rows["this network"] = {"psnr_db": info["val_psnr_db"], "ssim": info["val_ssim"]}
    if as_json:
        text = run.read_architecture().text
        result = {"run": str(run.path), "architecture": text, "validation": rows, "info": info}
        print(to_json(result))
        return
    title = f"{settings.task.text}; {len(splits.val)} validation images of {splits.source}"
    console.print_quality(title, rows)
    print(f"written: {run.weights}; next: clearer export {run.path}")
    if settings.preset != "paper":
        hours = preset_hours(run, "paper")
        console.say(f"the paper preset would take about {hours:,.0f} hours here, judged by MACs")
