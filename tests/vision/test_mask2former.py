"""Mask2Former: what only it does. What it shares with all models is in test_models.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from automl.vision import models
from automl.vision.export import export
from automl.vision.models import mask2former
from automl.vision.models.mask2former import Mask2Former
from automl.vision.predict import Predictor
from automl.vision.requests import Request, Thresholds
from automl.vision.runtime import Runner
from automl.vision.runtime import mask2former as without_torch
from tests.vision import exporting
from tests.vision.test_export import SOURCES, assert_same, said_by_runner

TASK = "image-instance-segmentation"
NAME = "mask2former_swin_t"


def test_boxes_are_drawn_around_masks_and_the_runtime_draws_the_same() -> None:
    masks = torch.zeros(2, 6, 8, dtype=torch.bool)
    masks[0, 1:4, 2:5] = True
    masks[1, 5, 7] = True
    assert mask2former._around(masks).tolist() == [[2, 1, 5, 4], [7, 5, 8, 6]]
    assert without_torch.around(masks.numpy()).tolist() == [[2, 1, 5, 4], [7, 5, 8, 6]]


def test_a_mask_is_as_sure_as_its_own_pixels() -> None:
    masks = torch.tensor([[[4.0, 2.0], [-3.0, -1.0]], [[-1.0, -2.0], [-3.0, -4.0]]])
    wanted = [float(torch.tensor([4.0, 2.0]).sigmoid().mean()), 0.0]
    assert mask2former.certainty(masks).tolist() == pytest.approx(wanted)
    assert without_torch.certainty(masks.numpy()).tolist() == pytest.approx(wanted)


def test_masks_at_the_size_of_the_image_are_torchs() -> None:
    logits = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    ours = without_torch.in_pixels(logits.numpy(), 21, 9) > np.float32(0.5)
    assert np.array_equal(ours, mask2former._in_image(logits, torch.arange(3), (21, 9), 0.5).numpy())


@pytest.mark.long
def test_a_batch_without_objects_teaches_that_there_is_nothing() -> None:
    torch.manual_seed(0)
    model = models.build(NAME, task=TASK, num_classes=2, settings={"image_size": 64})
    assert isinstance(model, Mask2Former)
    nothing = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, 48, 64, dtype=torch.uint8),
    }
    losses = model.training_step([torch.rand(3, 48, 64)], [nothing])
    assert set(losses) == {"loss_mask", "loss_dice", "loss_cross_entropy"}
    torch.stack(list(losses.values())).sum().backward()
    assert float(losses["loss_cross_entropy"].detach()) > 0
    model.eval()
    assert len(model.predict_step([torch.rand(3, 48, 64)], Thresholds(box_score=1.0))[0]["masks"]) == 0


@pytest.mark.long
def test_the_runtime_says_what_torch_says(tmp_path: Path) -> None:
    made, settings = exporting.make(NAME)
    export(made, exporting.CLASSES, settings, tmp_path)
    runner = Runner.open(tmp_path)
    predictor = Predictor(made, exporting.CLASSES, settings)
    thresholds = Thresholds(box_score=0.1, nms_iou=0.4, detections_per_image=7, mask_pixel_score=0.45)
    for request in (Request(), Request(thresholds)):
        wanted = [answer for _source, answer in predictor(SOURCES, request)]  # type: ignore[misc]
        assert assert_same(said_by_runner(runner, SOURCES, request), wanted, allowed=1e-3) > 3
    pixels = torch.rand(1, 3, 128, 128)
    given, torchs = runner.outputs(pixels.numpy()), made.predict_step(pixels)[0]
    assert set(given) == {"boxes_0", "scores_0", "labels_0", "masks_0"}
    assert given["masks_0"].shape == (len(torchs["scores"]), 1, 128, 128)
    assert (given["masks_0"] > 0.5).sum() == pytest.approx(int(torchs["masks"].sum()), rel=0.01)
