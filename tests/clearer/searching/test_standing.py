"""The order of a race, and the front of networks that no cheaper one beats."""

from __future__ import annotations

import math

import pytest

from clearer.costs.cost import network_cost
from clearer.searching.standing import (
    Score,
    Standing,
    best_first,
    expected_db,
    race_front,
    ranked,
)
from clearer.space.shapes import Shape
from clearer.space.space import Architecture, SearchSpace


def network(width: int) -> Architecture:
    space = SearchSpace(width=width, stem="conv", first_scales=1, gates=True)
    return Shape(space, (1,), 1, (1,)).architecture()


def scores(*psnrs: float | None) -> list[Score]:
    return [Score(iterations=10 * 2**i, psnr_db=psnr) for i, psnr in enumerate(psnrs)]


STANDING = [
    (network(4), scores(20.0)),
    (network(6), scores(23.0, 24.0)),
    (network(8), scores(22.0, 25.0)),
    (network(12), scores(None)),
]


def test_who_stayed_longest_comes_first_then_who_was_better() -> None:
    widths = [row.architecture.space.width for row in ranked(STANDING)]
    assert widths == [8, 6, 4, 12]
    assert ranked([]) == []


def test_what_still_gains_most_is_heading_farther() -> None:
    first, gaining = scores(23.65, 24.02), scores(23.32, 23.94)
    space = SearchSpace(width=32, gates=True, stem="conv", first_scales=1)
    large = Shape(space, (2,), 4, (2,)).architecture()
    assert network_cost(large, "params") > 250_000
    assert expected_db(large, gaining) > expected_db(large, first)
    assert [row.scores for row in ranked([(network(4), first), (network(6), gaining)])] == [
        gaining,
        first,
    ]
    assert expected_db(large, scores(23.5)) == 23.5
    assert expected_db(large, scores(20.0, None)) == expected_db(large, []) == -math.inf


def test_half_of_the_last_gain_is_added() -> None:
    """Two networks of a race; the second restored 0.11 dB better in the end."""
    space = SearchSpace(width=32, gates=True, stem="conv", first_scales=1)
    large = Shape(space, (2,), 4, (2,)).architecture()
    assert expected_db(large, scores(23.590, 23.963)) == pytest.approx(24.1495)
    assert expected_db(large, scores(23.470, 23.940)) == pytest.approx(24.175)


def test_four_times_as_large_has_to_lead_by_more_than_a_race_can_tell() -> None:
    """The two networks that were left with seed 0, and what they were heading for."""

    def left(width: int, blocks: int, psnr: float) -> tuple[Architecture, list[Score]]:
        space = SearchSpace(width=width, gates=True, stem="conv", first_scales=1)
        return Shape(space, (blocks,), 3, (blocks,)).architecture(), scores(psnr)

    small, large = left(28, 1, 29.913), left(60, 1, 29.945)
    assert network_cost(small[0], "params") >= 200_000
    assert network_cost(large[0], "params") >= 4 * network_cost(small[0], "params")
    assert best_first([large, small]) == [1, 0]
    assert ranked([large, small])[0].architecture == small[0]
    assert best_first([left(60, 1, 29.97), small]) == [0, 1]
    assert best_first([left(48, 1, 29.945), small]) == [0, 1]  # not four times as large
    assert best_first([large, left(24, 1, 29.94)]) == [0, 1]  # too few parameters
    assert best_first([large, small, left(4, 1, 20.0)]) == [0, 1, 2]  # the race goes on


def test_few_parameters_count_against_a_network() -> None:
    """The smaller of these led a race, and restored 0.14 dB worse in the end."""
    space = SearchSpace(width=16, stem="conv", first_scales=1, gates=True)
    two = Shape(space, (2,), 1, (2,)).architecture()
    three = Shape(space, (1, 1), 2, (1, 1)).architecture()
    standing = [(two, scores(29.464, 29.814)), (three, scores(29.381, 29.732))]
    assert ranked(standing)[0].architecture == three
    octaves = math.log2(network_cost(three, "params") / network_cost(two, "params"))
    leads = [expected_db(architecture, scores(30.0)) for architecture in (two, three)]
    assert leads[1] - leads[0] == pytest.approx(0.05 * octaves)


def test_a_network_that_has_not_run_comes_last() -> None:
    rows = ranked([(network(4), []), *STANDING[1:]])
    assert rows[-1].architecture == network(4)


def test_costs_are_those_of_the_network() -> None:
    row = Standing(network(8), [])
    assert row.mb == network_cost(network(8), "mb")
    assert row.macs_per_pixel == network_cost(network(8), "macs")


def test_the_front_has_what_no_cheaper_network_equals() -> None:
    """All have the same text; the winner is recognised by its space too."""
    rows = race_front(STANDING, [2.0, 3.0, 4.0, 1.0])
    assert len({row["architecture"] for row in rows}) == 1
    assert [row["cost"] for row in rows] == [1.0, 2.0, 3.0, 4.0]
    assert [row["psnr_db"] for row in rows] == [None, 20.0, 23.0, 22.0]
    assert [row["on_front"] for row in rows] == [False, True, True, False]
    assert [row["is_winner"] for row in rows] == [False, False, False, True]
    assert [row["rounds"] for row in rows] == [1, 1, 2, 2]
    assert rows[0]["shape"] == "unshuffle 1, width 12 x2, 2 scales"


def test_what_has_no_cost_is_left_out() -> None:
    rows = race_front(STANDING, [2.0, None, 4.0, 1.0])
    assert [row["cost"] for row in rows] == [1.0, 2.0, 4.0]
    assert [row["on_front"] for row in rows] == [False, True, True]
