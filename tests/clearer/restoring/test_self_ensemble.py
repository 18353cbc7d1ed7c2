from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from clearer.restoring.self_ensemble import Views, self_ensemble


def blur(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean with the pixel to the left: its result depends on how a picture is turned."""
    return np.float32(0.5) * (planes + np.roll(planes, 1, axis=3))


def test_self_ensemble_commutes_with_turning() -> None:
    picture = np.random.default_rng(0).random((1, 3, 8, 12), dtype=np.float32)
    restore = self_ensemble(blur)
    turned = np.ascontiguousarray(np.rot90(picture, 1, (2, 3))[..., ::-1])
    expected = np.rot90(restore(picture), 1, (2, 3))[..., ::-1]
    np.testing.assert_allclose(restore(turned), expected, atol=1e-6)
    assert np.abs(blur(picture) - restore(picture)).max() > 0.01


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_as_many_views_as_asked_for_are_turned_back(views: Views) -> None:
    seen: list[tuple[int, ...]] = []

    def restore(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        corners = planes[0, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
        seen.append(tuple(int(corner) for corner in corners))
        return planes

    picture = np.arange(96, dtype=np.float32).reshape(1, 1, 8, 12)
    assert np.array_equal(self_ensemble(restore, views)(picture), picture)
    assert seen[0] == (0, 11, 84, 95)
    assert len(set(seen)) == len(seen) == views


def test_a_level_map_is_turned_with_the_picture() -> None:
    planes = np.random.default_rng(0).random((1, 4, 8, 12), dtype=np.float32)

    def restore(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        return planes[:, :3] - planes[:, 3:]

    expected = planes[:, :3] - planes[:, 3:]
    np.testing.assert_allclose(self_ensemble(restore)(planes), expected, atol=1e-6)


def test_self_ensemble_for_rain_never_turns_a_picture() -> None:
    seen: list[tuple[int, ...]] = []

    def restore(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(tuple(int(end) for end in planes[0, 0, 0, [0, -1]]))
        return planes

    picture = np.arange(96, dtype=np.float32).reshape(1, 1, 8, 12)
    assert np.array_equal(self_ensemble(restore, upright=True)(picture), picture)
    assert seen == [(0, 11), (11, 0)]
