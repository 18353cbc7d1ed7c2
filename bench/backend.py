"""The interface of a backend: opening networks, timing them, restoring with them."""

from __future__ import annotations

import importlib
import importlib.util
from abc import ABC
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from clearer.errors import how_to_install, require

if TYPE_CHECKING:
    from clearer.bench.device_timer import Session
    from clearer.bench.plan import Entry
    from clearer.bench.rows import RowSpec
    from clearer.bench.runners import Runner
    from clearer.export.picture_io import PictureIo

__all__ = ["Backend", "Files"]

Files = Literal["weights", "onnx", "engine"]


class Backend(ABC):
    """One way to compute a network.

    Its attributes say what it can do: ``clearer bench`` measures it if it reads :attr:`files`,
    ``clearer profile`` times networks with it if it :attr:`profiles`, and ``clearer restore`` uses
    it if it :attr:`restores`. Import packages inside methods: the commands list the backends before
    any is loaded.
    """

    name: ClassVar[str]
    """The name for ``--backend``."""
    label: ClassVar[str]
    """The name for people."""
    module: ClassVar[str]
    """Package that it needs."""
    extra: ClassVar[str | None]
    """The extra of clearer that installs it; None: part of a core installation."""
    files: ClassVar[Files | None] = None
    """The files that ``clearer bench`` gives it; None: it is not measured."""
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    """Precisions of files that it computes as such: others would be computed like one of these."""
    by_default: ClassVar[Literal["no", "if here", "yes"]] = "no"
    """Whether it is measured when no backend is asked for; with ``yes``, the report says why if it
    is missing."""
    profiles: ClassVar[bool] = False
    """Whether it times modules and networks, for cost tables."""
    restores: ClassVar[bool] = False
    """Whether it restores users' pictures, of any size."""
    device: ClassVar[Literal["cpu", "cuda"]] = "cpu"
    """The device that computes."""
    is_faithful: ClassVar[bool] = False
    """Whether it computes fp16 and int8 files fully in that precision: budgets prefer it."""
    table: ClassVar[str]
    """Name of the backend whose cost tables apply to it."""

    def __init_subclass__(cls) -> None:
        """Use a backend's own cost tables unless it names another's."""
        if "name" in cls.__dict__ and "table" not in cls.__dict__:
            cls.table = cls.name

    def absence(self) -> str | None:
        """Why it cannot be used, as far as is known before a network is loaded; None if it can."""
        if importlib.util.find_spec(self.module) is not None:
            return None
        advice = f": {how_to_install(self.extra)}" if self.extra else ""
        return f"{self.module} is not installed{advice}"

    def load(self) -> None:
        """Import the package that computes, so that neither its time nor its memory counts.

        Raises:
            ImportError: If it is not installed.
        """
        importlib.import_module(self.module)

    def require(self) -> None:
        """Check that the package is installed.

        Raises:
            ClearerError: If it is not installed.
        """
        if self.extra:
            require(self.module, extra=self.extra)

    def version(self) -> str:
        """Version of the installed package; empty if there is none."""
        try:
            module = importlib.import_module(self.module)
        except ImportError:
            return ""
        return str(module.__version__).split("-")[0]

    def open(self, spec: RowSpec) -> Runner:
        """Load a row of a benchmark; its runner reports the precision in effect.

        Raises:
            ClearerError: If it cannot run as asked for.
        """
        raise NotImplementedError(f"{self.name} is not measured")

    def session(
        self,
        entry: Entry | None,
        path: Path,
        shapes: Sequence[Sequence[int]],
        threads: int,
        precision: str,
    ) -> Session:
        """Load a network for timing.

        Args:
            entry: The network; None if only its file is known.
            path: Its ONNX file.
            shapes: Shapes of the inputs that it will get.
            threads: Number of CPU threads.
            precision: Precision of the arithmetic: ``fp32`` or ``bf16``.

        Raises:
            ImportError: If the package is not installed.
            RuntimeError: If it cannot run the network as asked for.
        """
        from clearer.bench.device_timer import open_session

        return open_session(self.name, path, shapes, threads, precision)

    def restorer(self, name: str, path: Path, io: PictureIo) -> Runner:
        """Load an ONNX file for pictures of any size.

        Args:
            name: Name for reports.
            path: The file.
            io: How pictures go into it.

        Raises:
            InputError: If the file cannot be loaded, or the backend runs no files.
            ClearerError: If the package is not installed.
        """
        raise NotImplementedError(f"{self.name} restores no pictures")
