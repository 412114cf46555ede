"""Average precision as PASCAL VOC defines it since 2010: the area under the whole precision-recall curve.

Source: Everingham et al., The PASCAL VOC development kit, section 3.4. Each detection, best score first, looks at the
object of its class it overlaps most; from the threshold on it is right, unless a better detection was there first. A
detection whose object is a crowd counts for nothing, and crowds are not to be found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.vision.metrics.matching import Flags, Floats, Ints, Pairs


@dataclass(frozen=True, slots=True)
class VocResult:
    """Detections that count, by class and falling score, and what became of them."""

    label: Ints
    image: Ints
    score: Floats
    hit: Flags
    objects: Ints
    """Objects to be found, per image and class (images, K)."""

    @property
    def totals(self) -> Ints:
        """Objects to be found per class (K,)."""
        return np.asarray(self.objects.sum(axis=0))

    def curve(self, label: int, weights: Ints | None = None) -> tuple[Floats, Floats]:
        """Recall and precision (N,) after each detection of a class. `weights` (images,) count images more than
        once."""
        mine = self.label == label
        times = np.ones(len(self.objects), np.int64) if weights is None else weights
        seen = times[self.image[mine]]
        tp = np.cumsum(self.hit[mine] * seen, dtype=np.float64)
        all_seen = np.cumsum(seen, dtype=np.float64)
        total = float(self.objects[:, label] @ times)
        return tp / max(total, 1e-12), tp / np.maximum(all_seen, 1e-12)

    def average_precisions(self, weights: Ints | None = None) -> Floats:
        """AP per class (K,); NaN for a class with nothing to find."""
        times = np.ones(len(self.objects), np.int64) if weights is None else weights
        totals = times @ self.objects
        return np.asarray(
            [area_under(*self.curve(label, weights)) if totals[label] else np.nan for label in range(len(totals))]
        )

    def per_class(self) -> list[dict[str, float | int | None]]:
        """AP, precision and recall over all detections, and counts, for each class; None where undefined."""
        rows: list[dict[str, float | int | None]] = []
        for label, ap in enumerate(self.average_precisions()):
            hits = self.hit[self.label == label]
            right, said, total = int(hits.sum()), len(hits), int(self.totals[label])
            rows.append(
                {
                    "average_precision": None if np.isnan(ap) else float(ap),
                    "precision": right / said if said else (0.0 if total else None),
                    "recall": right / total if total else None,
                    "objects": total,
                    "detections": said,
                }
            )
        return rows


def evaluate(pairs: Pairs, iou_threshold: float = 0.5) -> VocResult:
    """Matches all images at once."""
    best_gt, best_iou = _nearest(pairs)
    order = np.lexsort((-pairs.scores, pairs.det_label))
    found = best_iou[order] >= iou_threshold
    gt = np.where(found, best_gt[order], -1)
    crowd = np.zeros(len(order), np.bool_)
    crowd[found] = pairs.gt_crowd[gt[found]]
    hit = np.zeros(len(order), np.bool_)
    candidates = np.flatnonzero(found & ~crowd)
    _objects, first = np.unique(gt[candidates], return_index=True)
    hit[candidates[first]] = True
    counted = order[~crowd]
    objects = np.zeros((pairs.images, pairs.classes), np.int64)
    real = ~pairs.gt_crowd
    np.add.at(objects, (pairs.gt_image[real], pairs.gt_label[real]), 1)
    return VocResult(pairs.det_label[counted], pairs.det_image[counted], pairs.scores[counted], hit[~crowd], objects)


def area_under(recall: Floats, precision: Floats) -> float:
    """Area under the curve whose precision at each recall is the best at that recall or more."""
    if not len(recall):
        return 0.0
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(np.r_[0.0, recall]) * envelope))


def _nearest(pairs: Pairs) -> tuple[Ints, Floats]:
    """For each detection the object that it overlaps most (the first of equals, -1 for none) and how much."""
    gt = np.full(len(pairs.scores), -1, np.int64)
    iou = np.zeros(len(pairs.scores))
    order = np.lexsort((pairs.pair_gt, -pairs.plain, pairs.pair_det))
    dets, first = np.unique(pairs.pair_det[order], return_index=True)
    gt[dets], iou[dets] = pairs.pair_gt[order][first], pairs.plain[order][first]
    return gt, iou
