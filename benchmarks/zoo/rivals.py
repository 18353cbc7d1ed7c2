"""Measures networks that come with clearer and those of others on the same noisy pictures.

    python benchmarks/zoo/rivals.py bsd68,set12 gray_rivals.json 'peers/ffdnet_s{sigma}.onnx'
    python benchmarks/zoo/recipes.py photos-fair .
    python benchmarks/zoo/rivals.py photos-fair fine.json rgb 'peers/ffdnet_color_s{sigma}.onnx'

Protocol awgn, whole pictures, sigma 25 and 50, the noise of ``clearer eval``. The first argument
is data sets by name, or a folder that ``recipes.py`` made: of its validation pictures, those that
are not from BSDS500, which have chroma at full resolution. A file for one level each has
``{sigma}`` in its name. The file is written after each network; networks that it holds are skipped.
"""

from __future__ import annotations

import argparse
import os
from functools import cache
from pathlib import Path
from typing import Final

from quality import test_pictures

from clearer import __version__
from clearer.bench.accuracy import measure_accuracy
from clearer.bench.restorers import find_restorer
from clearer.data.datasets import DATA_SETS
from clearer.data.splits import load_splits
from clearer.pictures.images import Color, ImageSet
from clearer.support.device import device_name
from clearer.support.files import read_json, write_json
from clearer.tasks.base import Span
from clearer.tasks.denoise import Denoise

LEVELS: Final = (25, 50)


def main() -> None:
    """Measure the networks that the file lacks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", help="names of data sets, or a folder with train/ and val/")
    parser.add_argument("out", type=Path)
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--data", type=Path, help="folder of the sets; default: as in clearer data")
    arguments = parser.parse_args()
    if arguments.data is not None:
        os.environ["CLEARER_DATA"] = str(arguments.data.resolve())
    about = {
        "pictures": arguments.pictures,
        "protocol": "awgn",
        "device": device_name("cpu"),
        "precision": "fp32",
        "clearer": __version__,
    }
    found = read_json(arguments.out) if arguments.out.exists() else {"about": about, "networks": {}}
    if found["about"] != about:
        raise SystemExit(f"{arguments.out} was made with other settings: {found['about']}")
    for name in arguments.networks:
        key = Path(name).stem.removesuffix("_s{sigma}")
        if key in found["networks"]:
            continue
        found["networks"][key] = figures(name, arguments.pictures)
        write_json(arguments.out, found)
        print(f"{key}: {found['networks'][key]}", flush=True)


def figures(name: str, sets: str) -> dict[str, dict[str, float]]:
    """Mean PSNR in dB by set and level."""
    found: dict[str, dict[str, float]] = {}
    for level in LEVELS:
        model = find_restorer(Path(name.format(sigma=level)), None)
        task = Denoise(sigma=Span(level, level))
        for key, images in pictures(sets, model.color).items():
            psnr_db = measure_accuracy(model.runner_for(task), images, task).mean_db
            found.setdefault(key, {})[str(level)] = psnr_db
    return found


@cache
def pictures(sets: str, color: Color) -> dict[str, ImageSet]:
    """The pictures to measure, by the name of their set."""
    if not Path(sets).is_dir():
        return {name: test_pictures(name, color) for name in sets.split(",")}
    images = load_splits(Path(sets), color, 0, Denoise()).val
    known = {Path(path).name for path in DATA_SETS["bsds500"].hashes()}
    kept = [index for index, name in enumerate(images.names) if Path(name).name not in known]
    return {
        "photos149": ImageSet(
            tuple(images.names[index] for index in kept),
            tuple(images.images[index] for index in kept),
        )
    }


if __name__ == "__main__":
    main()
