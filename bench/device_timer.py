"""Time the networks of a folder on the device where this script runs.

    python device_timer.py --backend onnxruntime

It is self-contained, so that it can be copied with the networks to a board or a server with nothing
but numpy and one runtime: onnxruntime, openvino or tensorrt. Results are saved as they come in;
started again, it continues from there.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "BACKENDS",
    "PLAN_FILE",
    "RESULT_FILE",
    "SCHEMA_VERSION",
    "Session",
    "drift_free_ms",
    "open_session",
    "processor_name",
    "relative_errors",
    "run_plan",
    "time_rounds",
]

Array = np.ndarray[Any, np.dtype[np.float32]]
Call = Callable[[list[Array]], Any]
Shapes = Sequence[tuple[int, ...]]

PLAN_FILE = "plan.json"
RESULT_FILE = "result.json"
SCHEMA_VERSION = 2
NUM_INPUTS = 4
"""Number of random inputs, used in rotation."""
MIN_ROUNDS = 5
WARMUP_SECONDS = 0.2
TARGET_ERROR = 0.004
"""Relative standard error of each median below which no more rounds are needed."""
ENOUGH_ROUNDS = 20
NOISY_ERROR = 0.03
"""Relative standard error above which a median cannot be trusted."""
SAVE_SECONDS = 5.0
_CORES: list[Any] = []


class Session:
    """A loaded network: call it with a list of arrays, get a list of arrays.

    ``info`` says what computes: backend, version, device and the precision in effect.
    """

    def __init__(self, call: Call, shapes: Shapes, info: dict[str, str]) -> None:
        self.call = call
        self.info = info
        rng = np.random.default_rng(0)
        self._inputs = [
            [rng.random(shape, dtype=np.float32) for shape in shapes] for _ in range(NUM_INPUTS)
        ]

    def run_ms(self, turn: int) -> float:
        """Wall-clock time of one call on the inputs of this turn."""
        inputs = self._inputs[turn % NUM_INPUTS]
        start = time.perf_counter_ns()
        self.call(inputs)
        return (time.perf_counter_ns() - start) / 1e6


def processor_name() -> str:
    """Name of the CPU, for reports."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {}
    for line in text.split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    # Virtual machines shorten the name: family and model still tell processors apart.
    names = {"model name": "", "cpu family": "family ", "model": "model "}
    words = [prefix + fields[name] for name, prefix in names.items() if name in fields]
    return " ".join(words) or platform.machine()


def open_onnxruntime(
    path: Path,
    shapes: Shapes,
    threads: int,
    precision: str,
    provider: str = "CPUExecutionProvider",
) -> Session:
    import onnxruntime as ort

    _only_fp32("onnxruntime", precision)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # Idle threads that spin would slow down the sessions that are timed in turn with this one.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if provider != "CPUExecutionProvider":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session = ort.InferenceSession(path, options, providers=[provider])
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"{provider} cannot start here: check the driver and CUDA libraries")
    names = [value.name for value in session.get_inputs()]
    device = processor_name() if provider == "CPUExecutionProvider" else _cuda_name()
    info = {"version": ort.__version__, "device": device, "precision": "fp32"}
    return Session(
        lambda arrays: session.run(None, dict(zip(names, arrays, strict=True))), shapes, info
    )


def open_onnxruntime_cuda(path: Path, shapes: Shapes, threads: int, precision: str) -> Session:
    return open_onnxruntime(path, shapes, threads, precision, "CUDAExecutionProvider")


def open_openvino(path: Path, shapes: Shapes, threads: int, precision: str) -> Session:
    import openvino

    wanted = {"fp32": "f32", "bf16": "bf16"}[precision]
    if not _CORES:  # keep one: once a Core of OpenVINO 2026.4 is released, Ctrl-C crashes Python
        _CORES.append(openvino.Core())
    core = _CORES[0]
    model = core.read_model(path)
    model.reshape({port: list(shape) for port, shape in zip(model.inputs, shapes, strict=True)})
    config = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": wanted,
    }
    compiled = core.compile_model(model, "CPU", config)
    effective = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    if effective not in ("f32", "float") and wanted == "f32":
        raise RuntimeError(f"OpenVINO computes in {effective}, not in f32")
    if "bf" not in effective and wanted == "bf16":
        raise RuntimeError(f"OpenVINO computes in {effective}: this processor has no bf16")
    request = compiled.create_infer_request()
    version = openvino.__version__.split("-")[0]
    info = {"version": version, "device": processor_name(), "precision": precision}
    return Session(lambda arrays: request.infer(arrays, share_inputs=True), shapes, info)


