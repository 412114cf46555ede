"""From a picture with known truth to the file and back: what pycocotools reads lies on the painted pixels."""

import io
import json

import numpy as np
import pytest
from PIL import Image, ImageOps
from pycocotools.coco import COCO

from annotations.formats import (
    FORMATS,
    ExportedAnnotation,
    ExportedClass,
    ExportedImage,
    ExportOptions,
    FidelityReport,
    Task,
)
from annotations.geometry import geometry_from_json
from projects.samples import CLASSES, generate


@pytest.fixture(params=[Task.BOX, Task.POLYGON])
def exported(request, tmp_path):
    """Twelve sample pictures, two of them stored turned, and their COCO file loaded from disk."""
    names = CLASSES[request.param]
    samples = list(generate(request.param, 12, seed=9))
    ids = iter(range(1, 1000))
    images = (
        ExportedImage(
            number,
            sample.name,
            "store",
            sample.width,
            sample.height,
            annotations=[
                ExportedAnnotation(next(ids), names.index(name) + 1, name, geometry_from_json(geometry))
                for name, geometry in sample.truth
            ],
        )
        for number, sample in enumerate(samples, 1)
    )
    path = tmp_path / "coco.json"
    with path.open("wb") as out:
        counts = FORMATS["coco"].write(
            images,
            classes=[ExportedClass(number, name) for number, name in enumerate(names, 1)],
            task=request.param,
            options=ExportOptions(),
            out=out,
            report=FidelityReport(io.BytesIO()),
        )
    assert counts.images == 12 == len(json.loads(path.read_text())["images"])
    assert counts.annotations == sum(len(sample.truth) for sample in samples)
    return request.param, samples, COCO(path)


def test_boxes_and_masks_lie_on_the_objects_also_in_turned_files(exported):
    task, samples, coco = exported
    turned = 0
    for number, sample in enumerate(samples, 1):
        stored = Image.open(io.BytesIO(sample.bytes))
        turned += stored.getexif().get(0x0112, 1) != 1
        pixels = np.asarray(ImageOps.exif_transpose(stored)).astype(int)
        painted = pixels.max(axis=-1) - pixels.min(axis=-1) > 100
        claimed = np.zeros_like(painted)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=[number])):
            if task is Task.POLYGON:
                mask = coco.annToMask(annotation).astype(bool)
                assert mask.sum() == pytest.approx(annotation["area"], rel=0.05)
                assert (mask & painted).sum() / mask.sum() > 0.9
            else:
                x, y, width, height = (round(value) for value in annotation["bbox"])
                mask = np.zeros_like(painted)
                mask[y : y + height, x : x + width] = True
                assert (mask & painted).sum() / mask.sum() > 0.25
            claimed |= mask
        # Nothing painted was left out.
        assert (painted & ~claimed).sum() <= 0.05 * max(painted.sum(), 1)
    assert turned == 2
