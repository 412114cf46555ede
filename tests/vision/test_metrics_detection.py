"""VOC average precision, what is reported for detection and segmentation, and its intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from automl.vision import metrics
from automl.vision.metrics import detection, voc
from automl.vision.metrics.bootstrap import interval
from tests.vision.detections import make_images

DETECTION = "image-object-detection"
BOX = [0.0, 0.0, 10.0, 10.0]
FAR = [50.0, 50.0, 60.0, 60.0]


def said(*boxes: tuple[list[float], float, int]) -> dict[str, Any]:
    return {
        "boxes": np.array([box for box, _score, _label in boxes]).reshape(-1, 4),
        "scores": np.array([score for _box, score, _label in boxes]),
        "labels": np.array([label for _box, _score, label in boxes], dtype=int),
    }


def true(*boxes: tuple[list[float], int], crowd: tuple[int, ...] = ()) -> dict[str, Any]:
    return {
        "boxes": np.array([box for box, _label in boxes]).reshape(-1, 4),
        "labels": np.array([label for _box, label in boxes], dtype=int),
        "is_crowd": np.array([i in crowd for i in range(len(boxes))], dtype=bool),
    }


def numbers(images: list[tuple[Any, Any]], classes: list[str], **settings: Any) -> dict[str, Any]:
    predictions, targets = zip(*images, strict=True)
    return metrics.evaluate(DETECTION, predictions, targets, classes=classes, settings=settings)


def slow_ap(images: list[tuple[Any, Any]], label: int, threshold: float) -> float:
    """VOC's rule written out, one detection after the other."""
    free = [[True] * len(target["boxes"]) for _said, target in images]
    detections = sorted(
        (
            (-score, image, i)
            for image, (one, _target) in enumerate(images)
            for i, score in enumerate(one["scores"])
            if one["labels"][i] == label
        )
    )
    outcomes = []
    for _score, image, i in detections:
        prediction, target = images[image]
        best, best_iou = -1, 0.0
        for g, box in enumerate(target["boxes"]):
            overlap = slow_iou(prediction["boxes"][i], box)
            if target["labels"][g] == label and overlap > best_iou:
                best, best_iou = g, overlap
        if best_iou < threshold:
            outcomes.append(False)
        elif not target["is_crowd"][best]:
            outcomes.append(free[image][best])
            free[image][best] = False
    total = sum(int(((t["labels"] == label) & ~t["is_crowd"]).sum()) for _said, t in images)
    if total == 0:
        return float("nan")
    points = [(sum(outcomes[: n + 1]) / total, sum(outcomes[: n + 1]) / (n + 1)) for n in range(len(outcomes))]
    area, before = 0.0, 0.0
    for n, (recall, _precision) in enumerate(points):
        area += (recall - before) * max(precision for _recall, precision in points[n:])
        before = recall
    return area


def slow_iou(one: Any, other: Any) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(wide * high / (areas[0] + areas[1] - wide * high))


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_is_the_rule_written_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = make_images(rng, images=6, classes=3, objects=6, detections=25)
    pairs = detection.collect(*zip(*images, strict=True), classes=3, shape="boxes")
    found = voc.evaluate(pairs, 0.4).average_precisions()
    assert found == pytest.approx([slow_ap(images, label, 0.4) for label in range(3)], abs=1e-12, nan_ok=True)


def test_a_hand_made_case() -> None:
    """Right, wrong, right of two objects: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1."""
    images = [(said((BOX, 0.9, 0), ([20.0, 20, 30, 30], 0.8, 0), (FAR, 0.7, 0)), true((BOX, 0), (FAR, 0)))]
    result = numbers(images, ["cat"])
    assert result["mean_average_precision"] == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert result["precision"] == pytest.approx(2 / 3)
    assert result["recall"] == 1.0
    assert result["per_label_metrics"][0]["detections"] == 3


def test_a_second_detection_of_the_same_object_is_wrong() -> None:
    result = numbers([(said((BOX, 0.9, 0), (BOX, 0.8, 0)), true((BOX, 0)))], ["cat"])
    assert result["mean_average_precision"] == 1.0  # the curve ended before it
    assert result["precision"] == 0.5


