"""Spaces and networks as earlier versions described them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from clearer.errors import InputError
from clearer.space.old_words import space_in_words_of_today, text_in_words_of_today
from clearer.space.space import PAPER_SPACE, Architecture, SearchSpace
from tests.spaces import architectures

OLD = json.loads(
    '{"choices":"PF-F","schema_version":1,"space":{"channels":1,"columns":[2,1],"entry":"conv",'
    '"residual":true,"stem":2,"width":16}}'
)


def in_old_words(space: SearchSpace) -> dict[str, Any]:
    data = space.to_dict()
    stem, unshuffle = data.pop("stem"), data.pop("unshuffle")
    return {**data, "entry": stem, "stem": unshuffle}


def test_a_network_that_an_earlier_version_wrote_is_read() -> None:
    space = SearchSpace(width=16, columns=(2, 1), unshuffle=2, stem="conv", residual=True)
    assert Architecture.from_dict(OLD) == Architecture.from_text("PF-F", space)


@given(architectures())
def test_all_spaces_are_read_in_both_words(architecture: Architecture) -> None:
    space = architecture.space
    assert SearchSpace.from_dict(in_old_words(space)) == space
    assert space_in_words_of_today(space.to_dict()) == space.to_dict()


@pytest.mark.parametrize("field", ["stem", "entry"])
def test_a_field_that_lacks_is_missed_in_old_words_too(field: str) -> None:
    space = {name: value for name, value in OLD["space"].items() if name != field}
    with pytest.raises(InputError, match="needs exactly the fields"):
        Architecture.from_dict({**OLD, "space": space})


def test_words_of_both_are_not_mixed() -> None:
    with pytest.raises(InputError, match="needs exactly the fields"):
        SearchSpace.from_dict({**PAPER_SPACE.to_dict(), "entry": "conv"})
    wrong = {**replace(PAPER_SPACE, unshuffle=2).to_dict(), "stem": 1}
    with pytest.raises(InputError, match="stem"):
        SearchSpace.from_dict(wrong)


@pytest.mark.parametrize(
    ("old", "today"),
    [
        ("width 16, stem 1", "width 16, unshuffle 1"),
        ("stem 2, width 48, PPPP-F, entry conv", "unshuffle 2, width 48, PPPP-F, stem conv"),
        ("stem 2", "unshuffle 2"),
    ],
)
def test_text_is_said_in_words_of_today(old: str, today: str) -> None:
    assert text_in_words_of_today(old) == today == text_in_words_of_today(today)
