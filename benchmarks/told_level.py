"""Compares a network that is given the noise level with blind ones and with ones for one level.

    python benchmarks/zoo/recipes.py photos-fair .
    OMP_NUM_THREADS=1 python benchmarks/told_level.py photos-fair told.json gray gray-small gray-25

Protocol awgn, centre crops of the validation pictures: networks that come with clearer, or run
folders, at each level. One with a level map is first given the level, and then uses the estimate
from each picture. The file is written after each network; networks that it holds are skipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from study_file import add_row, missing, networks_parser, read_study

from clearer.bench.accuracy import input_accuracy, measure_accuracy
from clearer.bench.level_runner import LevelRunner
from clearer.bench.restorers import find_restorer
from clearer.bench.runners import Runner
from clearer.data.splits import load_splits
from clearer.support.device import device_name
from clearer.tasks.base import Span
from clearer.tasks.denoise import Denoise

LEVELS: Final = (3, 5, 10, 15, 25, 35, 50, 75)
SIDE: Final = 256


def main() -> None:
    """Measure the networks that the file lacks, and print a table."""
    parser = networks_parser(__doc__)
    parser.add_argument("--color", choices=("gray", "rgb"), default="gray")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    images = load_splits(arguments.data, arguments.color, 0, Denoise()).val.middles(SIDE)
    tasks = {level: Denoise(sigma=Span(level, level)) for level in LEVELS}
    about = {
        "color": arguments.color,
        "pictures": f"middles of {len(images)} validation pictures of {arguments.data.name}",
        "protocol": "awgn",
        "device": device_name("cpu"),
        "precision": "fp32",
        "torch": torch.__version__,
        "noisy": {str(s): input_accuracy(images, task)["psnr_db"] for s, task in tasks.items()},
    }

    def figures(runner: Runner, is_told: bool | None) -> dict[str, float]:
        found = {}
        for level, task in tasks.items():
            told = level if is_told else None
            known = runner if is_told is None else LevelRunner(runner, told)
            found[str(level)] = measure_accuracy(known, images, task).mean_db
        return found

    for name in missing(arguments.out, about, "networks", map(str, arguments.networks)):
        model = find_restorer(Path(name), "torch")
        ways = {"told": True, "estimated": False} if model.has_level else {"": None}
        row = {way: figures(model.runner, is_told) for way, is_told in ways.items()}
        add_row(arguments.out, about, "networks", name, row)
    rows = read_study(arguments.out)["networks"]
    print("| network | " + " | ".join(f"sigma {level}" for level in LEVELS) + " |")
    print("| --- |" + " --- |" * len(LEVELS))
    for name, row in rows.items():
        for way, found in row.items():
            cells = [f"{found[str(level)]:.2f}" for level in LEVELS]
            print(f"| {name}{way and ', ' + way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
