"""The report as a page, in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request

from clearer.bench.report import write_report
from clearer.runs.run import Run
from clearer.support.files import append_jsonl, write_json
from tests.bench.report_material import (
    FROZEN,
    SPACE,
    bench_report,
    hostile_report,
    search_line,
    settings,
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run's files, as a search and a training leave them."""
    run = Run.create(tmp_path / "run", settings())
    weights = [[0.3, 0.7]] * SPACE.num_columns
    about = {"strategy": "gradient", "op_weights": weights, "params": 1000, "macs_per_pixel": 2000}
    check = {"metric": "mb", "limit": 5, "predicted": 4.9, "measured": 4.8}
    write_json(run.architecture, {**FROZEN.to_dict(), **about, "budgets": [check]})
    for iteration in range(20, 460, 20):
        append_jsonl(run.search_log, search_line(iteration, 0.5 + max(0, iteration - 320) / 600))
    for iteration in range(20, 320, 20):
        append_jsonl(run.train_log, {"iteration": iteration, "loss": 1 / iteration})
        figures = {"val_psnr_db": 20 + iteration / 100, "val_ssim": 0.5}
        append_jsonl(run.train_log, {"iteration": iteration, **figures})
    return run


@pytest.fixture
def open_report(browser: Browser, run: Run) -> Iterator[Callable[..., Page]]:
    """Open a report; by the end of the test there must be no message and no request."""
    messages: list[str] = []
    context = browser.new_context(viewport={"width": 1200, "height": 900})

    def note_request(request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            messages.append(request.url)

    def make(report: Any) -> Page:
        path = run.path / "report.html"
        write_report(path, report, run)
        page = context.new_page()
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("dialog", lambda dialog: messages.append(dialog.message))
        page.on("request", note_request)
        page.goto(path.as_uri())
        return page

    yield make
    context.close()
    assert not messages


def test_a_page_shows_all_and_loads_nothing(open_report: Callable[..., Page], run: Run) -> None:
    page = open_report(bench_report(run.path))
    titles = page.locator("h2").all_inner_texts()
    assert titles == [
        "Quality against time",
        "All rows",
        "Pictures",
        "Architecture",
        "Search",
        "Training",
        "Predicted against measured time",
        "To repeat it",
    ]
    assert page.locator("#rows tbody tr").count() == 8
    assert page.locator("canvas").count() == 1 + 3 + 2 + 1
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    assert page.locator("pre.command").inner_text() == (
        "clearer bench 'runs/my run' --against ffdnet_s50.onnx"
    )


def test_a_header_sorts_and_empty_cells_stay_last(
    open_report: Callable[..., Page], run: Run
) -> None:
    page = open_report(bench_report(run.path))

    def cells(title: str) -> list[str]:
        headers = [text.split()[0] for text in page.locator("#rows thead th").all_inner_texts()]
        place = headers.index(title) + 1
        page.locator(f"#rows thead th:nth-child({place}) button").click()
        return page.locator(f"#rows tbody tr > :nth-child({place})").all_inner_texts()

    up = [float(text) for text in cells("Median")]
    assert up == sorted(up)
    down = [float(text) for text in cells("Median")]
    assert down == sorted(up, reverse=True)
    assert cells("File")[-1] == ""
    assert cells("File")[-1] == ""
    backends = [text.split("\n")[0] for text in cells("Backend")]
    assert backends == sorted(backends, key=str.lower)


def wait_until(page: Page, condition: str) -> None:
    """Wait for a condition; ``wait_for_function`` uses ``eval``, which the page forbids."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def test_pointing_at_a_point_shows_its_row(open_report: Callable[..., Page], run: Run) -> None:
    page = open_report(bench_report(run.path))
    place = page.evaluate(
        """() => {
          const chart = Chart.getChart("scatter"), point = chart.getDatasetMeta(0).data[2];
          const box = chart.canvas.getBoundingClientRect();
          return [box.left + point.x, box.top + point.y];
        }"""
    )
    page.mouse.move(*place)
    wait_until(page, "Chart.getChart('scatter').tooltip.opacity > 0")
    tooltip = page.evaluate(
        "(({title, body}) => [title[0], body[0].lines])(Chart.getChart('scatter').tooltip)"
    )
    assert tooltip[0] == "clearer PPPF-FFFF-FFFP, OpenVINO, fp32"
    assert "OpenVINO, fp32, 2 threads" in tooltip[1]
    assert page.locator("#rows tr.active").get_attribute("data-row") == "2"


def test_a_phone_scrolls_the_table_not_the_page(open_report: Callable[..., Page], run: Run) -> None:
    page = open_report(bench_report(run.path))
    page.set_viewport_size({"width": 390, "height": 844})
    wait_until(page, "document.documentElement.scrollWidth === 390")  # plots shrink with a delay
    page.evaluate("document.querySelector('#rows').parentElement.scrollLeft = 300")
    left = "document.querySelector('#rows tbody th').getBoundingClientRect().left"
    assert 0 <= page.evaluate(left) < 20


def test_dark_mode_turns_ground_and_plots(open_report: Callable[..., Page], run: Run) -> None:
    page = open_report(bench_report(run.path))
    ground = "getComputedStyle(document.body).backgroundColor"
    mark = "Chart.getChart('scatter').data.datasets[0].pointBorderColor[0]"
    light = page.evaluate(ground), page.evaluate(mark)
    page.emulate_media(color_scheme="dark")
    wait_until(page, f"({mark}) !== '{light[1]}'")
    assert page.evaluate(ground) != light[0]


def test_the_raw_report_can_be_saved(open_report: Callable[..., Page], run: Run) -> None:
    report = bench_report(run.path)
    page = open_report(report)
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == "bench.json"
    assert json.loads(Path(download.value.path()).read_text()) == report


def test_no_text_breaks_out(open_report: Callable[..., Page], run: Run) -> None:
    page = open_report(hostile_report(run.path))
    assert page.locator("script:not([type])").count() == 2
    assert page.locator("img[src=x]").count() == 0
    assert "alert(1)" in page.locator("#rows tbody th").first.inner_text()
    assert page.title().startswith("clearer bench")
    assert page.evaluate("Boolean(Chart.getChart('scatter'))")


def test_the_policy_alone_stops_a_foreign_script(browser: Browser, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", bench_report(tmp_path), None)
    page, messages = browser.new_page(), list[str]()
    page.on("console", lambda message: messages.append(message.text))
    page.goto((tmp_path / "report.html").as_uri())
    ran = page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          return Boolean(window.ran);
        }"""
    )
    page.close()
    assert not ran
    assert "Content Security Policy" in messages[0]


