"""Anchor sizes for yolov5: nine, found by k-means on the sizes of the boxes to be learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

PUBLISHED = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
"""Pixels. Anchors of the YOLOv3 paper for COCO (Redmon and Farhadi 2018, section 2.3)."""
MAX_RATIO = 4.0
"""An anchor may learn a box whose sides are at most this many times longer or shorter than its own."""

_ROUNDS = 100


def fit_anchors(box_sizes: ArrayLike, image_size: int, seed: int = 0) -> NDArray[np.float32]:
    """Anchors (9, 2) of width and height in pixels, smallest area first.

    `box_sizes` (N, 2) are fractions of the image's longer side, which is `image_size` pixels long for the network.
    K-means on the logarithms of the sides, because what counts is the ratio of sides. With fewer than 9 different
    sizes the sizes at hand are scaled a little up and down to fill the nine places. Boxes under 2 pixels are left out;
    none left gives the published anchors, scaled from 640 pixels.
    """
    sizes = np.asarray(box_sizes, dtype=np.float64).reshape(-1, 2) * image_size
    sizes = sizes[(sizes >= 2.0).all(axis=1)]
    if not len(sizes):
        return (np.asarray(PUBLISHED, dtype=np.float64) * image_size / 640).astype(np.float32)
    logs = np.log(sizes)
    different = np.unique(logs.round(6), axis=0)
    if len(different) < 9:
        centres = _spread(different)
    else:
        centres = _k_means(logs, 9, np.random.default_rng(seed))
    anchors = np.exp(centres)
    return anchors[np.argsort(anchors.prod(axis=1), kind="stable")].astype(np.float32)


def best_possible_recall(box_sizes: ArrayLike, anchors: ArrayLike, image_size: int) -> float:
    """The share of boxes that at least one anchor may learn, 0 to 1."""
    sizes = np.asarray(box_sizes, dtype=np.float64).reshape(-1, 1, 2) * image_size
    ratio = sizes / np.asarray(anchors, dtype=np.float64)[None]
    worst = np.maximum(ratio, 1 / ratio).max(axis=2)
    return float((worst.min(axis=1) < MAX_RATIO).mean()) if len(sizes) else 1.0


def _spread(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = np.log([1.0, 0.8, 1.25, 0.64, 1.5625, 0.512, 1.953125, 0.4096, 2.44140625])
    return np.concatenate([logs + step for step in steps])[:9]


def _k_means(points: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Lloyd's algorithm from k-means++ seeds (Arthur and Vassilvitskii 2007); `points` hold `count` different ones."""
    centres = points[[rng.integers(len(points))]]
    while len(centres) < count:
        distances = ((points[:, None] - centres[None]) ** 2).sum(axis=2).min(axis=1)
        centres = np.vstack([centres, points[rng.choice(len(points), p=distances / distances.sum())]])
    for _ in range(_ROUNDS):
        nearest = ((points[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        moved = np.stack(
            [points[nearest == i].mean(axis=0) if (nearest == i).any() else centres[i] for i in range(count)]
        )
        if np.allclose(moved, centres):
            break
        centres = moved
    return centres
