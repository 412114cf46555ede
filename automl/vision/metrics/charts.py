"""Data of all charts, ready for JSON (parity.md B.10.3 and the curves of detection)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from automl.vision.metrics.classification import POSITIVE_FROM, Floats, Ints
from automl.vision.metrics.voc import VocResult

MAX_POINTS = 200
"""A curve with more points is thinned out; its ends stay."""


def classification(
    probabilities: Floats, targets: Ints, classes: Sequence[str], *, multi_label: bool
) -> dict[str, Any]:
    """confusion_matrix, roc, precision_recall and report. `targets`: (N,) indices, or (N, C) of 0 and 1."""
    truth = targets if multi_label else np.eye(len(classes), dtype=np.int64)[targets]
    if multi_label:
        predicted = (probabilities >= POSITIVE_FROM).astype(np.int64)
        matrices = sk.multilabel_confusion_matrix(truth, predicted).tolist()
        confusion = {"kind": "per_class", "labels": list(classes), "raw": matrices}
    else:
        chosen = probabilities.argmax(axis=1)
        predicted = np.eye(len(classes), dtype=np.int64)[chosen]
        confusion = _confusion(targets, chosen, classes)
    return {
        "confusion_matrix": confusion,
        "roc": _curves(truth, probabilities, classes, _roc),
        "precision_recall": _curves(truth, probabilities, classes, _precision_recall),
        "report": _report(truth, predicted, probabilities, classes),
    }


def detection(result: VocResult, classes: Sequence[str]) -> dict[str, Any]:
    """precision_recall: one curve per class with something to find."""
    curves = []
    for label, name in enumerate(classes):
        if result.totals[label]:
            recall, precision = result.curve(label)
            curves.append({"name": name, **_points(recall=recall, precision=precision)})
    return {"precision_recall": curves}


def _confusion(targets: Ints, predicted: Ints, classes: Sequence[str]) -> dict[str, Any]:
    """Rows are the true classes, columns the predicted ones; normalized rows add to 1, or are 0 without images."""
    raw = sk.confusion_matrix(targets, predicted, labels=range(len(classes)))
    rows = raw / np.maximum(raw.sum(axis=1, keepdims=True), 1)
    return {"kind": "multi_class", "labels": list(classes), "raw": raw.tolist(), "normalized": rows.tolist()}


def _roc(truth: Ints, scores: Floats) -> dict[str, Any]:
    false_positive, true_positive, _thresholds = sk.roc_curve(truth, scores)
    return _points(false_positive_rate=false_positive, true_positive_rate=true_positive)


def _precision_recall(truth: Ints, scores: Floats) -> dict[str, Any]:
    precision, recall, _thresholds = sk.precision_recall_curve(truth, scores)
    return _points(recall=recall[::-1], precision=precision[::-1])


def _curves(truth: Ints, probabilities: Floats, classes: Sequence[str], curve: Any) -> list[dict[str, Any]]:
    """A curve per class with both kinds of images, then the averages: pooled, plain mean and weighted mean."""
    counts = truth.sum(axis=0)
    mixed = [label for label in range(len(classes)) if 0 < counts[label] < len(truth)]
    drawn = [{"name": classes[label], **curve(truth[:, label], probabilities[:, label])} for label in mixed]
    averages = []
    if 0 < truth.sum() < truth.size:
        averages.append({"name": "micro average", **curve(truth.ravel(), probabilities.ravel())})
    if drawn:
        averages.append({"name": "macro average", **_mean_curve(drawn, np.ones(len(mixed)))})
        averages.append({"name": "weighted average", **_mean_curve(drawn, counts[mixed].astype(np.float64))})
    return drawn + averages


def _mean_curve(curves: list[dict[str, Any]], weights: Floats) -> dict[str, Any]:
    x, y = [key for key in curves[0] if key != "name"]
    at = np.linspace(0.0, 1.0, 101)
    heights = [np.interp(at, curve[x], curve[y]) for curve in curves]
    return {x: at.tolist(), y: np.average(heights, axis=0, weights=weights).tolist()}


def _points(**axes: NDArray[np.floating]) -> dict[str, list[float]]:
    length = len(next(iter(axes.values())))
    kept = np.unique(np.linspace(0, length - 1, min(length, MAX_POINTS)).round().astype(np.int64))
    return {name: values[kept].tolist() for name, values in axes.items()}


def _report(truth: Ints, predicted: Ints, probabilities: Floats, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of precision, recall, f1, support, AUC and average precision: each class, then the three averages."""
    arguments: dict[str, Any] = {"zero_division": 0}
    parts = sk.precision_recall_fscore_support(truth, predicted, average=None, **arguments)
    rows: list[dict[str, Any]] = []
    for label, name in enumerate(classes):
        precision, recall, f1, support = (values[label] for values in parts)
        rows.append(_row(name, precision, recall, f1, int(support), truth[:, label], probabilities[:, label]))
    everything = (truth.ravel(), predicted.ravel())
    precision, recall, f1, _support = sk.precision_recall_fscore_support(*everything, average="binary", **arguments)
    total = int(truth.sum())
    rows.append(_row("micro average", precision, recall, f1, total, truth.ravel(), probabilities.ravel()))
    for name in ("macro", "weighted"):
        weights = np.ones(len(classes)) if name == "macro" else parts[3].astype(np.float64)
        rows.append({"name": f"{name} average", **_average(rows[: len(classes)], weights), "support": total})
    return rows


def _row(
    name: str, precision: float, recall: float, f1: float, support: int, truth: Ints, scores: Floats
) -> dict[str, Any]:
    mixed = 0 < truth.sum() < len(truth)
    return {
        "name": name,
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "support": support,
        "auc": float(sk.roc_auc_score(truth, scores)) if mixed else None,
        "average_precision": float(sk.average_precision_score(truth, scores)) if mixed else None,
    }


def _average(rows: list[dict[str, Any]], weights: Floats) -> dict[str, float | None]:
    averages: dict[str, float | None] = {}
    for key in ("precision", "recall", "f1", "auc", "average_precision"):
        known = [(row[key], weight) for row, weight in zip(rows, weights, strict=True) if row[key] is not None]
        share = sum(weight for _value, weight in known)
        averages[key] = float(sum(value * weight for value, weight in known) / share) if share else None
    return averages
