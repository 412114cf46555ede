"""COCO files are read back by pycocotools, not by our own idea of them."""

import io
import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest
from pycocotools.coco import COCO

from annotations.formats import ExportedAnnotation, ExportedClass, ExportedImage, ExportOptions, FidelityReport, Task
from annotations.formats.coco import write_coco
from annotations.geometry import Box, Part, Polygon

CLASSES = [ExportedClass(1, "Person"), ExportedClass(2, "Vehicle/Car", "Vehicle")]
PATHS = {one.id: one.path for one in CLASSES}


def circle(x, y, radius, corners=48):
    return tuple(
        (x + radius * math.cos(math.tau * i / corners), y + radius * math.sin(math.tau * i / corners))
        for i in range(corners)
    )


def label(id_, class_id, geometry=None, **more):
    return ExportedAnnotation(id_, class_id, PATHS.get(class_id, "?"), geometry, **more)


def image(id_, *annotations, width=640, height=480, **more):
    return ExportedImage(id_, f"folder/sub/pic{id_}.jpg", "store", width, height, annotations=annotations, **more)


def export(images, task, **options):
    """The parsed file, the counts and the lines of the report."""
    out, report_out = io.BytesIO(), io.BytesIO()
    report = FidelityReport(report_out)
    counts = write_coco(
        iter(images), classes=CLASSES, task=task, options=ExportOptions(**options), out=out, report=report
    )
    report.close()
    return json.loads(out.getvalue()), counts, [json.loads(line) for line in report_out.getvalue().splitlines()]


@pytest.fixture
def read(tmp_path):
    """Writes a parsed file to disk and loads it with pycocotools."""

    def load(data):
        path = tmp_path / "export.json"
        path.write_text(json.dumps(data))
        return COCO(path)

    return load


def test_boxes_are_pixels_and_pycocotools_reads_them(read):
    data, counts, report = export(
        [
            image(1, label(1, 2, Box(10, 10, 30, 60)), label(2, 1, Box(0.5, 0.25, 2, 4), is_crowd=1)),
            image(2),
            image(3, label(7, 1, Box(1, 2, 3, 4), confidence=0.875)),
        ],
        Task.BOX,
    )
    coco = read(data)
    assert (counts.images, counts.annotations) == (3, 3) == (len(coco.imgs), len(coco.anns))
    assert coco.loadImgs([1])[0]["width"] == 640
    assert coco.loadImgs([1])[0]["file_name"] == "folder/sub/pic1.jpg"
    assert coco.loadImgs([1])[0]["coco_url"] == "AmlDatastore://store/folder/sub/pic1.jpg"
    assert data["annotations"][0] == {
        "id": 1,
        "category_id": 2,
        "image_id": 1,
        "area": 1800.0,
        "bbox": [10, 10, 30, 60],
        "segmentation": [],
        "iscrowd": 0,
    }
    assert coco.getAnnIds(imgIds=[1], iscrowd=True) == [2]
    assert coco.getAnnIds(imgIds=[2]) == []
    assert coco.getAnnIds(areaRng=[11, 13]) == [7]
    assert coco.loadAnns([7])[0]["score"] == 0.875
    assert "score" not in coco.loadAnns([1])[0]
    assert [c["name"] for c in coco.loadCats(coco.getCatIds(supNms=["Vehicle"]))] == ["Vehicle/Car"]
    assert report == [{"summary": {}, "total": 0}]


