"""Hours of another preset, from the speed of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearer.costs.cost import cost_table, network_cost
from clearer.planning.estimate import preset_hours
from clearer.runs.run import Run
from clearer.runs.settings import PRESETS
from clearer.space.space import Architecture
from clearer.support.files import append_jsonl, write_json
from tests.clearer.training.test_loops import tiny_settings


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "run", tiny_settings())
    architecture = Architecture.from_text("P-F", run.settings().space)
    write_json(run.architecture, architecture.to_dict())
    return run


def training_hours(run: Run, iterations_per_s: float) -> tuple[float, float]:
    """Multiply-accumulates per hour, and hours of the paper's training at that speed."""
    train, paper = run.settings().train, PRESETS["paper"]
    macs = network_cost(run.read_architecture(), "macs") * train.batch_size * train.patch_size**2
    speed = 3600 * iterations_per_s * macs
    table = cost_table(paper.space, "macs")
    middle = (table.cheapest + table.dearest) / 2
    return speed, paper.train.iterations * 32 * 64**2 * middle / speed


def test_a_run_without_logs_says_nothing(run: Run) -> None:
    assert preset_hours(run, "paper") == 0


def test_without_a_search_by_gradient_the_speed_of_the_training_counts(run: Run) -> None:
    for speed in (4.0, 5.0, 90.0):
        append_jsonl(run.train_log, {"iteration": 1, "loss": 1.0, "iterations_per_s": speed})
    speed, training = training_hours(run, 5.0)
    paper = PRESETS["paper"]
    table = cost_table(paper.space, "macs")
    supernet = table.fixed + sum(map(sum, table.choices))
    search = (10_000 + 9_000) * 32 * 64**2 * supernet / speed
    assert preset_hours(run, "paper") == pytest.approx(search + training)
    append_jsonl(run.search_log, {"iteration": 1, "iterations_per_s": 1e9})
    assert preset_hours(run, "paper") == pytest.approx(training, rel=1e-3)
