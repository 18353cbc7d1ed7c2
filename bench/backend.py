"""What a backend is: how it opens a network, times it, restores with it, and what it lacks."""

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

    What it can do is what it says below: it is measured by ``clearer bench`` if it reads
    :attr:`files`, times the networks of ``clearer profile`` if it :attr:`profiles`, and serves
    ``clearer restore`` if it :attr:`restores`. Import packages inside methods: the commands list
    the backends before any is loaded.
    """

    name: ClassVar[str]
    """That ``--backend`` takes."""
    label: ClassVar[str]
    """For people."""
    module: ClassVar[str]
    """Package that has to be there."""
    extra: ClassVar[str | None]
    """Of this package, that installs it; None: a core install has it."""
    files: ClassVar[Files | None] = None
    """What it is given to be measured; None: it is not among the rows of a benchmark."""
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    """Of the files that it is given: others would be computed like one of these."""
    by_default: ClassVar[Literal["no", "if here", "yes"]] = "no"
    """Whether it is measured where no backend is asked for; ``yes``: where it is missing, the
    report says why."""
    profiles: ClassVar[bool] = False
    """Whether it times modules and networks, for cost tables."""
    restores: ClassVar[bool] = False
    """Whether it restores pictures of users, of any size."""
    device: ClassVar[Literal["cpu", "cuda"]] = "cpu"
    """That computes."""
    is_faithful: ClassVar[bool] = False
    """Whether it computes files in fp16 and int8 all in what they hold, to be timed for budgets."""
    table: ClassVar[str]
    """Name of the backend whose cost tables tell its times."""

    def __init_subclass__(cls) -> None:
        """Times are told by its own tables unless it says otherwise."""
        if "name" in cls.__dict__ and "table" not in cls.__dict__:
            cls.table = cls.name

    def absence(self) -> str | None:
        """Why it cannot be here, as far as that shows before a network is loaded."""
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
        """Refuse to go on without the package.

        Raises:
            ClearerError: If it is not installed.
        """
        if self.extra:
            require(self.module, extra=self.extra)

    def version(self) -> str:
        """Of the package that is installed here; empty if none is."""
        try:
            module = importlib.import_module(self.module)
        except ImportError:
            return ""
        return str(module.__version__).split("-")[0]

    def open(self, spec: RowSpec) -> Runner:
        """Load a row of a benchmark; its runner says the precision in effect.

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
        """Load a network that is timed alone.

        Args:
            entry: The network; None where only its file is known.
            path: Its ONNX file.
            shapes: Of the inputs that it will get.
            threads: Of the CPU.
            precision: Of the arithmetic: ``fp32`` or ``bf16``.

        Raises:
            ImportError: If the package is not installed.
            RuntimeError: If it cannot run the network as asked for.
        """
        from clearer.bench.device_timer import open_session

        return open_session(self.name, path, shapes, threads, precision)

    def restorer(self, name: str, path: Path, io: PictureIo) -> Runner:
        """Load an ONNX file for pictures of any size.

        Args:
            name: For reports.
            path: The file.
            io: How pictures go into it.

        Raises:
            InputError: If the file cannot be loaded, or the backend runs no files.
            ClearerError: If the package is not installed.
        """
        raise NotImplementedError(f"{self.name} restores no pictures")