def test_polygon_masks_have_the_areas_that_the_file_says(read):
    two_parts = Polygon((Part(circle(100, 100, 40)), Part(circle(300, 200, 25))))
    data, _, report = export(
        [image(1, label(1, 1, two_parts), label(2, 2, Polygon((Part(circle(500, 300, 90)),))))], Task.POLYGON
    )
    coco = read(data)
    assert [len(ring) for ring in data["annotations"][0]["segmentation"]] == [96, 96]
    for id_, radii in ((1, (40, 25)), (2, (90,))):
        annotation = coco.anns[id_]
        border = sum(math.tau * r for r in radii)
        assert coco.annToMask(annotation).sum() == pytest.approx(annotation["area"], abs=border)
        assert annotation["area"] == pytest.approx(sum(math.pi * r * r for r in radii), rel=0.01)
    assert data["annotations"][0]["bbox"] == pytest.approx([60, 60, 265, 165], abs=0.5)
    assert report[-1]["total"] == 0


def test_holes_become_a_mask_that_pycocotools_decodes_pixel_for_pixel(read):
    ring = Polygon((Part(circle(100, 100, 40), (circle(105, 95, 15),)), Part(circle(300, 200, 25))))
    full_height = Polygon((Part(((5, 0), (9, 0), (9, 480), (5, 480)), (((6.0, 10.0), (8.0, 10.0), (8.0, 20.0)),)),))
    corner = Polygon(
        (Part(((630, 400), (640, 400), (640, 480), (630, 480)), (((632.0, 410.0), (636.0, 410.0), (636.0, 420.0)),)),)
    )
    data, counts, report = export(
        [image(1, label(1, 1, ring), label(2, 2, full_height), label(3, 2, corner))], Task.POLYGON
    )
    coco = read(data)
    assert counts.annotations == 3
    for id_, shape in ((1, ring), (2, full_height), (3, corner)):
        annotation = coco.anns[id_]
        mask = coco.annToMask(annotation)
        truth = shape.columns(left=0, top=0, columns=640, rows=480).T
        assert np.array_equal(mask, truth)
        assert annotation["area"] == mask.sum()
        assert annotation["iscrowd"] == 0
        assert all(run > 0 for run in annotation["segmentation"]["counts"][1:])
    assert coco.anns[1]["area"] == pytest.approx(ring.area, abs=40)
    assert coco.annToMask(coco.anns[1])[95, 105] == 0
    assert [line["code"] for line in report[:-1]] == ["holes_as_mask"] * 3
    assert report[0]["annotation_id"] == 1 and report[0]["image"] == "folder/sub/pic1.jpg"
    assert report[-1] == {"summary": {"holes_as_mask": 3}, "total": 3}


def test_a_mask_over_a_large_image_is_the_same_in_strips(monkeypatch):
    shape = Polygon((Part(circle(2000, 1500, 1200, 200), (circle(2000, 1500, 400),)),))
    pictures = [image(1, label(1, 1, shape), width=4000, height=3000)]
    whole, _, _ = export(pictures, Task.POLYGON)
    monkeypatch.setattr("annotations.formats.shapes._CELLS_AT_ONCE", 10_000)
    assert export(pictures, Task.POLYGON)[0] == whole
    assert sum(whole["annotations"][0]["segmentation"]["counts"]) <= 4000 * 3000


def test_a_shape_with_a_hole_too_small_for_pixels_keeps_its_outline(read):
    speck = Polygon((Part(((3.1, 3.1), (3.3, 3.1), (3.2, 3.3)), (((3.18, 3.15), (3.22, 3.15), (3.2, 3.19)),)),))
    data, _, report = export([image(1, label(1, 1, speck))], Task.POLYGON)
    assert read(data).anns[1]["segmentation"] == [[3.1, 3.1, 3.3, 3.1, 3.2, 3.3]]
    assert report[0]["code"] == "holes_dropped"


def test_an_image_class_is_an_annotation_without_a_box(read):
    data, counts, _ = export([image(1, label(1, 2)), image(2, label(2, 1), label(3, 2)), image(3)], Task.MULTI_LABEL)
    coco = read(data)
    assert data["annotations"][0] == {"id": 1, "category_id": 2, "image_id": 1}
    assert (counts.images, counts.annotations) == (3, 3)
    assert sorted(coco.getImgIds(catIds=[2])) == [1, 2]


