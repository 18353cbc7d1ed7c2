"""ONNX Runtime for C++: the library is that of the Python package, the headers are the system's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

_HEADERS = (os.environ.get("ORT_INCLUDE", ""), "/usr/include/onnxruntime", "/usr/local/include")


@pytest.fixture(scope="session")
def ort_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like an unpacked release: ``include/`` and ``lib/``; skips without a compiler."""
    import onnxruntime

    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler is installed")
    found = [p for p in map(Path, _HEADERS) if (p / "onnxruntime_cxx_api.h").is_file()]
    if not found:
        pytest.skip("no headers of ONNX Runtime: set ORT_INCLUDE to their folder")
    libraries = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    if not libraries:
        pytest.skip("this onnxruntime package has no library of its own")
    root = tmp_path_factory.mktemp("ort")
    (root / "lib").mkdir()
    (root / "include").symlink_to(found[0].resolve())
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (root / "lib" / name).symlink_to(libraries[0])
    return root
