r"""Which space restores best for a given time? Small networks, each trained for the same time.

    python benchmarks/zoo/recipes.py bsds500-fair .
    OMP_NUM_THREADS=1 python benchmarks/space_study.py train bsds500-fair space.json --seconds 300
    python benchmarks/space_study.py time space.json      # on a quiet machine
    python benchmarks/space_study.py table space.json

Gray, sigma 50, protocol awgn. Training as in learning_study.py; names after the file select
networks. Times are those of the network as it would be deployed, branches and batch normalisation
folded, untrained: one image of 320x480, all interleaved, in ONNX Runtime and in OpenVINO, with bf16
where the processor has it.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import onnxruntime
import torch
import torch.nn.functional as F
from learning_study import Variant, mean_root_error, study_splits, train_network, without_norm
from study_file import add_row, missing, read_study
from torch import Tensor, nn

from clearer.bench.measure import judge_noise, summary, time_rounds, warm_up
from clearer.bench.openvino_runner import OpenVinoRunner
from clearer.bench.runners import OnnxRunner, Runner
from clearer.bench.targets import choose_backends
from clearer.export.picture_io import PictureIo
from clearer.networks.network import RestorationNet
from clearer.operations.layers import ResidualBlock, conv_norm
from clearer.space.space import Architecture, SearchSpace
from clearer.support.device import device_name
from clearer.support.files import write_json
from clearer.tasks.base import Span
from clearer.tasks.denoise import Denoise
from clearer.training.precision import Precision, fastest_precision

TASK: Final = Denoise(sigma=Span(50, 50))
SIZE: Final = (321, 481)
FFDNET_WIDTH, FFDNET_LAYERS = 64, 15
PROFILED_CALLS: Final = 20


class BranchedConv(nn.Module):
    """3x3 and 1x1 convolutions and the identity, summed: one 3x3 convolution when folded."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide = conv_norm(width, width, 3)
        self.narrow = conv_norm(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the ReLU of the sum."""
        return F.relu_(self.wide(x) + self.narrow(x) + x)


class PlainConv(nn.Module):
    """A 3x3 convolution and the identity, summed: one 3x3 convolution when folded."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide = conv_norm(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the ReLU of the sum."""
        return F.relu_(self.wide(x) + x)


def deployed_pair(width: int) -> nn.Module:
    """What two such convolutions fold to."""
    layers = [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, *copy.deepcopy(layers))


def replace_blocks(network: nn.Module, make: Callable[[int], nn.Module]) -> None:
    """Replace each residual block by another block of two 3x3 convolutions."""
    for module in network.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, ResidualBlock):
                first = child.body[0]
                assert isinstance(first, nn.Conv2d)
                setattr(module, name, make(first.in_channels))


class PlainStack(nn.Module):
    """The layers of FFDNet without its noise map, predicting what to remove."""

    def __init__(self, width: int, num_layers: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(4, width, 3, padding=1)]
        layers.append(nn.ReLU())
        for _ in range(num_layers - 2):
            layers += conv_norm(width, width, 3, relu=True)
        head = nn.Conv2d(width, 4, 3, padding=1)
        nn.init.zeros_(head.weight)
        self.body = nn.Sequential(*layers, head, nn.PixelShuffle(2))

    def forward(self, image: Tensor) -> Tensor:
        """Restore images whose sides are even."""
        restored: Tensor = image - self.body(image)
        return restored


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network, how it is trained, and what it becomes when deployed."""

    text: str = ""
    space: dict[str, Any] = field(default_factory=dict)
    train: Callable[[nn.Module], None] | None = None
    deploy: Callable[[nn.Module], None] | None = None
    rate_share: float = 1.0
    """Share of the recipe's learning rate."""
    batch_statistics_share: float = 0.8
    """Share of the time after which the statistics of batch normalisation are frozen."""

    def build(self) -> nn.Module:
        """The untrained network, before ``train`` and ``deploy`` change it."""
        torch.manual_seed(0)
        if not self.text:
            return PlainStack(FFDNET_WIDTH, FFDNET_LAYERS)
        space = SearchSpace(**{"residual": True, **self.space})
        return RestorationNet(Architecture.from_text(self.text, space))


