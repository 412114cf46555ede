"""Where an object is: a box or a polygon, in pixels of the image as a person sees it. No Django.

Origin top left, x to the right, y down, floats; pixel (0, 0) covers 0–1 in both directions. `from_json` is the door for
everything that comes from outside: it refuses what has no area, what is not a number and what is too large, and names
the field. Built directly, a `Polygon` is trusted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotations.rings import Point, Ring, clip_ring, fill_columns, ring_area, ring_bounds, without_repeats

MAX_POINTS = 10_000
MAX_COORDINATE = 1_000_000.0
MIN_SIDE = 0.01
"""Pixels. No hand draws smaller, and an export rounded to 0.0001 still has an area."""
MIN_AREA = MIN_SIDE * MIN_SIDE

_IOU_CELLS = 512


class GeometryError(ValueError):
    """A shape that cannot be accepted. `field` is the place in the JSON, `code` is for programs."""

    def __init__(self, code: str, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}" if field else sentence)
        self.code = code
        self.field = field
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Box:
    """Left, top, width, height. Both sides are at least `MIN_SIDE`; anything else raises GeometryError."""

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        if not all(abs(value) <= MAX_COORDINATE for value in (self.x, self.y, self.width, self.height)):
            raise GeometryError("number", "box", f"Coordinates are numbers between ±{MAX_COORDINATE:.0f}.")
        for field in ("width", "height"):
            if getattr(self, field) < MIN_SIDE:
                raise GeometryError("no_area", field, f"A box needs a {field} of at least {MIN_SIDE} pixels.")

    @classmethod
    def from_json(cls, data: Any) -> Box:
        _keys(data, {"x", "y", "width", "height"}, "")
        return cls(*(_number(data[key], key) for key in ("x", "y", "width", "height")))

    @classmethod
    def from_corners(cls, left: float, top: float, right: float, bottom: float) -> Box:
        return cls(left, top, right - left, bottom - top)

    def to_json(self) -> dict[str, Any]:
        return {"x": self.x, "y": self.y, "width": self.width, "height": self.height}

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    @property
    def bounds(self) -> Box:
        return self

    def clip(self, width: float, height: float) -> Box:
        """The part inside an image of this size. Raises GeometryError when the box lies outside."""
        left, top, right, bottom = max(self.x, 0.0), max(self.y, 0.0), min(self.right, width), min(self.bottom, height)
        if right - left < MIN_SIDE or bottom - top < MIN_SIDE:
            raise _outside()
        if (left, top, right, bottom) == (self.x, self.y, self.right, self.bottom):
            return self
        return Box.from_corners(left, top, right, bottom)

    def as_polygon(self) -> Polygon:
        return Polygon(
            (Part(((self.x, self.y), (self.right, self.y), (self.right, self.bottom), (self.x, self.bottom))),)
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One connected piece of an object: an outer ring and the holes in it."""

    outer: Ring
    holes: tuple[Ring, ...] = ()

    @property
    def area(self) -> float:
        return max(ring_area(self.outer) - sum(ring_area(hole) for hole in self.holes), 0.0)


@dataclass(frozen=True, slots=True)
class Polygon:
    """One object of one or more parts. Parts are taken not to overlap."""

    parts: tuple[Part, ...]

    @classmethod
    def from_json(cls, data: Any) -> Polygon:
        _keys(data, {"parts"}, "")
        reader = _PolygonReader()
        return cls(tuple(reader.part(part, f"parts[{i}]") for i, part in enumerate(_list(data["parts"], "parts"))))

    def to_json(self) -> dict[str, Any]:
        return {
            "parts": [
                {"outer": [list(p) for p in part.outer], "holes": [[list(p) for p in hole] for hole in part.holes]}
                for part in self.parts
            ]
        }

    @property
    def area(self) -> float:
        """Square pixels, holes taken off. Exact where rings do not cross themselves or each other."""
        return sum(part.area for part in self.parts)

    @property
    def bounds(self) -> Box:
        lefts, tops, rights, bottoms = zip(*(ring_bounds(part.outer) for part in self.parts), strict=True)
        return Box.from_corners(min(lefts), min(tops), max(rights), max(bottoms))

    @property
    def has_holes(self) -> bool:
        return any(part.holes for part in self.parts)

    @property
    def point_count(self) -> int:
        return sum(len(ring) for part in self.parts for ring in (part.outer, *part.holes))

    def clip(self, width: float, height: float) -> Polygon:
        """The part inside an image of this size. Raises GeometryError when nothing is left."""
        parts = []
        for part in self.parts:
            outer = clip_ring(part.outer, width, height)
            holes = tuple(
                hole for hole in (clip_ring(h, width, height) for h in part.holes) if ring_area(hole) >= MIN_AREA
            )
            clipped = Part(outer, holes)
            if clipped.area >= MIN_AREA and _has_sides(outer):
                parts.append(clipped)
        if not parts:
            raise _outside()
        return Polygon(tuple(parts))

    def columns(self, *, left: float, top: float, columns: int, rows: int, scale: float = 1.0) -> NDArray[np.bool_]:
        """Cells whose centre belongs to the object, shape (columns, rows); the grid is that of `rings.fill_columns`."""
        grid = {"left": left, "top": top, "scale": scale}
        mask = np.zeros((columns, rows), dtype=np.bool_)
        for part in self.parts:
            piece = fill_columns(part.outer, columns=columns, rows=rows, **grid)
            for hole in part.holes:
                piece &= ~fill_columns(hole, columns=columns, rows=rows, **grid)
            mask |= piece
        return mask

    def as_polygon(self) -> Polygon:
        return self


