"""Outlines of the regions of a mask, as polygons along the borders of pixels."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

Point = tuple[int, int]


def outlines(mask: np.ndarray) -> list[list[Point]]:
    """Outer rings of the 4-connected regions of `mask` `[H,W]` bool, corners in pixels (x, y), largest area first.

    Filling the rings gives the mask again, except that holes are filled: the polygons of parity B.3.3 have none.
    Pixel borders are directed so that the region lies to their right, and chained; at a corner where four borders
    meet, the turn that keeps regions apart is taken.
    """
    padded = np.pad(np.asarray(mask, dtype=bool), 1)
    following: dict[Point, list[Point]] = defaultdict(list)
    inside = padded[1:-1, 1:-1]
    for y, x in zip(*np.nonzero(inside & ~padded[:-2, 1:-1]), strict=True):  # nothing above: left to right
        following[int(x), int(y)].append((int(x) + 1, int(y)))
    for y, x in zip(*np.nonzero(inside & ~padded[1:-1, 2:]), strict=True):  # nothing at the right: down
        following[int(x) + 1, int(y)].append((int(x) + 1, int(y) + 1))
    for y, x in zip(*np.nonzero(inside & ~padded[2:, 1:-1]), strict=True):  # nothing below: right to left
        following[int(x) + 1, int(y) + 1].append((int(x), int(y) + 1))
    for y, x in zip(*np.nonzero(inside & ~padded[1:-1, :-2]), strict=True):  # nothing at the left: up
        following[int(x), int(y) + 1].append((int(x), int(y)))
    rings = []
    while following:
        ring = _ring(following)
        area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True)) / 2
        if area > 0:  # holes run the other way round
            rings.append((area, ring))
    return [ring for _area, ring in sorted(rings, key=lambda each: -each[0])]


def _ring(following: dict[Point, list[Point]]) -> list[Point]:
    start = next(iter(following))
    here, came = start, (0, 0)
    ring: list[Point] = []
    while True:
        choices = following[here]
        at = 0
        if len(choices) > 1 and came != (0, 0):  # turn right: towards the same pixel
            right = (here[0] - came[1], here[1] + came[0])
            at = choices.index(right) if right in choices else 0
        there = choices.pop(at)
        if not choices:
            del following[here]
        step = (there[0] - here[0], there[1] - here[1])
        if step != came:
            ring.append(here)
        here, came = there, step
        if here == start:
            return ring
