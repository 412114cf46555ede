"""The twelve COCO numbers, computed for all images at once; equal to pycocotools (tests hold it to 1e-12).

Definition: COCO detection evaluation (Lin et al. 2014 and its reference implementation): 101 recall points, IoU 0.50 to
0.95 in steps of 0.05, at most 100 detections per image and class, crowds and objects outside the size range ignored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.vision.metrics.matching import Flags, Floats, Ints, Pairs

IOU_THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
RECALLS: Floats = np.linspace(0.0, 1.0, 101)
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Square pixels, both ends included."""
MAX_DETECTIONS = (1, 10, 100)

_ROWS = [("all", 100), ("small", 100), ("medium", 100), ("large", 100), ("all", 1), ("all", 10)]


@dataclass(frozen=True, slots=True)
class CocoResult:
    """`precision` (T, R, K) and `recall` (T, K) by (area, most detections); -1 where a class has no object."""

    precision: dict[tuple[str, int], Floats]
    recall: dict[tuple[str, int], Floats]

    def summary(self) -> dict[str, float]:
        """The twelve numbers in COCO's order; -1 where there is nothing to average."""
        full = self.precision["all", 100]
        return {
            "AP": _mean(full),
            "AP50": _mean(full[0]),
            "AP75": _mean(full[5]),
            **{f"AP_{area}": _mean(self.precision[area, 100]) for area in ("small", "medium", "large")},
            **{f"AR_{most}": _mean(self.recall["all", most]) for most in MAX_DETECTIONS},
            **{f"AR_{area}": _mean(self.recall[area, 100]) for area in ("small", "medium", "large")},
        }

    def per_class(self, iou: int = 0) -> Floats:
        """AP of each class (K,) at the threshold of this index (0: 0.50); -1 for a class without objects."""
        points = self.precision["all", 100][iou]
        return np.where((points > -1).any(axis=0), points.mean(axis=0), -1.0)


def evaluate(pairs: Pairs) -> CocoResult:
    """Precision and recall as pycocotools accumulates them."""
    order, rank = _ranked(pairs)
    kept = order[rank < MAX_DETECTIONS[-1]]
    rank = rank[rank < MAX_DETECTIONS[-1]]
    limits = np.asarray(list(AREAS.values()))[:, :, None]
    gt_ignored = pairs.gt_crowd | (pairs.gt_area < limits[:, 0]) | (pairs.gt_area > limits[:, 1])
    matched, ignored = _match(pairs, kept, gt_ignored)
    det_area = pairs.det_area[kept]
    outside = (det_area < limits[:, 0]) | (det_area > limits[:, 1])
    ignored |= ~matched & outside[:, None]
    return _accumulate(pairs, kept, rank, gt_ignored, matched, ignored)


def _ranked(pairs: Pairs) -> tuple[Ints, Ints]:
    """Detections by image, class and falling score, and the place of each within its image and class."""
    group = pairs.det_image * pairs.classes + pairs.det_label
    order = np.lexsort((-pairs.scores, group))
    return order, place_in_group(group[order])


def place_in_group(sorted_groups: Ints) -> Ints:
    """0, 1, 2, … within each run of equal numbers."""
    if not len(sorted_groups):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]])
    lengths = np.diff(np.r_[starts, len(sorted_groups)])
    return np.arange(len(sorted_groups)) - np.repeat(starts, lengths)


