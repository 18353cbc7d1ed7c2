"""Larger networks that start from the weights of smaller ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from clearer.errors import InputError
from clearer.networks.network import RestorationNet
from clearer.networks.warm_start import check_warm_start, keeps_operations, warm_start
from clearer.operations.parallel import Parallel
from clearer.operations.registry import OPERATIONS
from clearer.space.space import Architecture, SearchSpace
from tests.clearer.networks.test_supernet import randomize

SPACE = SearchSpace(width=4, columns=(1, 2), stem="conv", residual=True, first_scales=1, gates=True)
SMALL = Architecture.from_text("P-[.P][F.]", SPACE)


def trained(architecture: Architecture) -> RestorationNet:
    """A network with random weights and statistics, as after training."""
    torch.manual_seed(0)
    network = RestorationNet(architecture).eval()
    randomize(network)
    nn.init.normal_(network.output.head.weight)
    return network


def started(small: RestorationNet, architecture: Architecture) -> RestorationNet:
    large = RestorationNet(architecture)
    warm_start("mine", small, large)
    return large


def wider(architecture: Architecture, text: str, **changes: Any) -> Architecture:
    columns = tuple(cell.count("[") or len(cell) for cell in text.split("-"))
    return Architecture.from_text(text, replace(architecture.space, columns=columns, **changes))


def test_a_successor_begins_with_the_weights_of_what_it_replaces() -> None:
    small = trained(SMALL)
    large = started(small, wider(SMALL, "WW-[.W][F.]", operations=("swish", "fusion")))
    state = large.state_dict()
    for name, tensor in small.state_dict().items():
        own = name.replace("blocks", "swish") if name.startswith("cells") else name
        assert name.endswith("num_batches_tracked") or torch.equal(state[own], tensor)
    assert not state["cells.0.1.swish.0.body.4.weight"].any()  # the block that is new adds nothing
    with pytest.raises(InputError, match="column 1 of its cell 1 is not there"):
        check_warm_start("mine", large.architecture, SMALL)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("P-[.P][F.]", {}),
        ("P-[.P][F.]", {"width": 6}),
        ("PPP-[P.][.P][PP][F.][.F]", {}),
        ("P-[.P]-[..P][.F.][F.P]", {"width": 8}),
        (".P-[PF][.P]-[.PP][.F.]-[F..F][.P.P]", {"width": 8, "growth": 1.5}),
        ("P-[.P][F.]", {"width": 12, "widths": (12, 8)}),
    ],
)
def test_it_restores_as_the_small_network_does(text: str, changes: dict[str, Any]) -> None:
    small = trained(SMALL)
    large = started(small, wider(SMALL, text, **changes))
    image = torch.rand(2, 1, 40, 24)
    with torch.inference_mode():
        expected = small(image)
        assert (expected - image).abs().max() > 0.1
        torch.testing.assert_close(large.eval()(image), expected, rtol=1e-4, atol=1e-5)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Architecture, Architecture]:
    """A network of two cells, and one with more columns, channels and perhaps a scale."""

    def column(scales: int) -> str:
        letters = "P." if scales == 1 else "PF."
        return "".join(draw(st.sampled_from(letters)) for _ in range(scales))

    def more(own: str) -> str:
        return "".join(draw(st.sampled_from("PF")) if letter == "." else letter for letter in own)

    small = [[column(1)], [column(2) for _ in range(draw(st.integers(1, 3)))]]
    large = [[column(1) for _ in range(draw(st.integers(0, 2)))] + small[0], []]
    for own in small[1]:
        large[1] += [column(2)] * draw(st.integers(0, 1)) + [
            draw(st.sampled_from((own, more(own))))
        ]
    if draw(st.booleans()):  # everything after a transition may be in a later cell
        moved = draw(st.integers(0, len(large[1]) - 1))
        large = [
            large[0],
            large[1][:moved] or [".."],
            [own + column(1) for own in large[1][moved:]],
        ]
        large[2] = [own if len(own) == 3 else own + "." for own in large[2]]
    made = []
    for cells, width in ((small, 4), (large, draw(st.sampled_from((4, 6))))):
        space = replace(SPACE, width=width, columns=tuple(map(len, cells)))
        words = (
            "".join(one if len(one) == 1 else f"[{one}]" for one in columns) for columns in cells
        )
        made.append(Architecture.from_text("-".join(words), space))
    return made[0], made[1]


@pytest.mark.parametrize(
    ("text", "keeps"), [("P-[.P][F.]", True), ("PP-[.P][PP][F.]", True), ("W-[.P][F.]", False)]
)
def test_operations_are_kept_or_replaced(text: str, keeps: bool) -> None:
    large = wider(SMALL, text, operations=("parallel", "swish", "fusion"))
    assert keeps_operations(SMALL, large) == keeps


def test_several_gpus_normalise_with_layers_of_their_own() -> None:
    """Layers are converted before weights are loaded, as in :class:`Processes`; no GPU needed."""
    large = RestorationNet(wider(SMALL, "PP-[.P]-[..P][.F.][F.P]", width=8))
    nn.SyncBatchNorm.convert_sync_batchnorm(large)
    small, image = trained(SMALL), torch.rand(1, 1, 16, 24)
    warm_start("mine", small, large)
    with torch.inference_mode():
        torch.testing.assert_close(large.eval()(image), small(image), rtol=1e-4, atol=1e-5)


@settings(max_examples=30)
@given(pairs())
def test_any_network_that_has_all_its_layers_in_order(
    pair: tuple[Architecture, Architecture],
) -> None:
    small = trained(pair[0])
    check_warm_start("small", *pair)
    image = torch.rand(1, 1, 16, 24)
    with torch.inference_mode():
        large = started(small, pair[1]).eval()
        torch.testing.assert_close(large(image), small(image), rtol=1e-4, atol=1e-4)


def test_what_is_new_learns() -> None:
    """After two steps, no new part still adds zero or gets no gradient."""
    large = started(trained(SMALL), wider(SMALL, "PP-[.P]-[..P][.F.][F.P]", width=8)).train()
    before = {name: value.clone() for name, value in large.named_parameters()}
    optimizer = torch.optim.Adam(large.parameters(), lr=1e-2)
    for _ in range(3):
        image = torch.rand(2, 1, 32, 32)
        optimizer.zero_grad()
        (large(image) - image.mean()).square().mean().backward()
        optimizer.step()
    still = [name for name, value in large.named_parameters() if torch.equal(value, before[name])]
    assert not still


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("P-[P.][F.]", {}, "column 1 of its cell 2 is not there, in this order"),
        ("P-[F.][.P]", {}, "column 2 of its cell 2 is not there"),
        ("P-[.F][F.]", {}, "column 1 of its cell 2"),
        (".-[PP][F.]", {}, "column 1 of its cell 1"),
        ("P-[.P][F.]", {"width": 2}, "its width at scale 0 is 4, in place of 2"),
        ("P-[.P][F.]", {"unshuffle": 2}, "its unshuffle is 1, in place of 2"),
        ("P-[.P][F.]", {"level_map": True}, "its level_map is False, in place of True"),
        ("P-[.P][F.]", {"channels": 3}, "its channels is 1, in place of 3"),
        ("P", {}, "it has 2 scales, in place of 1"),
    ],
)
def test_what_does_not_fit(text: str, changes: dict[str, Any], message: str) -> None:
    large = wider(SMALL, text, **changes)
    with pytest.raises(InputError) as error:
        check_warm_start("mine", SMALL, large)
    assert str(error.value).startswith("mine is not part of the network to train: ")
    assert message in str(error.value)
    with pytest.raises(InputError, match="mine is not part of the network to train: "):
        started(trained(SMALL), large)


def test_the_stem_of_the_paper_has_one_width() -> None:
    """Its bottlenecks have an identity shortcut where the channels allow it."""
    space = replace(SPACE, first_scales=2, stem="bottlenecks")
    small = Architecture.from_text("[P.]-[.PF][F..]", space)
    large = wider(small, "[PP][P.]-[.PF][FP.]")
    image = torch.rand(1, 1, 16, 24)
    with torch.inference_mode():
        expected = trained(small)(image)
        restored = started(trained(small), large).eval()(image)
        torch.testing.assert_close(restored, expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="its width at scale 0"):
        check_warm_start("mine", small, wider(small, "[P.]-[.PF][F..]", width=8))


def test_residual_operations_can_be_silent() -> None:
    """Otherwise one would change the features before it has learned anything."""
    residual = [found for found in OPERATIONS.values() if found.is_residual]
    assert len(residual) >= 3
    for found in residual:
        place = SPACE.place(2, 0)
        layers = {part: found.layer(part, place) for part in found.parts}
        features = [torch.rand(1, 4, 8, 8), torch.rand(1, 8, 4, 4)]
        for layer in layers.values():
            for branch in found.branches(layer):
                norms = [m for m in branch.modules() if isinstance(m, nn.BatchNorm2d)]
                nn.init.zeros_(norms[-1].weight)
        assert torch.equal(found.forward(layers, features, 0), features[0])


def test_a_candidate_that_is_not_residual(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network may bring it; a new one would change the features."""

    class Plain(Parallel):
        name = "plain"
        letter = "S"
        is_residual = False

    monkeypatch.setitem(OPERATIONS, "plain", Plain())
    small = replace(SMALL, space=replace(SPACE, operations=("parallel", "fusion", "plain")))
    small = wider(small, "P-[.S][F.]")
    check_warm_start("mine", small, wider(small, "PP-[PS][F.]"))
    check_warm_start("mine", small, wider(small, "P-[.S]-[..S][F..]"))  # unread at first
    with pytest.raises(InputError, match="column 3 of cell 2 of that is new, and cannot start"):
        check_warm_start("mine", small, wider(small, "P-[.S][F.][.S]"))
    with pytest.raises(InputError, match="column 1 of its cell 2 is not there"):
        check_warm_start("mine", small, wider(small, "P-[SS][F.]"))
