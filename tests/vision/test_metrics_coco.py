"""Our COCO numbers against pycocotools, the reference."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from automl.vision.metrics import coco
from automl.vision.metrics.matching import PairCollector
from tests.vision.detections import make_images


def reference(images: list[tuple[dict[str, Any], dict[str, Any]]], classes: int, kind: str = "bbox") -> Any:
    """pycocotools on the same images: (the twelve numbers, precision, recall)."""
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image, (prediction, target) in enumerate(images):
        for i, box in enumerate(target["boxes"]):
            one = {"id": len(truth) + 1, "image_id": image, "category_id": int(target["labels"][i])}
            one |= {"bbox": _xywh(box), "iscrowd": int(target["is_crowd"][i])}
            one["area"] = one["bbox"][2] * one["bbox"][3]
            if kind == "segm":
                one["segmentation"] = _rle(target["masks"][i])
                one["area"] = float(target["masks"][i].sum())
            truth.append(one)
        for i, box in enumerate(prediction["boxes"]):
            said = {"image_id": image, "category_id": int(prediction["labels"][i])}
            said |= {"bbox": _xywh(box), "score": float(prediction["scores"][i])}
            if kind == "segm":
                said["segmentation"] = _rle(prediction["masks"][i])
                del said["bbox"]
            found.append(said)
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = COCO()
        dataset.dataset = {
            "images": [{"id": i, "width": 64, "height": 64} for i in range(len(images))],
            "categories": [{"id": i, "name": str(i)} for i in range(classes)],
            "annotations": truth,
        }
        dataset.createIndex()
        results = dataset.loadRes(found) if found else COCO()
        if not found:
            results.dataset = {**dataset.dataset, "annotations": []}
            results.createIndex()
        evaluation = COCOeval(dataset, results, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats, evaluation.eval["precision"], evaluation.eval["recall"]


def _xywh(box: Any) -> list[float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return [x1, y1, x2 - x1, y2 - y1]


def _rle(mask: Any) -> Any:
    return masks.encode(np.asfortranarray(mask.astype(np.uint8)))


def ours(images: list[tuple[dict[str, Any], dict[str, Any]]], classes: int, shape: str = "boxes") -> coco.CocoResult:
    collector = PairCollector(classes, shape)
    for prediction, target in images:
        collector.add(prediction, target)
    return coco.evaluate(collector.pairs())


def assert_equal(images: list[tuple[dict[str, Any], dict[str, Any]]], classes: int, shape: str = "boxes") -> None:
    stats, precision, recall = reference(images, classes, "segm" if shape == "masks" else "bbox")
    result = ours(images, classes, shape)
    assert np.allclose(list(result.summary().values()), stats, rtol=0, atol=1e-12)
    for (area, most), points in result.precision.items():
        a, m = list(coco.AREAS).index(area), coco.MAX_DETECTIONS.index(most)
        assert np.allclose(points, precision[:, :, :, a, m], rtol=0, atol=1e-12), (area, most)
        assert np.allclose(result.recall[area, most], recall[:, :, a, m], rtol=0, atol=1e-12), (area, most)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(1, 6),
    classes=st.integers(1, 3),
    objects=st.integers(0, 8),
    detections=st.integers(0, 30),
    grid=st.sampled_from([0.0, 1.0, 8.0]),
)
def test_equals_pycocotools_on_boxes(
    seed: int, images: int, classes: int, objects: int, detections: int, grid: float
) -> None:
    rng = np.random.default_rng(seed)
    assert_equal(
        make_images(rng, images=images, classes=classes, objects=objects, detections=detections, grid=grid), classes
    )


def test_only_the_best_hundred_of_an_image_and_class_count() -> None:
    rng = np.random.default_rng(3)
    assert_equal(make_images(rng, images=3, classes=1, objects=12, detections=260), 1)


def test_images_without_objects_or_without_detections() -> None:
    box = np.array([[10.0, 10.0, 60.0, 70.0]])
    nothing = {"boxes": np.zeros((0, 4)), "scores": np.zeros(0), "labels": np.zeros(0, int)}
    empty = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int), "is_crowd": np.zeros(0, bool)}
    said = {"boxes": box, "scores": np.array([0.9]), "labels": np.array([0])}
    true = {"boxes": box, "labels": np.array([0]), "is_crowd": np.array([False])}
    assert_equal([(said, true), (said, empty), (nothing, true)], 2)
    assert_equal([(nothing, true)], 1)
    assert ours([(said, empty)], 1).summary()["AP"] == -1.0


def test_a_crowd_takes_any_number_of_detections_and_counts_for_nothing() -> None:
    crowd = {"boxes": np.array([[0.0, 0.0, 200.0, 200.0]]), "labels": np.array([0]), "is_crowd": np.array([True])}
    inside = np.array([[10.0, 10.0, 50.0, 50.0], [60.0, 60.0, 120.0, 130.0], [0.0, 0.0, 190.0, 190.0]])
    said = {"boxes": inside, "scores": np.array([0.9, 0.8, 0.7]), "labels": np.zeros(3, int)}
    one = {"boxes": inside[:1], "labels": np.array([0]), "is_crowd": np.array([False])}
    alone = {"boxes": inside[:1], "scores": np.array([0.5]), "labels": np.array([0])}
    assert_equal([(said, crowd), (alone, one)], 1)
    assert ours([(said, crowd), (alone, one)], 1).summary()["AP"] == pytest.approx(1.0)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_equals_pycocotools_on_masks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(3):
        truth = rng.random((int(rng.integers(0, 4)), 64, 64)) < 0.02
        for mask in truth:
            top, left = rng.integers(0, 40, 2)
            mask[top : top + rng.integers(4, 24), left : left + rng.integers(4, 24)] = True
        said = np.concatenate([np.roll(truth, (1, 2), axis=(1, 2)), truth, rng.random((2, 64, 64)) < 0.3])
        prediction = {"boxes": np.zeros((len(said), 4)), "masks": said, "scores": rng.random(len(said)).round(1)}
        target = {"boxes": np.zeros((len(truth), 4)), "masks": truth, "is_crowd": rng.random(len(truth)) < 0.2}
        prediction["labels"], target["labels"] = rng.integers(0, 2, len(said)), rng.integers(0, 2, len(truth))
        made.append((prediction, target))
    assert_equal(made, 2, "masks")


def test_a_label_outside_the_classes_is_refused() -> None:
    box = np.array([[0.0, 0.0, 5.0, 5.0]])
    said = {"boxes": box, "scores": np.array([0.9]), "labels": np.array([3])}
    with pytest.raises(ValueError, match="from 0 to 1, not 3"):
        PairCollector(2).add(said, {"boxes": box, "labels": np.array([0])})
