"""The notebook, run from its first cell to its last."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from clearer.runs.run import Run
from tests.test_structure import ROOT

NOTEBOOK = ROOT / "examples" / "whole-way.ipynb"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def outputs(folder: Path) -> list[Any]:
    """Outputs of all cells, in order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        book = nbformat.read(NOTEBOOK, as_version=4)
        place = {"metadata": {"path": str(folder)}}
        NotebookClient(book, timeout=600, resources=place).execute()
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    return [output for cell in cells for output in cell.outputs]


def test_it_says_what_it_found(outputs: list[Any], folder: Path) -> None:
    said = "".join(output["text"] for output in outputs if output.output_type == "stream")
    assert Run(folder / "run").read_architecture().text in said
    assert "dB on the validation pictures" in said
    assert "of at most 0.1" in said
    assert "model.onnx: " in said


def test_it_draws_the_search_and_the_pictures(outputs: list[Any]) -> None:
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"]))))
        for output in outputs
        if output.output_type == "display_data"
    ]
    assert len(pictures) == 2
    for picture in pictures:
        assert picture.shape[1] > 300
        assert picture[..., :3].std() > 10


def test_it_is_kept_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
