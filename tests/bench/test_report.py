from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from PIL import Image
from playwright.sync_api import Browser, Page, Request

from clearer.bench.report import write_report
from clearer.bench.report_architecture import draw_architecture
from clearer.bench.report_pictures import embed_strips
from clearer.bench.report_rows import difference, table
from clearer.bench.report_series import op_weight_tiles, search_charts, train_charts
from clearer.bench.report_verdict import verdict, winner
from clearer.costs.budget import Budget
from clearer.errors import InputError
from clearer.runs.run import Run
from clearer.runs.settings import PRESETS, RunSettings
from clearer.space.space import Architecture, SearchSpace
from clearer.support.files import append_jsonl, write_json
from clearer.tasks.denoise import Denoise
from tests.bench.report_material import bench_report, hostile_report

SPACE = SearchSpace(width=8, columns=(2, 3), residual=True)
FROZEN = Architecture.from_text("PF-FPF", SPACE)


def settings() -> RunSettings:
    quick = PRESETS["quick"]
    return RunSettings(
        preset="quick",
        task=Denoise(),
        color="gray",
        data=None,
        space=SPACE,
        budgets=(Budget(metric="mb", limit=5),),
        image_size=(256, 256),
        strategy="gradient",
        num_seeds=1,
        search=quick.search,
        train=quick.train,
        seed=0,
        device="cpu",
        precision="fp32",
    )


def search_line(iteration: int, fusion: float) -> dict[str, Any]:
    return {
        "iteration": iteration,
        "loss_res": 1 / iteration,
        "op_weights": [[1 - fusion, fusion]] * SPACE.num_columns,
        "expected_cost": [6 - iteration / 440],
        "lambda_comp": [iteration * 1e-5],
    }


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run's files as a search and a training leave them."""
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
    """Open a report; at the end of the test there must have been no message and no request."""
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
    page.wait_for_function("Chart.getChart('scatter').tooltip.opacity > 0")
    tooltip = page.evaluate(
        "(({title, body}) => [title[0], body[0].lines])(Chart.getChart('scatter').tooltip)"
    )
    assert tooltip[0] == "clearer PPPF-FFFF-FFFP, OpenVINO, fp32"
    assert "OpenVINO, fp32, 2 threads" in tooltip[1]
    assert page.locator("#rows tr.active").get_attribute("data-row") == "2"


def test_a_phone_scrolls_the_table_not_the_page(open_report: Callable[..., Page], run: Run) -> None:
    page = open_report(bench_report(run.path))
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth === 390")  # plots shrink late
    page.evaluate("document.querySelector('#rows').parentElement.scrollLeft = 300")
    left = "document.querySelector('#rows tbody th').getBoundingClientRect().left"
    assert 0 <= page.evaluate(left) < 20


def test_dark_mode_turns_ground_and_plots(open_report: Callable[..., Page], run: Run) -> None:
    page = open_report(bench_report(run.path))
    ground = "getComputedStyle(document.body).backgroundColor"
    mark = "Chart.getChart('scatter').data.datasets[0].pointBorderColor[0]"
    light = page.evaluate(ground), page.evaluate(mark)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"({mark}) !== '{light[1]}'")
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


def test_difference_is_of_the_same_pictures() -> None:
    images = [{"image": str(i), "psnr_db": 20.0 + 5 * i} for i in range(6)]
    better = [{"image": str(i), "psnr_db": 20.25 + 5 * i} for i in range(6)]
    reference: Any = {"images": images}
    row: Any = {"images": better[::-1]}
    assert difference(row, reference) == pytest.approx((0.25, 0.25, 0.25))
    assert difference(reference, reference) is None


def test_the_table_leaves_out_what_no_row_has(tmp_path: Path) -> None:
    report = bench_report(tmp_path)
    assert "Memory" in [column.title for column in table(report).columns]
    for row in report["rows"]:
        row["peak_memory_mb"] = None
    assert "Memory" not in [column.title for column in table(report).columns]


