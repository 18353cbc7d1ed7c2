"""What restores gray pictures: a network for white noise, for photographs or for JPEG?

    python benchmarks/zoo/recipes.py photos-fair .
    OMP_NUM_THREADS=1 python benchmarks/gray_pictures.py photos-fair/val polyu gray_pictures.json

Gray versions of the first 50 pairs of PolyU, and centre crops of 256x256 of every fourth validation
picture: clean, with white noise, or saved by libjpeg. RGB networks get three equal channels.
``restore`` is what ``clearer restore`` does by default. Prints a table of mean PSNR in dB, each at
most 60, and writes it as JSON.
"""

from __future__ import annotations

import argparse
import io
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np
import torch
from PIL import Image

from clearer import __version__
from clearer.bench.restorers import find_restorers
from clearer.data.patches import to_unit
from clearer.pictures.images import list_images, middle, read_image
from clearer.restoring.metrics import psnr_db
from clearer.restoring.restore_method import Method, PictureKind, choose_method
from clearer.support.device import device_name
from clearer.support.files import write_json

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Case = tuple[Pixels, Pixels, int | None]
"""A degraded picture, the clean one, and the quality of its JPEG file."""

KINDS: Final[tuple[PictureKind, ...]] = ("gray", "photo", "jpeg")
LEVELS: Final = (2, 5, 15, 25)
QUALITIES: Final = (20, 40, 60, 80, 95)
_MOST_DB: Final = 60.0
_SIDE: Final = 256
_PERIOD: Final = 4
_FIRST: Final = 50


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of pictures")
    parser.add_argument("polyu", type=Path, help="data set polyu")
    parser.add_argument("out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    restorers = find_restorers(None, None)
    methods = {kind: loaded.method("per-channel", None) for kind, loaded in restorers.items()}
    cases = {"PolyU": photographs(arguments.polyu), **made(arguments.folder)}
    rows = {}
    print(f"| | as it is | {' | '.join(methods[kind].name for kind in KINDS)} | restore | by |")
    for name, pictures in cases.items():
        rows[name] = row(pictures, methods)
        print(f"| {name} | {' | '.join(map(str, rows[name].values()))} |", flush=True)
    about = {
        "pictures": {name: len(pictures) for name, pictures in cases.items()},
        "device": device_name("cpu"),
        "precision": "fp32",
        "clearer": __version__,
    }
    write_json(arguments.out, {"about": about, "rows": rows})


def photographs(folder: Path) -> list[Case]:
    """The pairs that may be used for tuning."""
    pairs = [list_images(folder / side)[:_FIRST] for side in ("noisy", "clean")]
    return [
        (read_image(a, "gray"), read_image(b, "gray"), None) for a, b in zip(*pairs, strict=True)
    ]


def made(folder: Path) -> dict[str, list[Case]]:
    """Degraded pictures by what was done to them."""
    clean = [middle(read_image(path, "gray"), _SIDE) for path in list_images(folder)[::_PERIOD]]
    rng = np.random.default_rng(0)
    cases: dict[str, list[Case]] = {"clean": [(picture, picture, None) for picture in clean]}
    for sigma in LEVELS:
        noisy = [picture + rng.normal(0, sigma, picture.shape) for picture in clean]
        pixels = [np.rint(picture.clip(0, 255)).astype(np.uint8) for picture in noisy]
        cases[f"white noise, sigma {sigma}"] = [
            (a, b, None) for a, b in zip(pixels, clean, strict=True)
        ]
    for quality in QUALITIES:
        cases[f"JPEG of quality {quality}"] = [(_saved(p, quality), p, quality) for p in clean]
    return cases


def _saved(picture: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(picture[..., 0]).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))[..., None]


def row(cases: list[Case], methods: dict[PictureKind, Method]) -> dict[str, Any]:
    """Mean PSNR of each way, and which network restores by default, how often."""
    found: dict[str, Any] = {"as it is": _mean_db([(a, b) for a, b, _ in cases])}
    for kind in KINDS:
        method = methods[kind]
        found[method.name] = _mean_db([(method.apply(a)[0], b) for a, b, _ in cases])
    restored, names = [], Counter[str]()
    for degraded, clean, quality in cases:
        chosen = choose_method(degraded, methods, quality)
        assert chosen is not None
        names[chosen[0].name] += 1
        restored.append((chosen[0].apply(degraded)[0], clean))
    return {**found, "restore": _mean_db(restored), "by": dict(names)}


def _mean_db(pairs: list[tuple[Any, Pixels]]) -> float:
    return round(fmean(min(_MOST_DB, psnr_db(to_unit(a), to_unit(b))) for a, b in pairs), 2)


if __name__ == "__main__":
    main()
