"""Crops of classification: random ones for training, the centre for validation."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from PIL import Image

SCALE: Final = (0.3, 1.0)  # share of the image's area that a random crop takes
RATIO: Final = (3 / 4, 4 / 3)
TRIES: Final = 10


def random_crop(image: np.ndarray, side: int, random: np.random.Generator) -> np.ndarray:
    """`[side,side,3]` uint8 of a random part of `image`: its area 30 to 100 %, its sides 3:4 to 4:3, then resized."""
    height, width = image.shape[:2]
    for _ in range(TRIES):
        area = height * width * random.uniform(*SCALE)
        ratio = math.exp(random.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        crop_width, crop_height = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if crop_width <= width and crop_height <= height:
            left, top = random.uniform(0, width - crop_width), random.uniform(0, height - crop_height)
            return _resized(image, (left, top, left + crop_width, top + crop_height), side)
    short = min(height, width)
    return _resized(image, _centre(width, height, short), side)


def centre_crop(image: np.ndarray, resize: int, side: int) -> np.ndarray:
    """`[side,side,3]` uint8: what is left of the centre after the shorter side was resized to `resize`."""
    height, width = image.shape[:2]
    return _resized(image, _centre(width, height, min(height, width) * side / resize), side)


def mirrored(image: np.ndarray) -> np.ndarray:
    return image[:, ::-1]


def _centre(width: int, height: int, side: float) -> tuple[float, float, float, float]:
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _resized(image: np.ndarray, box: tuple[float, float, float, float], side: int) -> np.ndarray:
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
