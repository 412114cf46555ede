"""Masks become polygons of few points that still cover the mask."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from automl.vision.polygons import mask_to_polygons, simplify


def disc(radius: float, size: int = 120) -> np.ndarray:
    y, x = np.mgrid[:size, :size] + 0.5
    return (x - size / 2) ** 2 + (y - size / 2) ** 2 <= radius**2


def drawn(rings: list[list[float]], size: int = 120) -> np.ndarray:
    scale = 8  # drawn larger, so that corners between pixels count
    canvas = Image.new("1", (size * scale, size * scale))
    for ring in rings:
        ImageDraw.Draw(canvas).polygon([value * scale for value in ring], fill=1)
    return np.asarray(canvas)[scale // 2 :: scale, scale // 2 :: scale]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize(("points", "least"), [(100, 0.98), (24, 0.95), (8, 0.85)])
def test_a_disc_keeps_its_shape_with_few_points(points: int, least: float) -> None:
    rings = mask_to_polygons(disc(40), points)
    assert len(rings) == 1
    assert len(rings[0]) <= 2 * points
    assert overlap(drawn(rings), disc(40)) > least


def test_a_rectangle_is_its_four_corners() -> None:
    mask = np.zeros((20, 30), bool)
    mask[5:12, 3:21] = True
    ring = np.reshape(mask_to_polygons(mask)[0], (-1, 2))
    assert {tuple(point) for point in ring.tolist()} == {(3, 5), (21, 5), (21, 12), (3, 12)}


def test_parts_share_the_points_and_crumbs_are_left_out() -> None:
    mask = np.zeros((120, 120), bool)
    mask[:60] |= disc(25, 120)[30:90]
    mask[70:110, 10:50] |= disc(18, 40)
    mask[118, 118] = True
    rings = mask_to_polygons(mask, 40)
    assert len(rings) == 2
    assert sum(len(ring) // 2 for ring in rings) <= 40
    assert overlap(drawn(rings), mask) > 0.9


def test_an_empty_mask_has_no_polygon() -> None:
    assert mask_to_polygons(np.zeros((5, 5), bool)) == []


def test_simplifying_stops_at_three_points_and_keeps_what_stands_out() -> None:
    star = np.array([[0, 0], [5, 0.1], [10, 0], [8, 10], [5, 40], [2, 10]], float)
    three = simplify(star, 1)
    assert three.tolist() == [[0, 0], [10, 0], [5, 40]]
