"""Networks as functions of pictures in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import clearer
from clearer.bench.runners import TorchRunner
from clearer.data.patches import to_unit
from clearer.data.splits import PHOTOGRAPHS
from clearer.errors import InputError
from clearer.pictures.images import read_image
from clearer.restoring.metrics import psnr_db
from clearer.restoring.restore_files import restore_files
from clearer.restoring.restore_plan import plan_jobs

SIGMA = 25


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder without runs."""
    monkeypatch.chdir(tmp_path)


def noisy_photograph(color: Any = "gray") -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    clean = read_image(PHOTOGRAPHS / "chelsea.png", color)[:80, :96]
    noise = np.random.default_rng(0).normal(scale=SIGMA, size=clean.shape)
    return (clean + noise).round().clip(0, 255).astype(np.uint8), clean


def psnr(one: NDArray[Any], other: NDArray[Any]) -> float:
    return psnr_db(to_unit(one), to_unit(other))


@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_a_picture_is_restored_as_by_the_command(color: str, tmp_path: Path) -> None:
    noisy, clean = noisy_photograph(color)
    restore = clearer.load("gray-25")
    restored = restore(noisy)
    assert psnr(restored, clean) > psnr(noisy, clean) + 5
    assert restored.dtype == np.uint8
    Image.fromarray(noisy.squeeze()).save(tmp_path / "noisy.png")
    jobs = plan_jobs([tmp_path / "noisy.png"], tmp_path / "out", None).jobs
    (record,) = restore_files(jobs, restore._methods, overwrite=False)
    assert record["status"] == "restored"
    with Image.open(tmp_path / "out" / "noisy.png") as file:
        np.testing.assert_array_equal(np.asarray(file), restored.squeeze())


def test_all_forms_of_a_picture_agree() -> None:
    noisy, _ = noisy_photograph()
    restore = clearer.load("gray-25")
    expected = restore(noisy).astype(float) / 255
    plane = restore(noisy[..., 0])
    np.testing.assert_array_equal(plane, restore(noisy)[..., 0])
    deep = restore(noisy.astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    for kind in (np.float32, np.float64, np.float16):
        floats = restore((noisy / 255).astype(kind))
        assert floats.dtype == kind
        assert floats.min() >= 0
        assert floats.max() <= 1
        np.testing.assert_allclose(floats, expected, atol=0.01 if kind is np.float16 else 0.0021)
    np.testing.assert_allclose(deep / 65535, expected, atol=0.0021)


def test_a_batch_of_torch() -> None:
    noisy, _ = noisy_photograph("rgb")
    pictures = np.stack([noisy, noisy[::-1]])
    batch = torch.from_numpy(pictures / 255).permute(0, 3, 1, 2)
    restore = clearer.load("rgb")
    restored = restore(batch)
    assert restored.shape == batch.shape
    assert restored.dtype == batch.dtype == torch.float64
    for picture, found in zip(pictures, restored, strict=True):
        single = restore((picture / 255).astype(np.float32))
        np.testing.assert_allclose(found.permute(1, 2, 0).numpy(), single, atol=1e-6)


@pytest.mark.parametrize("name", ["gray", "rgb", "rgb-photo"])
def test_onnx_runtime_restores_as_torch_does(name: str) -> None:
    pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    noisy, _ = noisy_photograph("gray" if name == "gray" else "rgb")
    picture = to_unit(noisy)
    by_torch = clearer.load(name, backend="torch")(picture)
    np.testing.assert_allclose(clearer.load(name)(picture), by_torch, atol=2e-5)


def test_torch_restores_where_onnx_runtime_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (method,) = {*clearer.load("gray")._methods.values()}
    assert isinstance(method.restore, TorchRunner)


def test_strength() -> None:
    noisy, _ = noisy_photograph()
    restore = clearer.load("gray-25")
    nothing = restore(noisy, strength=0)
    np.testing.assert_array_equal(nothing, noisy)
    assert not np.shares_memory(nothing, noisy)
    half = (noisy.astype(float) + restore(noisy)) / 2
    assert np.abs(restore(noisy, strength=0.5) - half).max() <= 1


def test_self_ensemble() -> None:
    noisy, clean = noisy_photograph("rgb")
    restore = clearer.load("rgb")
    once, twice = restore(noisy), restore(noisy, self_ensemble=2)
    assert psnr(twice, clean) > psnr(once, clean) + 0.02
    turned = restore(np.rot90(noisy), self_ensemble=4)
    np.testing.assert_allclose(turned, np.rot90(restore(noisy, self_ensemble=4)), atol=1)


def test_without_a_name_each_kind_has_its_network() -> None:
    restore = clearer.load()
    assert restore.names["gray"].startswith("gray")
    assert restore.names["rgb"].startswith("rgb")
    noisy, clean = noisy_photograph("rgb")
    assert psnr(restore(noisy), clean) > psnr(noisy, clean) + 5


@pytest.mark.parametrize(
    ("picture", "options", "message"),
    [
        (np.zeros((4, 4), np.int64), {}, "int64"),
        (np.zeros((4, 4), bool), {}, "bool"),
        (np.zeros((4, 4, 4), np.uint8), {}, "shape"),
        (np.zeros((2, 4, 4, 3), np.uint8), {}, "shape"),
        (np.zeros((0, 4), np.uint8), {}, "shape"),
        (np.full((9, 9), np.nan), {}, "NaN or infinite"),
        (np.zeros((9, 9), np.uint8), {"strength": -1}, "strength"),
        (np.zeros((9, 9), np.uint8), {"self_ensemble": 3}, "self_ensemble must be"),
        (np.zeros((9, 9), np.uint8), {"sigma": 300}, "sigma must"),
        (np.zeros((9, 9), np.uint8), {"sigma": 20}, "takes no noise level"),
        (torch.zeros(3, 9, 9), {}, "N x C x H x W"),
        (torch.zeros(0, 1, 9, 9), {}, "N x C x H x W"),
        (torch.zeros(1, 3, 9, 9, dtype=torch.uint8), {}, "floating point"),
        ([[0.5]], {}, "list"),
    ],
)
def test_what_is_no_picture_is_refused(picture: Any, options: Any, message: str) -> None:
    restore = clearer.load("gray-25")
    with pytest.raises(InputError, match=message) as refused:
        restore(picture, **options)
    assert "\n" not in str(refused.value)


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="nothing-here"):
        clearer.load("nothing-here")
    with pytest.raises(AttributeError):
        clearer.no_such_name  # noqa: B018


def test_the_import_alone_loads_nothing() -> None:
    code = "import sys, clearer; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]
