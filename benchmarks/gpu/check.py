"""Checks that a GPU computes as the CPU does, and how fast: tests, steps, kernels, memory."""

from __future__ import annotations

import gc
import importlib.util
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch
from steps import Case, Mode, Step, full_cases, make_step, sampler, tiny_cases
from torch.profiler import ProfilerActivity, profile

from clearer.data.patches import Batch
from clearer.export.engine_device import driver_version
from clearer.support.device import device_name, resolve_device
from clearer.support.files import write_json
from clearer.training.precision import Precision
from clearer.training.processes import Processes
from clearer.training.training_step import training_sampler

__all__ = [
    "check",
    "compare",
    "describe_machine",
    "gpu_test_words",
    "print_row",
    "step_times",
    "tf32",
]

ROOT: Final = Path(__file__).resolve().parents[2]
_PACKAGES: Final = ("torch", "numpy", "onnxruntime", "onnxruntime-gpu", "tensorrt", "triton")
_TESTS_SECONDS: Final = 240
_WARMUP_STEPS: Final = 6
"""Three steps before a graph is recorded, the recording, and two steps of the graph."""
_TIMED_SECONDS: Final = 2.0
_MOST_STEPS: Final = 200
_PROFILED_STEPS: Final = 10
_NUM_KERNELS: Final = 8
_GRAPHED_STEPS: Final = 6
# fp32 sums in another order: some 1e-6 of the loss.
_LOSS_LIMIT: Final = 1e-4
# Adam's first step is the sign of the gradient: if that is 0 up to rounding, it may flip.
_CHANGED: Final = 0.01
_CHANGED_SHARE: Final = 0.01


def check(out: Path | None, *, seconds: float, is_tiny: bool) -> int:
    """Run all checks, print the results, and write ``check.json``.

    Args:
        out: Folder for the file; None writes none.
        seconds: No new measurement starts after this many.
        is_tiny: Use tiny networks and patches.

    Returns:
        0, or 1 if a test failed or the devices disagree.
    """
    start = time.monotonic()
    device = resolve_device("auto")
    report: dict[str, Any] = {"machine": describe_machine(device), "notes": []}
    for name, value in report["machine"].items():
        print(f"{name:>12}  {value}", flush=True)

    def say(line: str) -> None:
        print(f"      {line}", flush=True)
        report["notes"].append(line)

    report["tests"] = run_gpu_tests(say)
    cases = tiny_cases() if is_tiny else full_cases()
    report["steps"] = [
        found for case in cases for found in compare(case, device, say) if print_row(found)
    ]
    report["times"] = list(step_times(cases, device, say, start + seconds))
    report["seconds"] = time.monotonic() - start
    if out is not None:
        write_json(out / "check.json", report)
    print(f"{report['seconds']:.0f} s")
    is_good = report["tests"] in (0, None) and all(row["agrees"] for row in report["steps"])
    return 0 if is_good else 1


def describe_machine(device: str) -> dict[str, str]:
    """What identifies the machine that the figures are from."""
    machine = {
        "device": device_name(device),
        "cpu": device_name("cpu"),
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
    }
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        machine |= {
            "memory": f"{properties.total_memory / 2**30:.1f} GiB",
            "compute": f"{properties.major}.{properties.minor}",
            "driver": driver_version() or "unknown",
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),
        }
    for package in _PACKAGES:
        try:
            machine[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            machine[package] = "none"
    return machine


def run_gpu_tests(say: Callable[[str], None]) -> int | None:
    """Exit code of the tests marked ``gpu``; None if they cannot run or there are none here."""
    words = gpu_test_words()
    if words is None:
        say("the tests marked gpu are left out: pytest or hypothesis cannot be imported")
        return None
    try:
        done = subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True, timeout=_TESTS_SECONDS
        )
    except subprocess.TimeoutExpired:
        say(f"the tests marked gpu took over {_TESTS_SECONDS} s and were ended")
        return 1
    for line in done.stdout.splitlines()[-_NUM_KERNELS:]:
        print(f"      {line}")
    return done.returncode


def gpu_test_words() -> list[str] | None:
    """The command that runs the tests marked ``gpu``; None if pytest cannot.

    Only their files are named: others import packages that may be missing there.
    """
    if not all(importlib.util.find_spec(name) for name in ("pytest", "hypothesis")):
        return None
    words = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-rs", "-p", "no:cacheprovider"]
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [*words, *(str(path) for path in files if "mark.gpu" in path.read_text())]


def print_row(row: dict[str, Any]) -> bool:
    """Show a row; always True."""
    words = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()]
    print("  ".join(f"{name} {word}" for name, word in zip(row, words, strict=True)), flush=True)
    return True


@contextmanager
def tf32(is_allowed: bool) -> Iterator[None]:
    """Allow or forbid rounding fp32 products to TF32 within the block."""
    switches: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    for switch in switches:
        switch.allow_tf32 = is_allowed
    try:
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value


