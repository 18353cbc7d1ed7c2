"""Whether ``torch.compile`` saves more time than it takes: measured once, remembered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch

from clearer.support.device import device_name
from clearer.support.machine_cache import read_measured, remember

__all__ = ["StepTimes", "compile_network", "compiling_pays"]

_CACHE: Final = "compilation"
# Compiling and measuring take a minute or two: for shorter work it does not pay to find out.
_LEAST_SECONDS: Final = 600.0
_WARMUP_STEPS: Final = 5  # on CUDA the step is recorded in one of them
_TIMED_STEPS: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTimes:
    """Seconds per step without and with compilation, and for compiling."""

    eager_s: float
    compiled_s: float | None
    """None if compiling fails here, as without a C++ compiler."""
    compilation_s: float

    def pays(self, iterations: int) -> bool:
        """Whether compiling and so many compiled steps take less time than eager steps."""
        if self.compiled_s is None:
            return False
        return self.compilation_s + iterations * self.compiled_s < iterations * self.eager_s


def compiling_pays(
    what: str, device: str, iterations: int, make_step: Callable[[bool], Callable[[], object]]
) -> bool:
    """Whether so many steps finish sooner with ``torch.compile``.

    Args:
        what: Network, precision and batch as text: what the times depend on besides the machine.
        device: ``cpu`` or ``cuda``.
        iterations: Steps to come.
        make_step: Makes a step with a new network, compiled or not.
    """
    key = f"{device_name(device)}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    key = f"{key}, {what}"
    known = read_measured(_CACHE, StepTimes).get(key)
    if known is not None:
        return known.pays(iterations)
    step = make_step(False)
    if _seconds(step, device, 0, 1) * iterations < _LEAST_SECONDS:  # the first step is the slowest
        return False
    eager_s = _seconds(step, device)
    if eager_s * iterations < _LEAST_SECONDS:
        return False
    start = time.perf_counter()
    compiled_s: float | None = None
    try:
        step = make_step(True)
        step()
        compiled_s = _seconds(step, device)
    except Exception:  # the compiler has a dozen types of errors; work goes on without it
        torch.compiler.reset()
    times = StepTimes(
        eager_s=eager_s, compiled_s=compiled_s, compilation_s=time.perf_counter() - start
    )
    remember(_CACHE, key, asdict(times))
    return times.pays(iterations)


def compile_network(
    network: torch.nn.Module, call: Callable[[], torch.Tensor], say: Callable[[str], None]
) -> bool:
    """Compile a network in place; its parameters and buffers stay as they are.

    Args:
        network: A network in the mode in which it will be used.
        call: Calls it as it will be called; the mean of the result is differentiated.
        say: Takes a line for the user.

    Returns:
        Whether it is compiled; if that fails, the user is told, and it stays eager.
    """
    kept = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.compile(dynamic=False)
    try:
        call().float().mean().backward()
    except torch.OutOfMemoryError:  # the batch may be split later
        pass
    except Exception as error:  # the compiler has a dozen types of errors
        network._compiled_call_impl = None
        torch.compiler.reset()
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        say(f"torch.compile fails here ({reason}): the network is used as it is")
        return False
    finally:
        network.zero_grad()
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(kept[name])
    return True


def _seconds(
    step: Callable[[], Any], device: str, untimed: int = _WARMUP_STEPS, timed: int = _TIMED_STEPS
) -> float:
    for _ in range(untimed):
        step()
    _wait(device)
    start = time.perf_counter()
    for _ in range(timed):
        step()
    _wait(device)
    return (time.perf_counter() - start) / timed


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
