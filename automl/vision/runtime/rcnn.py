"""Faster and Mask R-CNN behind their two graphs: proposals, regions, decoding, suppression, masks (the numbers of
torchvision's networks)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.vision.requests import Limits
from automl.vision.suppression import grouped_nms

from . import boxes, pixels
from .graphs import Graph
from .masks import pasted
from .sizing import Sized, by_shape, sized

Floats = NDArray[np.float32]
Found = dict[str, NDArray[Any]]

LEVELS: Final = 4
"""Feature maps that regions are cut from; the fifth is for proposals alone."""
CANONICAL_SIDE, CANONICAL_LEVEL, LOWEST_LEVEL = 224, 4, 2
"""A region of 224² pixels is cut from level 4 (Lin et al. 2017, Feature Pyramid Networks, equation 1)."""
SMALLEST: Final = 1e-2
"""Pixels that a side of a box has at least."""


class Rcnn:
    """`features` gives feature maps and proposals, `heads` looks at regions of the maps."""

    def __init__(self, features: Graph, heads: Graph, settings: Mapping[str, Any]) -> None:
        self.features, self.heads, self.settings = features, heads, settings
        self.facts = features.facts
        self.has_masks = self.facts["family"] == "maskrcnn"

    def find(self, images: Sequence[NDArray[np.uint8]], limits: Limits) -> list[Found]:
        """`boxes` (N, 4) in pixels of each image (H, W, 3), `scores` (N,) descending, `labels` (N,) and, with masks,
        `masks` (N, H, W) bool."""
        ready = [sized(image, self.settings, self.facts) for image in images]
        found: dict[int, Found] = {}
        for members in by_shape(ready):
            batch = pixels.stacked([ready[at].image for at in members], self.facts)
            sizes = [(ready[at].height, ready[at].width) for at in members]
            for at, one in zip(members, self.detect(batch, sizes, limits), strict=True):
                found[at] = self._in_image(one, ready[at], limits)
        return [found[at] for at in range(len(images))]

    def outputs(self, batch: Floats, limits: Limits) -> Found:
        """`boxes_i`, `labels_i`, `scores_i` and, with masks, `masks_i` (n, 1, H, W) of 0..1 for image i of a batch
        (B, 3, H, W), in its pixels (parity.md B.16)."""
        height, width = batch.shape[2:]
        named: Found = {}
        for at, one in enumerate(self.detect(batch, [(height, width)] * len(batch), limits)):
            named |= {f"{name}_{at}": one[name] for name in ("boxes", "labels", "scores")}
            if self.has_masks:
                named[f"masks_{at}"] = pasted(one["masks"], one["boxes"], height, width)[:, None]
        return named

    def detect(self, batch: Floats, sizes: Sequence[tuple[int, int]], limits: Limits) -> list[Found]:
        """Boxes, and masks (N, side, side) of 0..1 within them, in pixels of the batch's images, of which only the part
        of `sizes` (height, width) is no padding."""
        given = self.features.run_images(batch)
        maps = {f"features_{level}": given[f"features_{level}"] for level in range(LEVELS)}
        anchors = boxes.anchors(batch.shape[2], batch.shape[3], self.facts)
        proposals = [
            self._proposals(objectness, moves, anchors, size)
            for objectness, moves, size in zip(given["objectness"], given["deltas"], sizes, strict=True)
        ]
        said = self._regions(maps, proposals, "")
        found = [
            self._detections(logits, moves, proposed, size, limits)
            for logits, moves, proposed, size in zip(said["logits"], said["deltas"], proposals, sizes, strict=True)
        ]
        if self.has_masks:
            drawn = self._regions(maps, [one["boxes"] for one in found], "mask_")["mask_logits"]
            for one, logits in zip(found, drawn, strict=True):
                one["masks"] = boxes.sigmoid(logits[np.arange(len(logits)), one["labels"] + 1])
        return found

    # --- Proposals ---------------------------------------------------------------------------------------------------

    def _proposals(self, objectness: Floats, moves: Floats, anchors: list[Floats], size: tuple[int, int]) -> Floats:
        """Boxes (N, 4) that may hold an object, best first (Ren et al. 2015)."""
        rules = self.facts["rpn"]
        chosen, levels, start = [], [], 0
        for level, each in enumerate(anchors):
            top = boxes.best(objectness[start : start + len(each)], rules["before"])
            chosen.append(top + start)
            levels.append(np.full(len(top), level))
            start += len(each)
        at, level_of = np.concatenate(chosen), np.concatenate(levels)
        every = np.concatenate(anchors)[at]
        found = boxes.clipped(boxes.decode(moves[at][:, None], every, rules["box_weights"])[:, 0], *size)
        scores = boxes.sigmoid(objectness[at])
        good = boxes.is_large(found, rules["smallest"]) & (scores >= np.float32(rules["score"]))
        found, scores, level_of = found[good], scores[good], level_of[good]
        return found[grouped_nms(found, scores, level_of, rules["nms_iou"])[: rules["after"]]]

    # --- Regions -----------------------------------------------------------------------------------------------------

    def _regions(self, maps: Found, regions: Sequence[Floats], kind: str) -> dict[str, list[Floats]]:
        """What the heads say about regions (N, 4) of each image: outputs by name, a part (N, …) per image. `kind` is
        the prefix of the inputs that are used; the others get no region, and so cost nothing."""
        rows = [
            np.concatenate([np.full((len(each), 1), image, np.float32), each], axis=1)
            for image, each in enumerate(regions)
        ]
        every = np.concatenate(rows)
        levels = _levels(every[:, 1:])
        order = np.argsort(levels, kind="stable")
        nothing = np.zeros((0, 5), np.float32)
        inputs = dict(maps)
        for prefix in ("", "mask_") if self.has_masks else ("",):
            for level in range(LEVELS):
                used = every[levels == level] if prefix == kind else nothing
                inputs[f"{prefix}rois_{level}"] = np.ascontiguousarray(used)
        said = self.heads.run(inputs)
        ends = np.cumsum([len(each) for each in regions])[:-1]
        back = np.argsort(order, kind="stable")
        return {name: np.split(value[back], ends) for name, value in said.items() if len(value) == len(every)}

    def _detections(
        self, logits: Floats, moves: Floats, proposals: Floats, size: tuple[int, int], limits: Limits
    ) -> Found:
        """The boxes of one image that are good enough, best first; each proposal may be one of every class."""
        scores = boxes.softmax(logits)
        classes = scores.shape[1]
        decoded = boxes.decode(moves.reshape(-1, classes, 4), proposals, self.facts["box_weights"])
        at, label = np.nonzero(scores[:, 1:] > np.float32(limits.box_score))
        found, values = boxes.clipped(decoded[at, label + 1], *size), scores[at, label + 1]
        good = boxes.is_large(found, SMALLEST)
        found, values, label = found[good], values[good], label[good]
        kept = grouped_nms(found, values, label, limits.nms_iou)[: limits.most]
        return {"boxes": found[kept], "scores": values[kept], "labels": label[kept]}

    def _in_image(self, one: Found, ready: Sized, limits: Limits) -> Found:
        """Boxes, and masks as pixels, in the image as it was given."""
        found = {**one, "boxes": ready.back(one["boxes"])}
        if self.has_masks:
            found["masks"] = pasted(one["masks"], found["boxes"], *ready.shape) > limits.mask_pixel_score
        return found


def _levels(regions: Floats) -> NDArray[np.int64]:
    """The feature map (0 to 3) that each region (N, 4) is cut from."""
    sides = np.sqrt((regions[:, 2] - regions[:, 0]) * (regions[:, 3] - regions[:, 1]))
    with np.errstate(divide="ignore"):  # a region without area is cut from the finest map
        level = np.floor(CANONICAL_LEVEL + np.log2(sides / np.float32(CANONICAL_SIDE)) + np.float32(1e-6))
    return np.clip(level - LOWEST_LEVEL, 0, LEVELS - 1).astype(np.int64)