def _match(pairs: Pairs, kept: Ints, gt_ignored: Flags) -> tuple[Flags, Flags]:
    """Greedy matching for all areas, thresholds and images: (matched, ignored), each (A, T, kept).

    Within an image and class detections choose in order of their score, so the n-th to choose of every image and class
    choose at the same time. Only those that overlap something enough have a choice. Each takes the best free object
    that counts, or else the best ignored one (crowds can be taken again); the last of equals, as pycocotools does.
    """
    areas, thresholds = len(AREAS), len(IOU_THRESHOLDS)
    needed = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)
    matched = np.zeros((areas, thresholds, len(kept)), np.bool_)
    ignored = np.zeros_like(matched)
    place = np.full(len(pairs.scores), -1, np.int64)
    place[kept] = np.arange(len(kept))
    useful = np.flatnonzero((pairs.iou >= needed[0]) & (place[pairs.pair_det] >= 0))
    # By detection in the order of choosing, then by object in the order given.
    useful = useful[np.lexsort((pairs.pair_gt[useful], place[pairs.pair_det[useful]]))]
    det, gt, iou = place[pairs.pair_det[useful]], pairs.pair_gt[useful], pairs.iou[useful]
    choosers, first, counts = np.unique(det, return_index=True, return_counts=True)
    group = (pairs.det_image * pairs.classes + pairs.det_label)[kept][choosers]
    turn = place_in_group(group)
    taken = np.zeros((areas, thresholds, len(pairs.gt_label)), np.bool_)
    for step in range(int(turn.max(initial=-1)) + 1):
        now = np.flatnonzero(turn == step)
        width = int(counts[now].max())
        column = np.arange(width)
        exists = column < counts[now][:, None]
        index = np.where(exists, first[now][:, None] + column, first[now][:, None])
        objects, overlap = gt[index], iou[index]
        free = exists & (overlap >= needed[:, None, None]) & (~taken[:, :, objects] | pairs.gt_crowd[objects])
        counting = ~gt_ignored[:, None, objects]
        best, found = _last_best(overlap, free & counting)
        other, also = _last_best(overlap, free & ~counting)
        chosen = np.where(found, best, other)
        a, t, who = np.nonzero(found | also)
        winner = objects[who, chosen[a, t, who]]
        taken[a, t, winner] = True
        matched[a, t, choosers[now[who]]] = True
        ignored[a, t, choosers[now[who]]] = gt_ignored[a, winner]
    return matched, ignored


def _last_best(overlap: Floats, allowed: Flags) -> tuple[Ints, Flags]:
    """Index along the last axis of the largest allowed overlap, the last of equals, and whether there is one."""
    masked = np.where(allowed, overlap, -1.0)
    width = masked.shape[-1]
    return width - 1 - masked[..., ::-1].argmax(axis=-1), np.asarray(allowed.any(axis=-1))


def _accumulate(pairs: Pairs, kept: Ints, rank: Ints, gt_ignored: Flags, matched: Flags, ignored: Flags) -> CocoResult:
    names = list(AREAS)
    shape = (len(IOU_THRESHOLDS), len(RECALLS), pairs.classes)
    result = CocoResult({}, {})
    for area, most in _ROWS:
        result.precision[area, most] = np.full(shape, -1.0)
        result.recall[area, most] = np.full((shape[0], shape[2]), -1.0)
    labels = pairs.det_label[kept]
    by_class = np.lexsort((-pairs.scores[kept], labels))  # images stay in order where scores are equal
    bounds = np.searchsorted(labels[by_class], np.arange(pairs.classes + 1))
    for label in range(pairs.classes):
        mine = by_class[bounds[label] : bounds[label + 1]]
        objects = (pairs.gt_label == label) & ~gt_ignored
        for area, most in _ROWS:
            a = names.index(area)
            total = int(np.count_nonzero(objects[a]))
            if total:
                these = mine[rank[mine] < most]
                hits = matched[a][:, these] & ~ignored[a][:, these]
                misses = ~matched[a][:, these] & ~ignored[a][:, these]
                points, last = _curve(hits, misses, total)
                result.precision[area, most][:, :, label] = points
                result.recall[area, most][:, label] = last
    return result


def _curve(hits: Flags, misses: Flags, total: int) -> tuple[Floats, Floats]:
    """Precision at the 101 recalls (T, R), the best at that recall or more, and the final recall (T,)."""
    points = np.zeros((len(hits), len(RECALLS)))
    if not hits.shape[1]:
        return points, np.zeros(len(hits))
    tp, fp = np.cumsum(hits, axis=1, dtype=np.float64), np.cumsum(misses, axis=1, dtype=np.float64)
    recall = tp / total
    precision = tp / (fp + tp + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    for t in range(len(hits)):
        at = np.searchsorted(recall[t], RECALLS, side="left")
        inside = at < recall.shape[1]
        points[t, inside] = precision[t, at[inside]]
    return points, recall[:, -1]


def _mean(values: Floats) -> float:
    counted = values[values > -1]
    return float(counted.mean()) if counted.size else -1.0
