"""RT-DETR: what only it does. What it shares with all models is in test_models.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from automl.vision import models
from automl.vision.data.images import resize_rule
from automl.vision.export import export
from automl.vision.export.export import _in_order_of
from automl.vision.models import squares
from automl.vision.models.base import VisionModel
from automl.vision.predict import Predictor
from automl.vision.requests import Request, Thresholds
from automl.vision.runtime import Runner
from automl.vision.spec import resolve
from automl.vision.tiling import Grid
from automl.vision.train import checkpoints
from tests.vision import exporting
from tests.vision.test_export import SOURCES, assert_same, said_by_runner

TASK = "image-object-detection"
NAME = "rtdetrv2_r18"


@pytest.fixture(scope="module")
def model() -> VisionModel:
    torch.manual_seed(0)
    settings = {"image_size": 64, "box_score_threshold": 0.0}
    return models.build(NAME, task=TASK, num_classes=3, settings=settings).eval()


def test_the_square_is_a_multiple_of_32_and_of_some_size(model: VisionModel) -> None:
    assert squares.side_of({"image_size": 65}) == 96
    assert squares.side_of({}) == 640
    with pytest.raises(ValueError, match="image_size is at least 64, not 32"):
        squares.side_of({"image_size": 32})
    network: Any = model.network
    assert network.config.num_queries == 8 * 8 + 4 * 4 + 2 * 2, "no more questions than there are places"


def test_an_answer_does_not_depend_on_what_else_is_asked(model: VisionModel) -> None:
    images = [torch.rand(3, 48, 64), torch.rand(3, 90, 30)]
    together = model.predict_step(images)
    for image, one in zip(images, together, strict=True):
        alone = model.predict_step([image])[0]
        assert torch.allclose(alone["scores"], one["scores"], atol=1e-5)


def test_boxes_survive_the_way_into_the_network_and_back() -> None:
    boxes = torch.tensor([[3.0, 4.0, 20.0, 44.0], [0.0, 0.0, 64.0, 48.0]])
    assert torch.allclose(squares.absolute(squares.relative(boxes, 48, 64), 48, 64), boxes, atol=1e-5)


def test_a_query_may_stand_for_two_classes_and_never_more_than_all_queries_answer() -> None:
    scores = torch.tensor([[0.9, 0.8], [0.1, 0.2]])
    query, label, values = squares.best(scores, 0.15)
    assert (query.tolist(), label.tolist()) == ([0, 0], [0, 1])
    assert values.tolist() == pytest.approx([0.9, 0.8])


def test_suppression_is_for_who_asks_and_within_a_class() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 9.5]])
    scores, labels = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 0, 1])
    assert squares.apart(boxes, scores, labels, 1.0).tolist() == [0, 1, 2]
    assert squares.apart(boxes, scores, labels, 0.5).tolist() == [0, 2]


def test_a_batch_without_objects_teaches_that_there_is_nothing(model: VisionModel) -> None:
    model.train()
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    losses = model.training_step([torch.rand(3, 48, 64)], [nothing])
    total = torch.stack(list(losses.values())).sum()
    total.backward()
    model.eval()
    assert float(total.detach()) > 0
    model.zero_grad(set_to_none=True)


def test_bf16_around_it_leaves_boxes_exact(model: VisionModel) -> None:
    image = [torch.rand(3, 64, 64)]
    with torch.autocast("cpu", torch.bfloat16):
        found = model.predict_step(image)[0]
    assert found["boxes"].dtype == torch.float32
    shares = found["boxes"] / 64
    assert not torch.equal(shares, shares.to(torch.bfloat16).float())


def test_images_are_kept_large_enough_for_the_square() -> None:
    """yolov5 keeps the ratio inside its square, RT-DETR does not: there the shorter side fills it."""
    settings = resolve(TASK, NAME, {"image_size": 100, "tile_grid_size": "2x1"}).effective
    assert settings["image_size"] == 128
    assert resize_rule(TASK, settings).size(1000, 500) == (512, 256)
    assert resize_rule(TASK, resolve(TASK, "yolov5", {"image_size": 128}).effective).size(1000, 500) == (128, 64)


def test_classes_are_carried_over_with_the_row_of_no_class(model: VisionModel) -> None:
    rows = model.class_rows()
    name = "network.model.denoising_class_embed.weight"
    given = model.state_dict()[name].clone()
    given[-1] = 7.0
    fresh = torch.zeros(5, given.shape[1])
    merged: Tensor = checkpoints._merged(fresh, given, rows[name], ["a", "b", "c"], ["c", "d", "a", "e"])
    assert torch.equal(merged[0], given[2])
    assert torch.equal(merged[2], given[0])
    assert torch.equal(merged[4], given[3])
    assert not merged[[1, 3]].any()


# --- As a graph ------------------------------------------------------------------------------------------------------


def test_numbers_of_queries_are_compared_in_any_order_and_rows_stay_together() -> None:
    random = np.random.default_rng(0)
    logits, boxes = random.random((2, 5, 3), np.float32), random.random((2, 5, 4), np.float32)
    order = np.array([3, 0, 4, 1, 2])
    given = {"logits": logits[:, order].copy(), "boxes": boxes[:, order].copy()}
    given["boxes"][1, 2] += 0.01  # torch's last row
    found = _in_order_of([logits, boxes], given, ["logits", "boxes"])
    assert np.array_equal(found["logits"], logits)
    assert np.abs(found["boxes"] - boxes).max(axis=(0, 2)) == pytest.approx([0, 0, 0, 0, 0.01], abs=1e-6)


@pytest.mark.long
def test_the_runtime_says_what_torch_says(tmp_path: Path) -> None:
    made, settings = exporting.make(NAME)
    written = export(made, exporting.CLASSES, settings, tmp_path)
    assert written.largest < 1e-3
    runner = Runner.open(tmp_path)
    predictor = Predictor(made, exporting.CLASSES, settings)
    thresholds = Thresholds(box_score=0.55, nms_iou=0.4, detections_per_image=7)
    for request in (Request(), Request(thresholds), Request(thresholds, Grid(2, 1, 0.1, 0.4))):
        wanted = [answer for _source, answer in predictor(SOURCES, request)]  # type: ignore[misc]
        assert assert_same(said_by_runner(runner, SOURCES, request), wanted) > 5
    pixels = torch.rand(1, 3, 128, 128)
    given, torchs = runner.outputs(pixels.numpy()), made.predict_step(pixels)[0]
    assert set(given) == {"boxes_0", "scores_0", "labels_0"}
    assert given["scores_0"] == pytest.approx(np.asarray(torchs["scores"]), abs=1e-4)
