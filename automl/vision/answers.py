"""Predictions in the words of a scoring answer (parity.md B.15.2). No torch here: all ways to predict say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.vision.polygons import mask_to_polygons


def of_scores(scores: Sequence[float], classes: Sequence[str]) -> dict[str, Any]:
    """`probs` and `labels` of one image: all classes, in their order."""
    return {"probs": [float(score) for score in scores], "labels": list(classes)}


def of_objects(
    found: Mapping[str, NDArray[Any]], width: int, height: int, classes: Sequence[str], most_points: int
) -> dict[str, Any]:
    """`boxes` of one image with coordinates of 0..1, and with `masks` a `polygon` for each.

    `found` holds `boxes` (N, 4) in pixels of the image of `width` × `height`, `scores` (N,), `labels` (N,) and, for
    segmentation, `masks` (N, H, W) bool.
    """
    boxes = shares(found["boxes"], width, height).tolist()
    scores, labels = found["scores"].tolist(), found["labels"].tolist()
    answers = []
    for at, (box, score, label) in enumerate(zip(boxes, scores, labels, strict=True)):
        corners = dict(zip(("topX", "topY", "bottomX", "bottomY"), box, strict=True))
        answer: dict[str, Any] = {"box": corners, "label": classes[label], "score": score}
        if "masks" in found:
            rings = mask_to_polygons(found["masks"][at], most_points)
            answer["polygon"] = [(np.reshape(ring, (-1, 2)) / (width, height)).ravel().tolist() for ring in rings]
        answers.append(answer)
    return {"boxes": answers}


def shares(boxes: NDArray[Any], width: int, height: int) -> NDArray[np.float64]:
    """Boxes (N, 4) in pixels as shares of the image's sides, within 0..1."""
    return (np.asarray(boxes, np.float64) / (width, height, width, height)).clip(0, 1)
