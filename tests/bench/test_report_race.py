"""The part of the report that shows how a race ended."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from clearer.bench.plots import plot_race
from clearer.bench.report import write_report
from clearer.bench.report_race import draw_race
from clearer.costs.decision import decide_winner
from clearer.runs.run import Run
from clearer.searching.race import write_race
from clearer.searching.standing import race_front, ranked
from clearer.support.files import write_json
from tests.bench.report_material import bench_report, settings
from tests.clearer.searching.test_contenders import COSTS
from tests.clearer.searching.test_standing import STANDING


def test_rounds_go_right_and_better_figures_stand_higher() -> None:
    drawing = draw_race(ranked(STANDING))
    assert drawing is not None
    assert [len(line.points) for line in drawing.lines] == [2, 2, 1]  # one has no figure
    assert [line.is_winner for line in drawing.lines] == [True, False, False]
    winner, second, third = drawing.lines
    assert winner.points[0][0] < winner.points[1][0] < drawing.width
    assert winner.points[1][1] < second.points[1][1]
    assert second.points[0][1] < winner.points[0][1] < third.points[0][1] <= drawing.height
    assert winner.title == "unshuffle 1, width 8 x2, 2 scales: 25.00 dB after 20 iterations"
    assert [text for _, text in drawing.marks] == ["25.00", "20.00"]


def test_a_race_without_figures_is_not_drawn() -> None:
    assert draw_race([]) is None
    assert draw_race(ranked([STANDING[3]])) is None


def test_the_report_says_who_took_part_and_who_won(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", settings(), lambda run: write_race(run, STANDING))
    winner = ranked(STANDING)[0].architecture
    decision = decide_winner([winner], (), COSTS).to_dict()
    write_json(run.architecture, {**decision, "strategy": "race"})
    write_report(run.path / "report.html", bench_report(run.path), run)
    html = (run.path / "report.html").read_text()
    assert "<h2>Race" in html
    assert html.count("(won)") == 1
    assert "unshuffle 1, width 8 x2, 2 scales (won)" in html
    assert html.count("<polyline") == 3
    assert "25.00</td>" in html


def test_a_picture_of_cost_against_figures(tmp_path: Path) -> None:
    plot_race(tmp_path / "front.png", race_front(STANDING, [1.0, 2.0, 3.0, None]), "MB")
    with Image.open(tmp_path / "front.png") as picture:
        assert min(picture.size) > 300
