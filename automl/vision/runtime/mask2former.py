"""Mask2Former behind its graph: which queries count, masks in pixels (the numbers of models.mask2former)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.vision.requests import Limits

from . import pixels, squares
from .boxes import sigmoid, softmax
from .graphs import Graph

Floats = NDArray[np.float32]
Found = dict[str, NDArray[Any]]


class Mask2Former:
    """`graph` takes squares of `image_size` pixels and gives, for every query, logits of all classes and of no object,
    and a mask of logits."""

    def __init__(self, graph: Graph, settings: Mapping[str, Any]) -> None:
        self.graph, self.side = graph, int(settings["image_size"])

    def find(self, images: Sequence[NDArray[np.uint8]], limits: Limits) -> list[Found]:
        """`boxes` (N, 4) in pixels of each image (H, W, 3), `scores` (N,) descending, `labels` (N,), `masks` (N, H, W)
        bool."""
        batch = squares.batch_of(images, self.side, self.graph)
        found = self._detect(batch, [image.shape[:2] for image in images], limits)
        return [{**one, "masks": one["masks"] > np.float32(limits.mask_pixel_score)} for one in found]

    def outputs(self, batch: Floats, limits: Limits) -> Found:
        """`boxes_i`, `scores_i`, `labels_i`, and `masks_i` (N, 1, side, side) of 0..1, for image i of a batch (B, 3,
        side, side), in its pixels (parity.md B.16)."""
        found = self._detect(batch, [(self.side, self.side)] * len(batch), limits)
        named: Found = {}
        for at, one in enumerate(found):
            named |= {f"{name}_{at}": one[name] for name in ("boxes", "scores", "labels")}
            named[f"masks_{at}"] = one["masks"][:, None]
        return named

    def _detect(self, batch: Floats, sizes: Sequence[tuple[int, ...]], limits: Limits) -> list[Found]:
        given = self.graph.run_images(batch)
        return [
            self._one(logits, masks, size, limits)
            for logits, masks, size in zip(given["logits"], given["masks"], sizes, strict=True)
        ]

    def _one(self, logits: Floats, masks: Floats, size: tuple[int, ...], limits: Limits) -> Found:
        sure = softmax(logits)[:, :-1] * certainty(masks)[:, None]
        query, labels, scores = squares.best(sure, limits.box_score)
        drawn = in_pixels(masks[query], *size)
        seen = (drawn > np.float32(limits.mask_pixel_score)).any(axis=(1, 2))
        labels, scores, drawn = labels[seen], scores[seen], drawn[seen]
        boxes = around(drawn > np.float32(limits.mask_pixel_score))
        kept = squares.apart(boxes, scores, labels, limits.nms_iou)[: limits.most]
        return {"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept], "masks": drawn[kept]}


def certainty(masks: Floats) -> Floats:
    """How sure each of mask logits (N, h, w) is of its own pixels, (N,): the mean probability of those above 0.5; 0
    where there are none."""
    inside = masks > 0
    total = (sigmoid(masks) * inside).sum(axis=(1, 2))
    return np.asarray(total / np.maximum(inside.sum(axis=(1, 2)), 1), np.float32)


def in_pixels(masks: Floats, height: int, width: int) -> Floats:
    """Probabilities (N, height, width) from logits (N, h, w) of the square that the image was squeezed into."""
    drawn = np.zeros((len(masks), height, width), np.float32)
    for at, mask in enumerate(masks):
        drawn[at] = sigmoid(pixels.resized(mask, height, width))
    return drawn


def around(masks: NDArray[np.bool_]) -> Floats:
    """Boxes (N, 4) tightly around masks (N, H, W) of which none is empty."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for at, mask in enumerate(masks):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes[at] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
