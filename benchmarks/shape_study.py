r"""Which shape of network restores best? Each is trained for the same processor time.

    python benchmarks/zoo/recipes.py bsds500-fair .
    export OMP_NUM_THREADS=1
    python benchmarks/shape_study.py speed bsds500-fair speeds.json
    python benchmarks/shape_study.py train bsds500-fair shapes.json --speeds speeds.json
    python benchmarks/shape_study.py table shapes.json

``speed`` times the networks, interleaved, on a machine without other work; ``train`` converts a
processor time into steps with it, so that other work does not change what it finds. Without
``--speeds``, the time itself ends a training; with ``--iterations``, all get the same steps.

Gray, sigma 50, protocol awgn, gray pictures of BSDS500; centre crops of its 32 validation pictures
are scored. All are trained with Muon, batches of 16 patches of 48x48, from one seed. Names after
the file select networks. Shapes are those of clearer.space.shapes, filled up to 5 MB and, where
stated, to the multiply-accumulates of FFDNet; networks of the space without gates are beside them.

    ... train bsds500-fair random.json --seconds 150 --random 8 --run runs/one --run runs/other
        --budget-mb 5 --budget-gmacs 6.1

trains members of spaces with gates, drawn at random so that they use the budgets, and the
architectures that searches found.

    ... train bsds500-fair raced.json --speeds speeds.json --seconds 120 --race runs/one
    python benchmarks/shape_study.py rank runs/one raced.json

trains all networks of a race, and compares what the race expected of them with what they became.
"""

from __future__ import annotations

import argparse
import math
import random
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any, Final

import torch
from learning_study import Variant, mean_root_error, study_splits, train_network
from scipy.stats import spearmanr
from study_file import add_row, missing, read_study

from clearer.costs.budget import Budget
from clearer.costs.cost import cost_table, network_cost
from clearer.costs.cost_source import CostSource
from clearer.data.splits import Splits
from clearer.networks.network import RestorationNet
from clearer.pictures.images import ImageSet
from clearer.runs.run import Run
from clearer.searching.race import read_race
from clearer.searching.standing import ranked
from clearer.space.shapes import Shape, shapes_within
from clearer.space.space import Architecture, SearchSpace
from clearer.support.device import device_name
from clearer.support.files import write_json
from clearer.tasks.base import Span
from clearer.tasks.denoise import Denoise
from clearer.training.precision import fastest_precision

TASK: Final = Denoise(sigma=Span(50, 50))
RECIPE: Final = Variant(optimizer="muon", rate=1e-2, batch=16, loss=mean_root_error)
MARKS: Final = (0.5, 1.0)
MEASURED: Final = 16
"""Batches that statistics are measured on before they are frozen."""
_SPEED_ROUNDS: Final = 3
_SPEED_STEPS: Final = 8
_U: Final = SearchSpace(residual=True, stem="conv", first_scales=1, gates=True)


def u(
    unshuffle: int,
    width: int,
    growth: float,
    down: tuple[int, ...],
    bottom: int,
    up: tuple[int, ...],
    block: str = "parallel",
) -> Architecture:
    """A U shape of these blocks."""
    operations = (block, "fusion")
    space = replace(_U, unshuffle=unshuffle, width=width, growth=growth, operations=operations)
    return Shape(space, down, bottom, up).architecture()


def plain(text: str, **space: Any) -> Architecture:
    """A network without gates."""
    return Architecture.from_text(text, SearchSpace(residual=True, **space))


NETWORKS: Final = {
    "U, width 20": u(1, 20, 2, (2, 2), 4, (2, 2)),
    "U, width 20, swish blocks": u(1, 20, 2, (2, 2), 4, (2, 2), "swish"),
    "U, width 16, 4 scales, 2 blocks": u(1, 16, 2, (2, 2, 2), 2, (2, 4, 3)),
    "U, unshuffle 2, width 32": u(2, 32, 2, (2, 2), 2, (2, 4)),
    "U, width 24, growth 1.5, 4 scales": u(1, 24, 1.5, (2, 2, 2), 6, (2, 2, 3)),
    "U, unshuffle 2, width 40": u(2, 40, 2, (1, 1), 1, (3, 3)),
    "U, width 16, 4 scales, 1 block": u(1, 16, 2, (1, 1, 1), 3, (3, 1, 1)),
    "PPPP-PPPP-FFFP, width 14": plain("PPPP-PPPP-FFFP", width=14),
    "U, unshuffle 2, width 48, growth 1.5": u(2, 48, 1.5, (2, 2), 2, (4, 2)),
    "U, width 32, growth 1.5, 4 scales": u(1, 32, 1.5, (1, 1, 1), 3, (1, 1, 1)),
    "U, unshuffle 2, width 24, growth 1.5": u(2, 24, 1.5, (2, 2, 2), 6, (3, 3, 3)),
    "U, width 24, 3 scales, 1 block": u(1, 24, 2, (1, 1), 4, (1, 1)),
    "U, width 16, 3 scales": u(1, 16, 2, (1, 1), 2, (1, 1)),
    "U, width 16, 3 scales, swish blocks": u(1, 16, 2, (1, 1), 2, (1, 1), "swish"),
    "U, width 12, 3 scales": u(1, 12, 2, (1, 1), 1, (1, 1)),
    "gray-50": plain("PPPP-PPPPPP", width=16, columns=(4, 6), stem="conv"),
}


