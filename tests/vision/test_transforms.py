"""Augmentations: what they do to pixels and to objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from automl.vision.data import crops
from automl.vision.data.samples import Sample, rasterize
from automl.vision.spec import resolve, tasks
from automl.vision.transforms import Pipeline, boxes, classification, colours, objects, yolo


def scene(width: int = 80, height: int = 60) -> Sample:
    """Grey, with a white square at x 20–40, y 10–30."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[10:30, 20:40] = 255
    square = np.array([[20, 10], [40, 10], [40, 30], [20, 30]], np.float32)
    return Sample(
        image,
        (height, width),
        boxes=np.array([[20, 10, 40, 30]], np.float32),
        labels=np.array([1]),
        crowd=np.array([False]),
        polygons=[[square]],
    )


def white(sample: Sample) -> list[int]:
    """The box around what is white: where the object really went."""
    ys, xs = np.nonzero(sample.image[..., 0] > 200)
    return [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]


def test_mirror_moves_objects_with_the_pixels() -> None:
    mirrored = boxes.mirror(scene())
    assert white(mirrored) == mirrored.boxes[0].tolist() == [40, 10, 60, 30]
    assert mirrored.polygons is not None
    assert sorted(mirrored.polygons[0][0][:, 0].tolist()) == [40, 40, 60, 60]


def test_crop_clips_objects_and_drops_what_is_mostly_gone() -> None:
    part = boxes.crop(scene(), 25, 5, 40, 40)
    assert white(part) == part.boxes[0].tolist() == [0, 5, 15, 25]
    assert len(boxes.crop(scene(), 38, 5, 40, 40).boxes) == 0


@pytest.mark.parametrize("seed", range(12))
def test_expand_and_random_crop_keep_boxes_on_their_objects(seed: int) -> None:
    random = np.random.default_rng(seed)
    for changed in (boxes.expand(scene(), random), boxes.random_crop(scene(), random), boxes.augment(scene(), random)):
        assert len(changed.boxes) == 1
        assert white(changed) == changed.boxes[0].tolist()


@pytest.mark.parametrize("seed", range(12))
def test_yolo_geometry_keeps_boxes_on_their_objects(seed: int) -> None:
    random = np.random.default_rng(seed)
    for changed in (yolo.letterbox(scene(), 96), yolo.random_affine(scene(), 96, random)):
        assert changed.image.shape == (96, 96, 3)
        if len(changed.boxes):
            # A turned square's box is the box around its corners; a pixel or two of it are blurred.
            assert np.abs(np.array(white(changed)) - changed.boxes[0]).max() <= 3
    made = yolo.mosaic([scene()] * 4, 96, random)
    assert made.image.shape == (192, 192, 3)
    for box in made.boxes.round().astype(int):
        part = made.image[box[1] : box[3], box[0] : box[2], 0]
        assert (part > 200).mean() > 0.8


def test_letterbox_pads_both_sides_with_114() -> None:
    fitted = yolo.letterbox(scene(80, 60), 160)
    assert fitted.image[0, 0].tolist() == fitted.image[-1, -1].tolist() == [114, 114, 114]
    assert fitted.image[20, 0].tolist() != [114, 114, 114]
    assert fitted.boxes[0].tolist() == [40, 40, 80, 80]


def test_centre_crop_is_resize_then_crop() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[:, 100:] = 255
    cropped = crops.centre_crop(image, 50, 40)
    assert cropped.shape == (40, 40, 3)
    assert cropped[:, :18].max() == 0
    assert cropped[:, 22:].min() == 255
    # Resized to 50, the image is 50 × 100; a crop of 40 shows 80 of its 100 rows, a crop of 50 all.
    image[:] = 0
    image[:10] = 255
    assert crops.centre_crop(image, 50, 40).max() < 30
    assert crops.centre_crop(image, 50, 50)[:4].min() == 255


def test_random_crops_differ_and_have_their_size() -> None:
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    made = [classification.random_crop(image, 32, np.random.default_rng(seed)) for seed in range(4)]
    assert {each.shape for each in made} == {(32, 32, 3)}
    assert len({each.tobytes() for each in made}) == 4


def test_colours_change_within_bounds_and_grey_stays_grey() -> None:
    batch = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    changed = colours.jitter(batch, torch.Generator().manual_seed(2))
    assert changed.shape == batch.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert (changed - batch).abs().amax((1, 2, 3)).min() > 0.01
    assert torch.equal(changed, colours.jitter(batch, torch.Generator().manual_seed(2)))
    grey = torch.full((4, 3, 2, 2), 0.5)
    turned = colours.jitter(grey, torch.Generator().manual_seed(3))
    assert (turned.amax(1) - turned.amin(1)).max() < 2e-3


def test_masks_and_boxes_belong_together() -> None:
    target = objects(scene(), masks=True)
    assert target["masks"].shape == (1, 60, 80)
    assert target["masks"][0, 10:30, 20:40].float().mean() == 1
    assert int(target["masks"].sum()) == 400
    assert target["boxes"].tolist() == [[20, 10, 40, 30]]
    assert rasterize([], 5, 5).shape == (0, 5, 5)


# --- The switches of B.6.3 -------------------------------------------------------------------------------------------


def prepared(task: str, model: str | None, seed: int = 5, **settings: Any) -> Sample:
    effective = resolve(task, model, settings).effective
    pipeline = Pipeline(task, effective, lambda at: scene(), 4, training=True)
    return pipeline.prepare(0, np.random.default_rng(seed))[1]


@pytest.mark.parametrize(
    ("advanced", "objects_seen", "turned"),
    [
        ({}, True, True),
        ({"apply_mosaic_for_yolo": False}, False, True),
        ({"apply_automl_train_augmentations": False}, True, False),
        ({"apply_mosaic_for_yolo": False, "apply_automl_train_augmentations": False}, False, False),
    ],
)
def test_the_two_switches_of_yolo_are_independent(advanced: dict[str, bool], objects_seen: bool, turned: bool) -> None:
    samples = [
        prepared(tasks.DETECTION, "yolov5", seed, image_size=96, advanced_settings=advanced) for seed in range(6)
    ]
    assert (max(len(sample.boxes) for sample in samples) > 1) == objects_seen  # a mosaic has several objects
    plain = yolo.letterbox(scene(), 96)
    unturned = all(np.array_equal(sample.image, plain.image) for sample in samples)
    if not objects_seen:
        assert unturned == (not turned)
    else:
        sides = {tuple(np.round(sample.boxes[0, 2:] - sample.boxes[0, :2])) for sample in samples if len(sample.boxes)}
        assert (len({round(float(side[0])) for side in sides}) > 3) == turned  # scaled by a random affine or not


def test_the_switch_for_other_detectors() -> None:
    off = {"apply_automl_train_augmentations": False}
    for seed in range(6):
        same = prepared(tasks.DETECTION, "fasterrcnn_resnet18_fpn", seed, advanced_settings=off)
        assert np.array_equal(same.image, scene().image)
    changed = [prepared(tasks.DETECTION, "fasterrcnn_resnet18_fpn", seed).image.shape for seed in range(6)]
    assert len(set(changed)) > 1
