"""The made-up data sets: the truth lies where the shapes were painted, and nothing depends on chance."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from annotations.geometry import geometry_from_json
from projects.samples import CLASSES, INSTRUCTIONS, generate


def seen(sample):
    """The pixels as a person sees them."""
    with Image.open(io.BytesIO(sample.bytes)) as image:
        assert image.format == "JPEG"
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB")).astype(int)


def orientation(sample):
    with Image.open(io.BytesIO(sample.bytes)) as image:
        return image.getexif().get(0x0112, 1)


def saturation(pixels):
    return pixels.max(axis=-1) - pixels.min(axis=-1)


def test_every_task_type_of_the_site_has_a_sample():
    from projects.models import TaskType

    assert set(CLASSES) == set(INSTRUCTIONS) == set(TaskType.values)


@pytest.mark.parametrize("task_type", CLASSES)
def test_the_same_seed_gives_the_same_files_and_another_seed_others(task_type):
    first = list(generate(task_type, 6, seed=3))
    assert first == list(generate(task_type, 6, seed=3))
    assert first[:4] == list(generate(task_type, 4, seed=3))
    assert [s.bytes for s in first] != [s.bytes for s in generate(task_type, 6, seed=4)]
    assert len({s.name for s in first}) == 6


@pytest.mark.parametrize("task_type", CLASSES)
def test_sizes_and_truth_are_those_of_the_image_as_seen(task_type):
    samples = list(generate(task_type, 24, seed=1))
    for sample in samples:
        assert seen(sample).shape == (sample.height, sample.width, 3)
        for name, geometry in sample.truth:
            assert name in CLASSES[task_type]
            if geometry is None:
                assert task_type in {"multi_class", "multi_label"}
                continue
            shape = geometry_from_json(geometry)
            assert shape.clip(sample.width, sample.height) == shape
    assert {(s.width, s.height) for s in samples} == {(640, 480), (480, 640)}
    turned = [orientation(sample) for sample in samples if orientation(sample) != 1]
    assert len(turned) == len(set(turned)) == 4


def test_classes_are_balanced_and_images_without_objects_occur():
    names = [sample.truth[0][0] for sample in generate("multi_class", 8, seed=5)]
    assert all(names.count(name) == 2 for name in CLASSES["multi_class"])
    labels = [[name for name, _ in sample.truth] for sample in generate("multi_label", 12, seed=5)]
    assert all(len(set(row)) == len(row) >= 1 for row in labels)
    assert len({len(row) for row in labels}) > 1
    empty = [sample for sample in generate("object_detection", 24, seed=5) if not sample.truth]
    assert len(empty) == 2


@pytest.mark.parametrize("seed", [1, 2])
def test_polygons_cover_exactly_the_painted_pixels(seed):
    """Painted means saturated: the backgrounds are pale. Holes are background."""
    seen_rings = 0
    for sample in generate("instance_segmentation", 10, seed):
        painted = saturation(seen(sample)) > 100
        claimed = np.zeros(painted.shape, dtype=bool)
        for name, geometry in sample.truth:
            shape = geometry_from_json(geometry)
            mask = shape.columns(left=0, top=0, columns=sample.width, rows=sample.height).T
            assert shape.has_holes == (name == "ring")
            seen_rings += name == "ring"
            assert (painted & mask).sum() / mask.sum() > 0.9
            claimed |= mask
        if claimed.any():
            assert (painted & claimed).sum() / (painted | claimed).sum() > 0.93
    assert seen_rings


def test_boxes_touch_the_painted_pixels_on_all_four_sides():
    for sample in generate("object_detection", 18, seed=7):
        painted = saturation(seen(sample)) > 100
        for _, geometry in sample.truth:
            box = geometry_from_json(geometry)
            left, top, right, bottom = (round(v) for v in (box.x, box.y, box.right, box.bottom))
            rows = np.flatnonzero(painted[top - 5 : bottom + 5, left - 5 : right + 5].any(axis=1)) + top - 5
            columns = np.flatnonzero(painted[top - 5 : bottom + 5, left - 5 : right + 5].any(axis=0)) + left - 5
            # Sharp corners fade out over a few pixels; the next shape is 10 away.
            found = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            assert np.abs(found - (left, top, right, bottom)).max() <= 4


def test_an_unknown_task_type_is_refused():
    with pytest.raises(ValueError, match="text is not one of"):
        next(generate("text", 1, seed=1))
