"""Geometry of images with objects: mirror, crop around boxes, expand (R-CNN family and RetinaNet)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from automl.vision.data.samples import Sample

VISIBLE: Final = 0.3  # share of an object's box that has to stay for the object to stay
MOST_EXPANSION: Final = 2.0
MEAN_COLOUR: Final = (124, 116, 104)  # ImageNet's mean


def mirror(sample: Sample) -> Sample:
    """Left and right exchanged."""
    matrix = np.array([[-1.0, 0.0, sample.width], [0.0, 1.0, 0.0]])
    return sample.moved(matrix, sample.image[:, ::-1])


def crop(sample: Sample, left: int, top: int, width: int, height: int, visible: float = VISIBLE) -> Sample:
    """The part of the image, with the objects of which at least `visible` of the box's area is in it."""
    image = sample.image[top : top + height, left : left + width]
    moved = sample.moved(np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]]), image)
    return moved.keep(_area(moved.boxes) >= np.maximum(_area(sample.boxes) * visible, 1.0))


def random_crop(sample: Sample, random: np.random.Generator) -> Sample:
    """A random half to whole of the image around at least one object; the image itself where it has none."""
    if not len(sample.boxes):
        return sample
    for _ in range(10):
        width, height = (max(1, round(side * random.uniform(0.5, 1.0))) for side in (sample.width, sample.height))
        centre = sample.boxes[random.integers(len(sample.boxes))].reshape(2, 2).mean(0)
        left, top = (
            int(random.integers(max(0, int(middle) - part + 1), min(whole - part, int(middle)) + 1))
            for middle, part, whole in zip(
                np.minimum(centre, (sample.width - 1, sample.height - 1)),
                (width, height),
                (sample.width, sample.height),
                strict=True,
            )
        )
        cropped = crop(sample, left, top, width, height)
        if len(cropped.boxes):
            return cropped
    return sample


def expand(sample: Sample, random: np.random.Generator) -> Sample:
    """The image somewhere on a canvas of mean colour whose sides are 1 to 2 times as long."""
    ratio = random.uniform(1.0, MOST_EXPANSION)
    height, width = round(sample.height * ratio), round(sample.width * ratio)
    left, top = int(random.integers(width - sample.width + 1)), int(random.integers(height - sample.height + 1))
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = MEAN_COLOUR
    canvas[top : top + sample.height, left : left + sample.width] = sample.image
    return sample.moved(np.array([[1.0, 0.0, left], [0.0, 1.0, top]]), canvas)


def augment(sample: Sample, random: np.random.Generator) -> Sample:
    """Expand, crop and mirror, each every second time."""
    expanded, cropped, turned = random.random(3) < 0.5
    if expanded:
        sample = expand(sample, random)
    if cropped:
        sample = random_crop(sample, random)
    return mirror(sample) if turned else sample


def without_crowds(sample: Sample) -> Sample:
    """Crowds are no single object: training leaves them out."""
    return sample.keep(~sample.crowd)


def resized(sample: Sample, width: int, height: int) -> Sample:
    """Image and objects at another size."""
    from automl.vision.data.images import resize_pixels

    image = resize_pixels(np.ascontiguousarray(sample.image), width, height)
    matrix = np.array([[width / sample.width, 0.0, 0.0], [0.0, height / sample.height, 0.0]])
    return replace(sample.moved(matrix, image), original=sample.original)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