def random_member(rng: random.Random, budgets: list[Budget]) -> Architecture:
    """A member of a space with gates that meets the budgets and uses one of them to 95 %.

    The space is that of a U shape under the budgets, drawn evenly from all kinds; what each scale
    of each column does is drawn evenly, then changed one by one until the budgets are used.
    """

    def use(architecture: Architecture) -> float:
        costs = CostSource((256, 256), lambda a, precision: network_cost(a, "mb", precision))
        return max(costs.estimate(architecture, b.metric) / b.limit for b in budgets)

    space = SearchSpace(residual=True, operations=("swish", "fusion"))
    kinds = shapes_within(space, lambda a: use(a) <= 1)
    while True:
        space = rng.choice(kinds).architecture().space
        options = [
            [c for c, has in zip(space.candidates, row, strict=True) if has]
            for row in space.allowed()
        ]
        choices = [rng.choice(row) for row in options]
        for _ in range(20 * len(choices)):
            share = use(Architecture(space=space, choices=tuple(choices)))
            if 0.95 <= share <= 1:
                return Architecture(space=space, choices=tuple(choices))
            place = rng.randrange(len(choices))
            choices[place] = "identity" if share > 1 else rng.choice(options[place])


def chosen_networks(arguments: argparse.Namespace) -> dict[str, Architecture]:
    """The networks that are trained, by name."""
    if not arguments.random and not arguments.run and arguments.race is None:
        return {name: NETWORKS[name] for name in arguments.names or NETWORKS}
    limits = {"mb": arguments.budget_mb, "gmacs": arguments.budget_gmacs}
    budgets = [Budget(metric=m, limit=x) for m, x in limits.items() if x]  # type: ignore[arg-type]
    found = {name: NETWORKS[name] for name in arguments.names}
    found |= {path.name: Run.open(path).read_architecture() for path in arguments.run}
    if arguments.race is not None:
        raced = read_race(Run(arguments.race))
        found |= {f"raced {i + 1}": architecture for i, (architecture, _) in enumerate(raced)}
    rng = random.Random(arguments.draw)
    return found | {f"random {i + 1}": random_member(rng, budgets) for i in range(arguments.random)}


def start(arguments: argparse.Namespace) -> tuple[Variant, Splits, dict[str, Any]]:
    """The recipe, the pictures, and their description in the file."""
    torch.set_num_threads(1)
    recipe = replace(RECIPE, precision=fastest_precision(_U, "cpu"), seed=arguments.seed)
    splits = study_splits(arguments.data, TASK)
    about = {
        "task": TASK.text,
        "data": f"{len(splits.train)} to train on, middles of {len(splits.val)} to validate",
        "seed": arguments.seed,
        "device": device_name("cpu"),
        "precision": recipe.precision,
        "torch": torch.__version__,
    }
    return recipe, splits, about


def speed(arguments: argparse.Namespace) -> None:
    """Measure processor time per training step, in milliseconds, with the networks interleaved."""
    recipe, splits, about = start(arguments)
    one = ImageSet(splits.val.names[:1], splits.val.images[:1])
    splits = Splits(splits.train, one, splits.test, splits.source)
    networks = chosen_networks(arguments)
    found: dict[str, float] = {}
    for _ in range(_SPEED_ROUNDS):
        for name, architecture in networks.items():
            network = RestorationNet(architecture)
            row = train_network(network, recipe, splits, TASK, 0, MARKS, 0, _SPEED_STEPS)
            found[name] = min(row["ms_per_step"], found.get(name, math.inf))
    write_json(arguments.out, {"about": about, "ms_per_step": found})


def length(arguments: argparse.Namespace, name: str) -> int | None:
    """Steps of a network, or None if processor time ends its training."""
    steps: int | None = arguments.iterations
    if arguments.speeds:
        steps = round(1000 * arguments.seconds / read_study(arguments.speeds)["ms_per_step"][name])
    return steps


