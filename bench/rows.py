"""Rows of a benchmark before they are measured: plain data that any process can open."""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from clearer.bench.backends import BACKENDS
from clearer.bench.runners import Bm3dRunner, NonLocalMeansRunner, Runner
from clearer.errors import InputError
from clearer.export.picture_io import PictureIo

__all__ = ["RowSpec", "import_backend", "open_runner"]

Kind = Literal["ours", "other", "classical"]


_CLASSICAL: Final = {"nlm": "skimage.restoration", "bm3d": "bm3d"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RowSpec:
    """One network or method in one backend."""

    name: str
    kind: Kind
    backend: str
    """One of :data:`clearer.bench.backends.BACKENDS`; ``nlm`` or ``bm3d``."""
    path: str | None
    source: str
    """The file, for reports."""
    channels: int
    height: int
    width: int
    """Size of the timed images, in pixels."""
    threads: int
    num_params: int | None = None
    sigma_255: float | None = None
    """Noise level for classical methods and networks with a level map; None: estimated from each
    picture."""
    takes_level: bool = False
    """Whether the network has a level map, and the level is not fixed in the file."""
    io: PictureIo | None = None
    """How pictures go into an ONNX file; None for others."""

    @property
    def label(self) -> str:
        """The backend, for people."""
        return BACKENDS[self.backend].label if self.backend in BACKENDS else self.backend

    @property
    def file(self) -> Path:
        """The file to load.

        Raises:
            InputError: If there is none.
        """
        if self.path is None:
            raise InputError(f"{self.name} has no file")
        return Path(self.path)

    def to_json(self) -> str:
        """Serialise, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RowSpec:
        """Inverse of :meth:`to_json`."""
        data = json.loads(text)
        io = data.pop("io")
        return cls(**data, io=None if io is None else PictureIo(**io))


def import_backend(spec: RowSpec) -> None:
    """Import the package that computes, so that neither its time nor its memory counts.

    Raises:
        ImportError: If it is not installed.
    """
    if spec.backend in BACKENDS:
        BACKENDS[spec.backend].load()
    else:
        importlib.import_module(_CLASSICAL[spec.backend])


def open_runner(spec: RowSpec) -> Runner:
    """Load the runner of a row.

    Raises:
        ClearerError: If it cannot run as asked for.
    """
    runner = _open(spec)
    if not spec.takes_level:
        return runner
    from clearer.bench.level_runner import LevelRunner

    return LevelRunner(runner, spec.sigma_255)


def _open(spec: RowSpec) -> Runner:
    if spec.backend in BACKENDS:
        return BACKENDS[spec.backend].open(spec)
    kind = NonLocalMeansRunner if spec.backend == "nlm" else Bm3dRunner
    return kind(spec.sigma_255)
