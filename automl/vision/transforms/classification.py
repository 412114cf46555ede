"""Random crops and mirroring for the training of classification; the centre crop is in data.crops."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from automl.vision.data.crops import centre, resized_part

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
            return resized_part(image, (left, top, left + crop_width, top + crop_height), side)
    short = min(height, width)
    return resized_part(image, centre(width, height, short), side)


def mirrored(image: np.ndarray) -> np.ndarray:
    return image[:, ::-1]
