"""Numbers for both classification tasks, in the sense of scikit-learn (parity.md B.10.2).

Averages: macro is the plain mean over classes, micro pools the decisions, weighted weighs classes by how often they are
true. A class that is neither true nor predicted anywhere is left out of precision, recall and F1; AUC and average
precision are averaged over the classes that have both kinds of images. What is undefined is None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from automl.vision.metrics.bootstrap import interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POSITIVE_FROM = 0.5
"""A class of a multi-label model is said to be there from this probability on."""

_AVERAGES = ("macro", "micro", "weighted")


def evaluate_multi_class(probabilities: Floats, targets: Ints) -> dict[str, Any]:
    """`probabilities` (N, C), rows adding to 1; `targets` (N,) class indices. N may not be 0."""
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    right = predicted == targets
    counts = np.bincount(targets, minlength=classes)
    sizes = counts[targets].astype(np.float64)
    present = np.flatnonzero(counts)
    recall = float(np.mean([right[targets == label].mean() for label in present]))
    truth = np.eye(classes, dtype=np.int64)[targets]
    chance = 1.0 / classes
    result: dict[str, Any] = {
        "accuracy": float(right.mean()),
        "balanced_accuracy": recall,
        "norm_macro_recall": (recall - chance) / (1 - chance) if classes > 1 else None,
        "weighted_accuracy": float(sizes @ right / sizes.sum()),
        "matthews_correlation": float(sk.matthews_corrcoef(targets, predicted)),
        "log_loss": _log_loss(probabilities, targets),
        **_decision_metrics(targets, predicted),
        **_ranking_metrics(truth, probabilities),
    }
    if classes == 2:
        result |= _binary(truth[:, 1], predicted, probabilities[:, 1])
    result["accuracy_interval"] = interval(len(right), _mean_of(right.astype(np.float64)))
    return result


def evaluate_multi_label(probabilities: Floats, targets: Ints) -> dict[str, Any]:
    """`probabilities` (N, C), each for itself; `targets` (N, C) of 0 and 1.

    `accuracy` asks for all classes of an image to be right. `iou` is the mean over images of shared over all classes
    said or true (1 where there are none). `balanced_accuracy` is the mean over classes of the recall of "there" and of
    "not there"; `norm_macro_recall` is that with 0.5 as 0; `weighted_accuracy` weighs each class's accuracy by how
    often it is true; `matthews_correlation` and `log_loss` pool all decisions.
    """
    predicted = (probabilities >= POSITIVE_FROM).astype(np.int64)
    exact = (predicted == targets).all(axis=1)
    both, either = (predicted & targets).sum(axis=1), (predicted | targets).sum(axis=1)
    overlap = np.where(either > 0, both / np.maximum(either, 1), 1.0)
    by_class = (predicted == targets).mean(axis=0)
    counts = targets.sum(axis=0)
    balanced = _balanced_by_class(predicted, targets)
    mean_balanced = float(np.mean(balanced)) if len(balanced) else None
    clipped = np.clip(probabilities, 1e-15, 1 - 1e-15)
    result: dict[str, Any] = {
        "iou": float(overlap.mean()),
        "iou_micro": float(both.sum() / either.sum()) if either.sum() else 1.0,
        "accuracy": float(exact.mean()),
        "balanced_accuracy": mean_balanced,
        "norm_macro_recall": None if mean_balanced is None else 2 * mean_balanced - 1,
        "weighted_accuracy": float(counts @ by_class / counts.sum()) if counts.sum() else None,
        "matthews_correlation": float(sk.matthews_corrcoef(targets.ravel(), predicted.ravel())),
        "log_loss": float(-np.mean(np.where(targets == 1, np.log(clipped), np.log(1 - clipped)))),
        **_decision_metrics(targets, predicted),
        **_ranking_metrics(targets, probabilities),
    }
    seen = np.flatnonzero((counts > 0) | predicted.any(axis=0))
    for average in ("macro", "weighted"):
        result[f"iou_{average}"] = (
            float(sk.jaccard_score(targets[:, seen], predicted[:, seen], average=average, zero_division=0))
            if len(seen)
            else None
        )
    result["iou_interval"] = interval(len(overlap), _mean_of(overlap))
    return result


def _decision_metrics(targets: Ints, predicted: Ints) -> dict[str, float]:
    """Precision, recall and F1 in all averages."""
    if targets.ndim == 2:  # labels that are neither true nor said are left out, as scikit-learn does for one label
        seen = np.flatnonzero(targets.any(axis=0) | predicted.any(axis=0))
        if not len(seen):
            return {f"{name}_{average}": 0.0 for name in _DECISIONS for average in _AVERAGES}
        targets, predicted = targets[:, seen], predicted[:, seen]
    return {
        f"{name}_{average}": float(function(targets, predicted, average=average, zero_division=0))
        for name, function in _DECISIONS.items()
        for average in _AVERAGES
    }


_DECISIONS: dict[str, Callable[..., Any]] = {
    "precision_score": sk.precision_score,
    "recall_score": sk.recall_score,
    "f1_score": sk.f1_score,
}


def _ranking_metrics(truth: Ints, probabilities: Floats) -> dict[str, float | None]:
    """AUC and average precision in all averages; `truth` (N, C) of 0 and 1."""
    counts = truth.sum(axis=0)
    mixed = np.flatnonzero((counts > 0) & (counts < len(truth)))
    result: dict[str, float | None] = {}
    for name, function in (("AUC", sk.roc_auc_score), ("average_precision_score", sk.average_precision_score)):
        values = [float(function(truth[:, label], probabilities[:, label])) for label in mixed]
        result[f"{name}_macro"] = float(np.mean(values)) if values else None
        result[f"{name}_weighted"] = float(np.average(values, weights=counts[mixed])) if values else None
        pooled = 0 < counts.sum() < truth.size
        result[f"{name}_micro"] = float(function(truth.ravel(), probabilities.ravel())) if pooled else None
    return result


def _binary(truth: Ints, predicted: Ints, probability: Floats) -> dict[str, float | None]:
    """Numbers of the second class, which a question with two answers is about."""
    mixed = 0 < truth.sum() < len(truth)
    return {
        **{f"{name}_binary": float(f(truth, predicted, zero_division=0)) for name, f in _DECISIONS.items()},
        "AUC_binary": float(sk.roc_auc_score(truth, probability)) if mixed else None,
        "average_precision_score_binary": float(sk.average_precision_score(truth, probability)) if mixed else None,
    }


def _balanced_by_class(predicted: Ints, targets: Ints) -> list[float]:
    values = []
    for said, true in zip(predicted.T, targets.T, strict=True):
        if 0 < true.sum() < len(true):
            values.append(float((said[true == 1].mean() + (1 - said[true == 0]).mean()) / 2))
    return values


def _log_loss(probabilities: Floats, targets: Ints) -> float:
    rows = probabilities / probabilities.sum(axis=1, keepdims=True)
    return float(-np.log(np.clip(rows[np.arange(len(targets)), targets], 1e-15, 1.0)).mean())


def _mean_of(values: Floats) -> Callable[[Ints], float]:
    return lambda times: float(times @ values / times.sum())
