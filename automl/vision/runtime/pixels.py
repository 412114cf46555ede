"""Images as the graphs want them, with the numbers that torch would give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def as_floats(pixels: NDArray[np.uint8]) -> Floats:
    """(H, W, 3) uint8 as float32 of 0..1."""
    return pixels.astype(np.float32) / np.float32(255)


def stacked(images: Sequence[Floats], facts: Mapping[str, Any]) -> Floats:
    """Images (H, W, 3) of one size as the batch (B, 3, H, W) that a graph takes: normalised here where the graph does
    not do it itself."""
    batch: NDArray[Any] = np.stack(images)
    if facts["normalization"] == "outside":
        batch = (batch - np.array(facts["mean"], np.float32)) / np.array(facts["std"], np.float32)
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2), np.float32)


def resized(image: Floats, height: int, width: int, *, antialias: bool = False) -> Floats:
    """`image` (H, W) or (H, W, C) at another size, bilinear between the middles of pixels; `antialias` widens the
    filter where the image shrinks. The numbers are those of torch's interpolate (align_corners False)."""
    if image.shape[0] != height:
        image = _along_rows(image, height, antialias)
    if image.shape[1] != width:
        image = _along_rows(image.swapaxes(0, 1), width, antialias).swapaxes(0, 1)
    return image


def padded(image: Floats, multiple: int, colour: Sequence[float]) -> Floats:
    """`image` (H, W, 3) with `colour` added on the right and at the bottom, to the next `multiple` of pixels."""
    height, width = (math.ceil(side / multiple) * multiple for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = np.array(colour, np.float32)
    canvas[: image.shape[0], : image.shape[1]] = image
    return canvas


def _along_rows(image: Floats, count: int, antialias: bool) -> Floats:
    places, weights = _taps(image.shape[0], count, antialias)
    result = np.zeros((count, *image.shape[1:]), np.float32)
    for place, weight in zip(places, weights, strict=True):
        result += weight.reshape(-1, *[1] * (image.ndim - 1)) * image[place]
    return result


def _taps(before: int, after: int, antialias: bool) -> tuple[NDArray[np.int64], Floats]:
    """Which old rows make each new one, and how much each counts: both (taps, after)."""
    step = np.float32(before) / np.float32(after)
    middle = step * (np.arange(after, dtype=np.float32) + np.float32(0.5))
    if not (antialias and before > after):
        source = np.maximum(middle - np.float32(0.5), 0)
        low = np.minimum(source.astype(np.int64), before - 1)
        share = source - low
        return np.stack([low, np.minimum(low + 1, before - 1)]), np.stack([1 - share, share]).astype(np.float32)
    first = np.maximum((middle - step + np.float32(0.5)).astype(np.int64), 0)
    last = np.minimum((middle + step + np.float32(0.5)).astype(np.int64), before)
    places = first + np.arange(int((last - first).max()))[:, None]
    weights = np.maximum(1 - np.abs((places - middle + np.float32(0.5)) / step), 0) * (places < last)
    return np.minimum(places, before - 1), (weights / weights.sum(axis=0)).astype(np.float32)
