"""JSON lines and CSV: the columns as decided, read back with plain json and csv."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from annotations.formats import (
    FORMATS,
    ExportedAnnotation,
    ExportedClass,
    ExportedImage,
    ExportOptions,
    FidelityReport,
    Task,
    export_key,
)
from annotations.geometry import Box, Part, Polygon

CLASSES = [ExportedClass(1, "cat"), ExportedClass(2, "Pet/dog"), ExportedClass(3, "=1+1"), ExportedClass(4, "a;b")]
TRIANGLE = ((0.0, 0.0), (64.0, 0.0), (64.0, 48.0))
HOLE = ((30.0, 10.0), (40.0, 10.0), (40.0, 14.0))


def label(id_, class_id, geometry=None, **more):
    return ExportedAnnotation(id_, class_id, CLASSES[class_id - 1].path, geometry, **more)


def image(id_, *annotations, **more):
    size = {"width": 640, "height": 480} | more
    return ExportedImage(id_, f"a/{id_}.jpg", "store", annotations=annotations, **size)


def export(format_name, images, task, classes=None, **options):
    out, report_out = io.BytesIO(), io.BytesIO()
    report = FidelityReport(report_out)
    counts = FORMATS[format_name].write(
        iter(images),
        classes=classes or CLASSES[:2],
        task=task,
        options=ExportOptions(**options),
        out=out,
        report=report,
    )
    assert not out.closed
    report.close()
    codes = [json.loads(line).get("code") for line in report_out.getvalue().splitlines()[:-1]]
    return out.getvalue().decode(), (counts.images, counts.annotations), codes


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def rows(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_task_values_are_those_of_projects():
    from projects.models import TaskType

    assert {task.value for task in Task} == set(TaskType.values)


def test_jsonl_multi_class_is_a_string():
    text, counts, codes = export(
        "jsonl", [image(1, label(1, 2)), image(2, label(2, 1), label(3, 2)), image(3)], Task.MULTI_CLASS
    )
    assert lines(text) == [
        {
            "image_url": "AmlDatastore://store/a/1.jpg",
            "label": "Pet/dog",
            "label_confidence": 1.0,
            "image_width": 640,
            "image_height": 480,
        },
        {
            "image_url": "AmlDatastore://store/a/2.jpg",
            "label": "cat",
            "label_confidence": 1.0,
            "image_width": 640,
            "image_height": 480,
        },
    ]
    assert counts == (2, 2)
    assert codes == ["several_classes", "no_class"]


def test_jsonl_multi_label_is_a_list_even_when_empty():
    text, counts, codes = export(
        "jsonl", [image(1, label(1, 2), label(2, 1, confidence=0.5)), image(2)], Task.MULTI_LABEL
    )
    first, second = lines(text)
    assert (first["label"], first["label_confidence"]) == (["Pet/dog", "cat"], [1.0, 0.5])
    assert (second["label"], second["label_confidence"]) == ([], [])
    assert (counts, codes) == ((2, 2), [])


def test_jsonl_boxes_are_shares_of_the_image():
    text, counts, codes = export(
        "jsonl",
        [image(1, label(1, 2, Box(10, 10, 30, 60)), label(2, 1, Box(320, 240, 320, 240), is_crowd=1)), image(2)],
        Task.BOX,
    )
    first, second = lines(text)
    assert first["label"] == [
        {
            "label": "Pet/dog",
            "topX": 0.015625,
            "topY": 0.02083333,
            "bottomX": 0.0625,
            "bottomY": 0.14583333,
            "isCrowd": 0,
        },
        {"label": "cat", "topX": 0.5, "topY": 0.5, "bottomX": 1.0, "bottomY": 1.0, "isCrowd": 1},
    ]
    assert first["label_confidence"] == [1.0, 1.0]
    assert (second["label"], counts, codes) == ([], (2, 2), [])


def test_jsonl_polygons_have_a_list_for_each_part_and_lose_holes_aloud():
    two = Polygon((Part(TRIANGLE), Part(((320.0, 240.0), (640.0, 240.0), (640.0, 480.0)))))
    text, _, codes = export(
        "jsonl",
        [image(1, label(1, 1, two), label(2, 1, Polygon((Part(TRIANGLE, (HOLE,)),))), label(3, 1, Box(0, 0, 64, 48)))],
        Task.POLYGON,
    )
    labels = lines(text)[0]["label"]
    assert labels[0]["polygon"] == [[0, 0, 0.1, 0, 0.1, 0.1], [0.5, 0.5, 1, 0.5, 1, 1]]
    assert labels[1]["polygon"] == [[0, 0, 0.1, 0, 0.1, 0.1]]
    assert labels[2]["polygon"] == [[0, 0, 0.1, 0, 0.1, 0.1, 0, 0.1]]
    assert codes == ["holes_dropped"]


def test_jsonl_frames_and_labelers():
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    who = label(1, 1, labeler="Bob", approver="Alice", labeled_seconds=2.0, submitted_at=at)
    (row,) = lines(export("jsonl", [image(1, who, frame=2)], Task.MULTI_CLASS, include_labeler_details=True)[0])
    assert (row["frame"], row["labeler"], row["submitted_at"]) == (2, "Bob", "2026-01-02T03:04:05Z")
    (row,) = lines(export("jsonl", [image(1, who, frame=2)], Task.MULTI_LABEL, include_labeler_details=True)[0])
    assert (row["labeler"], row["labeled_seconds"]) == (["Bob"], [2.0])


@pytest.mark.parametrize("format_name", ["jsonl", "csv", "coco"])
def test_what_cannot_be_written_is_left_out_and_named(format_name):
    _, counts, codes = export(
        format_name,
        [image(1, label(1, 1)), image(2, label(2, 1, Box(1, 1, 5, 5)), width=0, height=0)],
        Task.BOX,
        normalized=True,
    )
    assert counts[1] == 0
    assert codes == ["no_shape", "size_unknown"]


@pytest.mark.parametrize("format_name", ["jsonl", "csv"])
def test_an_outline_in_a_table_of_boxes_becomes_its_box_aloud(format_name):
    text, counts, codes = export(format_name, [image(1, label(1, 1, Polygon((Part(TRIANGLE),))))], Task.BOX)
    assert (counts, codes) == ((1, 1), ["polygon_as_box"])
    assert "0.1" in text if format_name == "jsonl" else "64.0,48.0" in text


def test_csv_columns_are_as_decided():
    def head(task, **options):
        return export("csv", [], task, **options)[0].splitlines()[0]

    assert head(Task.MULTI_CLASS) == head(Task.MULTI_LABEL) == "image_url,label,label_confidence"
    boxes = "image_url,label,topX,topY,bottomX,bottomY,isCrowd,label_confidence"
    assert head(Task.BOX) == boxes
    assert head(Task.POLYGON) == boxes + ",polygon"
    assert head(Task.BOX, frames=True, include_labeler_details=True) == (
        boxes + ",frame,labeler,approver,labeled_seconds,submitted_at"
    )


def test_csv_has_one_row_for_an_image_in_classification():
    text, counts, codes = export(
        "csv", [image(1, label(1, 2), label(2, 1, confidence=0.5)), image(2), image(3, label(3, 1))], Task.MULTI_LABEL
    )
    assert [(row["label"], row["label_confidence"]) for row in rows(text)] == [
        ("Pet/dog;cat", "1.0;0.5"),
        ("", ""),
        ("cat", "1.0"),
    ]
    assert (counts, codes) == ((3, 3), [])


def test_csv_has_one_row_for_an_object_in_pixels_or_shares():
    small, large = Box(10.0, 10.0, 30.0, 60.0), Box(320.0, 240.0, 320.0, 240.0)
    pictures = [image(1, label(1, 1, small), label(2, 2, large, is_crowd=1)), image(2)]
    text, counts, codes = export("csv", pictures, Task.BOX)
    assert [list(row.values())[1:] for row in rows(text)] == [
        ["cat", "10.0", "10.0", "40.0", "70.0", "0", "1.0"],
        ["Pet/dog", "320.0", "240.0", "640.0", "480.0", "1", "1.0"],
    ]
    assert (counts, codes) == ((1, 2), ["no_objects"])
    shares = rows(export("csv", pictures, Task.BOX, normalized=True)[0])
    assert (shares[0]["topX"], shares[1]["bottomY"]) == ("0.015625", "1.0")


def test_csv_polygons_are_json_beside_their_box():
    two = Polygon((Part(TRIANGLE), Part(((320.0, 240.0), (640.0, 240.0), (640.0, 480.0)), ())))
    (row,) = rows(export("csv", [image(1, label(1, 1, two))], Task.POLYGON)[0])
    assert json.loads(row["polygon"]) == [[0, 0, 64, 0, 64, 48], [320, 240, 640, 240, 640, 480]]
    assert (float(row["topX"]), float(row["bottomX"])) == (0, 640)


def test_csv_frames_have_a_column_or_are_reported():
    pictures = [image(1, label(1, 1, Box(1, 1, 2, 2)), frame=4), image(2, label(2, 1, Box(1, 1, 2, 2)))]
    text, _, codes = export("csv", pictures, Task.BOX, frames=True)
    assert ([row["frame"] for row in rows(text)], codes) == (["4", ""], [])
    assert export("csv", pictures, Task.BOX)[2] == ["frame"]


def test_csv_labelers_appear_once_for_an_image():
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    who = {"labeler": "Bob", "labeled_seconds": 2.5, "submitted_at": at}
    text, _, _ = export(
        "csv", [image(1, label(1, 1, **who), label(2, 2, **who))], Task.MULTI_LABEL, include_labeler_details=True
    )
    (row,) = rows(text)
    assert (row["labeler"], row["labeled_seconds"], row["submitted_at"]) == ("Bob", "2.5", "2026-01-02T03:04:05Z")


def test_csv_class_names_read_back_as_they_are_and_hazards_are_named():
    text, _, codes = export("csv", [image(1, label(1, 3), label(2, 4))], Task.MULTI_LABEL, classes=CLASSES)
    assert rows(text)[0]["label"] == "=1+1;a;b"
    assert '"=1+1;a;b"' in text
    assert codes == ["formula", "separator"]


def test_an_export_lies_where_people_expect_it():
    when = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert export_key(FORMATS["coco"], export_id=12, project="Cards", when=when) == (
        "Labeling/export/coco/12/Cards_20260304_050607.json"
    )
    key = export_key(FORMATS["jsonl"], export_id=1, project="../a\\b: c?", when=when)
    assert key == "Labeling/export/jsonl/1/_a_b_ c__20260304_050607.jsonl"
    long = export_key(FORMATS["csv"], export_id=1, project="猫" * 120, when=when).rpartition("/")[2]
    assert len(long.encode()) < 230
    assert export_key(FORMATS["csv"], export_id=1, project="..", when=when).endswith("/project_20260304_050607.csv")
