r"""What decides how well and how fast such a network learns? One change at a time, in equal time.

    python benchmarks/zoo/recipes.py bsds500-fair .
    OMP_NUM_THREADS=1 python benchmarks/learning_study.py bsds500-fair learning.json --seconds 90

Gray, protocol awgn, one architecture; one level (``--sigma 50``) or a range (``--sigma 5:50``,
scored at levels within). Each variant trains for the same processor time on one thread, with a
schedule shaped to that time, and is scored on centre crops of the validation pictures. The file is
written after each variant; variants that it holds are skipped.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from study_file import add_row, missing, read_study
from torch import Tensor, nn

from clearer.data.patches import PatchSampler
from clearer.data.splits import Splits, load_splits
from clearer.networks.blocks import Bottleneck
from clearer.networks.network import RestorationNet
from clearer.operations.layers import ResidualBlock
from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import VALIDATION_SEED, evaluate, torch_restorer
from clearer.space.space import Architecture, SearchSpace
from clearer.support.device import device_name
from clearer.tasks.base import Span
from clearer.tasks.denoise import Denoise
from clearer.training.ema import MovingAverage
from clearer.training.muon import Muon, hidden_and_other
from clearer.training.norm_statistics import measure_statistics
from clearer.training.precision import Precision, autocast
from clearer.training.schedule import set_learning_rate

LEVELS: Final = (5, 15, 25, 50)
VAL_SIDE: Final = 128
WARMUP: Final = 0.05
EMA_SHARE: Final = 0.03
PROBE_STEPS: Final = 10


def charbonnier(restored: Tensor, clean: Tensor) -> Tensor:
    """Smooth L1: the root of the squared error plus 1e-6."""
    return (restored - clean).square().add(1e-6).sqrt().mean()


def mean_log_error(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean over the patches of the logarithm of their squared error: minus the PSNR, scaled."""
    return (restored - clean).square().mean((1, 2, 3)).add(1e-8).log().mean()


