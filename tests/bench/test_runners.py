"""Each backend restores, and reports its precision correctly."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from clearer.bench.memory import peak_memory_mb
from clearer.bench.onnx_precision import written_precision
from clearer.bench.openvino_runner import OpenVinoRunner
from clearer.bench.rows import RowSpec, open_runner
from clearer.bench.runners import NonLocalMeansRunner, OnnxRunner, TorchRunner
from clearer.bench.targets import choose_backends
from clearer.errors import ClearerError, InputError
from clearer.export.model_description import read_description
from clearer.export.openvino import open_core
from clearer.export.picture_io import PictureIo
from clearer.export.to_onnx import to_onnx
from clearer.networks.network import RestorationNet
from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import evaluate
from clearer.space.space import Architecture, SearchSpace
from clearer.tasks.denoise import Denoise
from tests.bench import tiny_onnx

BATCH = np.random.default_rng(0).random((1, 1, 9, 7), dtype=np.float32)


def spec(path: Path, backend: str = "onnxruntime") -> RowSpec:
    return RowSpec(
        name="n",
        kind="other",
        backend=backend,
        path=str(path),
        source=path.name,
        channels=1,
        height=9,
        width=7,
        threads=1,
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_non_local_means_removes_noise(channels: int) -> None:
    smooth = np.tile(np.arange(96, dtype=np.uint8)[None, :, None] * 2, (96, 1, channels))
    images = ImageSet(("ramp",), (smooth,))
    quality = evaluate(NonLocalMeansRunner(25), images, Denoise(), seed=0)
    assert quality.psnr_db > 30


def test_any_image_to_image_file_is_a_row(tmp_path: Path) -> None:
    path = tiny_onnx.identity(tmp_path / "i.onnx")
    runner = OnnxRunner("identity", path, channels=1)
    np.testing.assert_array_equal(runner(BATCH), BATCH)
    info = runner.info
    assert (info.provider, info.file_bytes) == ("CPUExecutionProvider", path.stat().st_size)
    assert info.load_ms is not None


def test_backends_agree_on_every_size(tmp_path: Path) -> None:
    path = tiny_onnx.blur(tmp_path / "b.onnx")
    one = OnnxRunner("b", path, 1, threads=1)
    other = OpenVinoRunner(
        "b", path, io=PictureIo(), precision="fp32", threads=1, shape=(1, 1, 9, 7)
    )
    for shape in ((1, 1, 9, 7), (1, 1, 16, 12), (3, 1, 9, 7)):
        batch = np.random.default_rng(0).random(shape, dtype=np.float32)
        np.testing.assert_allclose(one(batch), other(batch), atol=1e-6)
    assert other.info.precision == "fp32"


@pytest.mark.parametrize("size", [(3, 40), (9, 7), (33, 50), (64, 64)])
@pytest.mark.parametrize("unshuffle", [1, 2])
def test_our_padding_is_the_same_everywhere(
    tmp_path: Path, size: tuple[int, int], unshuffle: int
) -> None:
    """OpenVINO's runner fixes the sizes, so that they are computed before it runs."""
    space = SearchSpace(width=4, unshuffle=unshuffle, columns=(1, 1), residual=True)
    network = RestorationNet(Architecture.from_text("P-F", space)).eval()
    torch.nn.init.normal_(network.output.head.weight)
    path = tmp_path / "network.onnx"
    path.write_bytes(to_onnx(network, {}))
    batch = np.random.default_rng(0).random((1, 1, *size), dtype=np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(batch)).numpy()
    fixed = OpenVinoRunner(
        "b", path, io=PictureIo(), precision="fp32", threads=1, shape=batch.shape
    )
    for runner in (OnnxRunner("a", path, 1), fixed):
        np.testing.assert_allclose(runner(batch), expected, atol=1e-4)


def test_the_result_of_a_call_survives_the_next(tmp_path: Path) -> None:
    path = tiny_onnx.blur(tmp_path / "b.onnx")
    runner = OpenVinoRunner(
        "b", path, io=PictureIo(), precision="fp32", threads=1, shape=BATCH.shape
    )
    first = runner(BATCH)
    copy = first.copy()
    runner(1 - BATCH)
    np.testing.assert_array_equal(first, copy)


def test_precision_in_effect_in_onnx_runtime(tmp_path: Path) -> None:
    """On a CPU without fp16, ONNX Runtime computes a half-precision file in fp32."""
    half, whole = tiny_onnx.half(tmp_path / "h.onnx"), tiny_onnx.blur(tmp_path / "b.onnx")
    quantised = tiny_onnx.quantised(tmp_path / "q.onnx")
    assert [written_precision(p) for p in (half, whole, quantised)] == ["fp16", "fp32", "int8"]
    found = [OnnxRunner("n", p, 1, threads=1).info.precision for p in (half, whole, quantised)]
    assert found == ["fp32", "fp32", "int8"]


