"""CUDA graphs: work that a GPU repeats without launching each of its operations anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor

__all__ = ["CapturedWork"]

_EAGER_CALLS: Final = 3
"""Calls before the capture, in which libraries choose algorithms, and optimizers make state."""


class CapturedWork:
    """Calls a function of tensors; on CUDA its operations are recorded once, then replayed.

    The function must do all its work on the device: it reads no tensor back, and what it changes
    (weights, optimizer state, sums) stays in the same memory. If recording fails, the function is
    called directly from then on, and the user is told once.

    Args:
        work: Called with the inputs; None stands for an input that is absent in every call.
        device: ``cpu`` or ``cuda``; on a CPU the function is called directly.
        say: Takes a line for the user.
        is_captured: False to call the function directly on CUDA, too.
    """

    def __init__(
        self,
        work: Callable[..., None],
        device: str,
        say: Callable[[str], None],
        *,
        is_captured: bool = True,
    ) -> None:
        self._work, self._say = work, say
        self._is_captured = is_captured and device == "cuda"
        self._calls = 0
        self._inputs: tuple[Tensor | None, ...] = ()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream: torch.cuda.Stream | None = None

    def reset(self) -> None:
        """Record again: the function's work, or the memory of its tensors, has changed."""
        self._calls, self._graph = 0, None

    def __call__(self, *inputs: Tensor | None) -> None:
        """Do the work with these inputs; on CUDA only launch it."""
        if not self._is_captured:
            self._work(*inputs)
            return
        self._copy_in(inputs)
        if self._graph is None and self._calls >= _EAGER_CALLS:
            self._capture()
        self._calls += 1
        if self._graph is not None:
            self._graph.replay()
        elif self._is_captured:
            self._on_side_stream()
        else:
            self._work(*self._inputs)

    def _copy_in(self, inputs: Sequence[Tensor | None]) -> None:
        if not self._inputs:
            self._inputs = tuple(None if x is None else x.clone() for x in inputs)
            return
        for target, source in zip(self._inputs, inputs, strict=True):
            if target is not None and source is not None:
                target.copy_(source, non_blocking=True)

    def _on_side_stream(self) -> None:
        """Run as the graph will: libraries then have the memory and streams that it needs."""
        if self._stream is None:
            self._stream = torch.cuda.Stream()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._work(*self._inputs)
        torch.cuda.current_stream().wait_stream(self._stream)

    def _capture(self) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._work(*self._inputs)
        except torch.OutOfMemoryError:
            self._give_up("there is too little memory for it")
        except RuntimeError as error:  # from CUDA, or because something cannot be recorded
            self._give_up(str(error).splitlines()[0])
        else:
            self._graph = graph

    def _give_up(self, reason: str) -> None:
        self._is_captured = False
        torch.cuda.synchronize()
        self._say(f"the step cannot be recorded as a CUDA graph ({reason}): it runs without")
