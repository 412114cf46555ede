"""RetinaNet behind its graph: anchors, decoding, suppression (the numbers of torchvision's RetinaNet)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.vision.requests import Limits
from automl.vision.suppression import grouped_nms

from . import boxes, pixels
from .graphs import Graph
from .sizing import by_shape, sized

Floats = NDArray[np.float32]


class RetinaNet:
    """`graph` gives, for every anchor, logits of all classes and how the anchor has to move."""

    def __init__(self, graph: Graph, settings: Mapping[str, Any]) -> None:
        self.graph, self.settings = graph, settings

    def find(self, images: Sequence[NDArray[np.uint8]], limits: Limits) -> list[dict[str, NDArray[Any]]]:
        """`boxes` (N, 4) in pixels of each image (H, W, 3), `scores` (N,) descending, `labels` (N,)."""
        ready = [sized(image, self.settings, self.graph.facts) for image in images]
        found: dict[int, dict[str, NDArray[Any]]] = {}
        for members in by_shape(ready):
            batch = pixels.stacked([ready[at].image for at in members], self.graph.facts)
            sizes = [(ready[at].height, ready[at].width) for at in members]
            for at, one in zip(members, self.detect(batch, sizes, limits), strict=True):
                found[at] = {**one, "boxes": ready[at].back(one["boxes"])}
        return [found[at] for at in range(len(images))]

    def outputs(self, batch: Floats, limits: Limits) -> dict[str, NDArray[Any]]:
        """`boxes_i`, `scores_i`, `labels_i` for image i of a batch (B, 3, H, W), in its pixels (parity.md B.16)."""
        found = self.detect(batch, [(batch.shape[2], batch.shape[3])] * len(batch), limits)
        return {f"{name}_{at}": one[name] for at, one in enumerate(found) for name in ("boxes", "scores", "labels")}

    def detect(self, batch: Floats, sizes: Sequence[tuple[int, int]], limits: Limits) -> list[dict[str, NDArray[Any]]]:
        """Boxes in pixels of the batch's images, of which only the part of `sizes` (height, width) is no padding."""
        height, width = batch.shape[2:]
        levels = boxes.anchors(height, width, self.graph.facts)
        ends = np.cumsum([len(level) for level in levels])[:-1]
        given = self.graph.run_images(batch)
        return [
            self._one(np.split(logits, ends), np.split(moves, ends), levels, size, limits)
            for logits, moves, size in zip(given["logits"], given["deltas"], sizes, strict=True)
        ]

    def _one(
        self,
        logits: list[Floats],
        moves: list[Floats],
        levels: list[Floats],
        size: tuple[int, int],
        limits: Limits,
    ) -> dict[str, NDArray[Any]]:
        facts = self.graph.facts
        kept_boxes, kept_scores, kept_labels = [], [], []
        for level_logits, level_moves, anchors in zip(logits, moves, levels, strict=True):
            scores = boxes.sigmoid(level_logits).ravel()
            sure = np.flatnonzero(scores > limits.box_score)
            chosen = sure[boxes.best(scores[sure], facts["candidates"])]
            anchor, label = np.divmod(chosen, level_logits.shape[1])
            decoded = boxes.decode(level_moves[anchor][:, None], anchors[anchor], facts["box_weights"])[:, 0]
            kept_boxes.append(boxes.clipped(decoded, *size))
            kept_scores.append(scores[chosen])
            kept_labels.append(label)
        every, scores, labels = (np.concatenate(each) for each in (kept_boxes, kept_scores, kept_labels))
        kept = grouped_nms(every, scores, labels, limits.nms_iou)[: limits.most]
        return {"boxes": every[kept], "scores": scores[kept], "labels": labels[kept]}