def test_bf16_in_openvino_is_said_or_refused(tmp_path: Path) -> None:
    """Processors that are not said to have bf16 may still compute in it, by AVX-512."""
    path = tiny_onnx.blur(tmp_path / "b.onnx")
    try:
        runner = OpenVinoRunner(
            "b", path, io=PictureIo(), precision="bf16", threads=1, shape=BATCH.shape
        )
    except ClearerError as error:
        assert "BF16" not in open_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        assert "OpenVINO computes in fp32 here, not in bf16" in str(error)  # noqa: PT017
        return
    assert runner.info.precision == "bf16"
    exact = OnnxRunner("b", path, 1, threads=1)
    assert 1e-5 < np.abs(runner(BATCH) - exact(BATCH)).max() < 0.02


def test_no_silent_fallback_to_the_cpu(tmp_path: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    path = tiny_onnx.identity(tmp_path / "i.onnx")
    with pytest.raises(ClearerError, match="has no CUDAExecutionProvider"):
        open_runner(spec(path, "onnxruntime-cuda"))
    chosen, skipped = choose_backends(["onnxruntime-cuda", "onnxruntime"])
    assert chosen == ["onnxruntime"]
    assert "CUDAExecutionProvider" in skipped[0]["reason"]


def test_a_provider_that_starts_only_by_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is listed and requested, but the session silently computes on the CPU."""
    names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    path = tiny_onnx.identity(tmp_path / "i.onnx")
    fallback = pytest.warns(UserWarning, match="provider")
    with fallback, pytest.raises(ClearerError, match="CUDAExecutionProvider c"):
        open_runner(spec(path, "onnxruntime-cuda"))


def test_unknown_backends_are_named() -> None:
    with pytest.raises(InputError, match="unknown --backend tvm: use one of torch, torch-compile"):
        choose_backends(["tvm"])


def test_another_output_size_is_refused(tmp_path: Path) -> None:
    path = tiny_onnx.shrinking(tmp_path / "p.onnx")
    with pytest.raises(InputError, match="not image to image"):
        OnnxRunner("pool", path, channels=1)
    runner = OpenVinoRunner(
        "pool", path, io=PictureIo(), precision="fp32", threads=1, shape=(1, 1, 8, 8)
    )
    with pytest.raises(InputError, match="not image to image"):
        runner(np.zeros((1, 1, 8, 8), np.float32))


def test_channels_must_agree(tmp_path: Path) -> None:
    path = tiny_onnx.identity(tmp_path / "c.onnx", channels=3)
    with pytest.raises(InputError, match=r"takes 3 channel\(s\), the images have 1"):
        OnnxRunner("rgb", path, channels=1)


def test_files_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a file"):
        OnnxRunner("none", tmp_path / "none.onnx", channels=1)
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not a model")
    with pytest.raises(InputError, match="is not an ONNX file"):
        OnnxRunner("bad", bad, channels=1)
    with pytest.raises(InputError, match="cannot be loaded"):
        OnnxRunner("bad", bad, channels=1, io=PictureIo())
    with pytest.raises(InputError, match="OpenVINO cannot load"):
        OpenVinoRunner("bad", bad, io=PictureIo(), precision="fp32", threads=1, shape=BATCH.shape)
    with pytest.raises(InputError, match="is not an ONNX file"):
        read_description(bad)


def test_the_whole_network_compiles_for_images_of_any_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Traced as for torch.compile, without the minutes of its C++ compiler."""
    compile_ = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(torch, "compile", compile_)
    space = SearchSpace(width=2, columns=(1,), residual=True)
    network = RestorationNet(Architecture.uniform(space, "fusion")).eval()
    eager, compiled = TorchRunner("n", network), TorchRunner("n", network, compiled=True)
    assert (eager.info.backend, compiled.info.backend) == ("torch eager", "torch compiled")
    for shape in ((1, 1, 9, 7), (1, 1, 16, 24)):
        batch = np.random.default_rng(0).random(shape, dtype=np.float32)
        np.testing.assert_allclose(eager(batch), compiled(batch), atol=1e-5)


def test_memory_is_that_of_the_row_alone(tmp_path: Path) -> None:
    """An identity needs at least its output, and the package's own memory does not count."""
    path = tiny_onnx.identity(tmp_path / "i.onnx")
    small, large = (
        peak_memory_mb(replace(spec(path), height=side, width=side)) for side in (64, 2048)
    )
    if small is None or large is None:
        pytest.skip("this system does not tell the peak memory of a process")
    assert 0 <= small < 60
    picture = 4 * 2048**2 / 1e6
    assert 0.9 * picture < large - small < 4 * picture


def test_a_row_that_fails_has_no_memory(tmp_path: Path) -> None:
    assert peak_memory_mb(spec(tmp_path / "none.onnx")) is None