def mean_root_error(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean over the patches of the root of their squared error."""
    return (restored - clean).square().mean((1, 2, 3)).add(1e-8).sqrt().mean()


def without_norm(network: nn.Module) -> None:
    """Replace convolution and batch normalisation by convolutions with bias.

    Residual branches end in weights of zero, so that the signal does not grow with depth.
    """
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for index, layer in enumerate(module):
            if isinstance(layer, nn.BatchNorm2d):
                old = module[index - 1]
                assert isinstance(old, nn.Conv2d)
                kernel, stride = old.kernel_size[0], old.stride[0]
                new = nn.Conv2d(
                    old.in_channels, old.out_channels, kernel, stride, padding=kernel // 2
                )
                nn.init.kaiming_normal_(new.weight, nonlinearity="relu")
                assert new.bias is not None
                nn.init.zeros_(new.bias)
                module[index - 1], module[index] = new, nn.Identity()
    for module in network.modules():
        if isinstance(module, ResidualBlock | Bottleneck):
            last = [layer for layer in module.body if isinstance(layer, nn.Conv2d)][-1]
            nn.init.zeros_(last.weight)


def zero_gamma(network: nn.Module) -> None:
    """Let residual blocks begin as the identity."""
    for module in network.modules():
        if isinstance(module, ResidualBlock | Bottleneck):
            last = [layer for layer in module.body if isinstance(layer, nn.BatchNorm2d)][-1]
            nn.init.zeros_(last.weight)


def random_head(network: nn.Module) -> None:
    """Initialise the head of a residual network as torch does, not with zero."""
    assert isinstance(network, RestorationNet)
    network.output.head.reset_parameters()


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to train; the defaults are the base variant."""

    space: dict[str, Any] = field(default_factory=dict)
    architecture: str = "PPPP-PPPP-FFFP"
    batch: int = 8
    patch: int = 48
    rate: float = 3e-3
    loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss
    precision: Precision = "bf16"
    batch_statistics_share: float = 0.5
    optimizer: str = "adam"
    change: Callable[[nn.Module], None] | None = None
    seed: int = 0


WIDE: Final = Variant(
    space={"width": 32, "unshuffle": 2, "columns": (4, 2)},
    architecture="PPPP-PF",
    batch_statistics_share=0.85,
)
FAST: Final = Variant(
    space={"width": 32, "unshuffle": 2, "columns": (6, 2), "stem": "conv"},
    architecture="PPPPPP-PF",
    batch_statistics_share=0.8,
    loss=mean_root_error,
)
MUON: Final = replace(FAST, optimizer="muon", rate=1e-2, batch=16)
VARIANTS: Final = {
    "base": Variant(),
    "no batch normalisation": Variant(change=without_norm),
    "no batch normalisation, rate 1e-3": Variant(change=without_norm, rate=1e-3),
    "no residual": Variant(space={"residual": False}),
    "unshuffle 2": Variant(space={"unshuffle": 2}),
    "unshuffle 2, width 28": Variant(space={"unshuffle": 2, "width": 28}),
    "L1": Variant(loss=F.l1_loss),
    "Charbonnier": Variant(loss=charbonnier),
    "rate 1e-3": Variant(rate=1e-3),
    "rate 1e-2": Variant(rate=1e-2),
    "mean log error": Variant(loss=mean_log_error),
    "wide": WIDE,
    "wide, mean log error": replace(WIDE, loss=mean_log_error),
    "wide, mean log error, rate 1e-3": replace(WIDE, loss=mean_log_error, rate=1e-3),
    "wide, mean root error": replace(WIDE, loss=mean_root_error),
    "fast": FAST,
    "fast, Muon, rate 1.5e-3": replace(FAST, optimizer="muon", rate=1.5e-3),
    "fast, Muon": replace(FAST, optimizer="muon"),
    "fast, Muon, rate 6e-3": replace(FAST, optimizer="muon", rate=6e-3),
    "fast, Muon, rate 1e-2": replace(FAST, optimizer="muon", rate=1e-2),
    "fast, Muon, rate 6e-3, batch 16": replace(FAST, optimizer="muon", rate=6e-3, batch=16),
    "fast, Muon, rate 1e-2, batch 16": MUON,
    "fast, Muon, rate 2e-2, batch 16": replace(MUON, rate=2e-2),
    "PPPPPPPPPP-F, Muon, rate 1e-2, batch 16": replace(
        MUON, space=FAST.space | {"columns": (10, 1)}, architecture="PPPPPPPPPP-F"
    ),
    "width 48, PPPP-F, Muon, rate 1e-2, batch 16": replace(
        MUON, space=FAST.space | {"width": 48, "columns": (4, 1)}, architecture="PPPP-F"
    ),
    "wide, rate 1e-3": replace(WIDE, rate=1e-3),
    "base, seed 1": Variant(seed=1),
    "batch 4": Variant(batch=4),
    "batch 16": Variant(batch=16),
    "patch 32": Variant(patch=32),
    "patch 64": Variant(patch=64),
    "batch 4, patch 64": Variant(batch=4, patch=64),
    "last gamma of each branch 0": Variant(change=zero_gamma),
    "head not 0": Variant(change=random_head),
    "width 8": Variant(space={"width": 8}),
    "width 20": Variant(space={"width": 20}),
    "statistics never frozen": Variant(batch_statistics_share=1.0),
    "fp32": Variant(precision="fp32"),
    "all parallel": Variant(architecture="PPPP-PPPP-PPPP"),
    "all fusion": Variant(architecture="FFFF-FFFF-FFFF"),
    "base, seed 2": Variant(seed=2),
    "batch 4, patch 96": Variant(patch=96, batch=4),
    "statistics frozen at 0.75": Variant(batch_statistics_share=0.75),
    "all parallel, frozen at 0.75": Variant(
        architecture="PPPP-PPPP-PPPP", batch_statistics_share=0.75
    ),
    "patch 32, batch 16": Variant(patch=32, batch=16),
}


def build(variant: Variant) -> nn.Module:
    """The untrained network of a variant."""
    torch.manual_seed(variant.seed)
    space = SearchSpace(**{"width": 14, "residual": True, **variant.space})
    network = RestorationNet(Architecture.from_text(variant.architecture, space))
    if variant.change is not None:
        variant.change(network)
    return network


def make_optimizers(network: nn.Module, variant: Variant) -> list[torch.optim.Optimizer]:
    """Adam, or Muon for the convolutions between the first and the last, and Adam for the rest."""
    if variant.optimizer == "adam":
        return [torch.optim.Adam(network.parameters(), lr=0.0)]
    hidden, rest = hidden_and_other(network)
    dtype = torch.bfloat16 if variant.precision == "bf16" else torch.float32
    return [Muon(hidden, lr=0.0, dtype=dtype), torch.optim.Adam(rest, lr=0.0)]


def train_network(
    network: nn.Module,
    variant: Variant,
    splits: Splits,
    task: Denoise,
    seconds: float,
    marks: Sequence[float] = (0.5, 1.0),
    measured_batches: int = 0,
    iterations: int | None = None,
) -> dict[str, Any]:
    """Train for a processor time, and score the averaged weights at these shares of it.

    With ``iterations``, their number ends the training instead of the time, so that other work on
    the machine changes nothing. In a short training, the statistics that are frozen may be
    measured for the averaged weights.
    """
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.train()
    sampler = PatchSampler(
        splits.train,
        task,
        patch_size=variant.patch,
        batch_size=variant.batch,
        seed=[variant.seed, 7],
        level_map=_has_level_map(network),
    )
    optimizers = make_optimizers(network, variant)
    average = MovingAverage(network, 1.0)
    spent, share, iteration, is_frozen = 0.0, 0.0, 0, False
    psnr_db: list[float] = []
    while share < 1:
        start = time.process_time()
        rise = min(1.0, (share + 1e-3) / WARMUP)
        rate = variant.rate * rise * 0.5 * (1 + math.cos(math.pi * share))
        for optimizer in optimizers:
            set_learning_rate(optimizer, rate)
        if share >= variant.batch_statistics_share and not is_frozen:
            is_frozen = True
            if measured_batches:
                seen = (sampler.batch(iteration - 1 - i).degraded for i in range(measured_batches))
                measure_statistics(average.network, seen)
            average.copy_statistics(network)
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        degraded, clean, _ = sampler.batch(iteration)
        with autocast("cpu", variant.precision):
            restored = network(degraded)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = variant.loss(restored.float(), clean)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        average.update(average.rate(iteration))
        iteration += 1
        spent += time.process_time() - start
        share = iteration / iterations if iterations else spent / seconds
        if iteration == PROBE_STEPS:
            average.decay = 1 - 1 / max(1.0, EMA_SHARE * iteration / share)
        if not math.isfinite(loss.item()):
            return {"iterations": iteration, "psnr_db": None}
        if len(psnr_db) < len(marks) and share >= marks[len(psnr_db)]:
            by_level = score(average.network, splits.val, task)
            psnr_db.append(sum(by_level.values()) / len(by_level))
    raw = score(network.eval(), splits.val, task)
    return {
        "iterations": iteration,
        "ms_per_step": 1000 * spent / iteration,
        "params": sum(p.numel() for p in network.parameters()),
        "psnr_db_half": psnr_db[-2],
        "psnr_db_at": dict(zip(map(str, marks), psnr_db, strict=True)),
        "psnr_db": psnr_db[-1],
        "psnr_db_by_level": by_level,
        "psnr_db_without_ema": sum(raw.values()) / len(raw),
    }


def _has_level_map(network: nn.Module) -> bool:
    return isinstance(network, RestorationNet) and network.architecture.space.level_map


def score(network: nn.Module, images: ImageSet, task: Denoise) -> dict[str, float]:
    """PSNR in dB at each level within the task's range."""
    restore, level_map = torch_restorer(network), _has_level_map(network)
    tasks = [Denoise(sigma=Span(x, x)) for x in LEVELS if task.sigma.low <= x <= task.sigma.high]
    return {
        str(level.sigma): evaluate(
            restore, images, level, VALIDATION_SEED, level_map=level_map
        ).psnr_db
        for level in tasks
    }


def table(result: dict[str, Any]) -> str:
    """The table as Markdown, best first."""
    rows = {name: row for name, row in result["variants"].items() if row["psnr_db"] is not None}
    base = [row["psnr_db"] for name, row in rows.items() if name.startswith("base")]
    base = base or [row["psnr_db"] for row in rows.values()][:1]
    mean = sum(base) / len(base)
    lines = [
        "| variant | PSNR, dB | to the base | at half time | iterations | ms per step | params |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["psnr_db"]):
        lines.append(
            f"| {name} | {row['psnr_db']:.2f} | {row['psnr_db'] - mean:+.2f} "
            f"| {row['psnr_db_half']:.2f} | {row['iterations']:,} | {row['ms_per_step']:.0f} "
            f"| {row['params']:,} |"
        )
    failed = set(result["variants"]) - set(rows)
    return "\n".join([*lines, *(f"| {name} | diverged | | | | | |" for name in sorted(failed))])


def study_splits(folder: Path, task: Denoise) -> Splits:
    """Gray training pictures, and centre crops of the validation pictures."""
    splits = load_splits(folder, "gray", 0, task)
    return Splits(splits.train, splits.val.middles(VAL_SIDE), splits.test, splits.source)


def main() -> None:
    """Train the variants that the file lacks, then print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder with train/ and val/")
    parser.add_argument("out", type=Path, help="JSON file to create or resume")
    parser.add_argument("--seconds", type=float, default=90, help="processor time per variant")
    parser.add_argument("--sigma", default="50", help="level or range, like 5:50")
    parser.add_argument("--names", nargs="*", choices=[*VARIANTS], help="default: all")
    parser.add_argument("--table", action="store_true", help="only print the table of the file")
    arguments = parser.parse_args()
    out: Path = arguments.out
    if not arguments.table:
        torch.set_num_threads(1)
        task = Denoise(sigma=Span.parse(arguments.sigma))
        splits = study_splits(arguments.data, task)
        about = {
            "task": task.text,
            "data": f"{splits.source}: {len(splits.train)} to train on, middles of "
            f"{len(splits.val)} to validate ({VAL_SIDE}x{VAL_SIDE})",
            "seconds": arguments.seconds,
            "base": "PPPP-PPPP-FFFP, width 14, batch 8, patch 48, Adam 3e-3, MSE, bf16",
            "device": device_name("cpu"),
            "threads": 1,
            "torch": torch.__version__,
        }
        for name in missing(out, about, "variants", arguments.names or VARIANTS):
            variant = VARIANTS[name]
            found = train_network(build(variant), variant, splits, task, arguments.seconds)
            add_row(out, about, "variants", name, found)
            print(name, found, flush=True)
    print(table(read_study(out)))


if __name__ == "__main__":
    main()
