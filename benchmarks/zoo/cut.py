"""Cut a network that comes with clearer to given widths: a run to fine-tune.

    python benchmarks/zoo/cut.py rgb rgb-cut photos-fair 16 32 64 112
    clearer train rgb-cut --fine-tune --teacher rgb --learning-rate 0.005 --out rgb-small

``clearer train --budget-ms`` chooses widths itself, by what the output loses before anything is
learnt again. Here they are given, and no block is lost. All scales become narrower by four channels
at a time, those that matter least; then it is measured again what matters.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clearer.costs.cost_source import CostSource
from clearer.costs.decision import decided
from clearer.data.splits import load_splits
from clearer.errors import ClearerError, InputError
from clearer.export.to_onnx import file_mb
from clearer.networks.network import save_network
from clearer.planning.pruned_start import pruning_batches
from clearer.planning.training_run import find_origin
from clearer.pruning.channels import check_prunable
from clearer.pruning.narrow import narrowed
from clearer.runs.run import Run
from clearer.space.space import SearchSpace
from clearer.support.files import write_json
from clearer.zoo.catalogue import zoo_network


def main() -> None:
    """Cut a network, and write it as a run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", help="name of a network that comes with clearer")
    parser.add_argument("out", type=Path, help="folder of the run to write")
    parser.add_argument("data", type=Path, help="folder with train/ and val/")
    parser.add_argument("widths", type=int, nargs="+", help="channels of each scale, finest first")
    arguments = parser.parse_args()
    origin = find_origin(Path(arguments.network), fine_tune=True, level_map=False)
    settings = replace(origin.settings, data=arguments.data, budgets=(), minutes=None)
    images = load_splits(arguments.data, settings.color, settings.seed, settings.task).train
    network = zoo_network(arguments.network).load()[0].eval()
    check_widths(arguments.widths, network.architecture.space)
    widths = dict(enumerate(arguments.widths))
    network = narrowed(network, widths, pruning_batches(settings, images))
    settings = replace(settings, space=network.architecture.space, teacher=None)
    run = Run.create(arguments.out, settings)
    whole = origin.start
    assert whole is not None
    source = {"pruned_from": {"name": whole.name, "sha256": whole.sha256}}
    decision = decided(network.architecture, [], CostSource((256, 256), file_mb)).to_dict()
    write_json(run.architecture, {**decision, "strategy": "pruned", **source})
    save_network(run.weights, network.architecture, network.state_dict(), source)
    print(f"{run.path}: {network.architecture.text}, {network.architecture.space.width_text}")


def check_widths(widths: Sequence[int], space: SearchSpace) -> None:
    """Check that scales can have these widths.

    Raises:
        InputError: If there is not one for each scale, at most as large as the present one.
    """
    check_prunable("the network", space)
    now = [space.scale_width(scale) for scale in range(space.num_scales)]
    if len(widths) != len(now) or any(not 0 < w <= n for w, n in zip(widths, now, strict=False)):
        raise InputError(f"the widths have to be {len(now)} numbers, of at most {now}")


if __name__ == "__main__":
    try:
        main()
    except ClearerError as error:
        sys.exit(str(error))
