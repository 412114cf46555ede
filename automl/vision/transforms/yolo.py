"""Images of YOLO: letterbox, mosaic, random affine; always a square of one size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image

from automl.vision.data.samples import Sample

from .boxes import resized

GREY: Final = 114
ROTATION: Final = 5.0  # degrees, either way
TRANSLATION: Final = 0.1  # of the side
SCALE: Final = (0.5, 1.5)
SHEAR: Final = 2.0  # degrees
VISIBLE: Final = 0.1


def letterbox(sample: Sample, side: int) -> Sample:
    """The image in the middle of a grey `side` × `side` square, its ratio kept."""
    scale = side / max(sample.height, sample.width)
    width, height = (min(side, max(1, round(each * scale))) for each in (sample.width, sample.height))
    small = resized(sample, width, height)
    left, top = (side - width) // 2, (side - height) // 2
    canvas = np.full((side, side, 3), GREY, np.uint8)
    canvas[top : top + height, left : left + width] = small.image
    return small.moved(np.array([[1.0, 0.0, left], [0.0, 1.0, top]]), canvas)


def mosaic(samples: Sequence[Sample], side: int, random: np.random.Generator) -> Sample:
    """Four images around a random point of a square of twice the side; what sticks out is cut off."""
    canvas = np.full((2 * side, 2 * side, 3), GREY, np.uint8)
    x, y = (int(random.uniform(0.5 * side, 1.5 * side)) for _ in range(2))
    parts = []
    for at, sample in enumerate(samples):
        scale = side / max(sample.height, sample.width)
        small = resized(sample, max(1, round(sample.width * scale)), max(1, round(sample.height * scale)))
        left = x - small.width if at % 2 == 0 else x
        top = y - small.height if at < 2 else y
        x1, y1 = max(left, 0), max(top, 0)
        x2, y2 = min(left + small.width, 2 * side), min(top + small.height, 2 * side)
        canvas[y1:y2, x1:x2] = small.image[y1 - top : y2 - top, x1 - left : x2 - left]
        parts.append(_moved(small, np.array([[1.0, 0.0, left], [0.0, 1.0, top]]), canvas))
    first = parts[0]
    return Sample(
        canvas,
        first.original,
        boxes=np.concatenate([part.boxes for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        crowd=np.concatenate([part.crowd for part in parts]),
    )


def random_affine(sample: Sample, side: int, random: np.random.Generator) -> Sample:
    """Turned, sheared, scaled and shifted at random about its middle, and cut to `side` × `side`."""
    angle = math.radians(random.uniform(-ROTATION, ROTATION))
    scale = random.uniform(*SCALE)
    shear_x, shear_y = (math.tan(math.radians(random.uniform(-SHEAR, SHEAR))) for _ in range(2))
    shift = random.uniform(0.5 - TRANSLATION, 0.5 + TRANSLATION, 2) * side
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = np.array([[1.0, shear_x], [shear_y, 1.0]]) @ turn
    middle = np.array([sample.width / 2, sample.height / 2])
    return affine(sample, np.column_stack([linear, shift - linear @ middle]), side)


def centred(sample: Sample, side: int) -> Sample:
    """A mosaic without random affine: its middle at half the scale, so that all four images are seen."""
    scale = side / sample.width
    return affine(sample, np.array([[scale, 0.0, 0.0], [0.0, scale, 0.0]]), side)


def affine(sample: Sample, matrix: np.ndarray, side: int) -> Sample:
    """The image through `matrix` `[2,3]` (old to new pixels) on a grey square, bilinear; with the objects of which
    enough stays."""
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2].reshape(-1)
    turned = Image.fromarray(np.ascontiguousarray(sample.image)).transform(
        (side, side), Image.Transform.AFFINE, tuple(back), Image.Resampling.BILINEAR, fillcolor=(GREY, GREY, GREY)
    )
    return _moved(sample, matrix, np.asarray(turned))


def _moved(sample: Sample, matrix: np.ndarray, image: np.ndarray) -> Sample:
    """`Sample.moved`, without objects that became too small or mostly left the image."""
    before = _sides(sample.boxes) * math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    moved = sample.moved(matrix, image)
    after = _sides(moved.boxes)
    return moved.keep((after.min(1, initial=np.inf) >= 2) & (after.prod(1) >= VISIBLE * before.prod(1)))


def _sides(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, 2:] - boxes[:, :2]
