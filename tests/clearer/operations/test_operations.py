"""What all operations guarantee, and a third candidate from search to file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import clearer
from clearer.api.export import export_network
from clearer.bench.cost_fit import fit_table
from clearer.bench.plan import Plan
from clearer.bench.report_architecture import draw_architecture
from clearer.bench.report_colours import operation_style
from clearer.costs.cost import cost_table, modules
from clearer.errors import InputError
from clearer.export.graph import module_graph
from clearer.export.network_io import INPUT_NAME, OUTPUT_NAME
from clearer.networks.freeze import inherit_weights
from clearer.networks.network import FrozenColumn, load_network, save_network
from clearer.networks.supernet import SuperNet
from clearer.operations.registry import OPERATIONS
from clearer.space.receptive_field import receptive_field
from clearer.space.space import PAPER_SPACE, Architecture, SearchSpace
from clearer.terminal.search_tables import print_architecture
from tests.clearer.networks.test_supernet import random_features, randomize
from tests.clearer.operations.below import Below
from tests.clearer.space.test_receptive_field import measured

SPACE = SearchSpace(width=4, columns=(2, 3), residual=True)
NAMES = [name for name, found in OPERATIONS.items() if found.parts]


@pytest.fixture
def with_below() -> Iterator[SearchSpace]:
    """A space with three candidates; the third is only registered meanwhile."""
    OPERATIONS["below"] = Below()
    yield replace(SPACE, operations=("parallel", "fusion", "below"))
    del OPERATIONS["below"]


def with_operation(space: SearchSpace, name: str) -> SearchSpace:
    """The space with this operation beside the first two, if it is not one of them."""
    return replace(space, operations=tuple(dict.fromkeys((*space.operations[:2], name))))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_no_two_share_a_name_a_letter_or_layers(with_below: SearchSpace) -> None:
    found = list(OPERATIONS.values())
    assert [one.name for one in found] == list(OPERATIONS)
    letters, parts = [one.letter for one in found], [part for one in found for part in one.parts]
    assert len(set(letters)) == len(letters)
    assert len(set(parts)) == len(parts)
    assert all(one.letter == one.letter.upper() and len(one.letter) == 1 for one in found)
    assert all(len(one.mark) == 5 and one.words for one in found)


@pytest.mark.parametrize("name", [*NAMES, "below"])
def test_layers_are_those_that_are_counted(name: str, with_below: SearchSpace) -> None:
    """Parameters, and names in the graph, are those of the listed convolutions."""
    space = with_operation(with_below, name)
    place = space.candidates.index(name)
    table = cost_table(space, "params")
    for columns, row in zip(space.column_scales(), table.choices, strict=True):
        module = FrozenColumn(space, (name,) * columns)
        assert count(module) == row[place]
        graph = onnx.load_from_string(
            module_graph(space, name, columns, range(columns), 16, 16)
        ).graph
        convs = {n for n, layer in module.named_modules() if isinstance(layer, nn.Conv2d)}
        assert {node.name for node in graph.node if node.op_type == "Conv"} == {
            f"{name}.{conv}" for conv in convs
        }


@pytest.mark.parametrize("name", [*NAMES, "below"])
def test_what_is_read_stays_as_it_was(name: str, with_below: SearchSpace) -> None:
    space = with_operation(with_below, name)
    column = FrozenColumn(space, (name,) * 3).eval()
    randomize(column)
    features = random_features(space, 3)
    before = [x.clone() for x in features]
    computed = column(features)
    assert all(torch.equal(x, y) for x, y in zip(features, before, strict=True))
    assert [x.shape for x in computed] == [x.shape for x in features]


def test_a_space_names_its_operations(with_below: SearchSpace) -> None:
    assert "operations" not in PAPER_SPACE.to_dict()
    assert SearchSpace.from_dict(with_below.to_dict()) == with_below
    assert with_below.candidates == ("parallel", "fusion", "below")
    assert replace(with_below, gates=True).candidates[-1] == "identity"
    for names in [
        ("parallel",),
        ("parallel", "parallel"),
        ("parallel", "identity"),
        ("fusion", "parallel"),
    ]:
        with pytest.raises(InputError, match="operation"):
            replace(SPACE, operations=names)
    with pytest.raises(InputError, match="'sharpen' is not an operation: use some of parallel"):
        replace(SPACE, operations=("parallel", "sharpen"))
    with pytest.raises(InputError, match="does not fit the space"):
        Architecture.from_text("PB-FPB", SPACE)


def test_a_third_candidate_is_read_mixed_and_frozen(
    with_below: SearchSpace, tmp_path: Path
) -> None:
    architecture = Architecture.from_text("PB-FBB", with_below)
    assert architecture.choices == ("parallel", "below", "fusion", "below", "below")
    assert Architecture.from_json(architecture.to_json()) == architecture
    supernet = SuperNet(with_below).eval()
    randomize(supernet)
    assert supernet.alpha.shape == (5, 3)
    image = torch.rand(1, 1, 32, 48)
    one_hot = torch.nn.functional.one_hot(torch.tensor(architecture.picks), 3).float()
    with torch.inference_mode():
        network = inherit_weights(supernet, architecture).eval()
        torch.testing.assert_close(network(image), supernet(image, one_hot), rtol=1e-4, atol=1e-5)
    assert count(network) == cost_table(with_below, "params").cost(architecture)
    path = tmp_path / "weights.safetensors"
    save_network(path, architecture, network.state_dict(), {})
    with torch.inference_mode():
        assert torch.equal(load_network(path)[0](image), network(image))


@pytest.mark.parametrize("gates", [False, True])
def test_a_third_candidate_sees_what_it_says(with_below: SearchSpace, gates: bool) -> None:
    space = replace(with_below, width=2, gates=gates)
    text = "[B.]P-[FBP][B.P]B" if gates else "BP-FBB"
    architecture = Architecture.from_text(text, space)
    assert architecture.text == text
    assert measured(architecture) == receptive_field(architecture)


@pytest.mark.parametrize("gates", [False, True])
def test_a_third_candidate_is_told_apart_by_time(with_below: SearchSpace, gates: bool) -> None:
    space = replace(with_below, gates=gates)
    distinct = dict.fromkeys(m for row in modules(space) for m in row if m is not None)
    true = {module: 1.0 + index for index, module in enumerate(distinct)}
    plan = Plan.make(space, 32, 32)
    timed = [entry.architecture for entry in plan.groups[0] if entry.module is None]
    assert {entry.module for entry in plan.groups[0]} - {None} == set(distinct)

    def cost(architecture: Architecture) -> float:
        rows = zip(modules(architecture.space), architecture.picks, strict=True)
        return 2 + sum(true[module] for row, pick in rows if (module := row[pick]) is not None)

    fixed, found = fit_table(timed, [cost(architecture) for architecture in timed])
    assert fixed == pytest.approx(2, rel=1e-6)
    assert found == pytest.approx(true, rel=1e-6)


def test_a_third_candidate_is_drawn(
    with_below: SearchSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    architecture = Architecture.from_text("BB-FPB", with_below)
    drawing = draw_architecture(architecture, np.log(np.full((5, 3), 1 / 3)), (64, 64))
    boxes = [box for box in drawing.boxes if box.kind == "below"]
    assert [box.text for box in boxes] == ["up"] * 7
    assert "op weight 0.333" in boxes[0].title
    assert [head.letter for head in drawing.heads] == ["B", "B", "F", "P", "B"]
    assert ".box.below rect" in operation_style()
    assert "--below: #224422" in operation_style()
    print_architecture(architecture, {"schema_version": 1, **architecture.to_dict()})  # type: ignore[typeddict-item]
    shown = capsys.readouterr().out
    assert "-(^)--(^)-  -(+)--[ ]--(^)-" in shown
    assert "(^) the sum with the scale below" in shown


def test_a_third_candidate_goes_the_whole_way(
    with_below: SearchSpace, make_images: Callable[..., Path], tmp_path: Path
) -> None:
    """Searched by gradient, frozen, trained, and written as a file that computes the same."""
    space = replace(PAPER_SPACE, width=2, columns=(1, 1), operations=with_below.operations)
    request = clearer.SearchRequest(
        data=make_images("photos", 4),
        preset="paper",
        width=2,
        unshuffle=1,
        columns=space.columns,
        operations=space.operations,
        budget_params=cost_table(space, "params").cheapest,  # which leaves the third alone
        search_iterations=2,
        iterations=2,
        batch_size=2,
        patch_size=16,
        precision="fp32",
        compile="off",
        out=tmp_path / "run",
    )
    run = clearer.search(request).run
    assert run.log_op_weights().shape == (2, 3)
    assert run.read_architecture() == Architecture.from_text("B-B", space)
    exported = export_network(run.path)
    session = onnxruntime.InferenceSession(exported.files[0])
    image = np.random.default_rng(0).random((1, 1, 24, 40), dtype=np.float32)
    (restored,) = session.run([OUTPUT_NAME], {INPUT_NAME: image})
    network = load_network(run.weights)[0]
    with torch.inference_mode():
        expected = network(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(restored, expected, atol=1e-5)
