"""A researcher: the paper's search in the library, what it saw, and a plot of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

import clearer
from clearer.cli import app
from clearer.operations.registry import OPERATIONS
from clearer.runs.run import Run
from clearer.support.files import read_jsonl
from tests.clearer.operations.below import Below
from tests.photographs import save_photographs
from tests.walks.conftest import Clearer

Weights = NDArray[np.float64]


@pytest.fixture
def photos(folder: Path) -> Path:
    (folder / "photos").mkdir()
    names = {"train": ["astronaut", "brick", "coins", "motorcycle_left"], "val": ["camera"]}
    return save_photographs(folder / "photos", names, "L", (64, 64))


@pytest.fixture
def own_operation(monkeypatch: pytest.MonkeyPatch) -> str:
    """Her operation, as a file and a line of the registry would add it."""
    monkeypatch.setitem(OPERATIONS, "below", Below())
    return "below"


def request(photos: Path, out: str, seed: int = 0) -> clearer.SearchRequest:
    return clearer.SearchRequest(
        data=photos,
        task_options={"sigma": 25},
        budget_params=60_000,
        strategy="gradient",
        columns=(2, 2),
        search_iterations=20,
        batch_size=2,
        patch_size=16,
        precision="fp32",
        seed=seed,
        train=False,
        out=out,
    )


def course(run: Run) -> Weights:
    """Weights of the operations: (time, choice, operation)."""
    return np.array([record["op_weights"] for record in read_jsonl(run.search_log)])


def test_from_a_search_to_its_plot(folder: Path, photos: Path, clearer_command: Clearer) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    result = clearer.search(request(photos, "first"))
    weights = course(result.run)
    assert np.allclose(weights.sum(axis=2), 1, atol=1e-5)
    assert np.abs(weights[-1] - weights[0]).max() > 0.01  # it has learned something
    (budget,) = result.decision["budgets"]
    assert budget["measured"] is not None
    assert budget["measured"] <= 60_000
    # The same request gives the same search, another seed another one.
    again, other = (clearer.search(request(photos, f"seed{s}", s)) for s in (0, 1))
    assert np.array_equal(course(again.run), weights)
    assert not np.array_equal(course(other.run), weights)

    figure, axes = plt.subplots()
    lines = [line for choice in weights[..., 0].T for line in axes.plot(choice)]
    assert len(lines) == len(result.architecture.choices)
    figure.savefig("weights.png")
    plt.close(figure)

    clearer_command("show", result.run.path, "--front", "--quality")
    for picture in ("weights.png", result.run.path / "front-mb.png"):
        with Image.open(picture) as drawn:
            assert min(drawn.size) > 300
            assert np.asarray(drawn.convert("L")).std() > 5


def test_an_operation_of_her_own_takes_part(folder: Path, photos: Path, own_operation: str) -> None:
    asked = replace(
        request(photos, "own"),
        operations=("parallel", "fusion", own_operation),
        train=True,
        iterations=4,
        search_iterations=8,
    )
    run = clearer.search(asked).run
    weights = course(run)
    assert weights.shape[2] == 3
    assert (weights[-1] != weights[0]).all()  # each is trained, including hers
    # This process's registry knows it, so the commands run here.
    shown = CliRunner().invoke(app, ["show", str(run.path)])
    assert shown.exit_code == 0, shown.output
    exported = CliRunner().invoke(app, ["export", str(run.path), "--json"])
    assert exported.exit_code == 0, exported.output
    assert (run.path / "model.onnx").is_file()
