"""Networks of other programs: every command accepts them, or every command refuses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from clearer.export.image_io import with_image_io
from clearer.restoring.metrics import psnr_db
from tests.bench import tiny_onnx
from tests.command import clearer

QUICK = ["--size", "21x30", "--runs", "3", "--batch", "0", "--max-seconds", "0.3"]
QUICK += ["--no-classical", "--sigma", "25"]


def waves(folder: Path) -> Path:
    """Smooth pictures of odd sides, in colour."""
    folder.mkdir()
    for index in range(2):
        rows, columns = np.mgrid[:59, :85] / (6 + index)
        planes = [128 + 50 * np.sin(rows + c) + 50 * np.cos(columns - c) for c in range(3)]
        Image.fromarray(np.stack(planes, -1).astype(np.uint8)).save(folder / f"{index}.png")
    return folder


@pytest.fixture(autouse=True)
def _lean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the process that measures a row's memory, and pictures: other tests cover both."""
    monkeypatch.setattr("clearer.bench.bench.peak_memory_mb", lambda spec: None)
    monkeypatch.setattr("clearer.bench.bench.write_strips", lambda *arguments: [])
    monkeypatch.setattr("clearer.bench.bench.plot_frontier", lambda *arguments: None)
    monkeypatch.setattr("clearer.bench.bench.plot_strip", lambda *arguments: None)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return waves(tmp_path_factory.mktemp("data") / "waves")


def of_0_to_255(path: Path) -> Path:
    return tiny_onnx.blur(path, 255.0, 3)


def in_the_order_bgr(path: Path) -> Path:
    return tiny_onnx.tinted(path, "BGR", {"range": "0..1", "color_order": "BGR"})


def of_multiples_of_8(path: Path) -> Path:
    return tiny_onnx.pooled(path, 8, 3)


def with_channels_last(path: Path) -> Path:
    return tiny_onnx.convolution(path, 3, ["b", "h", "w", 3], is_nhwc=True)


def with_open_sizes(path: Path) -> Path:
    return tiny_onnx.convolution(path, 3, ["b", "c", "h", "w"])


def of_bytes(path: Path) -> Path:
    """A file as ``clearer export --io image`` makes it, but from another program."""
    model = onnx.load_model_from_string(with_image_io(whole(path).read_bytes()))
    del model.metadata_props[:]
    onnx.save(model, path)
    return path


def whole(path: Path) -> Path:
    """A blur whose shapes the checker can follow."""
    model = onnx.load(tiny_onnx.blur(path, 1.0, 3))
    model.graph.output[0].CopyFrom(
        onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 3, "h", "w"])
    )
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    "make",
    [
        of_0_to_255,
        in_the_order_bgr,
        of_multiples_of_8,
        with_channels_last,
        with_open_sizes,
        of_bytes,
        lambda path: tiny_onnx.convolution(path, 1, ["b", 1, "h", "w"]),
    ],
)
def test_commands_and_backends_agree(
    make: Callable[[Path], Path], pictures: Path, tmp_path: Path
) -> None:
    """PSNR from eval, from bench in two runtimes, and of restored 8-bit files."""
    model = make(tmp_path / "m.onnx")
    report = ["--json", "--out", tmp_path / "eval"]
    channels = json.loads(clearer("show", model, "--json").stdout)["channels"]
    evaluated = clearer("eval", model, "--data", pictures, "--sigma", 0.001, *report)
    assert evaluated.exit_code == 0, evaluated.output
    expected = [row["psnr_db"] for row in json.loads(evaluated.stdout)["rows"]]
    for backend in ("onnxruntime", "openvino"):
        out = tmp_path / backend
        words = ["--model", model, "--out", out, "--backend", backend]
        result = clearer("restore", pictures, *words)
        assert result.exit_code == 0, result.output
        if channels == 1:  # eval compares gray pictures, restore takes each channel
            continue
        for index, db in enumerate(expected):
            files = (out / f"{index}.png", pictures / f"{index}.png")
            arrays = [
                np.asarray(Image.open(file)).astype(np.float32) / np.float32(255) for file in files
            ]
            # Rounding to 8 bits twice makes a difference, mostly where almost nothing is changed.
            assert psnr_db(*arrays) == pytest.approx(db, abs=0.3) or min(psnr_db(*arrays), db) > 50
    words = ["--data", pictures, *QUICK, "--out", tmp_path / "bench", "--json"]
    benched = clearer("bench", model, *words, "--backend", "onnxruntime", "--backend", "openvino")
    assert benched.exit_code == 0, benched.output
    noisy = json.loads(clearer("eval", model, "--data", pictures, "--sigma", 25, *report).stdout)
    rows = json.loads(benched.stdout)["rows"]
    assert [row["backend"] for row in rows] == ["ONNX Runtime", "OpenVINO"]
    for row in rows:
        assert row["psnr_db"] == pytest.approx(noisy["mean"]["psnr_db"], abs=0.01)


