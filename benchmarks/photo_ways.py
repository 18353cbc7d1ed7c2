r"""Which way removes camera noise best without training for it?

    OMP_NUM_THREADS=1 python benchmarks/photo_ways.py POLYU ways.json
    python benchmarks/photo_ways.py POLYU ways.json --table

Pairs of PolyU, photographs and the means of many shots, the first half by name: networks are
measured on the other half. A network for white noise sees the photograph as it is, channel by
channel, as separate luma and colour differences (a gray network), or with neighbouring pixels
apart: pixel-shuffle down-sampling by 2 (Zhou et al., "When AWGN-based Denoiser Meets Real Noises",
AAAI 2020), which makes noise that spans pixels whiter. ``strengths`` blend the result with the
photograph.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from study_file import add_row, missing
from torch.nn import functional

from clearer.bench.restorers import find_restorer
from clearer.data.patches import to_unit
from clearer.pictures.images import LUMA, read_image
from clearer.restoring.metrics import psnr_db, ssim
from clearer.restoring.restore import fit_channels
from clearer.support.device import device_name
from clearer.support.files import read_json

Array = NDArray[np.float32]
Restore = Callable[[Array], Array]
STRENGTHS: Final = (0.5, 0.7, 0.85, 1.0, 1.15)
_STRIDE: Final = 2


def luma_and_chroma(restore: Restore, *, halved: bool = False) -> Restore:
    """Luma and two colour differences (BT.601), each as a gray picture of its own.

    With ``halved``, colours are restored at half the resolution, where camera noise is finer, and
    the change is scaled back up.
    """
    to_luma = np.array([LUMA, [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)

    def apart(planes: Array) -> Array:
        rotated = np.tensordot(to_luma, planes[0], 1) + np.array([0, 0.5, 0.5])[:, None, None]
        of_chroma = at_half(restore) if halved else restore
        done = np.stack(
            [
                (of_chroma if place else restore)(p[None, None].astype(np.float32))[0, 0]
                for place, p in enumerate(rotated)
            ]
        )
        done -= np.array([0, 0.5, 0.5], np.float32)[:, None, None]
        mixed: Array = np.tensordot(np.linalg.inv(to_luma), done, 1)[None].astype(np.float32)
        return mixed

    return apart


def at_half(restore: Restore) -> Restore:
    """Restore planes of even size, averaged over 2x2 pixels, and scale the change back up."""

    def apart(planes: Array) -> Array:
        half = functional.avg_pool2d(torch.from_numpy(planes), 2)
        change = torch.from_numpy(restore(half.numpy())) - half
        whole = functional.interpolate(change, scale_factor=2, mode="bilinear")
        changed: Array = planes + whole.numpy()
        return changed

    return apart


def shuffled(restore: Restore) -> Restore:
    """Restore separately the four pictures that every second row and column make."""

    def apart(planes: Array) -> Array:
        restored = np.empty_like(planes)
        for y in range(_STRIDE):
            for x in range(_STRIDE):
                part = np.ascontiguousarray(planes[:, :, y::_STRIDE, x::_STRIDE])
                restored[:, :, y::_STRIDE, x::_STRIDE] = restore(part)
        return restored

    return apart


def ways(models: list[str]) -> dict[str, Restore]:
    """The ways that are compared, by name."""
    found: dict[str, Restore] = {}
    for name in models:
        model = find_restorer(Path(name), None)
        plain = fit_channels(model.runner, model.channels, 3, "per-channel")
        found[name] = plain
        found[f"{name}, pixels apart"] = shuffled(plain)
        if model.channels == 1:
            found[f"{name}, luma and chroma"] = luma_and_chroma(model.runner)
            found[f"{name}, luma and halved chroma"] = luma_and_chroma(model.runner, halved=True)
            found[f"{name}, luma and chroma, pixels apart"] = shuffled(
                luma_and_chroma(model.runner)
            )
    return found


def measure(folder: Path, out: Path, models: list[str]) -> None:
    """PSNR and SSIM of each way at each strength, over the first half of the pairs."""
    torch.set_num_threads(1)
    names = sorted(path.name for path in (folder / "noisy").iterdir())
    names = names[: len(names) // 2]
    about = {"pairs": len(names), "device": device_name("cpu"), "precision": "fp32"}
    compared = ways(models)
    for name in missing(out, about, "ways", compared):
        rows: list[dict[str, Any]] = []
        for picture in names:
            noisy, clean = (_planes(folder / part / picture) for part in ("noisy", "clean"))
            change = compared[name](noisy) - noisy
            mixed = {s: (noisy + np.float32(s) * change).clip(0, 1) for s in STRENGTHS}
            rows.append(
                {
                    "picture": picture,
                    "input_psnr_db": psnr_db(noisy, clean),
                    "psnr_db": {str(s): psnr_db(m, clean) for s, m in mixed.items()},
                    "input_ssim": ssim(noisy[0], clean[0]),
                    "ssim": ssim(mixed[1.0][0], clean[0]),
                }
            )
        add_row(out, about, "ways", name, rows)
        print(name, fmean(row["psnr_db"]["1.0"] for row in rows), flush=True)


def _planes(path: Path) -> Array:
    return np.ascontiguousarray(to_unit(read_image(path, "rgb")).transpose(2, 0, 1)[None])


def table(out: Path) -> None:
    """The table as Markdown, best first."""
    found = read_json(out)["ways"]
    print("| way | " + " | ".join(f"{s:g}" for s in STRENGTHS) + " | SSIM | worse SSIM |")
    print("| --- |" + " --- |" * (len(STRENGTHS) + 2))
    first = next(iter(found.values()))
    before = fmean(row["input_psnr_db"] for row in first)
    same = " | ".join([f"{before:.2f}"] * len(STRENGTHS))
    print(f"| the photograph | {same} | {fmean(r['input_ssim'] for r in first):.4f} | |")
    for name, rows in sorted(
        found.items(), key=lambda item: -fmean(r["psnr_db"]["1.0"] for r in item[1])
    ):
        cells = [f"{fmean(r['psnr_db'][str(s)] for r in rows):.2f}" for s in STRENGTHS]
        worse = sum(r["ssim"] < r["input_ssim"] for r in rows)
        mean_ssim = fmean(r["ssim"] for r in rows)
        print(f"| {name} | {' | '.join(cells)} | {mean_ssim:.4f} | {worse} of {len(rows)} |")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="with noisy/ and clean/")
    parser.add_argument("out", type=Path, help="JSON file to create or resume")
    parser.add_argument("--model", nargs="+", default=["rgb-photo"])
    parser.add_argument("--table", action="store_true", help="only print the table of the file")
    arguments = parser.parse_args()
    if not arguments.table:
        measure(arguments.folder, arguments.out, arguments.model)
    table(arguments.out)


if __name__ == "__main__":
    main()
