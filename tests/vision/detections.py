"""Made-up objects and detections around them, for metrics and for measuring metrics."""

from __future__ import annotations

from typing import Any

import numpy as np


def make_images(
    rng: np.random.Generator, *, images: int, classes: int, objects: int, detections: int, grid: float = 0.0
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Objects of all three size classes and detections around them. `grid` > 0 rounds, which makes equal overlaps and
    equal scores likely."""

    def rounded(values: Any) -> Any:
        return np.round(values / grid) * grid if grid else values

    made = []
    for _ in range(images):
        gts = int(rng.integers(0, objects + 1))
        corner = rng.uniform(0, 200, (gts, 2))
        truth = rounded(np.hstack([corner, corner + np.exp(rng.uniform(np.log(4), np.log(180), (gts, 2)))]))
        truth[:, 2:] = np.maximum(truth[:, 2:], truth[:, :2] + 1)
        dets = int(rng.integers(0, detections + 1))
        boxes = np.zeros((dets, 4))
        for i in range(dets):
            if gts and rng.random() < 0.7:
                boxes[i] = truth[rng.integers(gts)] + rng.normal(0, 6, 4)
            else:
                start = rng.uniform(0, 200, 2)
                boxes[i] = [*start, *(start + rng.uniform(2, 150, 2))]
        boxes = rounded(boxes)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        scores = rng.random(dets)
        made.append(
            (
                {
                    "boxes": boxes,
                    "scores": np.round(scores, 1) if grid else scores,
                    "labels": rng.integers(0, classes, dets),
                },
                {"boxes": truth, "labels": rng.integers(0, classes, gts), "is_crowd": rng.random(gts) < 0.15},
            )
        )
    return made
