"""The noise level as an input: in spaces, batches, networks and files of plain data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch

from clearer.costs.cost import cost_table
from clearer.data.patches import PatchSampler
from clearer.errors import InputError
from clearer.networks.freeze import inherit_weights
from clearer.networks.level_map import at_level, file_inputs, with_level
from clearer.networks.network import RestorationNet, load_network, save_network
from clearer.networks.supernet import SuperNet
from clearer.networks.tell_level import (
    blind_architecture,
    forget_level,
    helpful_level,
    tell_level,
    told_architecture,
)
from clearer.operations.layers import batch_norms
from clearer.pictures.images import ImageSet
from clearer.planning.workflow import make_settings
from clearer.restoring.evaluate import VALIDATION_SEED, evaluation_pairs, torch_restorer
from clearer.runs.settings import RunSettings
from clearer.space.shapes import shapes_within
from clearer.space.space import PAPER_SPACE, Architecture, SearchSpace, Stem
from clearer.tasks.base import Span, Task
from clearer.tasks.denoise import Denoise
from clearer.tasks.registry import make_task
from clearer.zoo.catalogue import zoo_network

SPACE = SearchSpace(width=8, columns=(1, 2), stem="conv", residual=True, level_map=True)
BLIND = Denoise(sigma=Span(5, 75))


def images(count: int = 3, channels: int = 1) -> ImageSet:
    rng = np.random.default_rng(0)
    pixels = tuple(rng.integers(256, size=(40, 48, channels), dtype=np.uint8) for _ in range(count))
    return ImageSet(tuple(f"{i}.png" for i in range(count)), pixels)


def network(space: SearchSpace = SPACE) -> RestorationNet:
    """A network whose head is not zero, unlike that of an untrained residual one."""
    torch.manual_seed(0)
    made = RestorationNet(Architecture.uniform(space, "parallel")).eval()
    torch.nn.init.normal_(made.output.head.weight)
    return made


def sampler(task: Task, *, level_map: bool, channels: int = 1, **options: object) -> PatchSampler:
    return PatchSampler(
        images(channels=channels),
        task,
        patch_size=32,
        batch_size=4,
        seed=[3],
        level_map=level_map,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("unshuffle", [1, 2])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stem", ["bottlenecks", "conv"])
def test_one_plane_more_goes_in(unshuffle: int, channels: int, stem: Stem) -> None:
    space = replace(SPACE, unshuffle=unshuffle, channels=channels, stem=stem)
    made = network(space)
    image = torch.rand(2, channels, 21, 30)
    planes = torch.cat([image, torch.full((2, 1, 21, 30), 0.1)], dim=1)
    assert made(planes).shape == image.shape
    params = sum(parameter.numel() for parameter in made.parameters())
    assert cost_table(space, "params").cost(made.architecture) == params
    plain = RestorationNet(replace(made.architecture, space=replace(space, level_map=False)))
    first = sum(p.numel() for name, p in plain.named_parameters() if name.startswith("input."))
    with_plane = sum(p.numel() for name, p in made.named_parameters() if name.startswith("input."))
    assert with_plane - first in (9 * space.width, 5 * space.width)  # a 3x3 kernel, or 1x1 twice


@pytest.mark.parametrize("is_blind", [True, False])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("unshuffle", [1, 2])
@pytest.mark.parametrize("stem", ["bottlenecks", "conv"])
def test_told_a_level_that_it_knows_a_network_restores_as_before(
    is_blind: bool, residual: bool, unshuffle: int, stem: Stem
) -> None:
    space = replace(SPACE, unshuffle=unshuffle, stem=stem, residual=residual, level_map=False)
    plain = network(space)
    told = tell_level(plain, None if is_blind else 25 / 255)
    assert not told.training
    assert told.architecture == told_architecture(plain.architecture, in_units=not is_blind)
    assert told.architecture.space.level_map
    assert Architecture.from_json(told.architecture.to_json()) == told.architecture
    image = torch.rand(2, 1, 20, 28)
    planes = [torch.cat([image, torch.full_like(image, level / 255)], dim=1) for level in (25, 50)]
    with torch.inference_mode():
        before, same, other = plain(image), *(told(given) for given in planes)
    torch.testing.assert_close(same, before, rtol=1e-5, atol=1e-5)
    assert torch.equal(same, other) is (is_blind or not residual)  # in units of the level


@pytest.mark.parametrize("units", [True, False])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("unshuffle", [1, 2])
@pytest.mark.parametrize("stem", ["bottlenecks", "conv"])
def test_without_its_level_a_network_restores_as_if_told_it(
    units: bool, residual: bool, unshuffle: int, stem: Stem
) -> None:
    space = replace(SPACE, unshuffle=unshuffle, stem=stem, residual=residual, level_units=units)
    told = network(replace(space, width=4))
    for norm in batch_norms(told):
        assert norm.running_mean is not None
        torch.nn.init.normal_(norm.running_mean)
    blind = forget_level(told, 25 / 255)
    assert not blind.training
    assert not blind.architecture.space.level_map
    assert blind.architecture == blind_architecture(told.architecture)
    side = 160  # the first 3x3 convolution sees zeros around the plane: compare the middle
    image = torch.rand(1, 1, side, side)
    with torch.inference_mode():
        expected = told(torch.cat([image, torch.full_like(image, 25 / 255)], dim=1))
        middle = slice(side // 2 - 8, side // 2 + 8)
        found = blind(image)
    torch.testing.assert_close(
        found[..., middle, middle], expected[..., middle, middle], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("sigma", [5, 25, 50])
def test_the_level_that_helps_is_that_of_the_noise(sigma: int) -> None:
    found, _ = load_network(zoo_network("gray-small").weights)
    clean = torch.from_numpy(skimage.data.camera()[:128, 128:256] / 255).float()[None, None]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    level = helpful_level(found, clean + sigma / 255 * noise, clean)
    assert level == pytest.approx(sigma / 255)


def test_the_level_decides_what_comes_out() -> None:
    restore = torch_restorer(network())
    image = np.random.default_rng(0).random((1, 1, 24, 24), dtype=np.float32)
    low, high = (at_level(restore, level)(image) for level in (0.01, 0.3))
    assert np.abs(low - high).max() > 1e-3


def test_at_level_0_the_image_comes_back() -> None:
    image = np.random.default_rng(0).random((1, 1, 24, 24), dtype=np.float32)
    np.testing.assert_array_equal(at_level(torch_restorer(network()), 0)(image), image)


def test_text_and_files_of_spaces_without_it_stay() -> None:
    assert "level_map" not in PAPER_SPACE.to_dict()
    assert SearchSpace.from_dict(SPACE.to_dict()) == SPACE
    made = Architecture.uniform(SPACE, "parallel")
    assert Architecture.from_json(made.to_json()) == made
    assert made.hash != replace(made, space=replace(SPACE, level_map=False)).hash


def test_weights_are_saved_and_loaded(tmp_path: Path) -> None:
    made = network()
    save_network(tmp_path / "w.safetensors", made.architecture, made.state_dict(), {})
    loaded, _ = load_network(tmp_path / "w.safetensors")
    given = torch.rand(1, 2, 20, 20)
    assert torch.equal(loaded(given), made(given))


def test_a_frozen_network_computes_what_the_supernet_does() -> None:
    supernet = SuperNet(SPACE).eval()
    torch.nn.init.normal_(supernet.output.head.weight)
    architecture = Architecture.from_text("P-FP", SPACE)
    frozen = inherit_weights(supernet, architecture).eval()
    picks = torch.tensor([0, 1, 0])
    op_weights = torch.nn.functional.one_hot(picks, 2).float()
    given = torch.rand(2, 2, 16, 24)
    assert torch.allclose(frozen(given), supernet(given, op_weights), atol=1e-5)


@pytest.mark.parametrize("sigma", ["25", "5:75", "0:75"])
@pytest.mark.parametrize("channels", [1, 3])
def test_patches_come_with_the_level_of_their_noise(sigma: str, channels: int) -> None:
    task = make_task("denoise", {"sigma": sigma})
    plain = sampler(task, level_map=False, channels=channels)
    levelled = sampler(task, level_map=True, channels=channels)
    for index in range(5):
        without, with_ = plain.batch(index), levelled.batch(index)
        assert torch.equal(without.degraded, with_.degraded[:, :channels])
        assert torch.equal(without.clean, with_.clean)
        plane = with_.degraded[:, channels]
        assert torch.equal(plane, plane[:, :1, :1].expand_as(plane))
        noise = (without.degraded - without.clean).std(dim=(1, 2, 3))
        assert torch.allclose(plane[:, 0, 0], noise, rtol=0.1)


def test_padded_ends_keep_the_level() -> None:
    task = Denoise(sigma=Span(10, 60))
    given = sampler(task, level_map=True, multiple=8, padded_share=1.0).batch(0)
    plane = given.degraded[:, 1]
    assert torch.equal(plane, plane[:, :1, :1].expand_as(plane))


def test_evaluation_knows_the_level() -> None:
    for degraded, clean in evaluation_pairs(images(), BLIND, VALIDATION_SEED, level_map=True):
        level = degraded[0, 1, 0, 0]
        assert 5 / 255 <= level <= 75 / 255
        assert np.std(degraded[:, :1] - clean) == pytest.approx(level, rel=0.1)


@pytest.mark.parametrize("fixed", [10.0, 50.0])
def test_a_fixed_level_is_that_level(fixed: float) -> None:
    task = Denoise(sigma=Span(fixed, fixed), protocol_name="paper")
    padded = ImageSet(("a",), (np.full((64, 64, 1), 128, np.uint8),))
    ((degraded, _),) = evaluation_pairs(padded, task, VALIDATION_SEED, level_map=True)
    assert (degraded[:, 1] == np.float32(fixed / 255)).all()


@pytest.mark.parametrize(
    "task",
    [
        make_task("denoise", {"noise": "poisson-gaussian"}),
        make_task("dejpeg", {}),
        make_task("photo", {}),
        make_task("derain", {}),
    ],
)
def test_degradations_without_a_level_are_refused(task: Task) -> None:
    assert not task.has_level
    with pytest.raises(InputError, match="white noise"):
        make(task)


def make(task: Task) -> RunSettings:
    from clearer.costs.cost_source import CostSource

    return make_settings(
        preset="quick",
        task=task,
        color="gray",
        data=None,
        budgets=(),
        image_size=(64, 64),
        costs=CostSource((64, 64), lambda architecture, precision: 1.0),
        strategy="race",
        num_seeds=1,
        seed=0,
        device="cpu",
        precision="fp32",
        compile="off",
        tensorboard=False,
        space={"level_map": True},
        race={},
        search={},
        train={},
    )


def test_shapes_of_a_race_have_it() -> None:
    found = shapes_within(SPACE, lambda architecture: architecture.space.width <= 16)
    assert found
    assert all(shape.space.level_map for shape in found)
    assert make(BLIND).space.level_map


def test_what_a_file_is_given() -> None:
    image = np.random.default_rng(0).random((2, 3, 4, 5), dtype=np.float32)
    planes = np.concatenate([with_level(image[:1], 0.1), with_level(image[1:], 0.2)])
    given, levels = file_inputs(planes, has_level=True)
    np.testing.assert_array_equal(given, image)
    np.testing.assert_allclose(levels, [25.5, 51])
    pixels = np.full((2, 4, 5, 4), 7, np.uint8)
    given, levels = file_inputs(pixels, has_level=True)
    assert given.shape == (2, 4, 5, 3)
    assert levels.tolist() == [7, 7]
    assert file_inputs(image, has_level=False) == [image]
