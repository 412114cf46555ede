"""Closed rings of points: area, clipping, and filling a grid of pixels. Plain functions, no Django.

A ring is a tuple of (x, y) corners in oriented image pixels; the last corner joins the first and is not repeated.
Inside is meant by the even-odd rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Ring = tuple[Point, ...]

# Edges are filled in blocks of about this many crossings, so that a zigzag over a huge image stays within 100 MB.
_CROSSINGS_AT_ONCE = 1_000_000


def without_repeats(points: Iterable[Point]) -> Ring:
    """The ring without corners that repeat their predecessor, and without a last corner that repeats the first."""
    kept: list[Point] = []
    for point in points:
        if not kept or kept[-1] != point:
            kept.append(point)
    while len(kept) > 1 and kept[0] == kept[-1]:
        kept.pop()
    return tuple(kept)


def ring_area(ring: Ring) -> float:
    """Area in square pixels by the shoelace formula, never negative.

    Loops of a ring that crosses itself count against each other where they turn in opposite directions.
    """
    if len(ring) < 3:
        return 0.0
    # Relative to the first corner: far from the origin the products would cancel badly.
    first_x, first_y = ring[0]
    total = 0.0
    last_x = last_y = 0.0
    for x, y in ring:
        x -= first_x
        y -= first_y
        total += last_x * y - x * last_y
        last_x, last_y = x, y
    return abs(total) / 2


def ring_bounds(ring: Ring) -> tuple[float, float, float, float]:
    """left, top, right, bottom."""
    xs = [x for x, _ in ring]
    ys = [y for _, y in ring]
    return min(xs), min(ys), max(xs), max(ys)


def clip_ring(ring: Ring, width: float, height: float) -> Ring:
    """The ring cut to the rectangle (0, 0)–(width, height); empty when nothing is left.

    Sutherland and Hodgman, "Reentrant polygon clipping", 1974. Pieces of a concave ring that the cut tears apart stay
    joined by an edge along the border, which has no area. A ring that lies inside comes back as it is.
    """
    if not ring:
        return ring
    left, top, right, bottom = ring_bounds(ring)
    for axis, limit, below, needed in (
        (0, 0.0, False, left < 0),
        (0, width, True, right > width),
        (1, 0.0, False, top < 0),
        (1, height, True, bottom > height),
    ):
        if needed:
            ring = _keep_side(ring, axis, limit, below)
    return without_repeats(ring)


def _keep_side(ring: Ring, axis: int, limit: float, below: bool) -> Ring:
    kept: list[Point] = []
    for start, end in zip(ring[-1:] + ring[:-1], ring, strict=True):
        start_in = start[axis] <= limit if below else start[axis] >= limit
        end_in = end[axis] <= limit if below else end[axis] >= limit
        if start_in != end_in:
            share = (limit - start[axis]) / (end[axis] - start[axis])
            other = start[1 - axis] + share * (end[1 - axis] - start[1 - axis])
            kept.append((limit, other) if axis == 0 else (other, limit))
        if end_in:
            kept.append(end)
    return tuple(kept)


def fill_columns(
    ring: Ring, *, left: float, top: float, columns: int, rows: int, scale: float = 1.0
) -> NDArray[np.bool_]:
    """Which cells of a grid have their centre inside the ring, as an array of shape (columns, rows).

    Cell (c, r) is one `scale`-th of a pixel wide and starts at (left + c / scale, top + r / scale). Column first,
    because that is the order in which COCO counts pixels. On each column's centre line the crossings with the edges
    are toggles; a running sum along the line is odd inside.
    """
    points = (np.asarray(ring, dtype=np.float64) - (left, top)) * scale
    ahead = np.roll(points, -1, axis=0)
    first = np.clip(np.ceil(np.minimum(points[:, 0], ahead[:, 0]) - 0.5), 0, columns).astype(np.int64)
    after = np.clip(np.ceil(np.maximum(points[:, 0], ahead[:, 0]) - 0.5), 0, columns).astype(np.int64)
    lengths = np.maximum(after - first, 0)
    toggles = np.zeros((columns, rows + 1), dtype=np.uint8)
    for block in _blocks(lengths):
        counts = lengths[block]
        edge = np.repeat(np.arange(block.start, block.stop), counts)
        step = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
        column = first[edge] + step
        run = ahead[edge] - points[edge]
        crossing = points[edge, 1] + (column + 0.5 - points[edge, 0]) * run[:, 1] / run[:, 0]
        row = np.clip(np.ceil(crossing - 0.5), 0, rows).astype(np.int64)
        np.add.at(toggles, (column, row), 1)  # wraps at 256, which keeps odd and even
    return (np.cumsum(toggles[:, :rows], axis=1, dtype=np.uint8) & 1).astype(np.bool_)


def _blocks(lengths: NDArray[np.int64]) -> Iterator[slice]:
    """Slices over the edges that together cross about `_CROSSINGS_AT_ONCE` lines each."""
    block_of = np.cumsum(lengths) // _CROSSINGS_AT_ONCE
    cuts = [0, *(np.flatnonzero(np.diff(block_of)) + 1).tolist(), len(lengths)]
    for start, stop in pairwise(cuts):
        yield slice(start, stop)
