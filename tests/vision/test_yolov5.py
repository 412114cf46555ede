"""Our yolov5: figures of the four sizes, anchors, who answers for a box, losses, decoding, letterbox."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from automl.vision import models
from automl.vision.models import catalogue, yolov5, yolov5_anchors, yolov5_loss
from automl.vision.models.yolov5_network import Yolov5Network
from automl.vision.requests import Limits

GFLOPS = {"small": 16.5, "medium": 49.0, "large": 109.1, "extra_large": 205.7}
PLAN_5_MILLIONS = {"small": 7.3, "medium": 21.4, "large": 47.0, "extra_large": 87.7}


@pytest.mark.parametrize("size", catalogue.YOLO_SIZES)
def test_parameters_and_operations_are_the_published_ones(size: str) -> None:
    with torch.device("meta"):
        network, older = Yolov5Network(size, 80), Yolov5Network(size, 80, plan=5)
        with FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, 3, 640, 640))
    millions, older_millions = (sum(p.numel() for p in one.parameters()) / 1e6 for one in (network, older))
    assert millions == pytest.approx(catalogue.YOLO_PARAMS_MILLIONS[size], rel=0.01)
    assert older_millions == pytest.approx(PLAN_5_MILLIONS[size], rel=0.01)
    assert counter.get_total_flops() / 1e9 == pytest.approx(GFLOPS[size], rel=0.01)


def test_three_maps_at_strides_8_16_and_32() -> None:
    maps = Yolov5Network("small", 2).eval()(torch.zeros(1, 3, 64, 96))
    assert [tuple(one.shape) for one in maps] == [(1, 3, 8, 12, 7), (1, 3, 4, 6, 7), (1, 3, 2, 3, 7)]


# --- Anchors ---------------------------------------------------------------------------------------------------------


def test_anchors_cover_the_boxes_better_than_the_published_ones() -> None:
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.normal(np.log([0.4, 0.03]), 0.3, (300, 2)))  # long and thin
    anchors = yolov5_anchors.fit_anchors(sizes, 640)
    assert anchors.shape == (9, 2)
    assert list(anchors.prod(axis=1)) == sorted(anchors.prod(axis=1))
    published = yolov5_anchors.fit_anchors([], 640)
    assert published.tolist() == [list(map(float, pair)) for pair in yolov5_anchors.PUBLISHED]
    fitted, before = (yolov5_anchors.best_possible_recall(sizes, one, 640) for one in (anchors, published))
    assert fitted > 0.99
    assert before < 0.8


def test_anchors_follow_the_image_size_and_few_boxes_are_enough() -> None:
    assert yolov5_anchors.fit_anchors([], 320)[0] == pytest.approx([5, 6.5])
    anchors = yolov5_anchors.fit_anchors([[0.5, 0.25]] * 4, 640)
    assert anchors.shape == (9, 2)
    assert [320.0, 160.0] in anchors.round(3).tolist()
    assert np.array_equal(anchors, yolov5_anchors.fit_anchors([[0.5, 0.25]] * 4, 640))


# --- Targets ---------------------------------------------------------------------------------------------------------


def assign_one(box: list[float], anchors: list[list[float]], stride: int = 8, cells: int = 8) -> set[tuple[int, ...]]:
    found = yolov5_loss.assign(
        torch.tensor([box]), torch.tensor([1]), torch.tensor([0]), torch.tensor(anchors), stride, cells, cells
    )
    assert set(found.labels.tolist()) <= {1}
    return set(zip(found.anchor.tolist(), found.row.tolist(), found.column.tolist(), strict=True))


def test_a_box_is_answered_by_its_cell_and_the_two_nearest_neighbours() -> None:
    # Centre (21, 34): cell column 2 (at 0.625 of it, so the right one is near), row 4 (at 0.25, so the upper one).
    assert assign_one([21, 34, 10, 10], [[10, 10]]) == {(0, 4, 2), (0, 4, 3), (0, 3, 2)}


def test_neighbours_outside_the_image_do_not_answer() -> None:
    assert assign_one([1, 1, 10, 10], [[10, 10]]) == {(0, 0, 0)}
    assert assign_one([63.9, 63.9, 10, 10], [[10, 10]]) == {(0, 7, 7)}


def test_only_anchors_of_like_size_answer() -> None:
    anchors = [[10.0, 10.0], [39.0, 10.0], [41.0, 10.0], [2.4, 10.0]]
    assert {anchor for anchor, _row, _column in assign_one([21, 34, 10, 10], anchors)} == {0, 1}


def test_decoding_reaches_what_was_assigned() -> None:
    """Raw numbers of 0 stand for the middle of the cell and the anchor itself."""
    box = yolov5_loss.decode(torch.zeros(1, 4), torch.tensor([[12.0, 30.0]]), torch.tensor([3]), torch.tensor([5]), 8)
    assert box[0].tolist() == pytest.approx([(5 + 0.5) * 8, (3 + 0.5) * 8, 12, 30])
    anchor, row, column = torch.tensor([[12.0, 30.0]]), torch.tensor([3]), torch.tensor([5])
    low, high = (yolov5_loss.decode(torch.full((1, 4), raw), anchor, row, column, 8) for raw in (-50.0, 50.0))
    assert low[0, :2].tolist() == pytest.approx([(5 - 0.5) * 8, (3 - 0.5) * 8])
    assert high[0].tolist() == pytest.approx([(5 + 1.5) * 8, (3 + 1.5) * 8, 48, 120])


def slow_ciou(one: np.ndarray, other: np.ndarray) -> float:
    a, b = ((x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h in (one, other))
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    iou = shared / (one[2] * one[3] + other[2] * other[3] - shared)
    diagonal = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    distance = (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2
    v = 4 / math.pi**2 * (math.atan(other[2] / other[3]) - math.atan(one[2] / one[3])) ** 2
    return iou - distance / diagonal - (v / (1 - iou + v) * v if v else 0.0)


def test_complete_iou_is_the_formula() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.uniform(5, 40, (2, 30, 4))
    found = yolov5_loss.complete_iou(torch.tensor(one), torch.tensor(other)).numpy()
    assert found == pytest.approx([slow_ciou(*pair) for pair in zip(one, other, strict=True)], abs=1e-9)
    assert float(yolov5_loss.complete_iou(torch.tensor(one[:1]), torch.tensor(one[:1]))) == pytest.approx(1.0)


def perfect_maps(box: list[float], label: int, anchors: torch.Tensor, classes: int) -> list[torch.Tensor]:
    """Maps (64 × 64 pixels) that say exactly this one box wherever it is to be said, and nothing elsewhere."""
    maps = []
    for stride, level in zip((8, 16, 32), anchors, strict=True):
        cells = 64 // stride
        raw = torch.full((1, 3, cells, cells, 5 + classes), -12.0)
        centre = torch.tensor([[(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]]])
        found = yolov5_loss.assign(centre, torch.tensor([label]), torch.tensor([0]), level, stride, cells, cells)
        for anchor, row, column in zip(found.anchor, found.row, found.column, strict=True):
            inside = (centre[0, :2] / stride - torch.tensor([column, row]) + 0.5) / 2
            size = (centre[0, 2:] / level[anchor]).sqrt() / 2
            raw[0, anchor, row, column, :4] = torch.logit(torch.cat([inside, size]).clamp(1e-6, 1 - 1e-6))
            raw[0, anchor, row, column, 4] = raw[0, anchor, row, column, 5 + label] = 12.0
        maps.append(raw)
    return maps


def test_a_perfect_answer_has_almost_no_loss_and_is_decoded_to_the_box() -> None:
    model = models.build(
        "yolov5",
        task="image-object-detection",
        num_classes=3,
        settings={"model_size": "small", "image_size": 64},
        box_sizes=[[0.5, 0.4], [0.2, 0.2], [0.1, 0.3]],
    )
    box = [10.0, 20.0, 40.0, 44.0]
    maps = perfect_maps(box, 2, model.anchors, 3)
    target = [{"boxes": torch.tensor([box]), "labels": torch.tensor([2])}]
    losses = yolov5_loss.losses(maps, target, model.anchors)
    assert all(float(value) < 0.01 for value in losses.values())
    moved = [{"boxes": torch.tensor([[14.0, 24.0, 44.0, 48.0]]), "labels": torch.tensor([1])}]
    worse = yolov5_loss.losses(maps, moved, model.anchors)
    assert all(float(worse[name]) > float(losses[name]) + 0.1 for name in losses)
    boxes, scores, labels = yolov5.suppress(model.decode(maps)[0], Limits(0.1, 0.5, 300))
    assert boxes.tolist() == [pytest.approx(box, abs=1e-2)]
    assert (labels.tolist(), scores[0].item()) == ([2], pytest.approx(1.0, abs=1e-3))


# --- Images of any size ----------------------------------------------------------------------------------------------


def test_letterbox_keeps_the_ratio_and_splits_the_padding() -> None:
    image = torch.zeros(3, 40, 80)
    padded, (scale, left, top) = yolov5.letterbox(image, 64)
    assert padded.shape == (3, 64, 64)
    assert (scale, left, top) == (0.8, 0.0, 16.0)
    assert torch.equal(padded[:, 16:48], torch.zeros(3, 32, 64))
    assert torch.allclose(padded[:, :16], torch.tensor(114 / 255))
    assert torch.allclose(padded[:, 48:], torch.tensor(114 / 255))


def test_predictions_come_back_through_the_letterbox() -> None:
    model = models.build(
        "yolov5", task="image-object-detection", num_classes=3, settings={"model_size": "small", "image_size": 64}
    ).eval()
    box = [10.0, 20.0, 40.0, 44.0]  # in the square
    maps = perfect_maps(box, 2, model.anchors, 3)
    model.forward = lambda batch: maps  # type: ignore[method-assign,assignment]
    found = model.predict_step([torch.zeros(3, 40, 80)])[0]  # scale 0.8, 16 pixels above
    assert found["boxes"].tolist() == [pytest.approx([12.5, 5.0, 50.0, 35.0], abs=0.02)]


def test_suppression_is_within_a_class_and_a_score_is_a_product() -> None:
    rows = torch.tensor(
        [
            [20.0, 20, 10, 10, 0.9, 0.9, 0.5],
            [20.0, 20, 10, 10, 0.8, 0.9, 0.0],
            [50.0, 50, 10, 10, 0.3, 0.3, 0.3],
        ]
    )
    boxes, scores, labels = yolov5.suppress(rows, Limits(0.1, 0.5, 300))
    assert list(zip(labels.tolist(), scores.tolist(), strict=True)) == [
        (0, pytest.approx(0.81)),
        (1, pytest.approx(0.45)),
    ]
    assert boxes.tolist() == [[15, 15, 25, 25]] * 2


def test_training_takes_squares_of_other_sizes_as_they_are() -> None:
    model = models.build(
        "yolov5", task="image-object-detection", num_classes=2, settings={"model_size": "small", "image_size": 64}
    )
    seen = []
    model.network.register_forward_pre_hook(lambda _module, inputs: seen.append(tuple(inputs[0].shape[-2:])))
    target = {"boxes": torch.tensor([[5.0, 5.0, 30.0, 30.0]]), "labels": torch.tensor([1])}
    for side in (96, 64, 80):
        model.training_step([torch.rand(3, side, side)] * 2, [target] * 2)
    assert seen == [(96, 96), (64, 64), (64, 64)]
