"""Exports read back by others: pycocotools, the csv module, json."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pycocotools.coco import COCO

from annotations.geometry import Box, Part, Polygon
from annotations.models import Annotation, QueueEntry, Transfer
from annotations.services import exporting, reviewing
from labeling_site.core import errors, jobs
from labeling_site.core.models import Job
from projects.models import Project, TaskType
from projects.services import projects
from tests import factories
from tests.annotations.labeling import answer_all, label_page, open_page, said, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


def export(people: factories.People, project: Project, format: str = "coco", **options: Any) -> tuple[Transfer, bytes]:
    transfer = exporting.start_export(actor=people.alice, project=project, format=format, options=options)
    factories.run_jobs()
    transfer.refresh_from_db()
    with default_storage.open(transfer.storage_key) as handle:
        return transfer, handle.read()


def as_coco(content: bytes, tmp_path: Path) -> COCO:
    path = tmp_path / "labels.json"
    path.write_bytes(content)
    return COCO(str(path))


def test_a_coco_file_of_boxes_opens_in_pycocotools_with_the_counts_of_the_database(
    people: factories.People, tmp_path: Path
) -> None:
    project = factories.make_project(people.workspace, task_type=TaskType.BOX, images=5)
    cat, dog = factories.label_class(project, "cat"), factories.label_class(project, "dog")
    for _ in range(3):
        label_page(people.bob, project, cat, dog, box=Box(4, 5, 20, 10))
    transfer, content = export(people, project)
    coco = as_coco(content, tmp_path)
    assert len(coco.getAnnIds()) == Annotation.objects.count() == transfer.annotation_count == 6
    assert len(coco.getImgIds()) == transfer.item_count == 3
    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == ["cat", "dog"]
    first = coco.loadAnns(coco.getAnnIds())[0]
    assert (first["bbox"], first["area"], first["iscrowd"]) == ([4, 5, 20, 10], 200, 0)
    assert {(one["width"], one["height"]) for one in coco.loadImgs(coco.getImgIds())} == {(64, 48)}
    assert transfer.file_name.startswith(project.name)


def test_ids_stay_the_same_when_more_is_labeled_in_between(people: factories.People, tmp_path: Path) -> None:
    project = factories.make_project(people.workspace, task_type=TaskType.BOX, images=6)
    other = factories.make_project(people.workspace, task_type=TaskType.BOX, images=2)
    cat = factories.label_class(project, "cat")
    label_page(people.bob, other, factories.label_class(other, "cat"), box=Box(1, 1, 9, 9))
    for _ in range(2):
        label_page(people.bob, project, cat, box=Box(1, 1, 9, 9))
    before = as_coco(export(people, project)[1], tmp_path)
    for _ in range(4):
        label_page(people.bob, project, cat, box=Box(2, 2, 9, 9))
    after = as_coco(export(people, project)[1], tmp_path)
    assert min(before.getAnnIds()) == 1
    assert sorted(after.getImgIds()) == [1, 2, 3, 4, 5, 6]
    for pk, annotation in before.anns.items():
        assert after.anns[pk] == annotation
        assert after.imgs[annotation["image_id"]] == before.imgs[annotation["image_id"]]


def test_polygons_with_holes_keep_their_area(people: factories.People, tmp_path: Path) -> None:
    project = factories.make_project(people.workspace, task_type=TaskType.POLYGON)
    square = ((4.0, 4.0), (34.0, 4.0), (34.0, 34.0), (4.0, 34.0))
    hole = ((10.0, 10.0), (20.0, 10.0), (20.0, 20.0), (10.0, 20.0))
    task = open_page(people.bob, project)
    cat = factories.label_class(project, "cat")
    shapes = [Polygon((Part(square),)), Polygon((Part(square, (hole,)),))]
    submit(people.bob, task, answer_all(task, [said(cat, polygon=shape)[0] for shape in shapes]))
    transfer, content = export(people, project)
    coco = as_coco(content, tmp_path)
    areas = [int(coco.annToMask(one).sum()) for one in coco.loadAnns(coco.getAnnIds())]
    assert areas == pytest.approx([900, 800], abs=35)
    assert transfer.report == {"holes_as_mask": 1}


def test_csv_and_json_lines_have_a_row_for_each_image(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=4)
    label_page(people.bob, project, factories.label_class(project, "dog"), page_size=4)
    rows = list(csv.DictReader(io.StringIO(export(people, project, "csv")[1].decode())))
    assert [row["label"] for row in rows] == ["dog"] * 4
    lines = [json.loads(line) for line in export(people, project, "jsonl")[1].decode().splitlines()]
    assert {line["label"] for line in lines} == {"dog"}
    assert all(line["image_url"].startswith("AmlDatastore://") for line in lines)


def test_options_choose_what_is_written(people: factories.People, tmp_path: Path) -> None:
    project = factories.make_project(people.workspace, images=2, task_type=TaskType.BOX)
    cat = factories.label_class(project, "cat")
    label_page(people.bob, project, cat, box=Box(16, 12, 32, 24))
    label_page(people.bob, project, cat, box=Box(16, 12, 32, 24))
    entry = QueueEntry.objects.filter(project=project).earliest("pk")
    reviewing.approve(actor=people.alice, project=project, entry_ids=[entry.pk])
    options = {"only_approved": True, "coordinates": "normalized", "labeler_details": True}
    coco = as_coco(export(people, project, **options)[1], tmp_path)
    assert coco.getImgIds() == [1]
    one = coco.loadAnns(coco.getAnnIds())[0]
    assert one["bbox"] == [0.25, 0.25, 0.5, 0.5]
    assert (one["labeler"], one["approver"]) == ("Bob", "Alice")
    late = as_coco(export(people, project, submitted_from="2999-01-01")[1], tmp_path)
    assert late.getImgIds() == []


def test_naming_approvers_costs_the_same_however_many_objects_there_are(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=7, task_type=TaskType.BOX)
    cat = factories.label_class(project, "cat")

    def queries_of_export() -> int:
        entries = QueueEntry.objects.filter(project=project, status="labeled", approved=False)
        ids = list(entries.values_list("pk", flat=True))
        reviewing.approve(actor=people.alice, project=project, entry_ids=ids)
        with CaptureQueriesContext(connection) as seen:
            export(people, project, labeler_details=True)
        return len(seen)

    label_page(people.bob, project, cat, box=Box(4, 5, 20, 10))
    one = queries_of_export()
    for _ in range(6):
        label_page(people.bob, project, cat, cat, cat, box=Box(4, 5, 20, 10))
    assert queries_of_export() == one


def test_an_unknown_format_or_option_is_refused(people: factories.People) -> None:
    project = factories.make_project(people.workspace)
    with pytest.raises(errors.Invalid, match="coco, csv or jsonl"):
        exporting.start_export(actor=people.alice, project=project, format="xlsx", options={})
    with pytest.raises(errors.Invalid, match="no export option"):
        exporting.start_export(actor=people.alice, project=project, format="coco", options={"colour": 1})
    assert not Transfer.objects.exists()


@pytest.mark.parametrize("option", ["only_approved", "labeler_details"])
def test_a_word_is_no_yes(people: factories.People, option: str) -> None:
    project = factories.make_project(people.workspace)
    with pytest.raises(errors.Invalid) as refusal:
        exporting.start_export(actor=people.alice, project=project, format="csv", options={option: "no"})
    assert refusal.value.fields == {option: [str(refusal.value.detail)]}
    assert not Transfer.objects.exists()


def test_export_works_while_paused_and_not_for_a_labeler(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=1)
    label_page(people.bob, project, factories.label_class(project, "cat"))
    projects.pause_project(actor=people.alice, project=project)
    assert export(people, project)[0].item_count == 1
    with pytest.raises(errors.Forbidden, match="export"):
        exporting.start_export(actor=people.bob, project=project, format="coco", options={})
    assert Transfer.objects.count() == 1


def test_rows_of_other_projects_never_get_into_an_export(people: factories.People, tmp_path: Path) -> None:
    project = factories.make_project(people.workspace, images=1)
    canary = factories.make_project(people.workspace, images=1, classes=["canary"])
    label_page(people.bob, project, factories.label_class(project, "cat"))
    label_page(people.bob, canary, factories.label_class(canary, "canary"))
    for format in ("coco", "csv", "jsonl"):
        assert b"canary" not in export(people, project, format)[1]


def test_a_worker_that_lost_the_job_publishes_nothing(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=1)
    label_page(people.bob, project, factories.label_class(project, "cat"))
    transfer = exporting.start_export(actor=people.alice, project=project, format="coco", options={})
    first = jobs.claim(transfer.job.pk)
    assert first is not None
    Job.objects.filter(pk=transfer.job.pk).update(heartbeat_at="2020-01-01T00:00Z")
    second = jobs.claim(transfer.job.pk)
    assert second is not None
    with pytest.raises(jobs.Superseded):
        exporting.write_export(first)
    transfer.refresh_from_db()
    assert transfer.storage_key == ""
    exporting.write_export(second)
    transfer.refresh_from_db()
    assert default_storage.exists(transfer.storage_key)


def test_a_download_link_ends_and_dies_with_its_export(
    people: factories.People, settings: Any, monkeypatch: Any
) -> None:
    project = factories.make_project(people.workspace, images=1)
    label_page(people.bob, project, factories.label_class(project, "cat"))
    transfer, content = export(people, project)
    token = exporting.download_token(actor=people.alice, transfer=transfer)
    assert exporting.open_download(token)[1].read() == content
    with pytest.raises(errors.NotFound):
        exporting.open_download(token[:-2] + "xx")
    monkeypatch.setattr(exporting, "LINK_SECONDS", -1)
    with pytest.raises(errors.Gone, match="run out"):
        exporting.open_download(token)
    monkeypatch.undo()
    exporting.delete_export(actor=people.alice, transfer=transfer)
    with pytest.raises(errors.Gone, match="deleted"):
        exporting.open_download(token)
