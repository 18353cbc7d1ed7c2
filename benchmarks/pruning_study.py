"""What is left of a trained network that is cut to a budget, beside the same shape from scratch.

    python benchmarks/zoo/recipes.py photos-fair .
    OMP_NUM_THREADS=1 python benchmarks/pruning_study.py photos-fair pruning.json --iterations 400

A network that comes with clearer is cut to shares of its multiply-accumulates and fine-tuned,
taught by what it was. Then what is left is trained again from new weights, for as many iterations.
PSNR is that of the validation pictures, over all levels that the network knows. The file is written
after each share; those that it holds are skipped.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any, Final

import torch
from study_file import add_row, missing

import clearer
from clearer.costs.cost import network_cost
from clearer.support.device import device_name
from clearer.support.files import read_jsonl
from clearer.zoo.catalogue import zoo_network

SHARES: Final = (0.75, 0.5, 0.25)
PIXELS: Final = 256 * 256
FROM_SCRATCH: Final = 0.01
"""Learning rate of the preset ``quick``."""


def main() -> None:
    """Train what the file lacks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with train/ and val/")
    parser.add_argument("out", type=Path)
    parser.add_argument("--network", default="gray-small")
    parser.add_argument("--iterations", type=int, default=400)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    about = {
        "network": arguments.network,
        "iterations": arguments.iterations,
        "batch": "8 patches of 96x96",
        "pictures": arguments.data.name,
        "precision": "fp32",
        "device": device_name("cpu"),
        "threads": 1,
        "torch": torch.__version__,
    }
    for name in missing(arguments.out, about, "shares", [f"{share:g}" for share in SHARES]):
        row = study(arguments.network, float(name), arguments.data, arguments.iterations)
        add_row(arguments.out, about, "shares", name, row)
        print(name, row, flush=True)


def study(network: str, share: float, data: Path, iterations: int) -> dict[str, Any]:
    """Cut a network to a share of its multiply-accumulates, and train both ways."""
    macs = network_cost(zoo_network(network).architecture, "macs")
    options: dict[str, Any] = {
        "iterations": iterations,
        "batch_size": 8,
        "patch_size": 96,
        "reduce": 2.0,
        "validate_every": iterations,
        "data": data,
    }
    limits = clearer.Limits(budget_gmacs=share * macs * PIXELS / 1e9)
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        cut = clearer.train(network, fine_tune=True, limits=limits, out=out / "cut", **options)
        scratch = clearer.train(
            cut.run.path,
            preset="quick",
            learning_rate=FROM_SCRATCH,
            out=out / "scratch",
            **options,
        )
        log = [row for row in read_jsonl(cut.run.train_log) if "val_psnr_db" in row]
        return {
            "macs_per_pixel": network_cost(cut.architecture, "macs"),
            "params": network_cost(cut.architecture, "params"),
            "architecture": cut.architecture.text,
            "widths": cut.architecture.space.width_text,
            "cut_db": log[0]["val_psnr_db"],
            "fine_tuned_db": cut.val_psnr_db,
            "from_scratch_db": scratch.val_psnr_db,
        }


if __name__ == "__main__":
    main()