def test_identity_in_0_to_255_gives_its_input_back(pictures: Path, tmp_path: Path) -> None:
    model = onnx.load(tiny_onnx.blur(tmp_path / "m.onnx", 255.0, 3))
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(tiny_onnx.kernel(3), "k"))
    onnx.save(model, tmp_path / "m.onnx")
    result = clearer("restore", pictures, "--model", tmp_path / "m.onnx", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "m.onnx does not say its range (taken: 0..255" in result.stderr
    for index in range(2):
        restored, given = (
            np.asarray(Image.open(folder / f"{index}.png"))
            for folder in (tmp_path / "out", pictures)
        )
        np.testing.assert_array_equal(restored, given)


def two_outputs(path: Path) -> Path:
    model = onnx.load(tiny_onnx.blur(path, 1.0, 3))
    model.graph.output.insert(
        0, onnx.helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, [None] * 4)
    )
    onnx.save(model, path)
    return path


def invalid(path: Path) -> Path:
    model = onnx.load(tiny_onnx.blur(path, 1.0, 3))
    del model.graph.node[0].input[1]
    onnx.save(model, path)
    return path


def batches_of_7(path: Path) -> Path:
    return tiny_onnx.save(
        path, [onnx.helper.make_node("Identity", ["x"], ["y"])], shape=[7, 3, "h", "w"]
    )


REFUSED = {
    two_outputs: "2 outputs (a, y)",
    invalid: "not a valid ONNX network",
    batches_of_7: "batches of 7 only",
}


@pytest.mark.parametrize(("make", "reason"), REFUSED.items())
def test_what_cannot_restore_is_refused_alike(
    make: Callable[[Path], Path], reason: str, pictures: Path, tmp_path: Path
) -> None:
    model = make(tmp_path / "m.onnx")
    for words in (
        ("restore", pictures, "--model", model, "--out", tmp_path / "out"),
        ("restore", pictures, "--model", model, "--backend", "openvino", "--out", tmp_path / "out"),
        ("eval", model, "--data", pictures, "--sigma", 25),
        ("bench", model, "--data", pictures, *QUICK),
        ("demo", model, "--save", tmp_path / "site"),
    ):
        result = clearer(*words)
        assert result.exit_code == 2, result.output
        assert reason in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "site").exists()


def test_a_bad_file_beside_a_good_one_is_left_out(pictures: Path, tmp_path: Path) -> None:
    good = with_open_sizes(tmp_path / "good.onnx")
    bad = [make(tmp_path / f"{make.__name__}.onnx") for make in REFUSED]
    out = ["--out", tmp_path / "out", "--json", "--backend", "onnxruntime"]
    result = clearer("bench", *bad, good, "--data", pictures, *QUICK, *out)
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    assert [row["name"] for row in report["rows"]] == ["good"]
    reasons = {entry["name"]: entry["reason"] for entry in report["skipped"]}
    assert set(reasons) == {make.__name__ for make in REFUSED}
    assert all(REFUSED[make] in reasons[make.__name__] for make in REFUSED)


def test_files_with_one_graph_and_other_weights_beside_are_two(
    pictures: Path, tmp_path: Path
) -> None:
    """Equal bytes, except for the weights in another file of the same name."""
    paths = []
    for index, factor in enumerate((1, 0.5)):
        folder = tmp_path / str(index)
        folder.mkdir()
        model = onnx.load(with_open_sizes(folder / "m.onnx"))
        weights = onnx.numpy_helper.from_array(np.float32(factor) * tiny_onnx.kernel(3), "k")
        model.graph.initializer[0].CopyFrom(weights)
        onnx.save(
            model, folder / "m.onnx", save_as_external_data=True, location="w", size_threshold=0
        )
        paths.append(folder / "m.onnx")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    words = ["--data", pictures, *QUICK, "--out", tmp_path / "b", "--json"]
    result = clearer("bench", *paths, *words, "--backend", "onnxruntime")
    assert result.exit_code == 0, result.output
    one, other = json.loads(result.stdout)["rows"]
    assert abs(one["psnr_db"] - other["psnr_db"]) > 1
    assert one["file_bytes"] == sum(file.stat().st_size for file in paths[0].parent.iterdir())


def test_show_says_how_pictures_go_in(tmp_path: Path) -> None:
    result = clearer("show", of_multiples_of_8(tmp_path / "m.onnx"))
    assert result.exit_code == 0
    assert "sides of multiples of 8, by reflect padding" in " ".join(result.stdout.split())
    refused = clearer("show", batches_of_7(tmp_path / "b.onnx"), "--json")
    assert refused.exit_code == 0
    assert "batches of 7" in json.loads(refused.stdout)["not_usable"]
    assert clearer("show", invalid(tmp_path / "i.onnx")).exit_code == 2
