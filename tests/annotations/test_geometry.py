"""Shapes: what is accepted, what is refused and under which name, and that area, clipping and IoU can be trusted."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from annotations.geometry import MAX_POINTS, Box, GeometryError, Part, Polygon, geometry_from_json, iou
from annotations.rings import clip_ring, fill_columns, ring_area, without_repeats

SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30]]
coordinate = st.floats(-500, 1500, allow_nan=False).map(lambda v: round(v, 3))
side = st.floats(0.5, 900).map(lambda v: round(v, 3))
boxes = st.builds(Box, coordinate, coordinate, side, side)


@st.composite
def stars(draw: st.DrawFn) -> Polygon:
    """A simple ring: corners at growing angles around a centre."""
    count = draw(st.integers(3, 24))
    centre_x, centre_y = draw(st.floats(0, 300)), draw(st.floats(0, 300))
    radii = draw(st.lists(st.floats(5, 120), min_size=count, max_size=count))
    ring = tuple(
        (centre_x + r * math.cos(math.tau * i / count), centre_y + r * math.sin(math.tau * i / count))
        for i, r in enumerate(radii)
    )
    return Polygon((Part(ring),))


def polygon(*outers, holes=()):
    parts = [{"outer": outer, "holes": []} for outer in outers]
    parts[0]["holes"] = list(holes)
    return {"parts": parts}


def refusal(data):
    with pytest.raises(GeometryError) as caught:
        geometry_from_json(data)
    return caught.value.field, caught.value.code


def test_a_box_and_a_polygon_come_back_as_they_went_in():
    box = {"x": 1.5, "y": 2, "width": 30.25, "height": 4}
    shape = polygon(SQUARE, [[50, 50], [60, 50], [55, 58.125]], holes=[[[15, 15], [20, 15], [20, 20]]])
    for data in (box, shape):
        assert json.loads(json.dumps(geometry_from_json(data).to_json())) == data


@pytest.mark.parametrize(
    ("data", "field", "code"),
    [
        ({"x": 1, "y": 1, "width": 0, "height": 5}, "width", "no_area"),
        ({"x": 1, "y": 1, "width": 5, "height": -3}, "height", "no_area"),
        ({"x": math.nan, "y": 1, "width": 5, "height": 5}, "x", "number"),
        ({"x": 1, "y": math.inf, "width": 5, "height": 5}, "y", "number"),
        ({"x": 10**400, "y": 1, "width": 5, "height": 5}, "x", "number"),
        ({"x": "1", "y": 1, "width": 5, "height": 5}, "x", "number"),
        ({"x": True, "y": 1, "width": 5, "height": 5}, "x", "number"),
        ({"x": 1, "y": 1, "width": 5}, "height", "missing"),
        ({"x": 1, "y": 1, "width": 5, "height": 5, "angle": 3}, "angle", "unknown"),
        ([1, 2, 3, 4], "", "type"),
        (None, "", "type"),
        ({"parts": []}, "parts", "missing"),
        ({"parts": "abc"}, "parts", "type"),
        ({"parts": [{"holes": []}]}, "parts[0].outer", "missing"),
        (polygon(SQUARE, [[1, 1], [2, 2]]), "parts[1].outer", "too_few_points"),
        (polygon([[1, 1], [9, 1], [1, 1], [9, 1]]), "parts[0].outer", "too_few_points"),
        (polygon([[1, 1], [5, 5], [9, 9]]), "parts[0].outer", "no_area"),
        (polygon([[1, 1], [5, 5, 5], [9, 2]]), "parts[0].outer[1]", "type"),
        (polygon([[1, 1], [5, None], [9, 2]]), "parts[0].outer[1][1]", "number"),
        (polygon(SQUARE, holes=[[[15, 15], [20, math.nan], [20, 20]]]), "parts[0].holes[0][1][1]", "number"),
        (polygon(SQUARE, holes=[[[15, 15], [40, 15], [20, 20]]]), "parts[0].holes[0]", "hole_outside"),
        (polygon(SQUARE, holes=[SQUARE]), "parts[0]", "no_area"),
        (polygon([[i % 100, i] for i in range(MAX_POINTS + 1)]), "parts[0].outer", "too_many_points"),
        (polygon(SQUARE, [[i % 100, i] for i in range(MAX_POINTS - 3)]), "parts[1].outer", "too_many_points"),
    ],
)
def test_a_bad_shape_is_refused_by_the_name_of_its_field(data, field, code):
    assert refusal(data) == (field, code)


def test_the_largest_polygon_is_accepted():
    ring = [[500 + 400 * math.cos(i / 1591), 500 + 400 * math.sin(i / 1591)] for i in range(MAX_POINTS)]
    assert Polygon.from_json(polygon(ring)).point_count == MAX_POINTS


def test_a_repeated_closing_corner_is_dropped():
    assert Polygon.from_json(polygon([*SQUARE, SQUARE[0]])).parts[0].outer == tuple(map(tuple, SQUARE))


def test_area_takes_holes_off_and_adds_parts():
    shape = Polygon.from_json(polygon(SQUARE, [[50, 50], [60, 50], [60, 60]], holes=[[[12, 12], [16, 12], [16, 16]]]))
    assert shape.area == pytest.approx(400 - 8 + 50)
    assert shape.bounds == Box(10, 10, 50, 50)
    assert shape.has_holes


@given(boxes)
@settings(deadline=None)
def test_a_clipped_box_lies_in_the_image_or_is_refused(box):
    outside = box.right < 0.01 or box.bottom < 0.01 or box.x > 799.99 or box.y > 599.99
    if outside:
        with pytest.raises(GeometryError, match="outside the image"):
            box.clip(800, 600)
        return
    clipped = box.clip(800, 600)
    assert clipped.x >= 0 and clipped.y >= 0
    assert clipped.right <= 800 + 1e-9 and clipped.bottom <= 600 + 1e-9
    assert clipped.area <= box.area + 1e-6
    assert clipped.clip(800, 600).area == pytest.approx(clipped.area)


@given(boxes)
@settings(deadline=None)
def test_a_box_and_its_outline_are_clipped_alike(box):
    try:
        clipped = box.clip(800, 600)
    except GeometryError:
        return
    if clipped.area >= 0.01:
        assert box.as_polygon().clip(800, 600).area == pytest.approx(clipped.area, rel=1e-6, abs=1e-6)


@given(stars(), st.integers(100, 300), st.integers(100, 300))
@settings(max_examples=60, deadline=None)
def test_a_clipped_polygon_covers_the_pixels_it_covered_inside_the_image(shape, width, height):
    before = shape.columns(left=0, top=0, columns=width, rows=height)
    try:
        clipped = shape.clip(width, height)
    except GeometryError:
        assert before.sum() <= 2
        return
    bounds = clipped.bounds
    assert bounds.x >= -1e-9 and bounds.y >= -1e-9
    assert bounds.right <= width + 1e-9 and bounds.bottom <= height + 1e-9
    after = clipped.columns(left=0, top=0, columns=width, rows=height)
    assert np.count_nonzero(before != after) <= 2


def test_a_polygon_inside_the_image_is_untouched_and_one_outside_is_refused():
    shape = Polygon.from_json(polygon(SQUARE))
    assert shape.clip(100, 100) == shape
    with pytest.raises(GeometryError):
        shape.clip(10, 10)


def test_clipping_drops_the_part_outside_and_cuts_the_hole():
    shape = Polygon.from_json(
        polygon(
            [[0, 0], [40, 0], [40, 40], [0, 40]],
            [[60, 60], [70, 60], [70, 70]],
            holes=[[[10, 10], [30, 10], [30, 30], [10, 30]]],
        )
    )
    clipped = shape.clip(20, 50)
    assert len(clipped.parts) == 1
    assert clipped.area == pytest.approx(20 * 40 - 10 * 20)


def test_clipping_a_torn_concave_ring_keeps_its_area():
    comb = ((0.0, 0.0), (50.0, 0.0), (50.0, 10.0), (10.0, 10.0), (10.0, 20.0), (50.0, 20.0), (50.0, 30.0), (0.0, 30.0))
    assert ring_area(clip_ring(tuple((x - 20, y) for x, y in comb), 100, 100)) == pytest.approx(30 * 10 * 2)


@given(boxes, boxes)
@settings(deadline=None)
def test_box_iou_is_symmetric_bounded_and_one_with_itself(a, b):
    assert iou(a, b) == pytest.approx(iou(b, a))
    assert 0 <= iou(a, b) <= 1
    assert iou(a, a) == pytest.approx(1)


def test_box_iou_is_exact():
    assert iou(Box(0, 0, 10, 10), Box(5, 0, 10, 10)) == pytest.approx(50 / 150)
    assert iou(Box(0, 0, 10, 10), Box(10, 0, 10, 10)) == 0


@given(boxes, boxes)
@settings(max_examples=60, deadline=None)
def test_polygon_iou_agrees_with_box_iou_on_rectangles(a, b):
    # A side that is thin against the other's length is a few cells wide: allow for that.
    long = max(max(a.right, b.right) - min(a.x, b.x), max(a.bottom, b.bottom) - min(a.y, b.y))
    thin = min(a.width, a.height, b.width, b.height) * 512 / long
    assert iou(a.as_polygon(), b) == pytest.approx(iou(a, b), abs=max(0.02, 2 / max(thin, 1)))


def test_polygon_iou_sees_holes():
    full = Box(0, 0, 40, 40)
    ring = Polygon.from_json(
        polygon([[0, 0], [40, 0], [40, 40], [0, 40]], holes=[[[10, 10], [30, 10], [30, 30], [10, 30]]])
    )
    assert iou(full, ring) == pytest.approx(0.75, abs=0.01)
    assert iou(Box(12, 12, 16, 16), ring) == 0


@given(stars())
@settings(max_examples=60, deadline=None)
def test_filled_pixels_agree_with_the_area_and_with_pycocotools(shape):
    ring = shape.parts[0].outer
    inside = clip_ring(ring, 450, 440)
    if len(inside) < 3:
        return
    mine = fill_columns(inside, left=0, top=0, columns=450, rows=440).T
    circumference = sum(math.dist(a, b) for a, b in zip(inside, inside[1:] + inside[:1], strict=True))
    assert mine.sum() == pytest.approx(ring_area(inside), abs=circumference + 4)
    theirs = coco_mask.decode(coco_mask.frPyObjects([[v for p in inside for v in p]], 440, 450))[:, :, 0]
    assert np.count_nonzero(mine != theirs) <= circumference + 4


def test_a_zigzag_over_a_large_grid_is_filled_like_in_one_go(monkeypatch):
    ring = without_repeats(
        [(float(x), float(y)) for x, y in zip([0, 900] * 400, range(800), strict=True)] + [(900.0, 950.0), (0.0, 950.0)]
    )
    whole = fill_columns(ring, left=0, top=0, columns=900, rows=960)
    monkeypatch.setattr("annotations.rings._CROSSINGS_AT_ONCE", 3_000)
    assert np.array_equal(whole, fill_columns(ring, left=0, top=0, columns=900, rows=960))
    assert 0 < whole.sum() < whole.size
