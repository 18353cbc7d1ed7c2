from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from clearer.errors import InputError
from clearer.space.space import PAPER_SPACE, Architecture, SearchSpace
from tests.spaces import architectures

U_SPACE = SearchSpace(columns=(2, 2, 4), stem="conv", first_scales=1, gates=True)


@given(architectures())
def test_json_and_text_round_trip(architecture: Architecture) -> None:
    assert Architecture.from_json(architecture.to_json()) == architecture
    assert Architecture.from_text(architecture.text, architecture.space) == architecture


@given(architectures(), architectures())
def test_hash_tells_architectures_apart(one: Architecture, other: Architecture) -> None:
    assert (one.hash == other.hash) == (one == other)


def test_the_paper_space_has_2_to_the_12_architectures() -> None:
    assert len({a.text for a in PAPER_SPACE.architectures()}) == 2**12


def test_cells_follow_the_columns() -> None:
    space = SearchSpace(columns=(1, 3))
    architecture = Architecture.from_text("F-PFP", space)
    first, second = architecture.cells
    assert first == (("fusion", "fusion"),)
    assert second == (("parallel",) * 3, ("fusion",) * 3, ("parallel",) * 3)


def test_a_u_shape_is_a_member_of_a_space_with_gates() -> None:
    text = "PP-[.P][.P]-[..P][..P][.F.][F..]"
    architecture = Architecture.from_text(text, U_SPACE)
    assert architecture.text == text
    assert architecture.cells[0] == (("parallel",), ("parallel",))
    assert architecture.cells[2][2] == ("identity", "fusion", "identity")


def test_a_cell_where_all_scales_agree_is_written_like_the_papers() -> None:
    space = replace(PAPER_SPACE, gates=True)
    architecture = Architecture.from_text("PFPP-FFPF-PF.P", space)
    assert architecture.text == "PFPP-FFPF-PF.P"
    assert architecture.choices[:4] == ("parallel", "parallel", "fusion", "fusion")
    assert len(architecture.choices) == 4 * (2 + 3 + 4)


def test_the_papers_description_has_no_later_fields() -> None:
    """So a saved network keeps its hash when fields are added."""
    described = Architecture.uniform(PAPER_SPACE, "parallel")
    assert set(described.to_dict()["space"]) == {
        *("channels", "width", "columns", "unshuffle", "stem", "residual")
    }
    assert described.hash == "462b804b7367"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first_scales": 1}, "without gates"),
        ({"first_scales": 1, "gates": True}, "stem conv"),
        ({"growth": 2.5}, "growth"),
        ({"gates": True, "first_scales": 1, "stem": "conv", "columns": (1,) * 7}, "1..6 cells"),
    ],
)
def test_gates_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SearchSpace(**changes)


@pytest.mark.parametrize(
    "text", ["PF-PP-PPPP", "PP-[.P]P-PP[PP]P", "PP-[.P[.P]-PPPP", "P[P]-PP-[...]"]
)
def test_text_that_does_not_fit_gates_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="does not fit"):
        Architecture.from_text(text, U_SPACE)


def test_widths_grow_in_steps_that_processors_like() -> None:
    space = replace(U_SPACE, width=20, growth=1.5)
    assert [space.scale_width(scale) for scale in range(4)] == [20, 32, 48, 64]


def test_widths_may_be_given_one_by_one() -> None:
    space = replace(U_SPACE, width=8, widths=(8, 24, 40))
    assert [space.scale_width(scale) for scale in range(3)] == [8, 24, 40]
    assert "widths 8, 24, 40" in Architecture.uniform(space, "parallel").label
    assert SearchSpace.from_dict(space.to_dict()) == space


@pytest.mark.parametrize("widths", [(8, 16), (16, 24, 40), (8, 16, 1), (8, 16, 10**6)])
def test_widths_that_do_not_fit_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="widths must"):
        replace(U_SPACE, width=8, widths=widths)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channels", 2),
        ("width", 1),
        ("width", 100_000),
        ("unshuffle", 3),
        ("stem", "none"),
        ("columns", ()),
        ("columns", (0,)),
        ("columns", (4,) * 9),
    ],
)
def test_a_space_out_of_range_is_refused(field: str, value: object) -> None:
    with pytest.raises(InputError, match=str(value if field != "columns" else "cell")):
        SearchSpace(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["PFPP", "PFPP-FFPF-PFFPP", "PFPP-FFPF-PFFX", ""])
def test_text_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="PPPP-PPPP-PPPP"):
        Architecture.from_text(text, PAPER_SPACE)


@pytest.mark.parametrize("damage", ["width", "columns", "residual"])
def test_json_with_a_wrong_type_is_refused(damage: str) -> None:
    data = json.loads(next(PAPER_SPACE.architectures()).to_json())
    data["space"][damage] = "10**9"
    with pytest.raises(InputError, match=damage):
        Architecture.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "[" * 100_000, '{"schema_version": 1}'])
def test_json_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Architecture.from_json(text)


def test_space_and_cost_do_not_need_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from clearer.space.space import PAPER_SPACE, Architecture\n"
        "from clearer.costs.cost import cost_table\n"
        "print(Architecture.from_text('PFPP-FFPF-PFFP', PAPER_SPACE).text)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "PFPP-FFPF-PFFP\n", result.stderr
