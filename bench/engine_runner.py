"""A runner for TensorRT engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from clearer.bench.runners import RunnerInfo
from clearer.errors import InputError
from clearer.export.engine_device import require_gpu
from clearer.export.engine_library import FLAVOURS, open_library
from clearer.export.engine_record import check_runs_here, read_engine
from clearer.export.engine_session import EngineSession
from clearer.export.picture_io import PictureIo, picture_restorer

__all__ = ["EngineRunner"]

Array = NDArray[np.float32]


class EngineRunner:
    """An engine on the GPU; a call copies its input there and its output back.

    It holds GPU memory until it is closed.

    Args:
        name: Name for reports.
        engine_path: The engine; its record is beside it.
        cuda_graph: Launch all kernels of a call at once.

    Raises:
        InputError: If the engine or its record is missing or damaged, or does not take float32.
        ClearerError: If it was built for another GPU or library, or something is missing here.
    """

    def __init__(self, name: str, engine_path: Path, *, cuda_graph: bool = False) -> None:
        plan, record = read_engine(engine_path)
        library = FLAVOURS[record["flavour"]]
        trt = open_library(library)
        gpu = require_gpu()
        check_runs_here(engine_path, record, trt.__version__, gpu)
        self._session = EngineSession(trt, plan, cuda_graph=cuda_graph)
        if self._session.input_type != np.float32:
            self.close()
            raise InputError(f"{engine_path} takes {self._session.input_type} images, not float32")
        io = PictureIo(has_level=self._session.has_level)
        self._restore = picture_restorer(self._session, io, name)
        self.info = RunnerInfo(
            name=name,
            backend=library.title,
            provider=f"{gpu.name}, CUDA graph" if cuda_graph else gpu.name,
            version=trt.__version__,
            precision=record["precision"],
            threads=torch.get_num_threads(),
            file_bytes=len(plan),
        )

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch.

        Raises:
            InputError: If it is outside the engine's profile, or the output has another shape.
            ClearerError: If the engine fails.
        """
        return self._restore(degraded)

    def close(self) -> None:
        """Release the memory on the GPU."""
        self._session.close()
