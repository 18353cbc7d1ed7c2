"""Runs an engine on the GPU: arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clearer.errors import ClearerError, InputError
from clearer.export.engine_library import make_logger
from clearer.export.network_io import LEVEL_NAME

__all__ = ["EngineSession", "require_torch_cuda"]


def require_torch_cuda() -> None:
    """Check that torch can use the GPU: engines work on torch's memory.

    Raises:
        ClearerError: If torch cannot use the GPU.
    """
    if not torch.cuda.is_available():
        raise ClearerError(
            f"torch {torch.__version__} cannot use the GPU: install a torch for CUDA 13, and a "
            "driver of version 580 or newer"
        )


class EngineSession:
    """A deserialised engine with its memory, on a stream of its own.

    Args:
        trt: The library that built it.
        plan: The engine.
        cuda_graph: Launch all kernels of a call at once, with a recorded graph per shape.

    Raises:
        ClearerError: If the engine or torch cannot work here.
    """

    def __init__(self, trt: Any, plan: bytes, *, cuda_graph: bool = False) -> None:
        require_torch_cuda()
        self._logger = make_logger(trt)
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ClearerError(
                f"the engine cannot be loaded here ({self._last_error()}); build it again on this "
                "machine with clearer export"
            )
        self._input, *self._levels = self._tensors(trt.TensorIOMode.INPUT)
        (self._output,) = self._tensors(trt.TensorIOMode.OUTPUT)
        self.has_level = bool(self._levels)
        """Whether the noise level is a second input."""
        self.input_type, self.output_type = (
            np.dtype(trt.nptype(self._engine.get_tensor_dtype(name)))
            for name in (self._input, self._output)
        )
        # TensorRT-RTX compiles kernels while it runs, so it records its own graphs.
        self._records_itself = cuda_graph and hasattr(trt, "CudaGraphStrategy")
        self._with_graph = cuda_graph and not self._records_itself
        self._context = self._make_context(trt)
        self._stream = torch.cuda.Stream()
        self._shape: tuple[int, ...] = ()
        self._buffers: list[torch.Tensor] = []  # of the inputs; the output is last
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: NDArray[Any], *levels: NDArray[Any]) -> NDArray[Any]:
        """Run the network on a batch in CPU memory, and copy the result back.

        Args:
            batch: The images.
            levels: Noise level of each image, ``(N,)``, if the engine takes levels.

        Raises:
            InputError: If the batch is outside the engine's profile, or of another type.
            ClearerError: If the engine fails.
        """
        if batch.dtype != self.input_type:
            raise InputError(f"the engine takes {self.input_type}, the images are {batch.dtype}")
        # torch rejects arrays with negative strides, and an engine needs contiguous memory.
        arrays = [np.ascontiguousarray(array) for array in (batch, *levels)]
        with torch.cuda.stream(self._stream):
            if batch.shape != self._shape:
                self._prepare(arrays)
            *given, result = self._buffers
            for buffer, array in zip(given, arrays, strict=True):
                buffer.copy_(torch.from_numpy(array))
            if self._graph is not None:
                self._graph.replay()
            else:
                self._launch()
            restored: NDArray[Any] = result.cpu().numpy()
        return restored

    def input_shape(self, size: tuple[int, int, int]) -> tuple[int, ...]:
        """Shape of the input for a (batch, height, width), its free axes in this order."""
        values = iter(size)
        shape = self._engine.get_tensor_shape(self._input)
        return tuple(next(values) if extent < 0 else extent for extent in shape)

    def close(self) -> None:
        """Release the memory on the GPU."""
        self._graph, self._buffers = None, []
        self._context = self._engine = self._runtime = None
        self._shape = ()

    def _make_context(self, trt: Any) -> Any:
        if self._records_itself:
            config = self._engine.create_runtime_config()
            config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
            context = self._engine.create_execution_context(config)
        else:
            context = self._engine.create_execution_context()
        if context is None:
            raise ClearerError(
                f"the GPU has too little memory for the engine "
                f"({self._last_error()}): build it for smaller images with --trt-profile"
            )
        return context

    def _prepare(self, arrays: list[NDArray[Any]]) -> None:
        """Allocate and bind memory for the input shapes, and record a graph."""
        self._graph, self._shape = None, ()
        names = [self._input, *self._levels]
        for name, array in zip(names, arrays, strict=True):
            if not self._context.set_input_shape(name, array.shape):
                sizes = self._engine.get_tensor_profile_shape(name, 0)
                low, _, high = ("x".join(map(str, tuple(size))) for size in sizes)
                raise InputError(
                    f"the engine takes {low} to {high}, not {'x'.join(map(str, array.shape))}: "
                    "build it with a wider --trt-profile"
                )
        if self._context.infer_shapes():
            raise ClearerError(f"the engine cannot infer its shapes: {self._last_error()}")
        shape = tuple(self._context.get_tensor_shape(self._output))
        buffers = [torch.from_numpy(array).cuda() for array in arrays]
        buffers.append(torch.from_numpy(np.empty(shape, dtype=self.output_type)).cuda())
        for name, tensor in zip((*names, self._output), buffers, strict=True):
            self._context.set_tensor_address(name, tensor.data_ptr())
        if self._with_graph:
            # Allocations and loading in a first run cannot be recorded.
            self._launch()
            self._stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self._stream):
                self._launch()
            self._graph = graph
        self._shape, self._buffers = arrays[0].shape, buffers

    def _launch(self) -> None:
        if not self._context.execute_async_v3(self._stream.cuda_stream):
            raise ClearerError(f"the engine fails to run: {self._last_error()}")

    def _tensors(self, mode: Any) -> list[str]:
        """Names of the inputs, the image first, or of the output."""
        engine = self._engine
        names = [str(engine.get_tensor_name(index)) for index in range(engine.num_io_tensors)]
        found = [name for name in names if engine.get_tensor_mode(name) == mode]
        found.sort(key=lambda name: name == LEVEL_NAME)
        if [name != LEVEL_NAME for name in found].count(True) != 1:
            raise InputError("the engine is not image to image: it needs one input and one output")
        return found

    def _last_error(self) -> str:
        return self._logger.errors[-1] if self._logger.errors else "TensorRT gives no reason"
