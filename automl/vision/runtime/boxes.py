"""Boxes out of the numbers of a graph: anchors, decoding, clipping. All float32, as torch does it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LARGEST_GROWTH: Final = np.float32(math.log(1000 / 16))
"""Sides grow at most by e to this (Ren et al. 2015, as torchvision's box coder does it)."""


def sigmoid(values: NDArray[Any]) -> Floats:
    """1 / (1 + e^-x), without overflow."""
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)


def softmax(values: NDArray[Any]) -> Floats:
    """Over the last axis."""
    raised = np.exp(values - values.max(axis=-1, keepdims=True))
    return (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32)


def grids(height: int, width: int, strides: Sequence[int]) -> list[tuple[int, int]]:
    """Rows and columns of each level's map of a padded image."""
    return [(-(-height // stride), -(-width // stride)) for stride in strides]


def anchors(height: int, width: int, facts: Mapping[str, Any]) -> list[Floats]:
    """Anchors (rows · columns · per cell, 4) of each level, x1 y1 x2 y2 in pixels of a padded image of this size."""
    found = []
    for (rows, columns), cell in zip(grids(height, width, facts["strides"]), facts["anchors"], strict=True):
        y, x = np.meshgrid(np.arange(rows) * (height // rows), np.arange(columns) * (width // columns), indexing="ij")
        shifts = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4).astype(np.float32)
        found.append((shifts + np.array(cell, np.float32)[None]).reshape(-1, 4))
    return found


def decode(moves: Floats, boxes: Floats, weights: Sequence[float]) -> Floats:
    """Boxes (N, K, 4) from K moves (N, K, 4) of each of `boxes` (N, 4): shifts of the middle in sides, and logarithms
    of how the sides grow (Girshick et al. 2014, appendix C), divided by `weights`."""
    scaled: NDArray[Any] = moves / np.array(weights, np.float32)
    sides = (boxes[:, 2:] - boxes[:, :2])[:, None]
    middle = scaled[..., :2] * sides + (boxes[:, None, :2] + np.float32(0.5) * sides)
    half = np.float32(0.5) * (np.exp(np.minimum(scaled[..., 2:], LARGEST_GROWTH)) * sides)
    return np.concatenate([middle - half, middle + half], axis=-1)


def clipped(boxes: Floats, height: int, width: int) -> Floats:
    """Boxes (…, 4) cut to an image."""
    return np.clip(boxes, 0, np.array([width, height, width, height], np.float32))


def is_large(boxes: Floats, side: float) -> NDArray[np.bool_]:
    """Which boxes (N, 4) have both sides of at least `side` pixels."""
    sides: NDArray[Any] = boxes[:, 2:] - boxes[:, :2]
    return np.asarray((sides >= np.float32(side)).all(axis=1), np.bool_)


def best(scores: NDArray[Any], most: int) -> NDArray[np.int64]:
    """Indices of the `most` highest scores, best first."""
    return np.argsort(-scores, kind="stable")[:most]
