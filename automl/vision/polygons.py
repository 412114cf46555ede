"""Masks as polygons of few points (parity.md B.5.5)."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from automl.vision.data.outlines import outlines

MAX_POINTS = 100
SMALLEST_SHARE = 0.01
"""Parts smaller than this share of the object's largest part are left out."""


def mask_to_polygons(mask: NDArray[np.bool_], max_points: int = MAX_POINTS) -> list[list[float]]:
    """Rings [x1, y1, x2, y2, …] in pixels around the parts of a mask (H, W), the largest first, together at most
    `max_points` points (but 3 for each part). Holes are filled. An empty mask has no ring."""
    rings = [np.asarray(ring, np.float64) for ring in outlines(mask)]
    if not rings:
        return []
    areas = [_area(ring) for ring in rings]
    kept = [ring for ring, area in zip(rings, areas, strict=True) if area >= SMALLEST_SHARE * areas[0]]
    total = sum(len(ring) for ring in kept)
    return [
        simplify(ring, max(3, int(max_points * len(ring) / total)) if total > max_points else len(ring))
        .ravel()
        .tolist()
        for ring in kept
    ]


def simplify(ring: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """The ring (N, 2) with at most `points` points (at least 3): the point whose triangle with its neighbours is the
    smallest goes first (Visvalingam and Whyatt 1993)."""
    count = len(ring)
    before, after = np.arange(count) - 1, np.arange(count) + 1
    before[0], after[-1] = count - 1, 0
    current = [_triangle(ring, before[i], i, after[i]) for i in range(count)]
    queue = [(area, i) for i, area in enumerate(current)]
    heapq.heapify(queue)
    left = count
    gone = np.zeros(count, np.bool_)
    while left > max(points, 3):
        area, i = heapq.heappop(queue)
        if gone[i] or area != current[i]:
            continue  # its neighbours changed since it was queued
        gone[i] = True
        left -= 1
        after[before[i]], before[after[i]] = after[i], before[i]
        for neighbour in (before[i], after[i]):
            # A neighbour never becomes less important than the point that just went.
            current[neighbour] = max(area, _triangle(ring, before[neighbour], neighbour, after[neighbour]))
            heapq.heappush(queue, (current[neighbour], int(neighbour)))
    return ring[~gone]


def _triangle(ring: NDArray[np.float64], a: int, b: int, c: int) -> float:
    (x1, y1), (x2, y2), (x3, y3) = ring[a], ring[b], ring[c]
    return float(abs((x2 - x1) * (y3 - y1) - (x3 - x1) * (y2 - y1)) / 2)


def _area(ring: NDArray[np.float64]) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
