"""How fast networks restore: on the device alone, from 8 bits to 8 bits, and in batches."""

from __future__ import annotations

import gc
import importlib.util
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from check import describe_machine, print_row, tf32
from engines import engine_rows
from numpy.typing import NDArray
from torch import Tensor, nn

from clearer.bench.runners import OnnxRunner
from clearer.errors import ClearerError, InputError
from clearer.export.model_description import read_description
from clearer.export.picture_io import first_line
from clearer.export.zoo import exported_network
from clearer.networks.fold import fold_batch_norm
from clearer.support.device import resolve_device
from clearer.support.files import write_json
from clearer.zoo.catalogue import zoo_names, zoo_network

__all__ = ["bench"]

Pixels = NDArray[np.uint8]
Say = Callable[[str], None]
_SECONDS: Final = 1.0
"""Timed calls of a row."""
_WARMUP_CALLS: Final = 3
_KINDS: Final = {
    "cuda": (
        *(("fp32", "eager"), ("fp32", "graphed"), ("tf32", "eager"), ("tf32", "graphed")),
        *(("fp16", "eager"), ("fp16", "graphed"), ("fp16", "compiled")),
    ),
    "cpu": (("fp32", "eager"), ("fp32", "compiled")),
}
_PROVIDERS: Final = (
    "TensorrtExecutionProvider",
    "CUDAExecutionProvider",
    "CPUExecutionProvider",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """What is timed."""

    one: tuple[int, int] = (321, 481)
    """(height, width) of a single picture."""
    many: tuple[int, int] = (256, 256)
    batch: int = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Medians of a network in one runtime."""

    network: str
    runtime: str
    precision: str
    device_ms: float | None
    """One picture, float32 on the device in and out; None if the runtime takes host memory."""
    end_to_end_ms: float
    """One picture, 8 bits in host memory in and out."""
    batch_images_per_s: float
    """8 bits in host memory in and out, a batch at a time."""
    largest_difference: float
    """From torch in fp32, eager, on the scale 0 to 1; for that itself, 0."""


def bench(names: list[str], out: Path | None, *, seconds: float, is_tiny: bool) -> int:
    """Time networks in torch and in ONNX Runtime, print the rows, and write ``bench.json``.

    Args:
        names: Networks of the zoo, and ONNX files; empty: the whole zoo.
        out: Folder for the file; None writes none.
        seconds: No new network starts after this many.
        is_tiny: Small pictures, to try the script.

    Returns:
        0, or 1 if something failed.

    Raises:
        InputError: If a name is neither.
    """
    deadline, device = time.monotonic() + seconds, resolve_device("auto")
    sizes = Sizes(one=(40, 48), many=(32, 32), batch=2) if is_tiny else Sizes()
    known = zoo_names()
    names = names or list(known)
    for name in names:
        if name not in known and not (name.endswith(".onnx") and Path(name).is_file()):
            raise InputError(f"{name} is neither an ONNX file nor one of {', '.join(known)}")
    failures: list[str] = []

    def say(line: str) -> None:
        print(f"      {line}", flush=True)
        failures.append(line)

    rows: list[dict[str, Any]] = []
    left_out = []
    with torch.inference_mode():
        for name in names:
            if time.monotonic() > deadline:
                left_out.append(name)
                continue
            found = _rows(name, device, sizes, say)
            rows += [asdict(row) for row in found if print_row(asdict(row))]
    if left_out:
        print(f"      left out, the time is over: {', '.join(left_out)}")
    report = {
        "machine": describe_machine(device),
        "sizes": asdict(sizes),
        "rows": rows,
        "failures": failures,
        "left_out": left_out,
    }
    if device == "cuda" and importlib.util.find_spec("tensorrt") is not None:
        report["engines"] = engine_rows([name for name in names if name in known], sizes.one, say)
    if out is not None:
        write_json(out / "bench.json", report)
    return 1 if failures else 0


def _rows(name: str, device: str, sizes: Sizes, say: Say) -> list[Row]:
    if name.endswith(".onnx"):
        return _onnx_rows(Path(name).stem, Path(name), None, sizes, say)
    network = zoo_network(name)
    module = fold_batch_norm(network.load()[0].eval())
    rows = [*_torch_rows(name, module, network.channels, device, sizes, say)]
    reference = _eager(module.float().to("cpu"))
    try:
        path = exported_network(network).onnx
    except ClearerError as error:
        say(f"{name} as ONNX: {error}")
        return rows
    return rows + _onnx_rows(name, path, reference, sizes, say)


def _pictures(channels: int, size: tuple[int, int], batch: int) -> Pixels:
    return np.random.default_rng(0).integers(256, size=(batch, channels, *size), dtype=np.uint8)


Restore = Callable[[Tensor], Tensor]
"""``(N, C, H, W)`` float32 on the device to the same."""


def _eager(module: nn.Module) -> Callable[[Pixels], NDArray[np.float32]]:
    def call(pixels: Pixels) -> NDArray[np.float32]:
        restored: NDArray[np.float32] = module(torch.from_numpy(pixels).float() / 255).numpy()
        return restored

    return call


def _torch_rows(
    name: str, module: nn.Module, channels: int, device: str, sizes: Sizes, say: Say
) -> list[Row]:
    """In one precision: eager, recorded as a CUDA graph, and compiled, which takes longest."""
    probe = _pictures(channels, sizes.one, 1)
    expected = _eager(module)(probe)
    rows = []
    for precision, mode in _KINDS[device]:
        if mode == "compiled" and sizes.batch < 4:  # it takes a minute even at tiny size
            continue
        module = module.to(device, torch.float16 if precision == "fp16" else torch.float32)
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        with tf32(precision == "tf32"):
            try:
                call = _prepare(module, mode, precision)
                end_to_end = _from_8_bits(call, device)
                restored = call(torch.from_numpy(probe).to(device).float() / 255)
                rows.append(
                    Row(
                        network=name,
                        runtime=f"torch {mode}",
                        precision=precision,
                        device_ms=_device_ms(call, torch.from_numpy(probe), device),
                        end_to_end_ms=_host_ms(lambda: end_to_end(probe)),  # noqa: B023
                        batch_images_per_s=_throughput(end_to_end, channels, sizes),
                        largest_difference=float(np.abs(restored.cpu().numpy() - expected).max()),
                    )
                )
            except Exception as error:  # compilers and graphs raise a dozen types of errors
                torch.compiler.reset()
                say(f"{name}, torch {mode}, {precision}: {first_line(error)}")
        gc.collect()
    return rows


def _prepare(module: nn.Module, mode: str, precision: str) -> Restore:
    """The network, with fp32 input and output."""

    def plain(degraded: Tensor) -> Tensor:
        given = degraded.contiguous(memory_format=torch.channels_last)
        inner = given.half() if precision == "fp16" else given
        restored: Tensor = module(inner).float()
        return restored

    if mode == "compiled":
        compiled: Restore = torch.compile(plain, dynamic=False)
        return compiled
    return _Graphs(plain) if mode == "graphed" else plain


class _Graphs:
    """A function on CUDA, recorded once for each shape."""

    def __init__(self, call: Restore) -> None:
        self._call = call
        self._known: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}

    def __call__(self, degraded: Tensor) -> Tensor:
        if degraded.shape not in self._known:
            self._known[degraded.shape] = self._record(degraded.clone())
        graph, given, restored = self._known[degraded.shape]
        given.copy_(degraded, non_blocking=True)
        graph.replay()
        return restored

    def _record(self, given: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARMUP_CALLS):
                self._call(given)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            restored = self._call(given)
        return graph, given, restored


def _from_8_bits(call: Restore, device: str) -> Callable[[Pixels], Pixels]:
    """Bytes go to the device and come back; everything else happens there."""

    def restore(pixels: Pixels) -> Pixels:
        given = torch.from_numpy(pixels)
        if device == "cuda":
            given = given.pin_memory().to(device, non_blocking=True)
        restored = call(given.float().div_(255))
        levels: Pixels = restored.mul(255).round_().clamp_(0, 255).byte().cpu().numpy()
        return levels

    return restore


def _device_ms(call: Restore, pixels: Tensor, device: str) -> float:
    """Median of calls whose input and output stay on the device; by events on a GPU."""
    degraded = pixels.to(device).float() / 255
    if device != "cuda":
        return _host_ms(lambda: call(degraded))
    for _ in range(_WARMUP_CALLS):
        call(degraded)
    times = []
    start = time.perf_counter()
    while time.perf_counter() - start < _SECONDS:
        events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        events[0].record()
        call(degraded)
        events[1].record()
        torch.cuda.synchronize()
        times.append(events[0].elapsed_time(events[1]))
    return float(np.median(times))


def _host_ms(call: Callable[[], object]) -> float:
    """Median of calls that end with their result in host memory."""
    for _ in range(_WARMUP_CALLS):
        call()
    times: list[float] = []
    start = time.perf_counter()
    while not times or time.perf_counter() - start < _SECONDS:
        before = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - before))
    return float(np.median(times))


def _throughput(restore: Callable[[Pixels], Pixels], channels: int, sizes: Sizes) -> float:
    pixels = _pictures(channels, sizes.many, sizes.batch)
    return 1000 * sizes.batch / _host_ms(lambda: restore(pixels))


def _onnx_rows(
    name: str,
    path: Path,
    reference: Callable[[Pixels], NDArray[np.float32]] | None,
    sizes: Sizes,
    say: Say,
) -> list[Row]:
    """One row for each available provider."""
    import onnxruntime

    rows = []
    for provider in _PROVIDERS:
        if provider not in onnxruntime.get_available_providers():
            continue
        try:
            file = read_description(path)
            file.require_any_size()
            runner = OnnxRunner(name, path, None, io=file.io, provider=provider)
            channels = file.io.channels or 1
            probe = _pictures(channels, sizes.one, 1)

            def restore(pixels: Pixels) -> Pixels:
                restored = runner(pixels.astype(np.float32) / np.float32(255))  # noqa: B023
                levels: Pixels = np.rint(restored * 255).clip(0, 255).astype(np.uint8)
                return levels

            restored = runner(probe.astype(np.float32) / np.float32(255))
            expected = restored if reference is None else reference(probe)
            rows.append(
                Row(
                    network=name,
                    runtime=f"ONNX Runtime {provider.removesuffix('ExecutionProvider')}",
                    precision=runner.info.precision,
                    device_ms=None,
                    end_to_end_ms=_host_ms(lambda: restore(probe)),  # noqa: B023
                    batch_images_per_s=_throughput(restore, channels, sizes),
                    largest_difference=float(np.abs(restored - expected).max()),
                )
            )
        except ClearerError as error:
            say(f"{name}, {provider}: {error}")
    return rows
