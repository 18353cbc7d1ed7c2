r"""Does one network that is given the noise level restore as well as one network per level?

    python benchmarks/zoo/recipes.py bsds500-fair .
    OMP_NUM_THREADS=1 python benchmarks/level_study.py train bsds500-fair level.json
    python benchmarks/level_study.py table level.json

Gray, protocol awgn: a U of width 20 with a level map, the same without (blind), and one each for
sigma 25 and sigma 50 alone. All take the same number of steps of 16 patches of 48x48 with Muon,
from one seed. Centre crops of the validation pictures are scored at each level; the network with a
level map is given it. The file is written after each; networks that it holds are skipped.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from learning_study import study_splits, train_network
from shape_study import MARKS, MEASURED, NETWORKS, RECIPE
from study_file import add_row, missing

from clearer.networks.network import RestorationNet
from clearer.support.device import device_name
from clearer.support.files import read_json
from clearer.tasks.base import Span
from clearer.tasks.denoise import Denoise

SHAPE: Final = "U, width 20"
LEVELS: Final = Span(5, 75)
WAYS: Final = {
    "level map": (LEVELS, True),
    "sigma 25": (Span(25, 25), False),
    "sigma 50": (Span(50, 50), False),
    "blind": (LEVELS, False),
}


def train(arguments: argparse.Namespace) -> None:
    """Train the networks that the file lacks."""
    torch.set_num_threads(1)
    out: Path = arguments.out
    about = {
        "shape": SHAPE,
        "iterations": arguments.iterations,
        "seed": arguments.seed,
        "device": device_name("cpu"),
        "precision": "fp32",
        "torch": torch.__version__,
    }
    recipe = replace(RECIPE, precision="fp32", seed=arguments.seed)
    for name in missing(out, about, "networks", WAYS):
        levels, level_map = WAYS[name]
        task = Denoise(sigma=levels)
        splits = study_splits(arguments.data, task)
        architecture = NETWORKS[SHAPE]
        space = replace(architecture.space, level_map=level_map)
        torch.manual_seed(arguments.seed)
        network = RestorationNet(replace(architecture, space=space))
        found = train_network(
            network, recipe, splits, task, 0, MARKS, MEASURED, arguments.iterations
        )
        add_row(out, about, "networks", name, found)
        print(name, found["psnr_db_by_level"], flush=True)


def table(arguments: argparse.Namespace) -> None:
    """The table as Markdown."""
    rows = read_json(arguments.out)["networks"]
    levels = list(rows["level map"]["psnr_db_by_level"])
    print("| network | " + " | ".join(f"sigma {level}" for level in levels) + " |")
    print("| --- |" + " --- |" * len(levels))
    for name, row in rows.items():
        found = row["psnr_db_by_level"]
        cells = [f"{found[level]:.3f}" if level in found else "–" for level in levels]
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    """Run one of the two jobs on a file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    jobs = parser.add_subparsers(required=True)
    job = jobs.add_parser("train")
    job.add_argument("data", type=Path, help="folder with train/ and val/")
    job.add_argument("out", type=Path)
    job.add_argument("--iterations", type=int, default=1_000, help="of each training")
    job.add_argument("--seed", type=int, default=0)
    job.set_defaults(do=train)
    job = jobs.add_parser("table")
    job.add_argument("out", type=Path)
    job.set_defaults(do=table)
    arguments = parser.parse_args()
    arguments.do(arguments)


if __name__ == "__main__":
    main()
