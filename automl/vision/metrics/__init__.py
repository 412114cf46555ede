"""What a model is worth. `evaluate` gives every number of a task, `charts` the data behind the pictures. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from automl.vision.metrics import charts as _charts
from automl.vision.metrics import classification, detection, voc
from automl.vision.metrics.matching import as_array
from automl.vision.models.catalogue import CLASSIFICATION, MULTI_LABEL, SEGMENTATION, task_of

__all__ = ["charts", "evaluate", "primary_metric"]


def primary_metric(task: str) -> str:
    """The number by which runs are compared."""
    task = task_of(task)
    if task in CLASSIFICATION:
        return "iou" if task == MULTI_LABEL else "accuracy"
    return "mean_average_precision"


def evaluate(
    task: str, predictions: Any, targets: Any, *, classes: Sequence[str], settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Every metric of the task by its name, undefined ones None.

    Classification: `predictions` (N, C) probabilities; `targets` (N,) indices, or (N, C) of 0 and 1 for multi-label.
    Detection and segmentation: one mapping per image as a model's `predict_step` returns it, and one per target
    (`boxes`, `labels`, optional `is_crowd`, `area`; `masks` for segmentation, whose overlaps are computed on masks and
    whose box numbers are there as box_*). `settings`: validation_metric_type, validation_iou_threshold and
    box_score_threshold. Raises ValueError when there is nothing to evaluate or shapes do not fit.
    """
    task = task_of(task)
    if task in CLASSIFICATION:
        probabilities, truth = _classification(task, predictions, targets, classes)
        if task == MULTI_LABEL:
            return classification.evaluate_multi_label(probabilities, truth)
        return classification.evaluate_multi_class(probabilities, truth)
    rules = detection.Rules.of(settings or {})
    if rules.kind == "none":
        return {}
    shape = "masks" if task == SEGMENTATION else "boxes"
    result = _detection(predictions, targets, classes, rules, shape)
    if task == SEGMENTATION:
        boxes = _detection(predictions, targets, classes, rules, "boxes")
        result |= {f"box_{name}": value for name, value in boxes.items() if name != "per_label_metrics"}
    return result


def charts(
    task: str, predictions: Any, targets: Any, *, classes: Sequence[str], settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The data of the task's charts, ready for JSON; arguments as `evaluate`."""
    task = task_of(task)
    if task in CLASSIFICATION:
        probabilities, truth = _classification(task, predictions, targets, classes)
        return _charts.classification(probabilities, truth, classes, multi_label=task == MULTI_LABEL)
    rules = detection.Rules.of(settings or {})
    shape = "masks" if task == SEGMENTATION else "boxes"
    pairs = detection.collect(predictions, targets, classes=len(classes), shape=shape, score=rules.score)
    return _charts.detection(voc.evaluate(pairs, rules.iou), classes)


def _detection(
    predictions: Any, targets: Any, classes: Sequence[str], rules: detection.Rules, shape: str
) -> dict[str, Any]:
    pairs = detection.collect(predictions, targets, classes=len(classes), shape=shape, score=rules.score)
    return detection.evaluate(pairs, rules, classes)


def _classification(task: str, predictions: Any, targets: Any, classes: Sequence[str]) -> tuple[Any, Any]:
    probabilities = as_array(predictions, np.float64)
    truth = as_array(targets, np.int64)
    count = len(classes)
    if probabilities.ndim != 2 or probabilities.shape[1] != count or not len(probabilities):
        raise ValueError(f"Expected probabilities (images, {count}), at least one image, not {probabilities.shape}.")
    expected = probabilities.shape if task == MULTI_LABEL else (len(probabilities),)
    if truth.shape != expected:
        raise ValueError(f"Expected targets of shape {expected}, not {truth.shape}.")
    return probabilities, truth
