"""Python on the pages: names and arguments exist, and the quick snippets are run."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearer
from tests.docs.pages import PAGES, fences, name
from tests.docs.test_embed import write_image_model

SNIPPETS = {
    f"{name(page)}-{number}": code
    for page in PAGES
    for number, code in enumerate(fences(page, "python"))
}
LONG = {"search", "train", "benchmark", "profile"}
"""Snippets that take minutes: only their names and arguments are checked."""


def used(code: str) -> list[tuple[str, list[str]]]:
    """Names that are used from ``clearer``, and the keywords that each is given."""
    tree = ast.parse(code)
    calls = {
        (node.func.lineno, node.func.col_offset): [word.arg for word in node.keywords if word.arg]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    return [
        (node.attr, calls.get((node.lineno, node.col_offset), []))
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "clearer"
    ]


@pytest.mark.parametrize("code", SNIPPETS.values(), ids=SNIPPETS)
def test_names_and_arguments_are_there(code: str) -> None:
    for word, keywords in used(code):
        found = getattr(clearer, word)
        if keywords:
            assert set(keywords) <= set(inspect.signature(found).parameters)


@pytest.mark.parametrize(
    "code", ["clearer.no_such_name()", "clearer.load('gray-25', no_such_argument=3)"]
)
def test_what_is_not_there_is_noticed(code: str) -> None:
    with pytest.raises((AttributeError, AssertionError)):
        test_names_and_arguments_are_there(code)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, id=page)
        for page, code in SNIPPETS.items()
        if not LONG & {word for word, _ in used(code)} and "restored = " in code
    ],
)
def test_what_is_quick_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_image_model(tmp_path / "model.image.onnx")
    picture = np.random.default_rng(0).integers(256, size=(32, 40, 3), dtype=np.uint8)
    names: dict[str, Any] = {"picture": picture}
    exec(code, names)  # the pages' own lines
    given = picture if "(picture" in code or "picture[" in code else np.empty((1, 1, 321, 481))
    assert names["restored"].shape == given.shape
