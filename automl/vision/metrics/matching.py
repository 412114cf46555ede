"""Which detections overlap which objects, image by image, as flat arrays that AP is computed from.

Overlaps are computed when an image is added, so that masks need not be kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Everything said and everything true about a set of images, in the order in which images came.

    Detections (D) and objects (G) have `*_image`, `*_label`, `*_area`; pairs (P) are those of one image and one label
    that overlap at all. `iou` follows pycocotools: with a crowd it is the share of the detection inside it. `plain` is
    intersection over union for crowds too.
    """

    images: int
    classes: int
    scores: Floats
    det_image: Ints
    det_label: Ints
    det_area: Floats
    gt_image: Ints
    gt_label: Ints
    gt_area: Floats
    gt_crowd: Flags
    pair_det: Ints
    pair_gt: Ints
    iou: Floats
    plain: Floats


class PairCollector:
    """Takes images one by one. `shape` is `boxes` or `masks`: what overlaps are computed on."""

    def __init__(self, classes: int, shape: str = "boxes") -> None:
        if shape not in {"boxes", "masks"}:
            raise ValueError(f"Overlap is computed on boxes or masks, not {shape!r}.")
        self.classes, self.shape = classes, shape
        self._parts: list[tuple[NDArray[Any], ...]] = []
        self._dets = self._gts = 0

    def add(self, prediction: Mapping[str, Any], target: Mapping[str, Any]) -> None:
        """One image. `prediction`: boxes (D, 4), scores (D,), labels (D,); `target`: boxes (G, 4), labels (G,),
        optional is_crowd (G,) and area (G,); both with masks (N, H, W) of one size where overlap is computed on masks.
        Tensors or arrays. Raises ValueError for a label outside the classes."""
        scores = as_array(prediction["scores"], np.float64)
        det_label, gt_label = (self._labels(one["labels"]) for one in (prediction, target))
        crowd = as_array(target["is_crowd"], np.bool_) if "is_crowd" in target else np.zeros(len(gt_label), np.bool_)
        shared, det_area, gt_area = self._overlaps(prediction, target, det_label, gt_label)
        det, gt = np.nonzero(shared > 0)
        inside = shared[det, gt]
        union = det_area[det] + gt_area[gt] - inside
        plain = inside / union
        iou = np.where(crowd[gt], inside / det_area[det], plain)
        area = as_array(target["area"], np.float64) if "area" in target else gt_area
        image = len(self._parts)
        self._parts.append(
            (
                scores,
                np.full(len(scores), image),
                det_label,
                det_area,
                np.full(len(gt_label), image),
                gt_label,
                area,
                crowd,
                det + self._dets,
                gt + self._gts,
                iou,
                plain,
            )
        )
        self._dets += len(scores)
        self._gts += len(gt_label)

    def pairs(self) -> Pairs:
        kinds: list[Any] = [np.float64, np.int64, np.int64, np.float64, np.int64, np.int64, np.float64, np.bool_]
        kinds += [np.int64, np.int64, np.float64, np.float64]
        columns: list[Any] = list(zip(*self._parts, strict=True)) if self._parts else [() for _ in kinds]
        joined: list[Any] = [
            np.concatenate(column).astype(kind) if column else np.zeros(0, kind)
            for column, kind in zip(columns, kinds, strict=True)
        ]
        return Pairs(len(self._parts), self.classes, *joined)

    def _labels(self, given: Any) -> Ints:
        labels = as_array(given, np.int64)
        if len(labels) and not (labels.min() >= 0 and labels.max() < self.classes):
            raise ValueError(f"Labels go from 0 to {self.classes - 1}, not {labels.min()} to {labels.max()}.")
        return labels

    def _overlaps(
        self, prediction: Mapping[str, Any], target: Mapping[str, Any], det_label: Ints, gt_label: Ints
    ) -> tuple[Floats, Floats, Floats]:
        """Shared areas (D, G), 0 for different labels, and the areas of detections and objects."""
        dets, gts = (as_array(one["boxes"], np.float64).reshape(-1, 4) for one in (prediction, target))
        boxes, det_area, gt_area = shared_areas(dets, gts)
        same = det_label[:, None] == gt_label[None, :]
        if self.shape == "boxes":
            return np.where(same, boxes, 0.0), det_area, gt_area
        det_masks, gt_masks = as_array(prediction["masks"], np.bool_), as_array(target["masks"], np.bool_)
        return shared_pixels(det_masks, gt_masks, same)


def as_array(values: ArrayLike | Any, kind: Any) -> NDArray[Any]:
    """Numbers of a list, an array or a tensor of any device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values).astype(kind, copy=False)


def shared_areas(dets: Floats, gts: Floats) -> tuple[Floats, Floats, Floats]:
    """Shared areas (D, G) of boxes x1, y1, x2, y2, and both sides' own. Corners are computed as x + width, as
    pycocotools does, so that both see the same last bit."""
    det_size, gt_size = dets[:, 2:] - dets[:, :2], gts[:, 2:] - gts[:, :2]
    det_end, gt_end = dets[:, :2] + det_size, gts[:, :2] + gt_size
    low = np.maximum(dets[:, None, :2], gts[None, :, :2])
    sides = np.minimum(det_end[:, None], gt_end[None]) - low
    shared = np.where((sides > 0).all(axis=2), sides[..., 0] * sides[..., 1], 0.0)
    return shared, det_size[:, 0] * det_size[:, 1], gt_size[:, 0] * gt_size[:, 1]


def shared_pixels(dets: Flags, gts: Flags, wanted: Flags) -> tuple[Floats, Floats, Floats]:
    """Shared pixels (D, G) of masks (N, H, W) where `wanted` (D, G), and both sides' own counts."""
    packed_dets, packed_gts = (
        np.packbits(one.reshape(len(one), int(np.prod(one.shape[1:]))), axis=1) for one in (dets, gts)
    )
    shared = np.zeros(wanted.shape)
    for gt in np.flatnonzero(wanted.any(axis=0)):
        rows = np.flatnonzero(wanted[:, gt])
        shared[rows, gt] = np.bitwise_count(packed_dets[rows] & packed_gts[gt]).sum(axis=1, dtype=np.int64)
    areas = (np.bitwise_count(one).sum(axis=1, dtype=np.int64).astype(np.float64) for one in (packed_dets, packed_gts))
    det_area, gt_area = areas
    return shared, det_area, gt_area
