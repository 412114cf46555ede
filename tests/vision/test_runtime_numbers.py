"""What the runtime computes in numpy, against torch and torchvision."""

from __future__ import annotations

from automl.vision import ops  # noqa: F401  # isort: skip  before torchvision

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import batched_nms
from torchvision.ops.poolers import initLevelMapper

from automl.vision.models.yolov5 import letterbox
from automl.vision.runtime import boxes, masks, pixels, sizing
from automl.vision.runtime.rcnn import _levels
from automl.vision.runtime.yolov5 import Yolov5
from automl.vision.suppression import grouped_nms


def some_boxes(count: int, seed: int, side: float = 100) -> np.ndarray:
    random = np.random.default_rng(seed)
    corner = random.uniform(0, side, (count, 2))
    return np.hstack([corner, corner + random.uniform(1, side / 2, (count, 2))]).astype(np.float32)


@pytest.mark.parametrize("sizes", [(20, 30, 20, 30), (20, 30, 47, 61), (50, 41, 23, 17), (7, 90, 31, 12), (1, 1, 5, 3)])
@pytest.mark.parametrize("antialias", [False, True])
def test_resizing_gives_the_numbers_of_torch(sizes: tuple[int, int, int, int], antialias: bool) -> None:
    high, wide, to_high, to_wide = sizes
    image = np.random.default_rng(0).random((high, wide, 3)).astype(np.float32)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    expected = F.interpolate(tensor, size=(to_high, to_wide), mode="bilinear", antialias=antialias)[0]
    ours = pixels.resized(image, to_high, to_wide, antialias=antialias)
    assert ours.dtype == np.float32
    assert np.abs(ours - expected.permute(1, 2, 0).numpy()).max() < 2e-6


@pytest.mark.parametrize(("width", "height"), [(64, 64), (100, 40), (30, 50), (64, 21)])
def test_letterboxes_are_those_of_the_network(width: int, height: int) -> None:
    image = np.random.default_rng(1).random((height, width, 3)).astype(np.float32)
    expected, (scale, left, top) = letterbox(torch.from_numpy(image).permute(2, 0, 1), 64)
    runner = Yolov5.__new__(Yolov5)
    runner.side = 64
    ours, place = runner.letterbox(image)
    assert place == (scale, left, top)
    assert np.abs(ours - expected.permute(1, 2, 0).numpy()).max() < 2e-6


def test_padding_becomes_zero_once_it_is_normalised() -> None:
    facts = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "normalization": "outside"}
    ready = sizing.sized(np.full((40, 50, 3), 200, np.uint8), {"min_size": 40, "max_size": 80}, facts)
    assert ready.image.shape == (64, 64, 3)
    assert (ready.height, ready.width) == (40, 50)
    batch = pixels.stacked([ready.image], facts)
    assert (batch[0, :, 40:] == 0).all()
    assert (batch[0, :, :, 50:] == 0).all()
    assert (batch[0, :, :40, :50] != 0).all()


def test_anchors_are_those_of_torchvision() -> None:
    generator = AnchorGenerator(((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)
    images = ImageList(torch.zeros(1, 3, 608, 416), [(600, 400)])
    maps = [torch.zeros(1, 1, -(-608 // stride), -(-416 // stride)) for stride in (4, 8, 16, 32, 64)]
    expected = generator(images, maps)[0].numpy()
    facts = {"strides": [4, 8, 16, 32, 64], "anchors": [cell.tolist() for cell in generator.cell_anchors]}
    assert np.concatenate(boxes.anchors(608, 416, facts)).tolist() == expected.tolist()


def test_moves_are_decoded_as_by_torchvision() -> None:
    start, random = some_boxes(50, 2), np.random.default_rng(3)
    moves = random.normal(0, 3, (50, 2, 4)).astype(np.float32)
    weights = (10.0, 10.0, 5.0, 5.0)
    coder = BoxCoder(weights)
    expected = coder.decode(torch.from_numpy(moves.reshape(50, 8)), [torch.from_numpy(start)]).numpy()
    assert boxes.decode(moves, start, weights) == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_suppression_within_groups_is_that_of_torchvision() -> None:
    for seed in range(20):
        found, random = some_boxes(80, seed), np.random.default_rng(seed)
        scores, groups = random.random(80).astype(np.float32), random.integers(0, 4, 80)
        expected = batched_nms(torch.from_numpy(found), torch.from_numpy(scores), torch.from_numpy(groups), 0.4)
        assert grouped_nms(found, scores, groups, 0.4).tolist() == expected.tolist()
    none = np.zeros(0, np.float32)
    assert grouped_nms(none.reshape(0, 4), none, none.astype(np.int64), 0.5).shape == (0,)


def test_masks_are_put_where_torchvision_puts_them() -> None:
    found = np.vstack([some_boxes(12, 4, 60), [[-3, -4, 9.5, 12], [50, 40, 90, 80], [10, 10, 10, 10]]])
    found = found.astype(np.float32)
    small = np.random.default_rng(5).random((len(found), 28, 28)).astype(np.float32)
    expected = paste_masks_in_image(torch.from_numpy(small)[:, None], torch.from_numpy(found), (60, 70))[:, 0].numpy()
    assert np.abs(masks.pasted(small, found, 60, 70) - expected).max() < 1e-5
    assert masks.pasted(small[:0], found[:0], 60, 70).shape == (0, 60, 70)


def test_regions_are_cut_from_the_level_that_torchvision_takes() -> None:
    found = some_boxes(300, 6, 900)
    expected = initLevelMapper(2, 5)([torch.from_numpy(found)]).numpy()
    assert _levels(found).tolist() == expected.tolist()
    assert len(set(expected.tolist())) > 2
    assert _levels(np.array([[5, 5, 5, 9]], np.float32)).tolist() == [0]


def test_sigmoid_and_softmax_do_not_overflow() -> None:
    values = np.array([-1e4, -3, 0, 3, 1e4], np.float32)
    assert boxes.sigmoid(values) == pytest.approx(torch.from_numpy(values).sigmoid().numpy(), abs=1e-7)
    assert boxes.softmax(values) == pytest.approx(torch.from_numpy(values).softmax(0).numpy(), abs=1e-7)
