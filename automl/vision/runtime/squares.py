"""Images squeezed into a square and what networks with queries say about them (the numbers of models.squares)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.vision.suppression import grouped_nms

from . import pixels
from .graphs import Graph

Floats = NDArray[np.float32]


def batch_of(images: Sequence[NDArray[np.uint8]], side: int, graph: Graph) -> Floats:
    """Images (H, W, 3) as the batch (B, 3, side, side) that the graph takes."""
    made = [pixels.resized(pixels.as_floats(image), side, side, antialias=True) for image in images]
    return pixels.stacked(made, graph.facts)


def best(scores: Floats, lowest: float) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Of scores (queries, classes): query, class and score of those that reach `lowest`, best first, at most as many as
    there are queries. A query may stand for several classes."""
    order = np.argsort(-scores.ravel(), kind="stable")[: len(scores)]
    order = order[scores.ravel()[order] >= np.float32(lowest)]
    query, label = np.divmod(order, scores.shape[1])
    return query, label, scores.ravel()[order]


def apart(boxes: Floats, scores: Floats, labels: NDArray[np.int64], overlap: float) -> NDArray[Any]:
    """Indices of boxes of which none overlaps a better one of its class by more than `overlap`, best first."""
    return np.arange(len(boxes)) if overlap >= 1 else grouped_nms(boxes, scores, labels, overlap)