def test_normalized_writes_what_the_old_product_wrote(read):
    hole = Part(((0, 0), (64, 0), (64, 48)), (((30.0, 10.0), (40.0, 10.0), (40.0, 14.0)),))
    data, _, report = export(
        [image(1, label(1, 2, Box(10, 10, 30, 60)), label(2, 2, Polygon((hole,)), is_crowd=1))],
        Task.POLYGON,
        normalized=True,
    )
    read(data)
    assert list(data) == ["images", "annotations", "categories"]
    box, polygon = data["annotations"]
    assert box == {
        "id": 1,
        "category_id": 2,
        "image_id": 1,
        "area": 0.0,
        "bbox": [0.015625, 0.02083333, 0.046875, 0.125],
    }
    assert polygon["segmentation"] == [[0, 0, 0.1, 0, 0.1, 0.1]]
    assert (polygon["area"], polygon["iscrowd"]) == (0.0, 1)
    assert data["images"][0]["width"] == 640.0
    assert data["categories"][1] == {"id": 2, "name": "Vehicle/Car"}
    assert [line.get("code") for line in report] == ["holes_dropped", None]


def test_shares_stay_in_the_image_and_need_its_size():
    data, counts, report = export(
        [image(1, label(1, 1, Box(600, -1, 50, 20))), image(2, label(2, 1, Box(1, 1, 5, 5)), width=0, height=0)],
        Task.BOX,
        normalized=True,
    )
    assert data["annotations"][0]["bbox"][1] == 0.0
    assert (counts.images, counts.annotations) == (2, 1)
    assert (report[0]["code"], report[0]["annotation_id"]) == ("size_unknown", 2)


def test_frames_dates_addresses_and_labelers_are_extra_keys():
    moment = datetime(2022, 1, 31, 14, 48, 15, 614109, tzinfo=UTC)
    who = {"labeler": "Bob", "approver": "Alice", "labeled_seconds": 3.14159, "submitted_at": moment}
    pictures = [
        image(4, label(1, 1, Box(1, 1, 2, 2), **who), frame=0, captured_at=moment, absolute_url="https://site.test/a"),
        image(5, label(2, 1, Box(1, 1, 2, 2)), frame=3),
    ]
    plain, _, _ = export(pictures, Task.BOX)
    assert [one["frame"] for one in plain["images"]] == [0, 3]
    assert plain["images"][0]["date_captured"] == "2022-01-31T14:48:15.614109Z"
    assert plain["images"][0]["absolute_url"] == "https://site.test/a"
    assert "labeler" not in plain["annotations"][0]
    detailed, _, _ = export(pictures, Task.BOX, include_labeler_details=True)
    shown = detailed["annotations"][0]
    assert (shown["labeler"], shown["approver"], shown["labeled_seconds"]) == ("Bob", "Alice", 3.14)
    assert shown["submitted_at"] == "2022-01-31T14:48:15.614109Z"
    assert detailed["annotations"][1]["labeled_seconds"] is None


def test_names_in_any_script_survive(read):
    data, _, _ = export([ExportedImage(1, 'Größe/猫 "1".jpg', "store", 10, 10)], Task.BOX)
    assert read(data).imgs[1]["file_name"] == 'Größe/猫 "1".jpg'


def test_an_empty_project_is_a_valid_file(read):
    data, counts, _ = export([], Task.BOX)
    assert (read(data).imgs, counts.images, counts.annotations) == ({}, 0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        image(0, label(1, 1, Box(1, 1, 2, 2))),
        image(1, label(0, 1, Box(1, 1, 2, 2))),
        image(1, label(1, 9, Box(1, 1, 2, 2))),
    ],
)
def test_ids_that_readers_could_not_follow_are_a_mistake_of_the_caller(bad):
    with pytest.raises(ValueError, match=r"pic\d\.jpg"):
        export([bad], Task.BOX)
