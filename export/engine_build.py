"""Builds the bytes of an engine from the bytes of an ONNX file."""

from __future__ import annotations

from typing import Any, Final

import onnx
from onnx import TensorProto

from clearer.errors import ClearerError
from clearer.export.engine_library import make_logger
from clearer.export.engine_profile import EngineProfile

__all__ = ["MadeForCpusError", "graph_precision", "serialize_engine"]

_NUM_REASONS: Final = 3
"""Lines of the library's log that an error repeats."""


class MadeForCpusError(ClearerError):
    """An int8 file that TensorRT does not accept."""


def graph_precision(model: bytes) -> str:
    """Precision of a strongly typed network of this graph, by its nodes and weights.

    Raises:
        MadeForCpusError: If it is quantised for CPUs.
        ClearerError: If it cannot be read.
    """
    try:
        graph = onnx.load_from_string(model).graph
    except Exception as error:  # protobuf has its own exception types
        raise ClearerError("the ONNX file is damaged: export it again") from error
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    quantizers = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    if quantizers:
        # A quantiser without a zero point is unsigned by the standard's default.
        zero_points = [kinds.get(n.input[2]) if len(n.input) > 2 else None for n in quantizers]
        if any(kind != TensorProto.INT8 for kind in zero_points):
            raise MadeForCpusError(
                "the int8 file has unsigned activations, which CPUs want and TensorRT refuses: "
                "give one that is quantised for TensorRT"
            )
        return "int8"
    weights = [kinds.get(n.input[1]) for n in graph.node if n.op_type == "Conv"]
    if TensorProto.FLOAT16 in weights:
        return "fp16"
    return "bf16" if TensorProto.BFLOAT16 in weights else "fp32"


def serialize_engine(
    trt: Any,
    model: bytes,
    profile: EngineProfile,
    *,
    workspace_bytes: int | None = None,
    timing_cache: bytes | None = None,
) -> tuple[bytes, bytes | None]:
    """Build an engine; its precision is that of the graph, and TF32 is off.

    Args:
        trt: The library, from :func:`clearer.export.engine_library.open_library`.
        model: Bytes of an ONNX file whose free dimensions are called n, h and w.
        profile: Sizes that it has to accept.
        workspace_bytes: Limit on scratch memory; None: the library's own.
        timing_cache: Timing cache of an earlier build on this GPU, or empty; None for a
            library without one.

    Returns:
        The plan, and the timing cache after it.

    Raises:
        ClearerError: If the graph cannot be read or built; the text has the library's reasons.
    """
    logger = make_logger(trt)
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # all that the binding says without a driver
        raise ClearerError(_failed("cannot start here", logger.errors)) from error
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        reasons = [f"{e.node_operator()} {e.node_name()} {e.desc()}".strip() for e in errors]
        raise ClearerError(_failed("cannot read the ONNX file", reasons, keep_all=True))
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    if workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_bytes)
    if timing_cache is not None:
        _set_timing_cache(config, timing_cache)
    _add_profile(builder, network, config, profile, logger)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ClearerError(_failed("cannot build the engine", logger.errors))
    learnt = None
    if timing_cache is not None:
        learnt = bytes(config.get_timing_cache().serialize())
    return bytes(plan), learnt


def _set_timing_cache(config: Any, known: bytes) -> None:
    """Set the timing cache; one of another GPU or version is refused, then start an empty one."""
    cache = config.create_timing_cache(known)
    if cache is None or not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _add_profile(
    builder: Any, network: Any, config: Any, profile: EngineProfile, logger: Any
) -> None:
    optimization = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        given = network.get_input(index)
        shapes = [_shape(given, size) for size in (profile.min, profile.opt, profile.max)]
        optimization.set_shape(given.name, *shapes)
    if config.add_optimization_profile(optimization) < 0:
        raise ClearerError(_failed(f"refuses the profile {profile.text}", logger.errors))


def _shape(given: Any, size: tuple[int, int, int]) -> tuple[int, ...]:
    """Shape of an input for a (batch, height, width): these fill its free dimensions n, h, w."""
    free = {**dict(zip("nhw", size, strict=True)), "levels": size[0]}
    shape = []
    for axis, extent in enumerate(given.shape):
        name = given.get_dimension_name(axis)
        if extent < 0 and name not in free:
            raise ClearerError(
                f"input {given.name} has a free dimension {name or axis}: only n, h and w may be "
                "free; export the network again"
            )
        shape.append(free[name] if extent < 0 else extent)
    return tuple(shape)


def _failed(what: str, reasons: list[str], *, keep_all: bool = False) -> str:
    """One line; of a log, the last lines matter most."""
    kept = reasons if keep_all else reasons[-_NUM_REASONS:]
    return f"TensorRT {what}: {'; '.join(kept) or 'it gives no reason'}"