Geometry = Box | Polygon


def geometry_from_json(data: Any) -> Geometry:
    """A box or a polygon, told apart by the key `parts`. Raises GeometryError."""
    if isinstance(data, Mapping) and "parts" in data:
        return Polygon.from_json(data)
    return Box.from_json(data)


def iou(one: Geometry, other: Geometry) -> float:
    """Intersection over union, 0 to 1. Boxes: exact. With a polygon: on a grid of up to 512 cells a side laid over both
    shapes, so good to about 0.01 for shapes of like size."""
    a, b = one.bounds, other.bounds
    wide = min(a.right, b.right) - max(a.x, b.x)
    high = min(a.bottom, b.bottom) - max(a.y, b.y)
    if wide <= 0 or high <= 0:
        return 0.0
    if isinstance(one, Box) and isinstance(other, Box):
        shared = wide * high
        return min(shared / (one.area + other.area - shared), 1.0)
    left, top = min(a.x, b.x), min(a.y, b.y)
    width, height = max(a.right, b.right) - left, max(a.bottom, b.bottom) - top
    scale = _IOU_CELLS / max(width, height)
    columns, rows = math.ceil(width * scale), math.ceil(height * scale)
    masks = [
        shape.as_polygon().columns(left=left, top=top, columns=columns, rows=rows, scale=scale)
        for shape in (one, other)
    ]
    union = int(np.count_nonzero(masks[0] | masks[1]))
    return int(np.count_nonzero(masks[0] & masks[1])) / union if union else 0.0


class _PolygonReader:
    """Reads the parts of one polygon; counts points over all of them, since the limit is for the object."""

    def __init__(self) -> None:
        self.points = 0

    def part(self, data: Any, field: str) -> Part:
        _keys(data, {"outer"}, field, optional={"holes"})
        outer = self.ring(data["outer"], f"{field}.outer")
        holes = tuple(
            self.ring(hole, f"{field}.holes[{i}]")
            for i, hole in enumerate(_list(data.get("holes", []), f"{field}.holes", empty=True))
        )
        left, top, right, bottom = ring_bounds(outer)
        for i, hole in enumerate(holes):
            hole_left, hole_top, hole_right, hole_bottom = ring_bounds(hole)
            if hole_left < left or hole_top < top or hole_right > right or hole_bottom > bottom:
                raise GeometryError("hole_outside", f"{field}.holes[{i}]", "A hole must lie inside its outline.")
        part = Part(outer, holes)
        if part.area < MIN_AREA:
            raise GeometryError("no_area", field, "The holes leave nothing of this part.")
        return part

    def ring(self, data: Any, field: str) -> Ring:
        values = _list(data, field)
        self.points += len(values)
        if self.points > MAX_POINTS:
            raise GeometryError("too_many_points", field, f"An object may have at most {MAX_POINTS} points.")
        ring = without_repeats(_point(value, f"{field}[{i}]") for i, value in enumerate(values))
        if len(set(ring)) < 3:
            raise GeometryError("too_few_points", field, "An outline needs at least three different points.")
        if ring_area(ring) < MIN_AREA or not _has_sides(ring):
            raise GeometryError("no_area", field, "An outline must enclose an area.")
        return ring


def _has_sides(ring: Ring) -> bool:
    left, top, right, bottom = ring_bounds(ring)
    return right - left >= MIN_SIDE and bottom - top >= MIN_SIDE


def _outside() -> GeometryError:
    return GeometryError("outside", "", "The shape lies outside the image.")


def _keys(data: Any, required: Set[str], field: str, *, optional: Set[str] = frozenset()) -> None:
    if not isinstance(data, Mapping):
        raise GeometryError("type", field, f"Expected an object with {', '.join(sorted(required))}.")
    prefix = f"{field}." if field else ""
    for key in sorted(required - data.keys()):
        raise GeometryError("missing", f"{prefix}{key}", "This is missing.")
    for key in sorted(str(key) for key in data.keys() - required - optional):
        raise GeometryError("unknown", f"{prefix}{key[:40]}", "This is not known here.")


def _list(data: Any, field: str, *, empty: bool = False) -> list[Any] | tuple[Any, ...]:
    if not isinstance(data, list | tuple):
        raise GeometryError("type", field, "Expected a list.")
    if not data and not empty:
        raise GeometryError("missing", field, "This list is empty.")
    return data


def _point(data: Any, field: str) -> Point:
    if not isinstance(data, list | tuple) or len(data) != 2:
        raise GeometryError("type", field, "Expected a point [x, y].")
    return _number(data[0], f"{field}[0]"), _number(data[1], f"{field}[1]")


def _number(data: Any, field: str) -> float:
    # The comparison is false for NaN and infinity, and safe for integers too large for a float.
    if isinstance(data, bool) or not isinstance(data, int | float) or not abs(data) <= MAX_COORDINATE:
        raise GeometryError("number", field, f"Expected a number between ±{MAX_COORDINATE:.0f}.")
    return float(data)
