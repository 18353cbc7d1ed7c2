"""Small search spaces and architectures of every kind, drawn by hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from clearer.space.space import STEMS, Architecture, SearchSpace


@st.composite
def spaces(draw: st.DrawFn, max_width: int = 4, max_columns: int = 2) -> SearchSpace:
    """Spaces with and without gates, of one or more scales."""
    gates = draw(st.booleans())
    first_scales = draw(st.sampled_from((1, 2))) if gates else 2
    return SearchSpace(
        channels=draw(st.sampled_from((1, 3))),
        width=draw(st.integers(2, max_width)),
        columns=tuple(draw(st.lists(st.integers(1, max_columns), min_size=1, max_size=3))),
        unshuffle=draw(st.sampled_from((1, 2))),
        stem="conv" if first_scales == 1 else draw(st.sampled_from(STEMS)),
        residual=draw(st.booleans()),
        growth=draw(st.sampled_from((2.0, 1.5, 1.0))) if gates else 2.0,
        first_scales=first_scales,
        gates=gates,
    )


@st.composite
def architectures(
    draw: st.DrawFn, max_width: int = 4, max_columns: int = 2, channels: int | None = None
) -> Architecture:
    """Any architecture of any small space."""
    space = draw(spaces(max_width, max_columns).filter(lambda s: channels in (None, s.channels)))
    choices = [
        draw(st.sampled_from([c for c, has in zip(space.candidates, row, strict=True) if has]))
        for row in space.allowed()
    ]
    return Architecture(space=space, choices=tuple(choices))
