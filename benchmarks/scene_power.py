r"""Spectral power in camera pictures, in training pictures, and in the targets made of those.

    python benchmarks/zoo/recipes.py photos-fair .
    OMP_NUM_THREADS=1 python benchmarks/scene_power.py POLYU photos-fair/train scene_power.json

Power of luma and of a colour difference (BT.601, scale 0 to 255) by frequency, in dB: medians over
parts of 256x256, under a Hann window. Cameras: means of many shots of PolyU, the first half by
name. The others: a part of each of 150 training pictures, and the target that the task photo makes
of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clearer.data.patches import to_unit
from clearer.pictures.images import LUMA, list_images, read_image
from clearer.support.files import write_json
from clearer.tasks.photo import Photo

EDGES: Final = (0.015, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3)
"""Cycles per pixel."""
NUM_PICTURES: Final = 150
_CB: Final = (-0.168736, -0.331264, 0.5)
_SIDE: Final = 256
_TINY: Final = 1e-6  # a power: a part without colour has none

Picture = NDArray[np.float32]


def parts(path: Path) -> Iterator[Picture]:
    """Adjacent parts of a picture, in [0, 1]."""
    picture = to_unit(read_image(path, "rgb"))
    for top in range(0, picture.shape[0] - _SIDE + 1, _SIDE):
        for left in range(0, picture.shape[1] - _SIDE + 1, _SIDE):
            yield np.ascontiguousarray(picture[top : top + _SIDE, left : left + _SIDE])


def power_db(part: Picture) -> list[list[float]]:
    """Power in dB by plane (Y, Cb) and frequency."""
    planes = np.tensordot(np.array([LUMA, _CB]), 255 * part, ([1], [2]))
    window = np.hanning(_SIDE)[:, None] * np.hanning(_SIDE)
    planes = (planes - planes.mean((1, 2), keepdims=True)) * window
    power = np.abs(np.fft.fft2(planes)) ** 2 / planes[0].size / (window**2).mean()
    step = np.fft.fftfreq(_SIDE)
    frequency = np.hypot(step[:, None], step)
    bands = [(frequency >= low) & (frequency < high) for low, high in pairwise(EDGES)]
    return [[10 * np.log10(plane[band].mean() + _TINY) for band in bands] for plane in power]


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path, help="PolyU: a folder with clean/")
    parser.add_argument("train", type=Path, help="folder of pictures that train")
    parser.add_argument("out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    cameras = list_images(arguments.pairs / "clean")
    cameras = cameras[: len(cameras) // 2]
    rng = np.random.default_rng(0)
    trained = [list(parts(path)) for path in rng.permutation(list_images(arguments.train))]  # type: ignore[arg-type]
    chosen = [found[rng.integers(len(found))] for found in trained if found][:NUM_PICTURES]
    targets = [
        Photo().target_picture(part, np.random.default_rng(seed))
        for seed, part in enumerate(chosen)
    ]
    sets = {
        "cameras": [part for path in cameras for part in parts(path)],
        "pictures that train": chosen,
        "targets of photo": targets,
    }
    found = {name: np.median([power_db(p) for p in kept], axis=0) for name, kept in sets.items()}
    write_json(arguments.out, {name: values.tolist() for name, values in found.items()})
    print("| | " + " | ".join(f"{low:g} to {high:g}" for low, high in pairwise(EDGES)) + " |")
    print("|" + " --- |" * len(EDGES))
    for plane, symbol in enumerate(("Y", "Cb")):
        for name, values in found.items():
            print(f"| {symbol}, {name} | " + " | ".join(f"{v:.1f}" for v in values[plane]) + " |")


if __name__ == "__main__":
    main()
