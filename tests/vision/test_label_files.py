"""Label files in: what is accepted, what is refused with line and field, and what other formats become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from automl.vision.data import coco, conversions, jsonl, read_labels
from automl.vision.data.locate import Unreachable, locate
from automl.vision.data.outlines import outlines
from automl.vision.errors import DataError
from automl.vision.spec import tasks
from tests.vision import pictures

BOX = {"label": "can", "topX": 0.26, "topY": 0.406, "bottomX": 0.735, "bottomY": 0.701, "isCrowd": 0}


def write(folder: Path, text: str) -> Path:
    path = folder / "labels.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def line(label: Any, **more: Any) -> str:
    return json.dumps({"image_url": "AmlDatastore://store/a.jpg", "label": label, **more}) + "\n"


# --- JSON lines ------------------------------------------------------------------------------------------------------


def test_the_four_schemas(tmp_path: Path) -> None:
    path = write(tmp_path, line("cat", image_details={"format": "jpg", "width": "499px", "height": 666}))
    assert jsonl.read(path, tasks.CLASSIFICATION).examples[0].labels == ("cat",)
    found = jsonl.read(write(tmp_path, line(["cat", "dog"]) + line([])), tasks.MULTILABEL)
    assert [example.labels for example in found.examples] == [("cat", "dog"), ()]
    found = jsonl.read(write(tmp_path, line([BOX]) + line([])), tasks.DETECTION)
    assert found.examples[0].objects[0].box == (0.26, 0.406, 0.735, 0.701)
    assert found.examples[1].objects == ()
    assert found.warnings == []
    polygon = {
        "label": "can",
        "isCrowd": 1,
        "polygon": [[0.1, 0.1, 0.5, 0.1, 0.5, 0.4], [0.6, 0.6, 0.9, 0.6, 0.9, 0.8]],
    }
    one = jsonl.read(write(tmp_path, line([polygon])), tasks.SEGMENTATION).examples[0].objects[0]
    assert one.is_crowd
    assert one.box == (0.1, 0.1, 0.9, 0.8)
    assert [len(part) for part in one.polygons] == [6, 6]


@pytest.mark.parametrize(
    ("task", "text", "warning"),
    [
        (tasks.CLASSIFICATION, '{"image_url": "a.jpg",\n "label": "cat",\n}\n', "superfluous commas"),
        (tasks.CLASSIFICATION, '{"image_url": "a.jpg",\n "label": "cat"}\n', "over several lines"),
        (tasks.CLASSIFICATION, line(["cat"]), "list of one class name"),
        (tasks.MULTILABEL, line("cat"), "read as a list of one"),
        (tasks.DETECTION, line(BOX), "single object"),
        (tasks.DETECTION, line([{**BOX, "topX": "0.1"}]), "written as text"),
        (tasks.DETECTION, line([{**BOX, "isCrowd": "false"}]), "written as text"),
        (tasks.DETECTION, line([{**BOX, "bottomX": 1.001}]), "moved to its border"),
        (tasks.DETECTION, line([BOX], image_details="big"), "image_details that make no sense"),
        (tasks.SEGMENTATION, line([{"label": "a", "polygon": [0, 0, 1, 0, 1, 1]}]), "flat list"),
    ],
)
def test_files_as_people_have_them_are_read_with_a_warning(tmp_path: Path, task: str, text: str, warning: str) -> None:
    found = jsonl.read(write(tmp_path, text), task)
    assert len(found.examples) == 1
    assert any(warning in each and "(line 1" in each for each in found.warnings), found.warnings


@pytest.mark.parametrize(
    ("task", "bad", "words"),
    [
        (tasks.CLASSIFICATION, '{"image_url": "a.jpg", "label"}\n', "line 2: not a JSON object"),
        (tasks.CLASSIFICATION, '{"label": "cat"}\n', "line 2: image_url: expected the address of an image"),
        (tasks.CLASSIFICATION, '{"image_url": "a.jpg"}\n', "line 2: label: is missing; the line has image_url"),
        (tasks.CLASSIFICATION, line(""), "line 2: label: expected a class name"),
        (tasks.CLASSIFICATION, line(["a", "b"]), "line 2: label: expected one class name"),
        (tasks.DETECTION, line([{**BOX, "bottomX": 0.26}]), "line 2: label[0].bottomX: the box has no area"),
        (tasks.DETECTION, line([{**BOX, "bottomY": 300}]), "found 300 (pixels? divide by"),
        (
            tasks.DETECTION,
            line([BOX, {**BOX, "topX": "left"}]),
            "label[1].topX: expected a number, found 'left'",
        ),
        (tasks.DETECTION, line([{**BOX, "isCrowd": 2}]), "label[0].isCrowd: expected true or false, found 2"),
        (tasks.DETECTION, line("cat"), "line 2: label: expected a list of objects, found a class name"),
        (tasks.CLASSIFICATION, line([BOX]), "found objects, which are for image-object-detection"),
        (tasks.MULTILABEL, line([BOX]), "found objects, which are for image-object-detection"),
        (tasks.SEGMENTATION, line([BOX]), "line 2: label[0].polygon: is missing; boxes without"),
        (tasks.SEGMENTATION, line([{"label": "a", "polygon": 3}]), "label[0].polygon: expected a list of parts"),
        (tasks.SEGMENTATION, line([{"label": "a", "polygon": [[0, 0, 1, 0]]}]), "at least 6 numbers, found 4 numbers"),
        (
            tasks.DETECTION,
            '{"image_url": "https://example.org/a.jpg", "label": []}\n',
            "https:// addresses are not fetched",
        ),
        (tasks.DETECTION, '{"image_url": "../../etc/passwd", "label": []}\n', "lies outside"),
        (tasks.DETECTION, '{"image_url": "a.jpg", "label": [', "does not end before the file does"),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_field(tmp_path: Path, task: str, bad: str, words: str) -> None:
    good = line("cat" if task == tasks.CLASSIFICATION else [])
    path = write(tmp_path, good + bad)
    with pytest.raises(DataError) as refused:
        jsonl.read(path, task)
    assert words in str(refused.value)
    kept = jsonl.read(path, task, invalid_lines="drop")
    assert len(kept.examples) == 1
    assert any("left out line 2" in warning for warning in kept.warnings)


def test_all_bad_lines_are_shown_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        jsonl.read(write(tmp_path, line("") * 25), tasks.CLASSIFICATION)
    assert "25 of its lines" in str(refused.value)
    assert "line 1: label: expected a class name, found '' (and 24 more)" in str(refused.value)
    with pytest.raises(DataError) as refused:
        jsonl.read(
            write(tmp_path, "".join(line([f"a{at}", "b", "c"][: at % 2 + 2]) for at in range(2))), tasks.DETECTION
        )
    assert str(refused.value).count("\n  line") == 1
    text = "".join(line([{**BOX, "topX": at}]) for at in range(2, 27))
    with pytest.raises(DataError) as refused:
        jsonl.read(write(tmp_path, text), tasks.DETECTION)
    assert "and 5 more" in str(refused.value)


def test_addresses_of_datastores_lead_below_the_folder(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.jpg").touch()
    expected = (tmp_path / "dir" / "a.jpg").resolve()
    long = "azureml://subscriptions/1/resourcegroups/2/workspaces/3/datastores/ds/paths/dir/a.jpg"
    for url in ("dir/a.jpg", "AmlDatastore://dir/a.jpg", "AmlDatastore://workspaceblobstore/dir/a.jpg", long):
        assert locate(url, tmp_path) == expected
    assert locate(f"file://{expected}", tmp_path) == expected
    for url in ("/etc/passwd", "AmlDatastore://../x", "azureml://datastores/ds/paths/../../x", "dir/../../x"):
        with pytest.raises(Unreachable):
            locate(url, tmp_path)


def test_an_mltable_folder_is_read(tmp_path: Path) -> None:
    pictures.colours(tmp_path, each=1)
    (tmp_path / "MLTable").write_text(
        "paths:\n  - file: ./labels.jsonl\ntransformations:\n  - read_json_lines: {invalid_lines: error}\n"
    )
    assert len(read_labels(tmp_path, tasks.CLASSIFICATION).examples) == 3


# --- COCO ------------------------------------------------------------------------------------------------------------


def coco_file(folder: Path, annotation: dict[str, Any], **image: Any) -> Path:
    whole = {
        "images": [{"id": 1, "file_name": "a.png", "width": 200, "height": 100, **image}],
        "categories": [{"id": 7, "name": "can"}],
        "annotations": [{"id": 3, "image_id": 1, "category_id": 7, **annotation}],
    }
    path = folder / "coco.json"
    path.write_text(json.dumps(whole))
    return path


def test_coco_in_pixels_and_normalized(tmp_path: Path) -> None:
    pixels = coco_file(tmp_path, {"bbox": [20, 10, 100, 50], "iscrowd": 1})
    one = read_labels(pixels, tasks.DETECTION).examples[0].objects[0]
    assert (one.box, one.is_crowd) == ((0.1, 0.1, 0.6, 0.6), True)
    normalized = coco_file(tmp_path, {"bbox": [0.1, 0.1, 0.5, 0.5]}, width=0, height=0)
    assert read_labels(normalized, tasks.DETECTION).examples[0].objects[0].box == (0.1, 0.1, 0.6, 0.6)
    assert read_labels(pixels, tasks.CLASSIFICATION).examples[0].labels == ("can",)


def test_coco_without_sizes_looks_into_the_image(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    path = coco_file(tmp_path, {"bbox": [20, 10, 100, 50]}, width=0, height=0)
    assert read_labels(path, tasks.DETECTION).examples[0].objects[0].box == (0.1, 0.1, 0.6, 0.6)


def test_coco_run_lengths_become_polygons(tmp_path: Path) -> None:
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True
    flat, counts, last = mask.ravel(order="F"), [], False
    run = 0
    for value in flat:
        if value != last:
            counts.append(run)
            run, last = 0, value
        run += 1
    counts.append(run)
    path = coco_file(tmp_path, {"bbox": [2, 1, 3, 2], "segmentation": {"size": [4, 6], "counts": counts}})
    one = read_labels(path, tasks.SEGMENTATION).examples[0].objects[0]
    assert one.box == (2 / 6, 1 / 4, 5 / 6, 3 / 4)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ({"bbox": [1, 2, 0, 5]}, "bbox: the box has no area"),
        ({"bbox": [1, 2, 30]}, "bbox: expected [x, y, width, height]"),
        ({"bbox": [1, 2, 3, 4], "category_id": 9}, "category_id: names no category"),
        ({"bbox": [1, 2, 3, 4], "image_id": 9}, "image_id: names an image that the file does not list"),
    ],
)
def test_coco_refusals_name_the_annotation(tmp_path: Path, annotation: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as refused:
        coco.read(coco_file(tmp_path, annotation), tasks.DETECTION)
    assert f"line 3: {words}" in str(refused.value)


# --- Conversions -----------------------------------------------------------------------------------------------------


def test_outlines_fill_to_the_mask_again() -> None:
    from automl.vision.data.samples import rasterize

    for seed in range(20):
        mask = np.random.default_rng(seed).random((12, 15)) < 0.5
        rings = outlines(mask)
        parts = [np.array(ring, np.float32) for ring in rings]
        # Drawn one by one, so that a region inside the hole of another stays itself.
        filled = rasterize([[part] for part in parts], 12, 15).any(0)
        assert (filled | ~mask).all()
        assert not outlines(np.zeros((3, 3), bool))
    ring = outlines(np.ones((2, 3), bool))
    assert ring == [[(0, 0), (3, 0), (3, 2), (0, 2)]]


def test_folders_and_csv(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        pictures.picture("red", 1).save(tmp_path / name / "1.png")
    examples, skipped = conversions.from_folders(tmp_path)
    assert [(example.url, example.labels) for example in examples] == [("cat/1.png", ("cat",)), ("dog/1.png", ("dog",))]
    assert skipped == []
    table = tmp_path / "labels.csv"
    table.write_text("filename,labels\na.jpg,cat dog\nb.jpg\nc.jpg,dog\n")
    examples, skipped = conversions.from_csv(table, tmp_path)
    assert [example.labels for example in examples] == [("cat", "dog"), ("dog",)]
    assert skipped == ["line 3: expected two fields, found 1"]


def test_voc_with_and_without_masks(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100)).save(tmp_path / "a.jpg")
    thing = (
        "<object><name>can</name><difficult>{}</difficult>"
        "<bndbox><xmin>{}</xmin><ymin>10</ymin><xmax>{}</xmax><ymax>60</ymax></bndbox></object>"
    )
    (tmp_path / "a.xml").write_text(
        "<annotation><filename>a.jpg</filename><size><width>200</width><height>100</height></size>"
        + thing.format(0, 20, 120)
        + thing.format(1, 130, 180)
        + "</annotation>"
    )
    (tmp_path / "bomb.xml").write_text('<!DOCTYPE a [<!ENTITY x "y">]><annotation>&x;</annotation>')
    examples, skipped = conversions.from_voc(tmp_path, tmp_path)
    assert [o.box for o in examples[0].objects] == [(0.1, 0.1, 0.6, 0.6), (0.65, 0.1, 0.9, 0.6)]
    assert [o.is_crowd for o in examples[0].objects] == [False, True]
    assert "entities" in skipped[0]
    drawn = np.zeros((100, 200), np.uint8)
    drawn[10:60, 20:120] = 1
    drawn[10:60, 130:180] = 2
    (tmp_path / "masks").mkdir()
    Image.fromarray(drawn).save(tmp_path / "masks" / "a.png")
    examples, _skipped = conversions.from_voc(tmp_path, tmp_path, tmp_path / "masks")
    assert [len(o.polygons[0]) for o in examples[0].objects] == [8, 8]
    assert conversions.task_of(examples) == tasks.SEGMENTATION


@pytest.mark.parametrize("task", tasks.TASKS)
def test_what_is_written_is_read_again(tmp_path: Path, task: str) -> None:
    labels: dict[str, Any] = {
        tasks.CLASSIFICATION: "cat",
        tasks.MULTILABEL: ["cat", "dog"],
        tasks.DETECTION: [BOX],
        tasks.SEGMENTATION: [{"label": "a", "isCrowd": 0, "polygon": [[0.0, 0.0, 1.0, 0.0, 1.0, 1.0]]}],
    }
    first = jsonl.read(write(tmp_path, line(labels[task])), task)
    again = jsonl.read(pictures.write_lines(tmp_path / "again.jsonl", list(jsonl.as_lines(task, first.examples))), task)
    assert again.examples == first.examples
