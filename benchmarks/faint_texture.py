r"""How much of a scene's faint texture is left of a photograph that is restored?

    OMP_NUM_THREADS=1 python benchmarks/faint_texture.py POLYU faint_texture.json rgb-photo
    python benchmarks/faint_texture.py POLYU faint_texture.json

Pairs of PolyU, photographs and the means of many shots, the first half by name: networks are
measured on the other half. Luma (BT.601, 0 to 255) in blocks of 8x8, without its mean, where the
mean of many shots deviates by 1 to 5: skin, felt, walls. ``kept`` is the slope of what is restored
over what is there, ``deviates`` the deviation of what is restored over that of what is there: both
are 1 for a perfect network, and noise raises the second alone. Medians over the blocks of a
picture, then means over pictures. Pictures are compared as saved, with 8 bits.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from study_file import add_row, missing

from clearer.bench.restorers import find_restorer
from clearer.data.patches import to_unit
from clearer.pictures.images import LUMA, read_image
from clearer.restoring.metrics import psnr_db, ssim
from clearer.support.device import device_name
from clearer.support.files import read_json

SIDE: Final = 8
FAINT: Final = (1.0, 5.0)
"""Deviation of luma in a block, scale 0 to 255."""

Planes = NDArray[np.float32]


def blocks(planes: Planes) -> NDArray[np.float64]:
    """Luma of blocks without their means, ``(count, 64)``."""
    luma = 255 * np.tensordot(LUMA, planes.astype(float), 1)
    rows, columns = (side // SIDE for side in luma.shape)
    parts = luma[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE)
    flat = parts.swapaxes(1, 2).reshape(-1, SIDE * SIDE)
    without: NDArray[np.float64] = flat - flat.mean(1, keepdims=True)
    return without


def compare(planes: Planes, clean: Planes) -> dict[str, float]:
    """Figures of a picture beside the mean of many shots, both ``(3, H, W)`` in [0, 1]."""
    ours, true = blocks(planes), blocks(clean)
    size = true.std(1)
    faint = (size > FAINT[0]) & (size < FAINT[1])
    ours, true, size = ours[faint], true[faint], size[faint]
    return {
        "psnr_db": psnr_db(planes, clean),
        "ssim": ssim(planes, clean),
        "kept": float(np.median((ours * true).mean(1) / size**2)),
        "deviates": float(np.median(ours.std(1) / size)),
    }


def measure(folder: Path, out: Path, models: list[str]) -> None:
    """Add a row for each model that the file lacks, and one for the photographs."""
    torch.set_num_threads(1)
    names = sorted(path.name for path in (folder / "noisy").iterdir())
    names = names[: len(names) // 2]
    about = {"pairs": len(names), "device": device_name("cpu"), "precision": "fp32"}
    for model in missing(out, about, "rows", ["the photograph", *models]):
        restore = None if model == "the photograph" else find_restorer(Path(model), None).runner
        row: dict[str, Any] = {}
        for name in names:
            noisy, clean = (_planes(folder / part / name) for part in ("noisy", "clean"))
            restored = noisy if restore is None else restore(noisy[None])[0].clip(0, 1)
            row[name] = compare((restored * 255).round() / np.float32(255), clean)
        add_row(out, about, "rows", model, row)


def table(out: Path) -> None:
    """The table as Markdown."""
    rows = read_json(out)["rows"]
    print("| | dB | SSIM | worse SSIM | kept | deviates |")
    print("| --- | --- | --- | --- | --- | --- |")
    for model, row in rows.items():
        mean = {key: fmean(figures[key] for figures in row.values()) for key in ("psnr_db", "ssim")}
        faint = [fmean(figures[key] for figures in row.values()) for key in ("kept", "deviates")]
        worse = sum(row[name]["ssim"] < rows["the photograph"][name]["ssim"] for name in row)
        lost = f"{worse} of {len(row)}" if model != "the photograph" else ""
        figures = f"{mean['psnr_db']:.2f} | {mean['ssim']:.4f} | {lost}"
        print(f"| {Path(model).name} | {figures} | {faint[0]:.2f} | {faint[1]:.2f} |")


def _planes(path: Path) -> Planes:
    return np.ascontiguousarray(to_unit(read_image(path, "rgb")).transpose(2, 0, 1))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="with noisy/ and clean/")
    parser.add_argument("out", type=Path, help="JSON file to create or resume")
    parser.add_argument("models", nargs="*", help="networks to add")
    arguments = parser.parse_args()
    measure(arguments.folder, arguments.out, arguments.models)
    table(arguments.out)


if __name__ == "__main__":
    main()