def test_a_crowd_is_neither_to_be_found_nor_wrong_to_find() -> None:
    images = [(said((BOX, 0.9, 0), (FAR, 0.8, 0)), true((BOX, 0), (FAR, 0), crowd=(0,)))]
    assert numbers(images, ["cat"])["mean_average_precision"] == 1.0
    assert numbers(images, ["cat"])["per_label_metrics"][0]["objects"] == 1


def test_a_class_without_objects_does_not_count() -> None:
    images = [(said((BOX, 0.9, 0), (FAR, 0.9, 1)), true((BOX, 0)))]
    result = numbers(images, ["cat", "dog"])
    assert result["mean_average_precision"] == 1.0
    assert result["per_label_metrics"][1]["average_precision"] is None


def test_low_scores_are_dropped_before_evaluation() -> None:
    images = [(said((BOX, 0.2, 0)), true((BOX, 0)))]
    assert numbers(images, ["cat"], box_score_threshold=0.3)["mean_average_precision"] == 0.0
    assert numbers(images, ["cat"], box_score_threshold=0.1)["mean_average_precision"] == 1.0


def test_the_iou_threshold_decides() -> None:
    images = [(said(([0.0, 0, 10, 6], 0.9, 0)), true((BOX, 0)))]
    assert numbers(images, ["cat"], validation_iou_threshold=0.6)["mean_average_precision"] == 1.0
    assert numbers(images, ["cat"], validation_iou_threshold=0.61)["mean_average_precision"] == 0.0


def test_what_each_metric_type_reports() -> None:
    images = [(said((BOX, 0.9, 0)), true((BOX, 0)))]
    assert numbers(images, ["cat"], validation_metric_type="none") == {}
    only_coco = numbers(images, ["cat"], validation_metric_type="coco")
    assert "per_label_metrics" not in only_coco
    assert len([name for name in only_coco if name.startswith("coco_")]) == 12
    both = numbers(images, ["cat"], validation_metric_type="coco_voc")
    assert {"coco_AP", "per_label_metrics", "precision"} <= both.keys()
    assert both["coco_AP_large"] is None  # no object is that large
    with pytest.raises(ValueError, match="one of voc, coco, coco_voc, none"):
        numbers(images, ["cat"], validation_metric_type="pascal")


def test_segmentation_is_measured_on_masks_and_reports_boxes_too() -> None:
    mask = np.zeros((1, 20, 20), bool)
    mask[0, :10, :10] = True
    other = np.zeros_like(mask)
    other[0, :10, :3] = True
    prediction, target = said((BOX, 0.9, 0)) | {"masks": other}, true((BOX, 0)) | {"masks": mask}
    result = metrics.evaluate("image-instance-segmentation", [prediction], [target], classes=["cell"])
    assert result["mean_average_precision"] == 0.0
    assert result["box_mean_average_precision"] == 1.0


def test_the_interval_holds_the_number_and_narrows_with_images() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for count in (10, 160):
        images = make_images(rng, images=count, classes=1, objects=5, detections=10)
        result = numbers(images, ["cat"])
        low, high = result["mean_average_precision_interval"]
        assert low <= result["mean_average_precision"] <= high
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_weights_count_images_as_often_as_they_are_drawn() -> None:
    rng = np.random.default_rng(2)
    images = make_images(rng, images=4, classes=2, objects=5, detections=10)
    times = np.array([2, 0, 1, 3])
    repeated = [images[i] for i, count in enumerate(times) for _ in range(count)]

    def pairs(some: list[tuple[Any, Any]]) -> Any:
        return detection.collect(*zip(*some, strict=True), classes=2, shape="boxes")

    weighted = voc.evaluate(pairs(images)).average_precisions(times)
    # Repeated images stand beside each other there: equal scores alternate, which moves precision a little.
    assert weighted == pytest.approx(voc.evaluate(pairs(repeated)).average_precisions(), abs=0.05)


def test_no_images_have_no_interval() -> None:
    assert interval(0, lambda times: 1.0) is None
    assert interval(3, lambda times: float("nan")) is None


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 predictions do not belong to 1 target"):
        metrics.evaluate(DETECTION, [said(), said()], [true()], classes=["cat"])


def test_chart_data_has_a_curve_per_class_with_objects() -> None:
    images = [(said((BOX, 0.9, 0)), true((BOX, 0)))]
    curves = metrics.charts(DETECTION, *zip(*images, strict=True), classes=["cat", "dog"])["precision_recall"]
    assert curves == [{"name": "cat", "recall": [1.0], "precision": [1.0]}]