def test_the_verdict_says_who_wins(tmp_path: Path) -> None:
    report = bench_report(tmp_path)
    _row(report, 2, 26.04, 41)
    _row(report, 5, 26.30, 52)
    text = verdict(report).text.replace("\xa0", " ")
    assert text.startswith(
        "FFDNet, OpenVINO (26.30 dB at 52.0 ms) wins in quality, not in time: 0.26 dB better than "
        "clearer PPPF-FFFF-FFFP, OpenVINO, fp32 (26.04 dB at 41.0 ms), in 1.3 times its time. "
    )
    assert "On the front are clearer PPPF-FFFF-FFFP, OpenVINO, int8, clearer" in text
    report["noise"]["is_quiet"] = False
    assert verdict(report).text.startswith("By the times of a busy machine, FFDNet")


def _row(report: dict[str, Any], index: int, psnr_db: float, ms: float) -> None:
    row = report["rows"][index]
    for image in row["images"]:
        image["psnr_db"] += psnr_db - row["psnr_db"]
    row["psnr_db"], row["latency"]["median_ms"] = psnr_db, ms


@pytest.mark.parametrize(
    ("ours", "rival", "awaited"),
    [
        ((26.0, 40), (24.0, 80), r"clearer .* wins: 2.00 dB better than non-local .*, and 2.0 tim"),
        ((26.0, 80), (24.0, 40), r"clearer .* wins in quality, not in time: .* in 2.0 times its t"),
        ((24.0, 80), (25.7, 40), r"non-local means \(.* wins: 1.70 dB better than clearer .*, and"),
        ((24.0, 80), (25.7, 79), r"non-local means \(.* wins: 1.70 dB .*, in about the same time"),
        ((24.0, 40), (25.7, 80), r"non-local means \(.* wins in quality, not in time: 1.70 dB bet"),
        ((24.0, 80), (24.0, 40), r"non-local means \(.* wins: as good as clearer .* 2.0 times as "),
        ((24.0, 40), (24.0, 80), r"clearer .* wins: as good as non-local means .* 2.0 times as fa"),
    ],
)
def test_who_wins_by_quality_and_time(
    tmp_path: Path, ours: tuple[float, float], rival: tuple[float, float], awaited: str
) -> None:
    report = bench_report(tmp_path)
    report["rows"] = [report["rows"][1], report["rows"][-1]]
    _row(report, 0, *ours)
    _row(report, 1, *rival)
    for row in report["rows"]:  # as on a machine too busy to tell: it says nothing of who wins
        row["on_front"] = True
    assert re.match(awaited, winner(report).replace("\xa0", " "))


def test_what_the_pictures_do_not_prove_is_said(tmp_path: Path) -> None:
    report = bench_report(tmp_path)
    report["rows"] = [report["rows"][1], report["rows"][-1]]
    _row(report, 0, 24.7, 40)
    _row(report, 1, 24.6, 80)
    for index, image in enumerate(report["rows"][0]["images"]):
        image["psnr_db"] += 2 * (-1) ** index
    assert winner(report).endswith("(no more than pictures differ).")
    for row in report["rows"]:
        row["images"] = row["images"][:1]
    assert winner(report).endswith("(measured on one picture: that proves little).")


def test_a_rival_that_is_better_and_faster_counts_before_the_best(tmp_path: Path) -> None:
    report = bench_report(tmp_path)
    report["rows"] = [report["rows"][1], report["rows"][-2], report["rows"][-1]]
    _row(report, 0, 25.0, 80)
    _row(report, 1, 27.0, 400)
    _row(report, 2, 25.5, 40)
    assert winner(report).startswith("non-local means (25.50")


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


def test_logs_become_curves() -> None:
    records = [search_line(i, 0.5 + i / 10_000) for i in range(1, 1001)]
    charts = {chart["title"]: chart for chart in search_charts(records, settings())}
    assert list(charts) == ["Restoration loss", "Expected cost", "Multiplier λ₂"]
    expected, limit = charts["Expected cost"]["lines"]
    assert len(expected["points"]) <= 301
    assert expected["points"][-1] == (1000, records[-1]["expected_cost"][0])
    assert [y for _, y in limit["points"]] == [5, 5]
    tiles = op_weight_tiles(records, settings(), FROZEN)
    assert tiles is not None
    assert [[tile.chosen.letter for tile in cell] for cell in tiles.cells] == [
        ["P", "F"],
        ["F", "P", "F"],
    ]
    assert tiles.low < 0.4
    assert tiles.high > 0.6


