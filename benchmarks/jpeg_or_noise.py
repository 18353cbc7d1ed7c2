r"""Which network for a JPEG file, by its quality: one for JPEG, or one for photographs?

    python benchmarks/zoo/recipes.py photos-fair .
    OMP_NUM_THREADS=1 python benchmarks/jpeg_or_noise.py photos-fair/val jpeg_or_noise.json

Middles of every fourth picture that validates, 256x256: clean, or with a camera's noise (task photo
without its JPEG), then saved by libjpeg with colours at half the resolution. Prints a table of
mean PSNR, and writes it as JSON.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from statistics import fmean
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from clearer.bench.restorers import find_restorer
from clearer.pictures.images import list_images, read_image
from clearer.restoring.metrics import psnr_db
from clearer.support.device import device_name
from clearer.support.files import write_json
from clearer.tasks.camera import draw_camera
from clearer.tasks.draws import PictureDraws, per_picture
from clearer.tasks.sensor_noise import read_variance, sensor_noise

SHOTS: Final = (0.0, 0.0005, 0.003)
QUALITIES: Final = (20, 35, 50, 60, 70, 80, 90)
NETWORKS: Final = ("rgb-dejpeg", "rgb-photo")
_SIDE: Final = 256
_PERIOD: Final = 4

Planes = NDArray[np.float32]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of pictures")
    parser.add_argument("out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pictures = [_middle(path) for path in list_images(arguments.folder)[::_PERIOD]]
    restorers = {name: find_restorer(Path(name), None).runner for name in NETWORKS}
    rows = []
    print("| noise | quality | as saved | " + " | ".join(NETWORKS) + " |")
    print("|" + " --- |" * (len(NETWORKS) + 3))
    for shot in SHOTS:
        noisy = [_photograph(clean, shot, seed) for seed, clean in enumerate(pictures)]
        for quality in QUALITIES:
            saved = [_jpeg(picture, quality) for picture in noisy]
            of = {"as saved": saved} | {
                name: [restore(picture).clip(0, 1) for picture in saved]
                for name, restore in restorers.items()
            }
            means = {name: fmean(map(psnr_db, found, pictures)) for name, found in of.items()}
            rows.append({"shot": shot, "quality": quality, "psnr_db": means})
            cells = " | ".join(f"{mean:.2f}" for mean in means.values())
            print(f"| {shot:g} | {quality} | {cells} |", flush=True)
    about = {"pictures": len(pictures), "device": device_name("cpu"), "precision": "fp32"}
    write_json(arguments.out, {"about": about, "rows": rows})


def _middle(path: Path) -> Planes:
    image = read_image(path, "rgb")
    top, left = ((side - _SIDE) // 2 for side in image.shape[:2])
    part = image[top : top + _SIDE, left : left + _SIDE].astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(part.transpose(2, 0, 1)[None])


def _photograph(clean: Planes, shot: float, seed: int) -> Planes:
    if not shot:
        return clean
    draws, picture = PictureDraws(np.random.default_rng(seed)), torch.from_numpy(clean)
    camera = draw_camera(draws, picture)
    linear, level = camera.curve.invert(picture), per_picture(shot, picture)
    noise = sensor_noise(linear, camera, level, read_variance(level, draws), draws)
    found: Planes = camera.curve.apply(linear + noise).clamp(0, 1).numpy()
    return found


def _jpeg(picture: Planes, quality: int) -> Planes:
    pixels = (picture[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    saved = np.asarray(Image.open(file), np.float32) / np.float32(255)
    return np.ascontiguousarray(saved.transpose(2, 0, 1)[None])


if __name__ == "__main__":
    main()
