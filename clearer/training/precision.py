"""Which precision trains faster on this machine, measured once."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Final, Literal

import torch

from clearer.networks.supernet import SuperNet
from clearer.space.space import SearchSpace
from clearer.support.device import computes_bf16, device_name
from clearer.support.machine_cache import read_measured, remember

__all__ = ["Precision", "autocast", "fastest_precision"]

Precision = Literal["fp32", "bf16"]
_CACHE: Final = "precision"
_ROUNDS: Final = 10
"""The best of these counts, so that other work on the machine does not decide."""
_FEW_ROUNDS: Final = 3
_CLEARLY: Final = 1.5
"""One that is so many times slower after a few rounds will not catch up in the others."""


def autocast(device: str, precision: Precision) -> AbstractContextManager[None]:
    """Mixed precision for the forward pass; no effect for fp32."""
    # A CUDA graph would not repeat cached casts.
    kept = device != "cuda"
    return torch.autocast(device, torch.bfloat16, precision == "bf16", cache_enabled=kept)


def fastest_precision(space: SearchSpace, device: str) -> Precision:
    """The faster of fp32 and bf16 for a training step of this space, remembered per machine.

    bf16 is only tried where the hardware computes in it: elsewhere it is imitated, and slow.
    """
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if not computes_bf16():
        return "fp32"
    shape = f"{space.width_text}, unshuffle {space.unshuffle}, columns {space.columns}"
    threads = f"{torch.get_num_threads()} threads"
    key = f"{device_name(device)}, {threads}, torch {torch.__version__}, {shape}"
    known = read_measured(_CACHE, Precision).get(key)  # type: ignore[arg-type]
    if known is not None:
        return known
    seconds: dict[Precision, float] = _step_seconds(space)
    faster = min(seconds, key=lambda precision: seconds[precision])
    remember(_CACHE, key, faster)
    return faster


def _step_seconds(space: SearchSpace) -> dict[Precision, float]:
    """Best time of a few training steps of the supernet, with interleaved precisions."""
    supernet = SuperNet(space).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    side = 4 * space.multiple
    batch = torch.rand(8, space.input_planes, side, side)
    batch = batch.contiguous(memory_format=torch.channels_last)
    op_weights = supernet.op_weights().detach()
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    best: dict[Precision, float] = dict.fromkeys(precisions, float("inf"))
    for done in range(_ROUNDS):
        if done >= _FEW_ROUNDS and max(best.values()) > _CLEARLY * min(best.values()):
            break
        for precision in precisions:
            start = time.perf_counter()
            with autocast("cpu", precision):
                restored = supernet(batch, op_weights)
            restored.float().square().mean().backward()
            best[precision] = min(best[precision], time.perf_counter() - start)
    return best
