"""What averaging over flips and rotations gains, by their number.

    python benchmarks/zoo/recipes.py photos-fair .
    OMP_NUM_THREADS=1 python benchmarks/self_ensemble.py photos-fair ensemble.json gray rgb

Protocol awgn, sigma 25, centre crops of the validation pictures; networks that come with clearer,
or run folders. The file is written after each network; networks that it holds are skipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, get_args

from study_file import add_row, missing, networks_parser, read_study

from clearer.bench.level_runner import at_level
from clearer.bench.restorers import find_restorer
from clearer.data.splits import load_splits
from clearer.pictures.images import Color
from clearer.restoring.evaluate import VALIDATION_SEED, evaluate
from clearer.restoring.self_ensemble import Views, self_ensemble
from clearer.support.device import device_name
from clearer.tasks.denoise import Denoise

TASK: Final = Denoise()
SIDE: Final = 256
VIEWS: Final[tuple[Views, ...]] = get_args(Views)


def main() -> None:
    """Measure the networks that the file lacks, and print a table."""
    arguments = networks_parser(__doc__).parse_args()
    about = {
        "pictures": f"middles of the validation pictures of {arguments.data.name}",
        "protocol": "awgn",
        "sigma": TASK.sigma_255,
        "device": device_name("cpu"),
        "precision": "fp32",
        "backend": "ONNX Runtime",
    }
    for name in missing(arguments.out, about, "networks", map(str, arguments.networks)):
        model = find_restorer(Path(name), "onnxruntime")
        color: Color = "rgb" if model.channels == 3 else "gray"
        images = load_splits(arguments.data, color, 0, TASK).val.middles(SIDE)
        known = at_level(model.runner, TASK.sigma_255, has_level=model.has_level)
        row = {}
        for views in VIEWS:
            found = evaluate(self_ensemble(known, views), images, TASK, VALIDATION_SEED)
            row[str(views)] = found.psnr_db
        add_row(arguments.out, about, "networks", name, row)
    print("| network | " + " | ".join(map(str, VIEWS)) + " |")
    print("| --- |" + " --- |" * len(VIEWS))
    for name, row in read_study(arguments.out)["networks"].items():
        cells = [f"{row[str(views)]:.3f}" for views in VIEWS]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
