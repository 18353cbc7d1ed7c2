"""The site that `make docs` builds: without a warning, and it loads nothing from elsewhere."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clearer
from clearer.zoo.catalogue import zoo_names
from tests.docs.pages import ROOT
from tests.test_structure import drawn

LOADED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "--quiet", "build", "--strict", "--site-dir"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [*words, folder], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_loads_from_the_site_alone(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        assert not LOADED.findall(page.read_text()), page


def test_the_reference_has_what_programs_import(site: Path) -> None:
    page = (site / "reference" / "index.html").read_text()
    for name in set(clearer.__all__) - {"__version__"}:
        assert f'id="clearer.{name}"' in page


def test_formulas_and_examples_are_drawn(site: Path) -> None:
    losses = (site / "reference" / "training" / "index.html").read_text()
    assert losses.count("<math") > 5
    assert ":math:" not in losses
    assert '<span class="gp">&gt;&gt;&gt; </span>' in losses
    assert (site / "method" / "index.html").read_text().count('<div class="math">') == 4


def test_the_drawing_has_every_room(site: Path) -> None:
    page = (site / "architecture" / "index.html").read_text()
    for room in drawn():
        assert f">{room}</text>" in page


def test_every_network_has_its_card(site: Path) -> None:
    page = (site / "cards" / "index.html").read_text()
    for name in zoo_names():
        assert f'<h2 id="{name}">' in page


def named_types(function: Any) -> Iterator[str]:
    """Full names of clearer's own types in its annotations, those in quotes too."""
    module = sys.modules[function.__module__]
    source = ast.parse(inspect.getsource(module))
    places = {
        alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("clearer")
        for alias in node.names
    }
    places |= {name: f"{module.__name__}.{name}" for name in vars(module).get("__all__", ())}
    for annotation in inspect.get_annotations(function).values():
        for node in ast.walk(ast.parse(str(annotation))):
            if isinstance(node, ast.Name) and node.id in places:
                yield places[node.id]


def test_the_reference_has_what_functions_take_and_give(site: Path) -> None:
    functions: list[Any] = [clearer.Restorer.__call__, clearer.SearchRequest]
    exported = (getattr(clearer, name) for name in clearer.__all__)
    functions += [found for found in exported if inspect.isfunction(found)]
    wanted = {name for function in functions for name in named_types(function)}
    assert {"clearer.api.session.RunResult", "clearer.api.watch.Watch"} <= wanted
    pages = "".join(page.read_text() for page in site.glob("reference/**/*.html"))
    shown = {name: f"clearer.{name.rpartition('.')[2]}" for name in wanted}  # what is imported
    ids = set(re.findall(r'id="(clearer\.[\w.]+)"', pages))
    assert not {name for name in wanted if not {name, shown[name]} & ids}
