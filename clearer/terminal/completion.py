"""Shell completion for runs, networks and data sets. It must be quick: no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import clearer

__all__ = ["complete_data", "complete_networks", "complete_runs", "complete_sets"]

Offer = list[tuple[str, str]]
"""Words, with the descriptions that some shells show."""


def complete_runs(incomplete: str) -> Offer:
    """Folders of runs under ``runs/``, the newest first."""
    return _offer(incomplete, _runs(), ())


def complete_networks(incomplete: str) -> Offer:
    """Runs, names of ``clearer zoo``, model files and folders."""
    folder = Path(clearer.__file__).with_name("zoo")
    names = [(path.stem, "comes with clearer") for path in sorted(folder.glob("*.safetensors"))]
    return _offer(incomplete, [*_runs(), *names], (".onnx", ".safetensors"))


def complete_data(incomplete: str) -> Offer:
    """Data sets known by name, and folders."""
    return _offer(incomplete, complete_sets(incomplete), ())


def complete_sets(incomplete: str) -> Offer:
    """Data sets known by name."""
    from clearer.data.datasets import DATA_SETS

    known = ((name, made.what) for name, made in DATA_SETS.items())
    return [(name, what) for name, what in known if name.startswith(incomplete)]


def _runs() -> Iterator[tuple[str, str]]:
    from clearer.runs.run_list import run_folders

    for path in run_folders():
        yield path.as_posix(), "run"


def _offer(incomplete: str, known: Iterable[tuple[str, str]], endings: tuple[str, ...]) -> Offer:
    """Words with this beginning. If there are none, the shell itself offers files."""
    found = [(name, about) for name, about in known if name.startswith(incomplete)]
    if not found or "/" in incomplete:
        return found
    here = sorted(path for path in Path().iterdir() if path.name.startswith(incomplete))
    return found + [(p.name, "") for p in here if p.is_dir() or p.suffix.lower() in endings]
