from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.errors import InputError
from clearer.space import CHOICES, ENTRIES, PAPER_SPACE, Architecture, SearchSpace

spaces = st.builds(
    SearchSpace,
    channels=st.sampled_from([1, 3]),
    width=st.integers(2, 64),
    columns=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple),
    stem=st.sampled_from([1, 2]),
    entry=st.sampled_from(ENTRIES),
    residual=st.booleans(),
)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    space = draw(spaces)
    size = space.num_columns
    choices = draw(st.lists(st.sampled_from(CHOICES), min_size=size, max_size=size))
    return Architecture(space=space, choices=tuple(choices))


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
    assert architecture.cells == (("fusion",), ("parallel", "fusion", "parallel"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channels", 2),
        ("width", 1),
        ("width", 100_000),
        ("stem", 3),
        ("entry", "none"),
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
        "from clearer.space import PAPER_SPACE, Architecture\n"
        "from clearer.cost import cost_table\n"
        "print(Architecture.from_text('PFPP-FFPF-PFFP', PAPER_SPACE).text)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "PFPP-FFPF-PFFP\n", result.stderr
