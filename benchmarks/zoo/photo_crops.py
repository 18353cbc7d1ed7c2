"""Write docs/photo.png: photographs, what `clearer restore` makes of them, means of many shots.

    python benchmarks/zoo/photo_crops.py POLYU

Crops, enlarged four times, of PolyU pairs from the half that is never used for tuning: one shot,
the same restored, and the mean of many shots, which no network sees. The last is of the other half:
felt, whose texture is as faint as the noise.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pages import README
from PIL import Image, ImageDraw, ImageFont

from clearer.bench.plots import most_detailed
from clearer.bench.runners import TorchRunner
from clearer.data.patches import to_unit
from clearer.errors import ClearerError, InputError
from clearer.pictures.images import read_image
from clearer.restoring.metrics import psnr_db
from clearer.tasks.photo import Photo
from clearer.zoo.catalogue import network_for

PICTURES: Final = (
    "NikonD800_8_100_6400_bulletin_3",
    "NikonD800_5_100_4000_flower_1",
    "Canon80D_8_8_6400_comproom_12",
    "Sony_4-5_125_6400_waterhouse_10",
)
FELT: Final = ("Canon5D2_5_200_3200_toy_12", (215, 215))
"""A picture, and the top and left of its crop."""
SIDE: Final = 80
ZOOM: Final = 4
GAP: Final = 6
LINE: Final = 22
"""Height of the words above a crop."""

Planes = NDArray[np.float32]


def main(polyu: Path, png: Path) -> None:
    """Restore, cut, draw and write."""
    network = network_for(Photo)
    if network is None:
        raise InputError("no network for photographs comes with clearer")
    restore = TorchRunner(network.name, network.load()[0])
    side = SIDE * ZOOM
    size = (3 * (side + GAP) - GAP, (len(PICTURES) + 1) * (side + LINE))
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for row, name in enumerate((*PICTURES, FELT[0])):
        noisy, clean = (planes(polyu / part / f"{name}.jpg") for part in ("noisy", "clean"))
        restored = restore(noisy[None])[0].clip(0, 1)
        top, left = FELT[1] if name == FELT[0] else _detailed(clean)
        titles = (
            f"one shot: {psnr_db(noisy, clean):.2f} dB",
            f"{network.name}: {psnr_db(restored, clean):.2f} dB",
            "mean of many shots",
        )
        for column, picture in enumerate((noisy, restored, clean)):
            crop = picture[:, top : top + SIDE, left : left + SIDE].transpose(1, 2, 0)
            pixels = np.rint(crop * 255).astype(np.uint8).repeat(ZOOM, 0).repeat(ZOOM, 1)
            place = (column * (side + GAP), row * (side + LINE))
            draw.text((place[0] + 2, place[1] + 2), titles[column], fill="black", font=font)
            sheet.paste(Image.fromarray(pixels), (place[0], place[1] + LINE))
    sheet.save(png, optimize=True)
    print(f"written: {png}, {png.stat().st_size / 1e6:.2f} MB")


def _detailed(clean: Planes) -> tuple[int, int]:
    """Top and left of the crop with most detail."""
    top, left, seen = most_detailed(clean)
    return top + (seen - SIDE) // 2, left + (seen - SIDE) // 2


def planes(path: Path) -> Planes:
    """``(3, H, W)`` in [0, 1]."""
    return np.ascontiguousarray(to_unit(read_image(path, "rgb")).transpose(2, 0, 1))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), README.parent / "docs" / "photo.png")
    except ClearerError as error:
        sys.exit(str(error))
