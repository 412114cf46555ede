"""Crops of classification, on pixels. No torch here: validation, prediction and the runtime cut with one function."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image


def centre_crop(image: np.ndarray, resize: int, side: int) -> np.ndarray:
    """`[side,side,3]` uint8: what is left of the centre after the shorter side was resized to `resize`."""
    height, width = image.shape[:2]
    return resized_part(image, centre(width, height, min(height, width) * side / resize), side)


def centre(width: int, height: int, side: float) -> tuple[float, float, float, float]:
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def resized_part(image: np.ndarray, box: tuple[float, float, float, float], side: int) -> np.ndarray:
    """The part `box` of the image at `side` × `side`; bilinear, antialiased."""
    left, top, right, bottom = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    height, width = image.shape[:2]
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    inner = (
        min(max(box[0] - left, 0.0), right - left - 1e-3),
        min(max(box[1] - top, 0.0), bottom - top - 1e-3),
        min(box[2] - left, float(right - left)),
        min(box[3] - top, float(bottom - top)),
    )
    return np.asarray(Image.fromarray(part).resize((side, side), Image.Resampling.BILINEAR, box=inner))
