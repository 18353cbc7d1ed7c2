"""How many numbers a network holds at once, per pixel of the image."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clearer.space.space import PAPER_SPACE, Architecture, SearchSpace
from clearer.space.working_memory import most_features

U_SPACE = SearchSpace(width=16, columns=(1, 1, 6), stem="conv", first_scales=1, gates=True)
U = Architecture.from_text("P-[.P]-[..P][..P][.F.][.P.][F..][P..]", U_SPACE)


@pytest.mark.parametrize(
    ("architecture", "numbers"),
    [
        # The last block: its input, both convolutions, and the coarser scales, read later.
        (U, 3 * 16 + 32 / 4 + 64 / 16),
        # At half the resolution, a quarter; nothing else changes.
        (replace(U, space=replace(U_SPACE, unshuffle=2)), (3 * 16 + 32 / 4 + 64 / 16) / 4),
        # The second bottleneck of the stem: its input, the body and the sum of 4 * width each, and
        # the width that the body comes from.
        (Architecture.uniform(replace(PAPER_SPACE, width=16), "parallel"), 64 + 64 + 16),
        # Two columns of one scale: the block alone.
        (
            Architecture.from_text(
                "PP", SearchSpace(width=8, columns=(2,), stem="conv", first_scales=1, gates=True)
            ),
            3 * 8,
        ),
    ],
)
def test_golden_counts(architecture: Architecture, numbers: float) -> None:
    assert most_features(architecture) == numbers


def test_width_and_a_scale_more() -> None:
    wide = replace(U, space=replace(U_SPACE, width=24))
    assert most_features(wide) == 1.5 * most_features(U)
    below = Architecture.from_text(
        "P-[.P]-[..P]-[...P][..F.][.P..][F...][P...]", replace(U_SPACE, columns=(1, 1, 1, 5))
    )
    assert most_features(below) == most_features(U) + 128 / 64


def test_what_is_read_again_is_kept() -> None:
    """A fusion reads all scales at once: the new finest one exists beside the old."""
    space = SearchSpace(width=8, columns=(1, 1), stem="conv", first_scales=1, gates=True)
    apart = Architecture.from_text(".-[F.]", space)
    both = Architecture.from_text(".-[FF]", space)
    assert most_features(both) > most_features(apart)