RECIPES: Final = {
    "adam": Variant(),
    "muon": Variant(optimizer="muon", rate=1e-2, batch=16, loss=mean_root_error),
}
WIDE: Final[dict[str, Any]] = {
    "text": "PPPP-PF",
    "space": dict(width=32, unshuffle=2, columns=(4, 2)),
}
LEAN: Final[dict[str, Any]] = {
    "text": "PPPPPP-PF",
    "space": dict(width=32, unshuffle=2, columns=(6, 2), stem="conv"),
}
CANDIDATES: Final = {
    "FFDNet's layers": Candidate(),
    "unshuffle 2, width 32, PPPP-PF": Candidate(**WIDE),
    "unshuffle 2, width 32, PPPPPF-PF": Candidate(
        text="PPPPPF-PF", space={"width": 32, "unshuffle": 2, "columns": (6, 2)}
    ),
    "unshuffle 2, width 32, PPPP-PF, frozen at 0.9": Candidate(**WIDE, batch_statistics_share=0.9),
    "unshuffle 2, width 32, PPPPPP-PF, stem conv": Candidate(**LEAN),
    "the same, no norm": Candidate(**LEAN, train=without_norm, rate_share=1 / 3),
    "the same, branched blocks": Candidate(
        **LEAN,
        train=lambda network: replace_blocks(
            network, lambda width: nn.Sequential(BranchedConv(width), BranchedConv(width))
        ),
        deploy=lambda network: replace_blocks(network, deployed_pair),
    ),
    "the same, plain blocks": Candidate(
        **LEAN,
        train=lambda network: replace_blocks(
            network, lambda width: nn.Sequential(PlainConv(width), PlainConv(width))
        ),
        deploy=lambda network: replace_blocks(network, deployed_pair),
    ),
    "unshuffle 1, width 16, PPPPPP-PF, stem conv": Candidate(
        text="PPPPPP-PF", space={**LEAN["space"], "width": 16, "unshuffle": 1}
    ),
    "unshuffle 1, width 16, PPPP-PPF, stem conv": Candidate(
        text="PPPP-PPF", space={**LEAN["space"], "width": 16, "unshuffle": 1, "columns": (4, 3)}
    ),
    "unshuffle 2, width 24, PPPPPPPPPP-PPF, stem conv": Candidate(
        text="PPPPPPPPPP-PPF", space={**LEAN["space"], "width": 24, "columns": (10, 3)}
    ),
    "unshuffle 2, width 48, PPPP-F, stem conv": Candidate(
        text="PPPP-F", space={**LEAN["space"], "width": 48, "columns": (4, 1)}
    ),
}


def recipe_text(recipe: Variant) -> str:
    """A description of what all candidates share."""
    loss = "MSE" if recipe.loss is F.mse_loss else "root of each patch's squared error"
    return (
        f"batch {recipe.batch}, patch {recipe.patch}, {recipe.optimizer.capitalize()}, {loss}, "
        f"{recipe.precision}, one thread"
    )


def train(arguments: argparse.Namespace) -> None:
    """Train the networks that the file lacks; several processes may write to one file."""
    torch.set_num_threads(1)
    out: Path = arguments.out
    recipe = replace(
        RECIPES[arguments.optimizer],
        precision=fastest_precision(SearchSpace(**WIDE["space"]), "cpu"),
    )
    splits = study_splits(arguments.data, TASK)
    about = {
        "task": TASK.text,
        "data": f"{len(splits.train)} to train on, middles of {len(splits.val)} to validate",
        "seconds": arguments.seconds,
        "training": recipe_text(recipe),
        "device": device_name("cpu"),
        "torch": torch.__version__,
    }
    for name in missing(out, about, "candidates", arguments.names or CANDIDATES):
        candidate = CANDIDATES[name]
        network = candidate.build()
        if candidate.train is not None:
            candidate.train(network)
        variant = replace(
            recipe,
            rate=candidate.rate_share * recipe.rate,
            batch_statistics_share=candidate.batch_statistics_share,
        )
        found = train_network(network, variant, splits, TASK, arguments.seconds)
        add_row(out, about, "candidates", name, found)
        print(name, found, flush=True)


def deployed_file(candidate: Candidate, path: Path) -> None:
    """An ONNX file with random weights of the network as it would be deployed."""
    network = candidate.build()
    if candidate.deploy is not None:
        candidate.deploy(network)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.01, 0.02)
    sides = {2: 2 * torch.export.Dim("h"), 3: 2 * torch.export.Dim("w")}
    program = torch.onnx.export(
        network.eval(),
        (torch.rand(1, 1, 48, 64),),
        dynamo=True,
        verbose=False,
        input_names=["input"],
        output_names=["output"],
        dynamic_shapes=(sides,),
    )
    assert program is not None
    path.write_bytes(program.model_proto.SerializeToString())


