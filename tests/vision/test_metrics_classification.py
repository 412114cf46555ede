"""Numbers and charts of the two classification tasks, against scikit-learn and against sums done by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from automl.vision import metrics

NAMES = ["cat", "dog", "emu"]


def scores(seed: int, count: int = 60, classes: int = 3) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, count)
    raw = rng.random((count, classes)) + 0.7 * np.eye(classes)[targets]
    return raw / raw.sum(axis=1, keepdims=True), targets


def multi_class(probabilities: Any, targets: Any, names: list[str] = NAMES) -> dict[str, Any]:
    return metrics.evaluate("image-classification", probabilities, targets, classes=names)


def multi_label(probabilities: Any, targets: Any, names: list[str] = NAMES) -> dict[str, Any]:
    return metrics.evaluate("image-classification-multilabel", probabilities, targets, classes=names)


@pytest.mark.parametrize("seed", range(4))
def test_multi_class_numbers_are_those_of_scikit_learn(seed: int) -> None:
    probabilities, targets = scores(seed)
    predicted = probabilities.argmax(axis=1)
    result = multi_class(probabilities, targets)
    expected = {
        "accuracy": sk.accuracy_score(targets, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(targets, predicted),
        "matthews_correlation": sk.matthews_corrcoef(targets, predicted),
        "log_loss": sk.log_loss(targets, probabilities),
        "AUC_macro": sk.roc_auc_score(targets, probabilities, multi_class="ovr", average="macro"),
        "AUC_weighted": sk.roc_auc_score(targets, probabilities, multi_class="ovr", average="weighted"),
        "average_precision_score_macro": sk.average_precision_score(np.eye(3)[targets], probabilities),
        "average_precision_score_micro": sk.average_precision_score(np.eye(3)[targets], probabilities, average="micro"),
        "f1_score_weighted": sk.f1_score(targets, predicted, average="weighted"),
        "precision_score_macro": sk.precision_score(targets, predicted, average="macro"),
        "recall_score_micro": sk.recall_score(targets, predicted, average="micro"),
    }
    assert {name: result[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert result["norm_macro_recall"] == pytest.approx((expected["balanced_accuracy"] - 1 / 3) / (2 / 3))


def test_weighted_accuracy_weighs_images_by_the_size_of_their_class() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    result = multi_class(probabilities, np.array([0, 0, 0, 1]), ["cat", "dog"])
    assert result["weighted_accuracy"] == pytest.approx((3 * 3) / (3 * 3 + 1))
    assert result["balanced_accuracy"] == 0.5
    assert result["norm_macro_recall"] == 0.0


def test_two_classes_have_binary_numbers_of_the_second() -> None:
    probabilities, targets = scores(5, classes=2)
    result = multi_class(probabilities, targets, ["no", "yes"])
    assert result["AUC_binary"] == pytest.approx(sk.roc_auc_score(targets, probabilities[:, 1]))
    assert result["precision_score_binary"] == pytest.approx(sk.precision_score(targets, probabilities.argmax(axis=1)))
    assert "AUC_binary" not in multi_class(*scores(5))


def test_a_class_that_no_image_shows_leaves_numbers_defined() -> None:
    probabilities, targets = scores(6)
    targets = np.where(targets == 2, 0, targets)
    result = multi_class(probabilities, targets)
    present = [sk.roc_auc_score(targets == label, probabilities[:, label]) for label in (0, 1)]
    assert result["AUC_macro"] == pytest.approx(np.mean(present))
    assert result["balanced_accuracy"] == pytest.approx(
        np.mean([(probabilities.argmax(axis=1) == targets)[targets == label].mean() for label in (0, 1)])
    )
    one_kind = multi_class(probabilities[:4], np.zeros(4, int))
    assert one_kind["AUC_macro"] is None


def test_the_interval_of_accuracy_holds_it() -> None:
    result = multi_class(*scores(7))
    low, high = result["accuracy_interval"]
    assert low < result["accuracy"] < high


def test_multi_label_counts_from_one_half_on() -> None:
    probabilities = np.array([[0.5, 0.49, 0.0], [0.2, 0.9, 0.9], [0.1, 0.1, 0.1]])
    targets = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]])
    result = multi_label(probabilities, targets)
    assert result["iou"] == pytest.approx((1 + 0.5 + 1) / 3)  # nothing said and nothing true agree
    assert result["iou_micro"] == pytest.approx(2 / 3)
    assert result["accuracy"] == pytest.approx(2 / 3)
    assert result["precision_score_micro"] == pytest.approx(2 / 3)
    assert result["iou_macro"] == pytest.approx((1 + 1 + 0) / 3)


@pytest.mark.parametrize("seed", range(3))
def test_multi_label_numbers_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = (rng.random((50, 3)) < 0.4).astype(int)
    probabilities = np.clip(0.5 * targets + 0.6 * rng.random((50, 3)), 0, 1)
    predicted = (probabilities >= 0.5).astype(int)
    result = multi_label(probabilities, targets)
    expected = {
        "AUC_macro": sk.roc_auc_score(targets, probabilities),
        "AUC_micro": sk.roc_auc_score(targets, probabilities, average="micro"),
        "average_precision_score_weighted": sk.average_precision_score(targets, probabilities, average="weighted"),
        "f1_score_macro": sk.f1_score(targets, predicted, average="macro"),
        "recall_score_weighted": sk.recall_score(targets, predicted, average="weighted"),
        "iou_weighted": sk.jaccard_score(targets, predicted, average="weighted"),
        "balanced_accuracy": np.mean(
            [sk.balanced_accuracy_score(targets[:, label], predicted[:, label]) for label in range(3)]
        ),
        "log_loss": np.mean([sk.log_loss(targets[:, label], probabilities[:, label]) for label in range(3)]),
    }
    assert {name: result[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_the_confusion_matrix_has_true_classes_in_rows() -> None:
    probabilities = np.eye(3)[[0, 1, 1, 2]]
    chart = metrics.charts("image-classification", probabilities, np.array([0, 0, 1, 2]), classes=NAMES)
    assert chart["confusion_matrix"]["raw"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert chart["confusion_matrix"]["normalized"][0] == [0.5, 0.5, 0.0]


def test_charts_are_ready_for_json_and_say_what_the_numbers_say() -> None:
    probabilities, targets = scores(8, count=700)
    chart = json.loads(json.dumps(metrics.charts("image-classification", probabilities, targets, classes=NAMES)))
    result = multi_class(probabilities, targets)
    names = [curve["name"] for curve in chart["roc"]]
    assert names == [*NAMES, "micro average", "macro average", "weighted average"]
    curve = chart["roc"][0]
    assert len(curve["true_positive_rate"]) <= 200
    assert (curve["false_positive_rate"][0], curve["true_positive_rate"][-1]) == (0.0, 1.0)
    rows = {row["name"]: row for row in chart["report"]}
    assert rows["macro average"]["auc"] == pytest.approx(result["AUC_macro"])
    assert rows["micro average"]["f1"] == pytest.approx(result["f1_score_micro"])
    assert rows["weighted average"]["precision"] == pytest.approx(result["precision_score_weighted"])
    assert rows["cat"]["support"] == int((targets == 0).sum())


def test_multi_label_has_a_small_matrix_per_class() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.9]])
    chart = metrics.charts(
        "image-classification-multilabel", probabilities, np.array([[1, 0], [0, 1]]), classes=["a", "b"]
    )
    assert chart["confusion_matrix"]["raw"] == [[[0, 1], [0, 1]], [[1, 0], [0, 1]]]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"probabilities \(images, 3\)"):
        multi_class(np.ones((4, 2)), np.zeros(4))
    with pytest.raises(ValueError, match=r"targets of shape \(4, 3\)"):
        multi_label(np.ones((4, 3)), np.zeros(4))