def train(arguments: argparse.Namespace) -> None:
    """Train the networks that the file lacks; several processes may write to one file."""
    recipe, splits, about = start(arguments)
    if arguments.iterations:
        about["iterations"] = arguments.iterations
    else:
        about["seconds"] = arguments.seconds
    if arguments.speeds:
        about["ms_per_step"] = read_study(arguments.speeds)["ms_per_step"]
    out: Path = arguments.out
    networks = chosen_networks(arguments)
    for name in missing(out, about, "networks", networks):
        architecture = networks[name]
        torch.manual_seed(arguments.seed)
        network = RestorationNet(architecture)
        found = train_network(
            network,
            recipe,
            splits,
            TASK,
            arguments.seconds,
            MARKS,
            MEASURED,
            length(arguments, name),
        )
        space = architecture.space
        found["macs_per_pixel"] = cost_table(space, "macs").cost(architecture)
        found["mb"] = cost_table(space, "mb").cost(architecture)
        found["architecture"] = architecture.to_dict()
        add_row(out, about, "networks", name, found)
        print(name, found["psnr_db_at"], found["iterations"], flush=True)


def table(arguments: argparse.Namespace) -> None:
    """A Markdown table, best first: means over the files, and each file if there are several."""
    files = [read_study(path)["networks"] for path in arguments.files]
    found = {
        name: [rows[name] for rows in files if name in rows] for rows in files for name in rows
    }
    means = {name: mean(row["psnr_db"] for row in rows) for name, rows in found.items()}
    print("| network | MB | MACs per pixel | steps | PSNR, dB | at half | each |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in sorted(found, key=lambda name: -means[name]):
        rows, row = found[name], found[name][0]
        each = ", ".join(f"{row['psnr_db']:.3f}" for row in rows) if len(rows) > 1 else ""
        print(
            f"| {name} | {row['mb']:.2f} | {row['macs_per_pixel'] / 1e3:.1f}k "
            f"| {row['iterations']:,} | {means[name]:.3f} "
            f"| {mean(row['psnr_db_half'] for row in rows):.3f} | {each} |"
        )


def rank(arguments: argparse.Namespace) -> None:
    """What a race believed, beside what the training of its networks gave."""
    rows = read_study(arguments.file)["networks"]
    standing = read_race(Run(arguments.race))
    trained = [rows[f"raced {i + 1}"]["psnr_db"] for i in range(len(standing))]
    first = [scores[0]["psnr_db"] or -math.inf for _, scores in standing]
    winner = [architecture for architecture, _ in standing].index(ranked(standing)[0].architecture)
    print("| network | first round, dB | rounds | trained, dB |\n| --- | --- | --- | --- |")
    for i in sorted(range(len(standing)), key=lambda i: -trained[i]):
        architecture, scores = standing[i]
        name = f"**{architecture.text}**" if i == winner else architecture.text
        print(f"| {name} | {first[i]:.3f} | {len(scores)} | {trained[i]:.3f} |")
    rho = float(spearmanr(first, trained).statistic)
    regret = max(trained) - trained[winner]
    print(f"Spearman's rho of the first round {rho:.2f}; regret of the winner {regret:.3f} dB")


def main() -> None:
    """Run one of the jobs on a file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    jobs = parser.add_subparsers(required=True)
    for do in (speed, train):
        job = jobs.add_parser(do.__name__)
        job.add_argument("data", type=Path, help="folder with train/ and val/")
        job.add_argument("out", type=Path)
        job.add_argument("names", nargs="*", choices=[*NETWORKS, []])
        job.add_argument("--seed", type=int, default=0)
        job.add_argument("--random", type=int, default=0, help="members drawn under the budgets")
        job.add_argument("--draw", type=int, default=0, help="seed of the members drawn")
        job.add_argument("--run", type=Path, action="append", default=[], help="a finished search")
        job.add_argument("--race", type=Path, help="a search: all networks of its race")
        job.add_argument("--budget-mb", type=float)
        job.add_argument("--budget-gmacs", type=float, help="of 256x256")
        job.set_defaults(do=do)
    job.add_argument("--seconds", type=float, default=500.0, help="of each training")
    job.add_argument("--speeds", type=Path, help="what speed wrote: seconds are turned into steps")
    job.add_argument("--iterations", type=int, help="steps of each training, not seconds")
    job = jobs.add_parser("table")
    job.add_argument("files", type=Path, nargs="+", help="one, or one of each seed")
    job.set_defaults(do=table)
    job = jobs.add_parser("rank")
    job.add_argument("race", type=Path, help="a search")
    job.add_argument("file", type=Path, help="what train --race wrote")
    job.set_defaults(do=rank)
    arguments = parser.parse_args()
    arguments.do(arguments)


if __name__ == "__main__":
    main()
