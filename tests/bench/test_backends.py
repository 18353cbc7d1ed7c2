"""The table of backends, and the page that shows it."""

from __future__ import annotations

import re

import pytest

from clearer.bench import device_timer
from clearer.bench.backends import BACKENDS, find_backend, measured, profiling, restoring
from clearer.errors import InputError
from tests.docs.pages import ROOT

ROW = re.compile(r"^\| `([\w-]+)` \| ([^|]+?) \| (.*?) \| (.*?) \| (.*?) \|$", re.MULTILINE)


def test_the_page_shows_the_table() -> None:
    shown = ROW.findall((ROOT / "docs" / "bench.md").read_text())
    yes = {True: "yes", False: ""}
    assert shown[1:] == [
        (n, b.label, yes[b.files is not None], yes[b.profiles], yes[b.restores])
        for n, b in BACKENDS.items()
    ]


def test_every_backend_is_for_something() -> None:
    assert set(BACKENDS) == {*measured(), *profiling(), *restoring()}
    assert [name for name, found in BACKENDS.items() if found.name != name] == []
    assert set(device_timer.BACKENDS) <= set(profiling())
    assert {found.table for found in BACKENDS.values() if found.files == "onnx"} <= set(BACKENDS)


def test_what_is_not_for_this_is_refused_with_what_is() -> None:
    with pytest.raises(InputError, match="use one of torch, onnxruntime, openvino$"):
        find_backend("tensorrt", restoring())