def compare(case: Case, device: str, say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Compare one fp32 step on the device with the CPU, and several recorded steps with eager ones.

    All get the batches that the CPU draws.

    Args:
        case: A search or training.
        device: ``cpu`` or ``cuda``.
        say: Takes a line for the user.
    """
    drawn = _cpu_batches(case)

    def on(place: str) -> Callable[[int], Batch]:
        def batch(index: int) -> Batch:
            degraded, clean, mask = drawn(index)
            mask = None if mask is None else mask.to(place)
            return Batch(degraded.to(place), clean.to(place), mask)

        return batch

    with tf32(False):
        there = make_step(case, device, "fp32", "eager", say, on(device))
        here = make_step(case, "cpu", "fp32", "eager", say, on("cpu"))
        yield _difference(f"{case.name}: one step, {device} and cpu", there, here, 1)
        if device == "cuda":
            graphed = make_step(case, device, "fp32", "graphed", say, on(device))
            eager = make_step(case, device, "fp32", "eager", say, on(device))
            what = f"{case.name}: {_GRAPHED_STEPS} steps, graphed and eager"
            yield _difference(what, graphed, eager, _GRAPHED_STEPS)


def _cpu_batches(case: Case) -> Callable[[int], Batch]:
    if case.architecture is None:
        return sampler(case, case.settings, 1).batch
    return training_sampler(case.settings, case.images, 1, Processes()).batch


def _difference(what: str, one: Step, other: Step, count: int) -> dict[str, Any]:
    """How far apart the losses and weights of two are after the same steps."""
    before = _weights(one)
    losses = [[float(step.call()) for _ in range(count)] for step in (one, other)]
    after, expected = _weights(one), _weights(other)
    gap = (after - expected).abs()
    moved = (expected - before).abs().max()
    relative = max(abs(a - b) / abs(b) for a, b in zip(*losses, strict=True))
    share = float((gap > _CHANGED * moved).double().mean())
    return {
        "step": what,
        "loss": losses[1][-1],
        "loss difference": abs(losses[0][-1] - losses[1][-1]),
        "weights difference": float(gap.max()),
        "largest step": float(moved),
        "share apart": share,
        "agrees": relative < _LOSS_LIMIT and share < _CHANGED_SHARE,
    }


def _weights(step: Step) -> torch.Tensor:
    return torch.cat([p.detach().double().cpu().flatten() for p in step.network.parameters()])


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTime:
    """How long a step takes, including its batch."""

    case: str
    precision: str
    mode: str
    ms: float
    whole_minutes: float
    """Time for all iterations of the case."""
    peak_mb: float
    """Peak memory in use on the device; on a CPU, of the process so far."""
    first_s: float
    """Time until the first timed step: loading, compiling, recording."""
    kernel_share: float
    """Share of the time in which kernels run; on a CPU, operators."""
    kernels: dict[str, float]
    """Share of the time by kernel, the longest first."""


def step_times(
    cases: list[Case], device: str, say: Callable[[str], None], deadline: float
) -> Iterator[dict[str, Any]]:
    """Times of the steps: graphed and eager, bf16 and fp32; compiled last, which takes minutes.

    Args:
        cases: Searches and trainings.
        device: ``cpu`` or ``cuda``.
        say: Takes a line for the user.
        deadline: On the clock of ``time.monotonic``: nothing new starts after it.
    """
    precisions: tuple[Precision, ...] = ("bf16", "fp32")
    modes: tuple[Mode, ...] = ("graphed", "eager") if device == "cuda" else ("eager",)
    todo = [(case, p, mode) for mode in modes for p in precisions for case in cases]
    if device == "cuda":  # a search by sampling has another graph at each step
        both: tuple[Mode, ...] = ("compiled, graphed", "compiled")
        todo += [
            (case, "bf16", mode)
            for mode in both
            for case in cases
            if case.architecture is not None or not case.settings.search.sampling
        ]
    left_out = []
    for case, precision, mode in todo:
        if time.monotonic() > deadline:
            left_out.append(f"{case.name}, {precision}, {mode}")
            continue
        try:
            found = _time(case, device, precision, mode, say)
        except Exception as error:  # the compiler's errors have a dozen types
            torch.compiler.reset()
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            say(f"{case.name}, {precision}, {mode} fails: {reason}")
            continue
        row = asdict(found)
        print_row({name: value for name, value in row.items() if name != "kernels"})
        yield row
    if left_out:
        say(f"left out, the time is over: {'; '.join(left_out)}")


def _time(
    case: Case, device: str, precision: Precision, mode: Mode, say: Callable[[str], None]
) -> StepTime:
    if device == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    step = make_step(case, device, precision, mode, say)
    for _ in range(_WARMUP_STEPS):
        step.call()
    _wait(device)
    first_s = time.perf_counter() - start
    start = time.perf_counter()
    step.call()
    _wait(device)
    count = int(min(max(_TIMED_SECONDS / (time.perf_counter() - start), 2), _MOST_STEPS))
    start = time.perf_counter()
    for _ in range(count):
        step.call()
    _wait(device)
    ms = 1000 * (time.perf_counter() - start) / count
    kernels = _kernel_shares(step, device, ms)
    return StepTime(
        case=case.name,
        precision=precision,
        mode=mode,
        ms=ms,
        whole_minutes=ms * case.iterations / 60_000,
        peak_mb=_peak_mb(device),
        first_s=first_s,
        kernel_share=sum(kernels.values()),
        kernels=dict(sorted(kernels.items(), key=lambda item: -item[1])[:_NUM_KERNELS]),
    )


def _kernel_shares(step: Step, device: str, ms: float) -> dict[str, float]:
    """Time in each kernel over the time of a step without the profiler, which slows the host."""
    is_cuda = device == "cuda"
    count = _PROFILED_STEPS if is_cuda else 1
    activity = ProfilerActivity.CUDA if is_cuda else ProfilerActivity.CPU
    with profile(activities=[activity], acc_events=True) as profiler:
        for _ in range(count):
            step.call()
        _wait(device)
    shares = {}
    for event in profiler.key_averages():
        us = event.self_device_time_total if is_cuda else event.self_cpu_time_total
        if us > 0:
            shares[event.key[:80]] = us / 1000 / count / ms
    return shares


def _peak_mb(device: str) -> float:
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