@settings_of_hypothesis(max_examples=40)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["iteration", "loss", "val_psnr_db", "op_weights", "expected_cost"]),
            st.one_of(st.none(), st.text(), st.floats(), st.lists(st.lists(st.floats()))),
        ),
        max_size=4,
    )
)
def test_damaged_lines_of_a_log_are_passed_over(records: list[dict[str, Any]]) -> None:
    charts = [*train_charts(records), *search_charts(records, settings())]
    json.dumps(charts, allow_nan=False)
    op_weight_tiles(records, settings(), FROZEN)


@pytest.mark.parametrize("text", ["PPPP-FFFF-PFPF", "F", "P-F-P-F-P"])
def test_a_drawing_has_a_box_per_module(text: str) -> None:
    columns = tuple(len(cell) for cell in text.split("-"))
    space = SearchSpace(columns=columns)
    architecture = Architecture.from_text(text, space)
    drawing = draw_architecture(architecture, np.log(np.full((sum(columns), 2), 0.5)), (100, 60))
    for choice in ("parallel", "fusion"):
        scales = zip(architecture.choices, space.column_scales(), strict=True)
        expected = sum(count for picked, count in scales if picked == choice)
        assert sum(box.kind == choice for box in drawing.boxes) == expected
    places = [(box.x, box.y) for box in drawing.boxes]
    assert len(set(places)) == len(places)
    assert all(x < drawing.width and y < drawing.height for x, y in places)
    assert len(drawing.heads) == sum(columns)
    height, width = space.padded_size(100, 60)
    assert drawing.scales[1][2] == f"{height // 2} × {width // 2}"


def noise_strip(folder: Path, size: int) -> Any:
    pixels = np.random.default_rng(0).integers(256, size=(size, size), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "noise.png")
    return [{"image": "noise", "file": "noise.png", "panels": ["a"]}]


def test_large_strips_are_made_smaller(tmp_path: Path) -> None:
    strips = embed_strips(noise_strip(tmp_path, 900) * 3, tmp_path)
    size = sum(len(strip.source) for strip in strips.shown)
    assert 300_000 < size < 1_401_000
    assert (strips.shown[0].width, strips.shown[0].height) == (900, 900)


def test_strips_that_are_too_many_are_named(tmp_path: Path) -> None:
    strips = embed_strips(noise_strip(tmp_path, 8) * 8, tmp_path)
    assert len(strips.shown) == 6
    assert strips.left_out == ["noise.png"] * 2


def test_a_small_strip_keeps_its_pixels(tmp_path: Path) -> None:
    (strip,) = embed_strips(noise_strip(tmp_path, 40), tmp_path).shown
    kind, _, data = strip.source.partition(",")
    assert kind == "data:image/png;base64"
    (tmp_path / "again.png").write_bytes(base64.b64decode(data))
    with Image.open(tmp_path / "noise.png") as one, Image.open(tmp_path / "again.png") as other:
        assert one.tobytes() == other.tobytes()


def test_strips_that_are_refused(tmp_path: Path) -> None:
    (folder := tmp_path / "run").mkdir()
    noise_strip(tmp_path, 8)
    for file, reason in (
        ("../noise.png", "outside"),
        (str(tmp_path / "noise.png"), "outside"),
        ("missing.png", "does not exist"),
    ):
        with pytest.raises(InputError, match=reason):
            embed_strips([{"image": "a", "file": file, "panels": []}], folder)
    (folder / "text.png").write_text("no picture")
    with pytest.raises(InputError, match="not a readable PNG"):
        embed_strips([{"image": "a", "file": "text.png", "panels": []}], folder)
