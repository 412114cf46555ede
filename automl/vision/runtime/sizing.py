"""Images of any size for the networks that see a range of sizes: Faster and Mask R-CNN, RetinaNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import pixels

MULTIPLE: Final = 32


@dataclass(frozen=True, slots=True)
class Sized:
    """`image` (H, W, 3) float32, resized and padded; `height` and `width` are those of the part that is no padding;
    `shape` (height, width) is that of the image it was made from."""

    image: NDArray[np.float32]
    height: int
    width: int
    shape: tuple[int, int]

    def back(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes (N, 4) of this image in pixels of the one it was made from."""
        down = np.float32(self.shape[0]) / np.float32(self.height)
        across = np.float32(self.shape[1]) / np.float32(self.width)
        return boxes * np.array([across, down, across, down], np.float32)


def sized(image: NDArray[np.uint8], settings: Mapping[str, Any], facts: Mapping[str, Any]) -> Sized:
    """The image with its shorter side at `min_size`, or its longer at `max_size` where that is less, padded with what
    normalisation makes zero."""
    height, width = image.shape[:2]
    scale = min(settings["min_size"] / min(height, width), settings["max_size"] / max(height, width))
    high, wide = int(height * scale), int(width * scale)
    whole = pixels.padded(pixels.resized(pixels.as_floats(image), high, wide), MULTIPLE, facts["mean"])
    return Sized(whole, high, wide, (height, width))


def by_shape(images: Sequence[Sized]) -> list[list[int]]:
    """Indices of images of one padded size. Only those share a batch: so an answer never depends on what else was
    asked at the same time."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for at, one in enumerate(images):
        groups.setdefault(one.image.shape, []).append(at)
    return list(groups.values())