def open_tensorrt(path: Path, shapes: Shapes, threads: int, precision: str) -> Session:
    import tensorrt as trt

    _only_fp32("tensorrt", precision)
    logger = trt.Logger(trt.Logger.ERROR)
    try:
        builder = trt.Builder(logger)
    except TypeError as error:
        raise RuntimeError("TensorRT finds no NVIDIA driver or GPU here") from error
    # TensorRT 11 is always strongly typed; 10 has to be told.
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(path)):
        reasons = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise RuntimeError(f"TensorRT cannot read {path.name}: {reasons}")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    profile = builder.create_optimization_profile()
    for index, shape in enumerate(shapes):
        profile.set_shape(network.get_input(index).name, shape, shape, shape)
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RuntimeError(f"TensorRT cannot build {path.name}")
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    if engine is None:
        raise RuntimeError(f"TensorRT cannot load the engine of {path.name}")
    cuda = _Cuda()
    info = {"version": trt.__version__, "device": cuda.device_name(), "precision": "fp32"}
    return Session(_EngineCall(trt, engine, cuda, shapes), shapes, info)


class _EngineCall:
    """Copies in, runs and copies out, on one stream."""

    def __init__(self, trt: Any, engine: Any, cuda: _Cuda, shapes: Shapes) -> None:
        self._context, self._cuda = engine.create_execution_context(), cuda
        self._engine = engine  # must outlive its context
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        self._inputs = [n for n in names if engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
        for name, shape in zip(self._inputs, shapes, strict=True):
            self._context.set_input_shape(name, shape)
        if self._context.infer_shapes():
            raise RuntimeError("TensorRT cannot infer the shapes of the network")
        self._outputs = {
            name: np.empty(tuple(self._context.get_tensor_shape(name)), dtype=np.float32)
            for name in names
            if name not in self._inputs
        }
        self._buffers = {}
        for name in names:
            size = 4 * int(np.prod(self._context.get_tensor_shape(name)))
            self._buffers[name] = cuda.allocate(size)
            self._context.set_tensor_address(name, self._buffers[name])

    def __call__(self, arrays: list[Array]) -> list[Array]:
        for name, array in zip(self._inputs, arrays, strict=True):
            self._cuda.copy_in(self._buffers[name], array)
        if not self._context.execute_async_v3(self._cuda.stream):
            raise RuntimeError("TensorRT failed to run the network")
        self._cuda.synchronize()
        for name, array in self._outputs.items():
            self._cuda.copy_out(array, self._buffers[name])
        return list(self._outputs.values())


class _Cuda:
    """The few calls of the CUDA driver that an engine needs, on the first GPU."""

    def __init__(self) -> None:
        try:
            self._driver = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise RuntimeError("no NVIDIA driver here: libcuda.so.1 cannot be loaded") from error
        self._device, context = ctypes.c_int(), ctypes.c_void_p()
        self._check("cuInit", 0)
        self._check("cuDeviceGet", ctypes.byref(self._device), 0)
        self._check("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device)
        self._check("cuCtxSetCurrent", context)
        stream = ctypes.c_void_p()
        self._check("cuStreamCreate", ctypes.byref(stream), 1)  # no waiting for the default one
        self.stream = stream.value

    def device_name(self) -> str:
        name = ctypes.create_string_buffer(256)
        self._check("cuDeviceGetName", name, len(name), self._device)
        return name.value.decode()

    def allocate(self, size: int) -> int:
        pointer = ctypes.c_uint64()
        self._check("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(size))
        return pointer.value

    def copy_in(self, pointer: int, array: Array) -> None:
        source = array.ctypes.data_as(ctypes.c_void_p)
        size = ctypes.c_size_t(array.nbytes)
        self._check("cuMemcpyHtoD_v2", ctypes.c_uint64(pointer), source, size)

    def copy_out(self, array: Array, pointer: int) -> None:
        target = array.ctypes.data_as(ctypes.c_void_p)
        size = ctypes.c_size_t(array.nbytes)
        self._check("cuMemcpyDtoH_v2", target, ctypes.c_uint64(pointer), size)

    def synchronize(self) -> None:
        self._check("cuStreamSynchronize", ctypes.c_void_p(self.stream))

    def _check(self, function: str, *arguments: Any) -> None:
        code = getattr(self._driver, function)(*arguments)
        if code:
            raise RuntimeError(f"the CUDA driver reports error {code} in {function}")


def _cuda_name() -> str:
    return _Cuda().device_name()


def _only_fp32(backend: str, precision: str) -> None:
    if precision != "fp32":
        raise RuntimeError(f"{backend} runs these networks only in fp32, not in {precision}")


BACKENDS = {
    "onnxruntime": open_onnxruntime,
    "onnxruntime-cuda": open_onnxruntime_cuda,
    "openvino": open_openvino,
    "tensorrt": open_tensorrt,
}


def open_session(
    backend: str, path: Path, shapes: Sequence[Sequence[int]], threads: int, precision: str
) -> Session:
    """Load a network.

    Args:
        backend: One of ``BACKENDS``.
        path: ONNX file.
        shapes: Shapes of the inputs that it will get.
        threads: Number of CPU threads.
        precision: ``fp32``, or ``bf16`` for OpenVINO.

    Raises:
        ImportError: If the runtime is not installed.
        RuntimeError: If it cannot run the network as asked for.
    """
    return BACKENDS[backend](path, [tuple(shape) for shape in shapes], threads, precision)


def drift_free_ms(rounds: Sequence[Sequence[float]]) -> list[float]:
    """Median time of each session in ms, corrected for slow rounds that affect all sessions."""
    times = np.array(rounds)
    totals = times.sum(axis=1, keepdims=True)
    medians: list[float] = (np.median(times / totals, axis=0) * np.median(totals)).tolist()
    return medians


def relative_errors(rounds: Sequence[Sequence[float]]) -> list[float]:
    """Relative standard error of each time of :func:`drift_free_ms`."""
    times = np.array(rounds)
    shares = times / times.sum(axis=1, keepdims=True)
    low, middle, high = np.percentile(shares, [25, 50, 75], axis=0)
    # Normal noise: the quartiles lie 1.35 standard deviations apart, and the standard error of a
    # median is 1.25 times that of a mean.
    errors: list[float] = (1.25 * (high - low) / 1.35 / middle / len(times) ** 0.5).tolist()
    return errors


def time_rounds(
    sessions: Sequence[Session],
    rounds: list[list[float]],
    seconds: float,
    listener: Callable[[float], None],
) -> None:
    """Call all sessions in turn, round after round, until their medians are precise enough.

    If they are still too noisy after ``seconds``, as much time again is spent.

    Args:
        sessions: What to time.
        rounds: Rounds so far, in ms; further ones are appended.
        seconds: Time limit, warm-up included; at least ``MIN_ROUNDS`` are run in any case.
        listener: Called after each round with the share of the time used.
    """
    start = time.perf_counter()
    for session in sessions:
        warm_start, turn = time.perf_counter(), 0
        while turn < 2 or time.perf_counter() - warm_start < WARMUP_SECONDS:
            session.run_ms(turn)
            turn += 1
    while True:
        rounds.append([round(session.run_ms(len(rounds)), 5) for session in sessions])
        used = time.perf_counter() - start
        listener(min(used / seconds, 1.0))
        if len(rounds) < MIN_ROUNDS:
            continue
        worst = max(relative_errors(rounds))
        is_known = len(rounds) >= ENOUGH_ROUNDS and worst < TARGET_ERROR
        if is_known or used > (seconds if worst < NOISY_ERROR else 2 * seconds):
            return


def run_plan(
    folder: Path,
    setting: dict[str, Any],
    open_entry: Callable[[dict[str, Any]], Session],
    seconds: float,
    listener: Callable[[float, int, int], None],
) -> dict[str, Any]:
    """Time all groups of a plan, and keep ``result.json`` up to date.

    Args:
        folder: Folder with ``plan.json`` and the networks.
        setting: What the measurement depends on: backend, threads, precision.
        open_entry: Loads the network of an entry of the plan.
        seconds: Time for the first group of networks; a third of it for each further one.
        listener: Called with (done, groups, rounds) after each round; ``done`` counts groups.

    Returns:
        The content of ``result.json``.
    """
    text = (folder / PLAN_FILE).read_bytes()
    groups = json.loads(text)["groups"]
    identity = {
        "schema_version": SCHEMA_VERSION,
        "plan_sha256": hashlib.sha256(text).hexdigest(),
        **setting,
    }
    result = _previous(folder, identity) or {**identity, "groups": [], "finished": False}
    for index, group in enumerate(groups):
        if index == len(result["groups"]):
            result["groups"].append({"rounds": [], "finished": False})
        record = result["groups"][index]
        # The table is fitted to the first group; the others only check it.
        time_left = seconds if index == 0 else seconds / 3
        if not record["finished"]:
            _time_group(
                folder,
                result,
                record,
                [open_entry(entry) for entry in group],
                time_left,
                functools.partial(_tell, listener, index, len(groups), record),
            )
    result["finished"] = True
    _save(folder, result)
    return result


def _tell(
    listener: Callable[[float, int, int], None],
    index: int,
    groups: int,
    record: dict[str, Any],
    share: float,
) -> None:
    listener(index + share, groups, len(record["rounds"]))


def _time_group(
    folder: Path,
    result: dict[str, Any],
    record: dict[str, Any],
    sessions: list[Session],
    seconds: float,
    listener: Callable[[float], None],
) -> None:
    """Time one group; its rounds are saved, however it ends."""
    result.update(sessions[0].info, measured=time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    saved = time.monotonic()

    def after_round(share: float) -> None:
        nonlocal saved
        listener(share)
        if time.monotonic() - saved > SAVE_SECONDS:
            _save(folder, result)
            saved = time.monotonic()

    try:
        time_rounds(sessions, record["rounds"], seconds, after_round)
        record["finished"] = True
    finally:
        _save(folder, result)


def _previous(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Results of an interrupted run with the same settings."""
    try:
        result: dict[str, Any] = json.loads((folder / RESULT_FILE).read_text())
    except (OSError, ValueError):
        return None
    same = all(result.get(key) == value for key, value in identity.items())
    return result if same and not result["finished"] else None


def _save(folder: Path, result: dict[str, Any]) -> None:
    temporary = folder / f".{RESULT_FILE}.{os.getpid()}"
    temporary.write_text(json.dumps(result) + "\n")
    temporary.replace(folder / RESULT_FILE)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Time the networks of this folder.")
    parser.add_argument("--backend", choices=sorted(BACKENDS), required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="time for the first group, to which the table is fitted",
    )
    options = parser.parse_args(arguments)
    folder = Path(__file__).resolve().parent
    setting = {
        "backend": options.backend,
        "threads": options.threads,
        "asked_precision": options.precision,
    }

    def open_entry(entry: dict[str, Any]) -> Session:
        path = folder / entry["file"]
        return open_session(
            options.backend, path, entry["inputs"], options.threads, options.precision
        )

    def listener(done: float, groups: int, rounds: int) -> None:
        print(f"\r{done / groups:4.0%}, round {rounds} ", end="", file=sys.stderr)

    try:
        run_plan(folder, setting, open_entry, options.seconds, listener)
    except ImportError as error:
        sys.exit(f"\nerror: {error.name} is not installed here: pip install {error.name}")
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(f"\nerror: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\nstopped; {RESULT_FILE} holds what was measured: start again to continue")
    print(f"\nwritten: {folder / RESULT_FILE}")


if __name__ == "__main__":
    main()
