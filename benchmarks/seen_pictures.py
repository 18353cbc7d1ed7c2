"""Compares networks on pictures that trained those of clearer, and on pictures kept apart.

    python benchmarks/zoo/recipes.py photos-fair .
    python benchmarks/seen_pictures.py photos-fair seen.json rgb peers/ffdnet_color_s25.onnx

A network that is better only on pictures that it has seen needs more of them. One that is worse
even there needs more training, or more computation. Protocol awgn, sigma 25, centre crops; of the
training pictures of BSDS500 every tenth, of the others every third. The file is written after each
network; networks that it holds are skipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from study_file import add_row, missing, networks_parser, read_study

from clearer.bench.accuracy import measure_accuracy
from clearer.bench.restorers import find_restorer
from clearer.data.datasets import DATA_SETS
from clearer.data.splits import load_splits
from clearer.pictures.images import ImageSet
from clearer.support.device import device_name
from clearer.tasks.base import Span
from clearer.tasks.denoise import Denoise

SIGMA: Final = 25
SIDE: Final = 192
STEPS: Final = {("train", True): 10, ("train", False): 3}
"""Every which picture is taken, by split and by whether it is from BSDS500; elsewhere all are."""


def main() -> None:
    """Measure the networks that the file lacks, and print a table."""
    parser = networks_parser(__doc__)
    parser.add_argument("--color", choices=("gray", "rgb"), default="rgb")
    arguments = parser.parse_args()
    splits = load_splits(arguments.data, arguments.color, 0, Denoise())
    groups = {
        f"{'bsds500' if is_bsds else 'photos149'}, {split}": _chosen(images, split, is_bsds)
        for split, images in (("train", splits.train), ("val", splits.val))
        for is_bsds in (True, False)
    }
    task = Denoise(sigma=Span(SIGMA, SIGMA))
    about = {
        "color": arguments.color,
        "pictures": {name: f"middles of {len(images)}" for name, images in groups.items()},
        "side": SIDE,
        "protocol": "awgn",
        "sigma": SIGMA,
        "device": device_name("cpu"),
        "precision": "fp32",
    }
    paths = {path.stem.removesuffix(f"_s{SIGMA}"): path for path in arguments.networks}
    for name in missing(arguments.out, about, "networks", paths):
        runner = find_restorer(paths[name], None).runner_for(task)
        row = {
            group: measure_accuracy(runner, images, task).mean_db
            for group, images in groups.items()
        }
        add_row(arguments.out, about, "networks", name, row)
    rows = read_study(arguments.out)["networks"]
    print("| network | " + " | ".join(groups) + " |")
    print("| --- |" + " --- |" * len(groups))
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(f"{row[group]:.2f}" for group in groups) + " |")


def _chosen(images: ImageSet, split: str, is_bsds: bool) -> ImageSet:
    """Centre crops of some of the pictures from BSDS500, or of some of the others."""
    known = {Path(path).name for path in DATA_SETS["bsds500"].hashes()}
    kept = [i for i, name in enumerate(images.names) if (Path(name).name in known) == is_bsds]
    kept = kept[:: STEPS.get((split, is_bsds), 1)]
    chosen = ImageSet(tuple(images.names[i] for i in kept), tuple(images.images[i] for i in kept))
    return chosen.middles(SIDE)


if __name__ == "__main__":
    main()