def test_html_without_a_run(tmp_path: Path) -> None:
    report = hostile_report(tmp_path)
    write_report(tmp_path / "report.html", report, None)
    html = (tmp_path / "report.html").read_text()
    assert html.count("</script>") == 4
    assert "<img src=x" not in html
    assert "<h2>Architecture" not in html
    assert "<h2>Search" not in html
    raw = re.search(r'id="raw">(.*)</script>', html)
    assert raw is not None
    assert json.loads(raw[1]) == report


def test_an_unfinished_run_leaves_sections_out(run: Run) -> None:
    run.search_log.unlink()
    run.train_log.unlink()
    write_json(run.architecture, {**FROZEN.to_dict(), "strategy": "random"})
    write_report(run.path / "report.html", bench_report(run.path), run)
    html = (run.path / "report.html").read_text()
    assert "<h2>Architecture" in html
    assert 'class="track"' not in html
    assert "<h2>Search" not in html
    assert "<h2>Training" not in html


def test_a_perfect_row_has_no_place_on_the_axis(tmp_path: Path) -> None:
    report = bench_report(tmp_path)
    report["rows"][0]["psnr_db"] = float("inf")
    write_report(tmp_path / "report.html", report, None)
    data = re.search(r'id="data">(.*)</script>', (tmp_path / "report.html").read_text())
    assert data is not None
    assert [point["row"] for point in json.loads(data[1])["scatter"]["points"]] == list(range(1, 8))


def test_a_report_of_perfect_rows_has_no_plot(open_report: Callable[..., Page], run: Run) -> None:
    report = bench_report(run.path)
    for row in report["rows"]:
        row["psnr_db"] = float("inf")
        row["images"] = [{**image, "psnr_db": float("inf")} for image in row["images"]]
    page = open_report(report)
    assert page.locator("#scatter").count() == 0
    assert page.locator("canvas").count() == 6
    assert page.locator("#rows tbody tr").count() == 8


def test_pointing_at_a_row_shows_its_point(open_report: Callable[..., Page], run: Run) -> None:
    page = open_report(bench_report(run.path))
    page.locator("#rows tbody tr[data-row='4'] td").first.hover()
    active = "Chart.getChart('scatter').getActiveElements().map((element) => element.index)"
    assert page.evaluate(active) == [4]
