"""Errors that a user can repair, and the check for optional packages."""

from __future__ import annotations

import errno
import importlib
from pathlib import Path
from types import ModuleType

__all__ = [
    "ClearerError",
    "InputError",
    "Interrupted",
    "OtherProcessFailed",
    "PieceDone",
    "explain",
    "how_to_install",
    "require",
]


class ClearerError(Exception):
    """Work failed for a reason that the user can act on; the command exits with ``exit_code``."""

    exit_code = 1


class InputError(ClearerError):
    """A bad argument, file or folder: nothing was started."""

    exit_code = 2


class Interrupted(ClearerError):  # noqa: N818 - the user wants it: no error
    """The user stopped the work; what was finished is saved."""

    exit_code = 130


class PieceDone(ClearerError):  # noqa: N818 - the user asked for it: no error
    """The time for this part of the work is over; what was done is saved, the rest comes later.

    Args:
        stage: ``search``, ``race`` or ``train``.
        iteration: Iterations done.
        total: Iterations in all.
        command: The command that continues.
    """

    exit_code = 0

    def __init__(self, stage: str, iteration: int, total: int, command: str) -> None:
        super().__init__(
            f"this piece is done: {stage} iteration {iteration:,} of {total:,}; "
            f"continue with: {command}"
        )
        self.stage, self.iteration, self.total, self.command = stage, iteration, total, command

    def to_dict(self) -> dict[str, str | int]:
        """Plain data for JSON."""
        names = ("stage", "iteration", "total", "command")
        return {name: getattr(self, name) for name in names}


class OtherProcessFailed(ClearerError):  # noqa: N818 - it is not the error, but its echo
    """The first of several processes failed; it says why itself."""

    def __init__(self) -> None:
        super().__init__("the first process failed")


def require(module: str, *, extra: str | None = None) -> ModuleType:
    """Import a package that only some of the work needs.

    Args:
        module: Import name, for example ``"onnxruntime"``.
        extra: The extra of this package that installs it; None for a dependency, which is missing
            only where the source tree is used without an installation.

    Raises:
        ClearerError: If the package is missing; the text says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        command = how_to_install(extra) if extra else f"pip install {module.partition('.')[0]}"
        raise ClearerError(
            f"{module} is needed here and cannot be imported ({error}); install it with: {command}"
        ) from error


def how_to_install(extra: str) -> str:
    """The command that adds an extra to this installation.

    It names where this package was installed from, as pip recorded it (PEP 610), or the source tree
    that it runs from.

    Args:
        extra: Its name in ``pyproject.toml``.
    """
    tree = Path(__file__).resolve().parents[1]
    if (tree / "pyproject.toml").is_file():
        return f'pip install -e "{"." if tree == Path.cwd() else tree}[{extra}]"'
    # Every command imports this file, and these imports load HTTP and e-mail.
    import json
    from importlib import metadata
    from urllib.parse import urlparse
    from urllib.request import url2pathname

    try:
        origin = json.loads(metadata.distribution("clearer").read_text("direct_url.json") or "{}")
        url, vcs = str(origin.get("url", "")), origin.get("vcs_info", {}).get("vcs")
    except (metadata.PackageNotFoundError, ValueError, AttributeError):
        url, vcs = "", None
    if vcs is not None:
        return f'pip install "clearer[{extra}] @ {vcs}+{url}"'
    if url.startswith("file:"):
        return f'pip install "{url2pathname(urlparse(url).path)}[{extra}]"'
    return f'pip install "clearer[{extra}]"'


def _describe_os_error(error: OSError) -> str:
    """One line for an operating-system error, with advice where there is any."""
    where = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"no space left to write{where}: free some space, and run it again or --resume"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to write{where}: allow it, or work in another folder"
    return f"{error.strerror or error}{':' + where if where else ''}"


def explain(error: BaseException) -> tuple[str, int]:
    """One line and the exit code for whatever ended a command."""
    if isinstance(error, ClearerError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 130
    if isinstance(error, OSError):
        return _describe_os_error(error), 1
    if isinstance(error, MemoryError) or "not enough memory" in str(error):
        return "out of memory: use smaller images, batches (--batch-size) or sizes (--size)", 1
    reason = (str(error).splitlines() or [""])[0]
    return f"unexpected {type(error).__name__}: {reason} (--debug shows where)", 1