def place_times(path: Path, threads: int) -> dict[str, float]:
    """Share of the time in ONNX Runtime by kind of layer and height of its output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_profiling = True
    options.profile_file_prefix = str(path.with_suffix(""))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    image = torch.rand(1, 1, *SIZE).numpy()[:, :, : SIZE[0] - 1, : SIZE[1] - 1]
    for _ in range(PROFILED_CALLS):
        session.run(None, {"input": image})
    times: dict[str, float] = defaultdict(float)
    for event in json.loads(Path(session.end_profiling()).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            shapes = event["args"].get("output_type_shape") or [{"": []}]
            sides = next(iter(shapes[0].values()))
            height = sides[2] if len(sides) >= 4 else 0
            times[f"{event['args']['op_name']}, height {height}"] += event["dur"]
    total = sum(times.values())
    return {name: us / total for name, us in sorted(times.items(), key=lambda item: -item[1])}


def measure(arguments: argparse.Namespace) -> None:
    """Measure the trained candidates and FFDNet's layers, interleaved, and where the time goes."""
    threads = arguments.threads
    torch.set_num_threads(threads)
    # Even sides: the plain stack does not pad.
    shape = (1, 1, SIZE[0] - 1, SIZE[1] - 1)
    result = read_study(arguments.out)
    precision: Precision = "bf16" if choose_backends(("openvino-bf16",))[0] else "fp32"
    with tempfile.TemporaryDirectory() as folder:
        runners: list[Runner] = []
        names = [n for n in CANDIDATES if n in result["candidates"] or not CANDIDATES[n].text]
        for index, name in enumerate(names):
            path = Path(folder) / f"{index}.onnx"
            deployed_file(CANDIDATES[name], path)
            runners.append(OnnxRunner(name, path, 1, io=PictureIo(), threads=threads))
            runners.append(
                OpenVinoRunner(
                    name, path, io=PictureIo(), precision=precision, threads=threads, shape=shape
                )
            )
            result["candidates"].setdefault(name, {})["places"] = place_times(path, threads)
        for runner in runners:
            warm_up(runner, shape, 2.0)
        timings = time_rounds(
            runners,
            shape,
            num_rounds=None,
            max_seconds=arguments.seconds,
            threads=threads,
            listener=lambda done, total: None,
        )
        for runner, row in zip(runners, timings.rows, strict=True):
            figures: dict[str, Any] = {**summary(row.call)}
            del figures["times_ms"]
            about = f"{runner.info.backend} {runner.info.version} {runner.info.precision}"
            result["candidates"][runner.info.name].setdefault("times", {})[about] = figures
    result["times"] = {
        "size": list(shape[2:]),
        "threads": threads,
        "device": device_name("cpu"),
        "noise": judge_noise(timings).text,
    }
    write_json(arguments.out, result)
    print(judge_noise(timings).text)


def table(arguments: argparse.Namespace) -> None:
    """The table as Markdown, fastest first."""
    candidates = read_study(arguments.out)["candidates"]
    backends = sorted({name for row in candidates.values() for name in row.get("times", {})})

    def ms(row: dict[str, Any], backend: str) -> float:
        return float(row.get("times", {}).get(backend, {}).get("median_ms", 0.0))

    lines = [
        f"| network | {' | '.join(backends)} | PSNR, dB | at half time | steps | parameters |",
        "| --- |" + " --- |" * (len(backends) + 4),
    ]
    for name, row in sorted(candidates.items(), key=lambda item: ms(item[1], backends[0])):
        if "psnr_db" in row:
            times = " | ".join(f"{ms(row, backend):.1f}" for backend in backends)
            lines.append(
                f"| {name} | {times} | {row['psnr_db']:.2f} | {row['psnr_db_half']:.2f} "
                f"| {row['iterations']:,} | {row['params'] / 1e6:.2f} M |"
            )
    print("\n".join(lines))


def main() -> None:
    """Run one of the three jobs on a file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    jobs = parser.add_subparsers(required=True)
    job = jobs.add_parser("train")
    job.add_argument("data", type=Path, help="folder with train/ and val/")
    job.add_argument("out", type=Path)
    job.add_argument("names", nargs="*", choices=[*CANDIDATES, []])
    job.add_argument("--seconds", type=float, default=300, help="processor time per candidate")
    job.add_argument("--optimizer", choices=[*RECIPES], default="muon")
    job.set_defaults(run=train)
    job = jobs.add_parser("time")
    job.add_argument("out", type=Path)
    job.add_argument("--seconds", type=float, default=6, help="per network and backend")
    job.add_argument("--threads", type=int, default=2)
    job.set_defaults(run=measure)
    job = jobs.add_parser("table")
    job.add_argument("out", type=Path)
    job.set_defaults(run=table)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
