"""Numbers for detection and segmentation (parity.md B.10.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.vision.metrics import coco, voc
from automl.vision.metrics.bootstrap import interval
from automl.vision.metrics.matching import PairCollector, Pairs

METRIC_TYPES = ("voc", "coco", "coco_voc", "none")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is computed: `validation_metric_type`, `validation_iou_threshold`, and the lowest score that counts."""

    kind: str = "voc"
    iou: float = 0.5
    score: float = 0.0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Rules:
        """From settings under their v2 names. Raises ValueError for a metric type that does not exist."""
        kind = settings.get("validation_metric_type") or "voc"
        if kind not in METRIC_TYPES:
            raise ValueError(f"validation_metric_type is one of {', '.join(METRIC_TYPES)}, not {kind!r}.")
        threshold, score = settings.get("validation_iou_threshold"), settings.get("box_score_threshold")
        return cls(kind, 0.5 if threshold is None else float(threshold), 0.0 if score is None else float(score))


def collect(
    predictions: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    *,
    classes: int,
    shape: str,
    score: float = 0.0,
) -> Pairs:
    """Overlaps of all images, of detections from `score` on. Raises ValueError when the two lists differ in length."""
    if len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions do not belong to {len(targets)} targets.")
    collector = PairCollector(classes, shape)
    for prediction, target in zip(predictions, targets, strict=True):
        collector.add(_from_score(prediction, score), target)
    return collector.pairs()


def evaluate(pairs: Pairs, rules: Rules, names: Sequence[str]) -> dict[str, Any]:
    """`voc`: mean_average_precision, its interval, precision and recall (means over classes) and per_label_metrics;
    `coco`: mean_average_precision at IoU 0.5 with COCO's interpolation and the twelve numbers as coco_*; `coco_voc`:
    those of voc and the twelve; `none`: nothing. Undefined numbers are None."""
    result: dict[str, Any] = {}
    if rules.kind in {"coco", "coco_voc"}:
        twelve = coco.evaluate(pairs).summary()
        result |= {f"coco_{name}": value if value > -1 else None for name, value in twelve.items()}
        result["mean_average_precision"] = result["coco_AP50"]
    if rules.kind in {"voc", "coco_voc"}:
        result |= _voc_numbers(voc.evaluate(pairs, rules.iou), names)
    return result


def _voc_numbers(matched: voc.VocResult, names: Sequence[str]) -> dict[str, Any]:
    rows = [{"label": name, **row} for name, row in zip(names, matched.per_class(), strict=True)]
    present = [row for row in rows if row["objects"]]

    def mean(key: str) -> float | None:
        return float(np.mean([row[key] for row in present])) if present else None

    def resampled(times: Any) -> float:
        values = matched.average_precisions(times)
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else float("nan")

    return {
        "mean_average_precision": mean("average_precision"),
        "mean_average_precision_interval": interval(len(matched.objects), resampled),
        "precision": mean("precision"),
        "recall": mean("recall"),
        "per_label_metrics": rows,
    }


def _from_score(prediction: Mapping[str, Any], score: float) -> Mapping[str, Any]:
    if score <= 0:
        return prediction
    keep = prediction["scores"] >= score
    return {name: prediction[name][keep] for name in ("boxes", "scores", "labels", "masks") if name in prediction}
