"""yolov5 behind its graph: letterbox, decoding, suppression (the numbers of models.yolov5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.vision.requests import Limits
from automl.vision.suppression import grouped_nms

from . import pixels
from .boxes import best, sigmoid
from .graphs import Graph

GREY: Final = 114 / 255
MAX_CANDIDATES: Final = 4096
MAX_DETECTIONS: Final = 300

Floats = NDArray[np.float32]
Place = tuple[float, int, int]  # scale, pixels added on the left and at the top


class Yolov5:
    """`graph` takes squares of `side` pixels and gives raw rows (B, positions, 5 + classes)."""

    def __init__(self, graph: Graph, settings: Mapping[str, Any]) -> None:
        self.graph, self.side = graph, int(settings["image_size"])
        rows, offsets = [], []
        for stride, sizes in zip(graph.facts["strides"], graph.facts["anchors"], strict=True):
            y, x = np.meshgrid(np.arange(self.side // stride), np.arange(self.side // stride), indexing="ij")
            for size in sizes:
                offsets.append(np.stack([x.ravel(), y.ravel()], axis=1))
                rows.append(np.broadcast_to(np.array([stride, *size], np.float32), (x.size, 3)))
        self._cells = np.concatenate(offsets).astype(np.float32)
        self._strides, self._anchors = np.split(np.concatenate(rows), [1], axis=1)

    def find(self, images: Sequence[NDArray[np.uint8]], limits: Limits) -> list[dict[str, NDArray[Any]]]:
        """`boxes` (N, 4) in pixels of each image (H, W, 3), `scores` (N,) descending, `labels` (N,)."""
        fitted = [self.letterbox(pixels.as_floats(image)) for image in images]
        raw = self.outputs(pixels.stacked([image for image, _place in fitted], self.graph.facts))["output1"]
        found = []
        for rows, (_image, (scale, left, top)), image in zip(raw, fitted, images, strict=True):
            one = self.suppress(rows, limits)
            moved = (one["boxes"] - np.array([left, top, left, top], np.float32)) / np.float32(scale)
            high, wide = image.shape[:2]
            one["boxes"] = np.clip(moved, 0, np.array([wide, high, wide, high], np.float32))
            found.append(one)
        return found

    def outputs(self, batch: Floats) -> dict[str, NDArray[Any]]:
        """`output1`: the raw rows of letterboxed images (B, 3, side, side), before decoding and suppression."""
        return self.graph.run_images(batch)

    def letterbox(self, image: Floats) -> tuple[Floats, Place]:
        """`image` (H, W, 3) in the middle of a grey square, its ratio kept."""
        height, width = image.shape[:2]
        if (height, width) == (self.side, self.side):
            return image, (1.0, 0, 0)
        scale = self.side / max(height, width)
        high, wide = max(round(height * scale), 1), max(round(width * scale), 1)
        top, left = (self.side - high) // 2, (self.side - wide) // 2
        square = np.full((self.side, self.side, 3), GREY, np.float32)
        square[top : top + high, left : left + wide] = pixels.resized(image, high, wide, antialias=scale < 1)
        return square, (scale, left, top)

    def suppress(self, rows: Floats, limits: Limits) -> dict[str, NDArray[Any]]:
        """Boxes of one image, in pixels of its square, from raw rows (positions, 5 + classes)."""
        sure = sigmoid(rows[:, 4])
        possible = np.flatnonzero(sure >= limits.box_score)  # a class can only make it less sure
        scores = sure[possible, None] * sigmoid(rows[possible, 5:])
        at, labels = np.nonzero(scores >= limits.box_score)
        values, positions = scores[at, labels], possible[at]
        order = best(values, MAX_CANDIDATES)
        values, positions, labels = values[order], positions[order], labels[order]
        boxes = self._decode(rows, positions)
        kept = grouped_nms(boxes, values, labels, limits.nms_iou)[: limits.most or MAX_DETECTIONS]
        return {"boxes": boxes[kept], "scores": values[kept], "labels": labels[kept].astype(np.int64)}

    def _decode(self, rows: Floats, positions: NDArray[np.int64]) -> Floats:
        squashed = sigmoid(rows[positions, :4]) * 2
        middle = (squashed[:, :2] - np.float32(0.5) + self._cells[positions]) * self._strides[positions]
        half = squashed[:, 2:] ** 2 * self._anchors[positions] / 2
        return np.concatenate([middle - half, middle + half], axis=1)
