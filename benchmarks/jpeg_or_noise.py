r"""Which network suits a JPEG file of a given quality: one for JPEG, or one for photographs?

    python benchmarks/zoo/recipes.py photos-fair .
    OMP_NUM_THREADS=1 python benchmarks/jpeg_or_noise.py photos-fair/val jpeg_or_noise.json

Centre crops of 256x256 of every fourth validation picture: clean, or with camera noise (task photo
without its JPEG), then saved by libjpeg with colours at half the resolution. Prints a table of
mean PSNR, and writes it as JSON.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from clearer.bench.restorers import find_restorer
from clearer.bench.runners import Runner
from clearer.data.patches import to_unit
from clearer.pictures.images import list_images, middle, read_image
from clearer.restoring.metrics import psnr_db
from clearer.support.device import device_name
from clearer.support.files import write_json
from clearer.tasks.base import Span, to_batch, to_picture
from clearer.tasks.dejpeg import DeJpeg
from clearer.tasks.draws import PictureDraws
from clearer.tasks.sensor_noise import photograph

if TYPE_CHECKING:
    from clearer.tasks.base import Picture

SHOTS: Final = (0.0, 0.0005, 0.003)
QUALITIES: Final = (20, 35, 50, 60, 70, 80, 90)
NETWORKS: Final = ("rgb-dejpeg", "rgb-photo")
_SIDE: Final = 256
_PERIOD: Final = 4


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of pictures")
    parser.add_argument("out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    paths = list_images(arguments.folder)[::_PERIOD]
    pictures = [middle(to_unit(read_image(path, "rgb")), _SIDE) for path in paths]
    restorers = {name: find_restorer(Path(name), None).runner for name in NETWORKS}
    rows = []
    print("| noise | quality | as saved | " + " | ".join(NETWORKS) + " |")
    print("|" + " --- |" * (len(NETWORKS) + 3))
    for shot in SHOTS:
        noisy = [_photograph(clean, shot, seed) for seed, clean in enumerate(pictures)]
        for quality in QUALITIES:
            task, rng = DeJpeg(quality=Span(quality, quality)), np.random.default_rng(0)
            saved = [task.degrade_picture(picture, rng) for picture in noisy]
            of = {"as saved": saved} | {
                name: [_restored(restore, picture) for picture in saved]
                for name, restore in restorers.items()
            }
            means = {name: fmean(map(psnr_db, found, pictures)) for name, found in of.items()}
            rows.append({"shot": shot, "quality": quality, "psnr_db": means})
            cells = " | ".join(f"{mean:.2f}" for mean in means.values())
            print(f"| {shot:g} | {quality} | {cells} |", flush=True)
    about = {"pictures": len(pictures), "device": device_name("cpu"), "precision": "fp32"}
    write_json(arguments.out, {"about": about, "rows": rows})


def _photograph(clean: Picture, shot: float, seed: int) -> Picture:
    if not shot:
        return clean
    draws = PictureDraws(np.random.default_rng(seed))
    return to_picture(photograph(to_batch(clean), Span(shot, shot), draws))


def _restored(restore: Runner, picture: Picture) -> Picture:
    return to_picture(torch.from_numpy(restore(to_batch(picture).numpy()))).clip(0, 1)


if __name__ == "__main__":
    main()
