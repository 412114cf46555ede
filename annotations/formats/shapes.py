"""Shapes as numbers in a file: boxes and flat outlines in pixels or shares of the image, masks as run lengths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotations.formats.model import ExportedImage
from annotations.geometry import Box, Polygon
from annotations.rings import Ring

_CELLS_AT_ONCE = 4_000_000


class Scale:
    """Turns oriented pixels into what a file shows: pixels to 0.0001, or shares of the image to 1e-8 within [0, 1]."""

    def __init__(self, image: ExportedImage, *, normalized: bool) -> None:
        self.normalized = normalized
        self.width, self.height = image.width, image.height

    @property
    def possible(self) -> bool:
        """False where shares are wanted of an image whose size is not known."""
        return not self.normalized or (self.width > 0 and self.height > 0)

    def x(self, value: float) -> float:
        return _share(value, self.width) if self.normalized else round(value, 4)

    def y(self, value: float) -> float:
        return _share(value, self.height) if self.normalized else round(value, 4)

    def corners(self, box: Box) -> tuple[float, float, float, float]:
        """left, top, right, bottom."""
        return self.x(box.x), self.y(box.y), self.x(box.right), self.y(box.bottom)

    def size(self, box: Box) -> list[float]:
        """[left, top, width, height]"""
        return [self.x(box.x), self.y(box.y), self.x(box.width), self.y(box.height)]

    def outlines(self, polygon: Polygon) -> list[list[float]]:
        """One flat list x1, y1, x2, y2, … for the outer ring of each part."""
        return [self._flat(part.outer) for part in polygon.parts]

    def _flat(self, ring: Ring) -> list[float]:
        return [value for x, y in ring for value in (self.x(x), self.y(y))]


def _share(value: float, whole: float) -> float:
    return round(min(max(value / whole, 0.0), 1.0), 8)


def run_lengths(polygon: Polygon, *, width: int, height: int) -> tuple[dict[str, Any], int]:
    """The polygon as COCO's uncompressed run-length mask of the whole image, and its area in pixels.

    Counts run down the columns from the left and alternate between outside and inside, outside first. A pixel is
    inside when its centre is. Works in strips, so memory follows the strip and the outline, not the image.
    """
    bounds = polygon.bounds
    left, right = max(math.floor(bounds.x), 0), min(math.ceil(bounds.right), width)
    top, bottom = max(math.floor(bounds.y), 0), min(math.ceil(bounds.bottom), height)
    rows = max(bottom - top, 0)
    strip = max(_CELLS_AT_ONCE // max(rows, 1), 1)
    starts: list[NDArray[np.int64]] = []
    ends: list[NDArray[np.int64]] = []
    for first in range(left, right, strip):
        columns = min(strip, right - first)
        inside = polygon.columns(left=first, top=top, columns=columns, rows=rows)
        steps = np.diff(np.pad(inside, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        for found, sign in ((starts, 1), (ends, -1)):
            column, row = np.nonzero(steps == sign)
            found.append((first + column) * height + top + row)
    begin = np.concatenate(starts) if starts else np.empty(0, dtype=np.int64)
    end = np.concatenate(ends) if ends else np.empty(0, dtype=np.int64)
    # A run that reaches the bottom of one column and goes on at the top of the next is one run.
    broken = begin[1:] != end[:-1]
    begin, end = begin[np.r_[True, broken][: len(begin)]], end[np.r_[broken, True][: len(end)]]
    edges = np.stack([begin, end], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], edges, [width * height]]))
    if counts[-1] == 0:
        counts = counts[:-1]
    return {"size": [height, width], "counts": counts.tolist()}, int((end - begin).sum())
