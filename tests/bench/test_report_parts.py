"""What the report says: table, verdict, curves, drawing and pictures."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from PIL import Image

from clearer.bench.report_architecture import draw_architecture
from clearer.bench.report_pictures import embed_strips
from clearer.bench.report_rows import difference, table
from clearer.bench.report_series import op_weight_tiles, search_charts, train_charts
from clearer.bench.report_verdict import verdict, winner
from clearer.bench.row_labels import row_label
from clearer.errors import InputError
from clearer.space.space import Architecture, SearchSpace
from tests.bench.report_material import FROZEN, bench_report, search_line, settings


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


def test_a_busy_machine_is_named_without_a_rival_too(tmp_path: Path) -> None:
    report = bench_report(tmp_path)
    report["rows"] = [row for row in report["rows"] if row["kind"] == "ours"]
    assert verdict(report).text.replace("\xa0", " ").startswith("clearer PPPF-FFFF-FFFP, OpenVINO")
    report["noise"]["is_quiet"] = False
    assert verdict(report).text.startswith("By the times of a busy machine, clearer")


def test_two_files_that_compute_alike_are_told_apart(tmp_path: Path) -> None:
    rows: list[Any] = bench_report(tmp_path)["rows"]
    assert row_label(rows[1], rows) == "clearer PPPF-FFFF-FFFP, ONNX Runtime"
    twin: Any = {**rows[1], "source": "model.fp16.onnx"}
    labels = {row_label(row, [*rows, twin]) for row in (rows[1], twin)}
    start = "clearer PPPF-FFFF-FFFP, ONNX Runtime"
    assert labels == {f"{start}, model.onnx", f"{start}, model.fp16.onnx"}


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
    for row in report["rows"]:  # as on a machine too busy for a verdict: no winner is named
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
