"""The check of exported files: what passes, what does not, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clearer.errors import ClearerError
from clearer.export.artefact import Artefact, Restore, Shape
from clearer.export.metadata import Io, Precision
from clearer.export.parity import LIMITS, Reference, check_artefact, make_reference
from clearer.networks.network import RestorationNet
from clearer.pictures.images import ImageSet
from clearer.runs.settings import RunSettings
from clearer.space.space import Architecture, SearchSpace
from clearer.tasks.base import Task
from clearer.tasks.denoise import Denoise
from clearer.tasks.paired import Derain
from clearer.tasks.registry import make_task
from tests.clearer.networks.test_supernet import randomize
from tests.run_settings import quick_run

SPACE = SearchSpace(width=2, columns=(1,), residual=True)


@pytest.fixture(scope="module")
def network() -> RestorationNet:
    net = RestorationNet(Architecture.from_text("F", SPACE)).eval()
    randomize(net)
    with torch.inference_mode():
        ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
        net.output.head.weight.data *= 0.1 / (ramp - net(ramp)).abs().max()
    return net


@pytest.fixture(scope="module")
def reference(network: RestorationNet) -> Reference:
    rng = np.random.default_rng(0)
    ramp = np.linspace(30, 220, 50)[None, :, None] + rng.normal(0, 2, (40, 50, 1))
    images = tuple(np.rint(ramp[:, : 50 - i]).astype(np.uint8) for i in range(4))
    return Reference(network, ImageSet(("a", "b", "c", "d"), images), Denoise(), "ramps")


def artefact(
    reference: Reference,
    change: Callable[[NDArray[Any]], NDArray[Any]] = lambda x: x,
    precision: Precision = "fp32",
    io: Io = "tensor",
    shape: Shape | None = None,
) -> Artefact:
    """An artefact whose runtime gives torch's result, with a change."""

    def load(files: object) -> Restore:
        return lambda given: change(reference.restore(given, io))

    return Artefact(files={"model.x": b"12"}, precision=precision, load=load, io=io, shape=shape)


@pytest.mark.parametrize("io", ["tensor", "image"])
@pytest.mark.parametrize("shape", [None, (1, 24, 33), (3, 64, 16)])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_what_is_equal_passes(
    reference: Reference, io: Io, shape: Shape | None, precision: Precision
) -> None:
    check = check_artefact(artefact(reference, io=io, shape=shape, precision=precision), reference)
    assert check.failure is None
    result = check.to_dict()
    assert result["passed"]
    assert result["max_abs"] == result["psnr_change_db"] == 0
    assert 15 < result["psnr_torch_db"] < 40
    shapes = [row["shape"] for row in result["inputs"]]
    if shape is None:
        assert shapes[0] == [1, 1, 40, 50]
        assert [3, 1, 61, 77] in shapes
    else:
        assert shapes == [[shape[0], 1, *shape[1:]]]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_single_value_may_not_be_far_off(reference: Reference, precision: Precision) -> None:
    limit = LIMITS[precision].max_abs
    assert limit is not None

    def off(by: float) -> Callable[[NDArray[Any]], NDArray[Any]]:
        def change(x: NDArray[Any]) -> NDArray[Any]:
            x = x.copy()
            x[0, 0, -1, -1] += np.float32(by)
            return x

        return change

    assert (
        check_artefact(artefact(reference, off(0.9 * limit), precision), reference).failure is None
    )
    failure = check_artefact(artefact(reference, off(1.1 * limit), precision), reference).failure
    assert failure is not None
    assert "differs from torch by" in failure


@pytest.mark.parametrize(("precision", "drop_db"), [("fp16", 0.02), ("int8", 0.1)])
def test_psnr_may_not_fall(reference: Reference, precision: Precision, drop_db: float) -> None:
    """White noise below the limit on single values costs PSNR by its variance."""
    assert LIMITS[precision].psnr_drop_db == drop_db
    mse = 10 ** (-reference.psnr_db("tensor", None) / 10)

    def noise(drop: float) -> Callable[[NDArray[Any]], NDArray[Any]]:
        # sign noise has a variance and no tails
        amplitude = np.float32(np.sqrt(mse * (10 ** (drop / 10) - 1)))
        rng = np.random.default_rng(0)
        return lambda x: x + amplitude * rng.choice([-1, 1], x.shape).astype(np.float32)

    low = check_artefact(artefact(reference, noise(0.2 * drop_db), precision), reference)
    assert low.failure is None
    high = check_artefact(artefact(reference, noise(5 * drop_db), precision), reference)
    assert high.psnr_torch_db - high.psnr_file_db == pytest.approx(5 * drop_db, rel=0.3)
    assert high.failure is not None
    assert "dB of PSNR" in high.failure


def test_pictures_may_differ_by_one_level(reference: Reference) -> None:
    def flip(levels: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
        def change(x: NDArray[Any]) -> NDArray[Any]:
            x = x.copy()
            x[0, 0, 0] += np.uint8(levels)
            return x

        return change

    assert check_artefact(artefact(reference, flip(1), io="image"), reference).failure is None
    assert check_artefact(artefact(reference, flip(2), io="image"), reference).failure is not None


def nowhere(x: NDArray[Any]) -> NDArray[Any]:
    x = x.copy()
    x[0, 0, 0, 0] = np.nan
    return x


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_what_is_no_number_fails(reference: Reference, precision: Precision) -> None:
    check = check_artefact(artefact(reference, nowhere, precision), reference)
    assert check.failure == "it gives values that are not finite"


def test_another_shape_or_a_crash_of_the_runtime_is_one_line(reference: Reference) -> None:
    with pytest.raises(ClearerError, match="the file gives float32 of shape"):
        check_artefact(artefact(reference, lambda x: x[:, :, 1:]), reference)

    def crash(x: NDArray[Any]) -> NDArray[Any]:
        raise RuntimeError("no kernel\nsecond line")

    with pytest.raises(ClearerError, match=r"model.x cannot be run: no kernel; it was not written"):
        check_artefact(artefact(reference, crash), reference)


def test_middles_are_small_and_keep_their_reference(network: RestorationNet) -> None:
    rng = np.random.default_rng(0)
    pictures = tuple(rng.integers(0, 256, (*size, 1), np.uint8) for size in ((20, 90), (70, 33)))
    whole = Reference(network, ImageSet(("a", "b"), pictures, pictures), Derain(), "two")
    middles = whole.of_middles(32)
    cut = [pictures[0][:, 29:61], pictures[1][19:51, :32]]
    for pair, expected in zip(middles.pairs(None), cut, strict=True):
        for planes in pair:
            np.testing.assert_array_equal(planes[0], expected.transpose(2, 0, 1) / np.float32(255))
    assert [clean.shape[2:] for _, clean in whole.pairs(None)] == [(20, 90), (70, 33)]
    assert middles.psnr_db("tensor", None) != whole.psnr_db("tensor", None)


def settings(task: Task, data: Path | None) -> RunSettings:
    train = {"iterations": 20, "batch_size": 2, "patch_size": 16, "validate_every": 20}
    return quick_run(SPACE, train, task=task, data=data)


def test_pictures_of_the_run_or_built_in_ones(
    network: RestorationNet, make_images: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_images("pictures", 5)
    own = make_reference(network, settings(Denoise(), folder))
    assert (own.source, len(own)) == ("pictures, validation", 1)
    builtin = make_reference(network, settings(Denoise(), None))
    assert len(builtin) == 4
    gone = make_reference(network, settings(make_task("derain", {}), tmp_path / "gone"))
    assert "sigma 25" in gone.source
    assert f"are not at {tmp_path / 'gone'}" in gone.source
