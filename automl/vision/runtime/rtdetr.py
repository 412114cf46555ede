"""RT-DETR behind its graph: the square, which queries count, boxes in pixels (the numbers of models.rtdetr)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.vision.requests import Limits

from . import boxes, squares
from .graphs import Graph

Floats = NDArray[np.float32]
Found = dict[str, NDArray[Any]]


class RtDetr:
    """`graph` takes squares of `image_size` pixels and gives, for every query, logits of all classes and a box."""

    def __init__(self, graph: Graph, settings: Mapping[str, Any]) -> None:
        self.graph, self.side = graph, int(settings["image_size"])

    def find(self, images: Sequence[NDArray[np.uint8]], limits: Limits) -> list[Found]:
        """`boxes` (N, 4) in pixels of each image (H, W, 3), `scores` (N,) descending, `labels` (N,)."""
        batch = squares.batch_of(images, self.side, self.graph)
        return self.detect(batch, [image.shape[:2] for image in images], limits)

    def outputs(self, batch: Floats, limits: Limits) -> Found:
        """`boxes_i`, `scores_i`, `labels_i` for image i of a batch (B, 3, side, side), in pixels (parity.md B.16)."""
        found = self.detect(batch, [(self.side, self.side)] * len(batch), limits)
        return {f"{name}_{at}": one[name] for at, one in enumerate(found) for name in ("boxes", "scores", "labels")}

    def detect(self, batch: Floats, sizes: Sequence[tuple[int, ...]], limits: Limits) -> list[Found]:
        """Objects in pixels of images of `sizes` (height, width) that were squeezed into the batch."""
        given = self.graph.run_images(batch)
        return [
            self._one(logits, places, size, limits)
            for logits, places, size in zip(given["logits"], given["boxes"], sizes, strict=True)
        ]

    def _one(self, logits: Floats, places: Floats, size: tuple[int, ...], limits: Limits) -> Found:
        query, labels, scores = squares.best(boxes.sigmoid(logits), limits.box_score)
        corners = in_pixels(places[query], *size)
        kept = squares.apart(corners, scores, labels, limits.nms_iou)[: limits.most]
        return {"boxes": corners[kept], "scores": scores[kept], "labels": labels[kept]}


def in_pixels(places: Floats, height: int, width: int) -> Floats:
    """Corners (N, 4) inside the image from centre, width and height (N, 4) in shares of it."""
    centre, half = places[:, :2], places[:, 2:] / 2
    corners = np.concatenate([centre - half, centre + half], axis=1)
    return boxes.clipped(corners * np.array([width, height] * 2, np.float32), height, width)
