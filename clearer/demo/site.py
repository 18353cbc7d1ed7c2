"""The demonstration page with its networks: all files by their path on the server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from clearer.data.splits import PHOTOGRAPHS
from clearer.errors import InputError
from clearer.support.files import write_atomic

__all__ = ["PageNetwork", "SiteFile", "make_site", "save_site"]

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
}
_PAGE: Final = (
    *("index.html", "style.css", "icon.svg"),
    *("app.js", "intake.js", "list.js", "networks.js", "panel.js", "pixels.js", "restorer.js"),
    *("level.js", "saving.js", "tiff.js", "view.js", "worker.js", "zip.js"),
)
_SAMPLE: Final = "coffee.png"
"""A photograph in the public domain (CC0), from the validation set: no network trains on it."""


@dataclass(frozen=True, slots=True)
class SiteFile:
    """Content and media type of one path."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class PageNetwork:
    """A network that can be chosen on the page."""

    name: str
    """Name to show."""
    model: bytes
    """ONNX file."""
    about: Mapping[str, Any]
    """What the page has to know about it: see :mod:`clearer.export.page_model`."""


def make_site(networks: Sequence[PageNetwork], runtime: Mapping[str, Path]) -> dict[str, SiteFile]:
    """All files of the page by relative path; ``index.html`` is the start page.

    Args:
        networks: At least one; the page starts with the first.
        runtime: Files of onnxruntime-web by name.
    """
    folder = resources.files("clearer.demo") / "page"
    content = {path: (folder / path).read_bytes() for path in _PAGE}
    content["sample.png"] = (PHOTOGRAPHS / _SAMPLE).read_bytes()
    listed = []
    for number, network in enumerate(networks, start=1):
        file = f"networks/{number}.onnx"
        content[file] = network.model
        listed.append({"name": network.name, "file": file, **network.about})
    content["networks.json"] = (json.dumps(listed, indent=2) + "\n").encode()
    content |= {f"ort/{file}": path.read_bytes() for file, path in runtime.items()}
    return {
        path: SiteFile(data, _TYPES[Path(path).suffix]) for path, data in sorted(content.items())
    }


def save_site(site: Mapping[str, SiteFile], folder: Path) -> None:
    """Write the page as static files.

    Raises:
        InputError: If the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists: give --save a new folder")
    for path, file in site.items():
        write_atomic(folder / path, file.data)
