"""An image cut into regions of like colour, for XRAI: graph-based segmentation (Felzenszwalb and Huttenlocher 2004)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SCALES = (250.0, 100.0, 600.0)
"""Larger values prefer larger regions; for colours of 0..255."""
MIN_SHARE = 0.002
"""Regions smaller than this share of the image join a neighbour."""


def segments(image: NDArray[np.floating], scales: int = 1) -> Iterator[NDArray[np.bool_]]:
    """Masks (H, W) of the regions of an image (3, H, W) of 0..1; those of each scale cover it without overlap."""
    for scale in SCALES[:scales]:
        labels = segment(image, scale)
        for label in range(int(labels.max()) + 1):
            yield labels == label


def segment(image: NDArray[np.floating], scale: float) -> NDArray[np.int64]:
    """Region numbers (H, W) from 0. Neighbours join, the most alike first, while their difference is at most the inner
    difference of both regions plus `scale` / size."""
    height, width = image.shape[1:]
    pixels = _smoothed(image * 255.0).reshape(3, -1)
    index = np.arange(height * width).reshape(height, width)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    pairs += [(index[:-1, :-1], index[1:, 1:]), (index[:-1, 1:], index[1:, :-1])]
    one, other = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    apart = np.sqrt(((pixels[:, one] - pixels[:, other]) ** 2).sum(axis=0))
    order = np.argsort(apart, kind="stable")
    forest = _Forest(height * width, scale)
    edges = list(zip(one[order].tolist(), other[order].tolist(), apart[order].tolist(), strict=True))
    for a, b, weight in edges:
        forest.join_if_alike(a, b, weight)
    for a, b, _weight in edges:
        forest.join_if_small(a, b, MIN_SHARE * height * width)
    roots = np.array([forest.find(i) for i in range(height * width)])
    return np.unique(roots, return_inverse=True)[1].reshape(height, width).astype(np.int64)


class _Forest:
    def __init__(self, count: int, scale: float) -> None:
        self.parent = list(range(count))
        self.size = [1] * count
        self.limit = [scale] * count
        self.scale = scale

    def find(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join_if_alike(self, a: int, b: int, weight: float) -> None:
        a, b = self.find(a), self.find(b)
        if a != b and weight <= self.limit[a] and weight <= self.limit[b]:
            root = self._join(a, b)
            self.limit[root] = weight + self.scale / self.size[root]

    def join_if_small(self, a: int, b: int, least: float) -> None:
        a, b = self.find(a), self.find(b)
        if a != b and min(self.size[a], self.size[b]) < least:
            self._join(a, b)

    def _join(self, a: int, b: int) -> int:
        if self.size[a] < self.size[b]:
            a, b = b, a
        self.parent[b] = a
        self.size[a] += self.size[b]
        return a


def _smoothed(pixels: NDArray[np.floating]) -> NDArray[np.float64]:
    """A Gaussian of 0.8 pixels, as the authors use it against noise."""
    reach = np.arange(-3, 4)
    kernel = np.exp(-(reach**2) / (2 * 0.8**2))
    kernel /= kernel.sum()
    result = pixels.astype(np.float64)
    for axis in (1, 2):
        padding = [(0, 0)] * 3
        padding[axis] = (3, 3)
        padded = np.pad(result, padding, mode="edge")
        length = result.shape[axis]
        result = sum(weight * np.take(padded, np.arange(i, i + length), axis=axis) for i, weight in enumerate(kernel))
    return result
