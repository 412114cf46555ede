"""Masks of regions, put into the image (the numbers of torchvision's paste_masks_in_image)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .pixels import resized

Floats = NDArray[np.float32]


def pasted(masks: Floats, boxes: Floats, height: int, width: int) -> Floats:
    """(N, height, width) of 0..1 from masks (N, side, side) that lie in `boxes` (N, 4). A border of nothing around each
    mask lets it fade out at its box's edge."""
    canvas = np.zeros((len(masks), height, width), np.float32)
    side = masks.shape[-1]
    for at, (mask, box) in enumerate(zip(masks, _grown(boxes, (side + 2) / side), strict=True)):
        x1, y1, x2, y2 = (int(value) for value in box)
        drawn = resized(np.pad(mask, 1), max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1))
        left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2 + 1, width), min(y2 + 1, height)
        if left < right and top < bottom:
            canvas[at, top:bottom, left:right] = drawn[top - y1 : bottom - y1, left - x1 : right - x1]
    return canvas


def _grown(boxes: Floats, factor: float) -> Floats:
    """Boxes (N, 4) larger by `factor` about their middles."""
    half = (boxes[:, 2:] - boxes[:, :2]) * np.float32(0.5)
    middle = (boxes[:, 2:] + boxes[:, :2]) * np.float32(0.5)
    half = half * np.float32(factor)
    return np.concatenate([middle - half, middle + half], axis=1)
