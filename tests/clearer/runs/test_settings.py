"""Settings of runs from earlier versions."""

from __future__ import annotations

from typing import Any

import pytest

from clearer.errors import InputError
from clearer.runs.settings import RunSettings
from clearer.space.space import PAPER_SPACE
from tests.run_settings import quick_run


def saved() -> dict[str, Any]:
    train = {"frozen_norm_rate": 0.5, "padded_share": 0.25}
    return quick_run(PAPER_SPACE, train, strategy="race").to_dict()


def test_a_field_that_had_another_name_is_read() -> None:
    data, today = saved(), RunSettings.from_dict(saved())
    for old, new in (("settled_rate", "frozen_norm_rate"), ("mirrored_share", "padded_share")):
        data["train"][old] = data["train"].pop(new)
    assert RunSettings.from_dict(data) == today
    assert (today.train.frozen_norm_rate, today.train.padded_share) == (0.5, 0.25)


def test_a_space_in_old_words_is_read() -> None:
    data, today = saved(), RunSettings.from_dict(saved())
    space = data["space"]
    space["entry"], space["stem"] = space.pop("stem"), space.pop("unshuffle")
    assert RunSettings.from_dict(data) == today


def test_a_field_that_never_was_is_refused() -> None:
    data = saved()
    data["train"]["settling_rate"] = 0.5
    with pytest.raises(InputError, match="settling_rate"):
        RunSettings.from_dict(data)
