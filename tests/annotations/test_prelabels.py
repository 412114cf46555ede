"""Suggestions of models: stored by programs, shown to labelers, and what became of them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from annotations.models import Annotation, Prelabel, PrelabelDecision, QueueEntry, Response
from annotations.services.recounting import count
from projects.access import Capability
from projects.models import Project
from projects.services import counters
from tests import factories
from tests.annotations.labeling import label_page
from tests.support.api import as_person, as_program, refused

pytestmark = pytest.mark.django_db

BOX = {"x": 4, "y": 5, "width": 20.5, "height": 10}
POLYGON = {"parts": [{"outer": [[1, 1], [30, 1], [30, 30], [1, 30]], "holes": [[[5, 5], [10, 5], [10, 10], [5, 10]]]}]}


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


@pytest.fixture
def project(people: factories.People) -> Project:
    return factories.make_project(people.workspace, images=4)


@pytest.fixture
def boxes(people: factories.People) -> Project:
    return factories.make_project(people.workspace, images=3, task_type="object_detection")


@pytest.fixture
def alice(people: factories.People) -> APIClient:
    return as_person(people.alice)


@pytest.fixture
def bob(people: factories.People) -> APIClient:
    return as_person(people.bob)


def classes(project: Project) -> list[int]:
    return list(project.label_classes.order_by("position").values_list("pk", flat=True))


def entries(project: Project) -> list[QueueEntry]:
    return list(QueueEntry.objects.filter(project=project).order_by("rank"))


def store(client: APIClient, project: Project, *prelabels: dict[str, Any], produced_by: str = "detector 1") -> Any:
    body = {"produced_by": produced_by, "prelabels": prelabels}
    return client.post(f"/api/v1/projects/{project.pk}/prelabels/", body, format="json")


def next_page(client: APIClient, project: Project) -> dict[str, Any]:
    reply = client.post(f"/api/v1/projects/{project.pk}/tasks/", {"page_size": 1})
    assert reply.status_code in (200, 201), reply.content
    return dict(reply.json()["task"])


def submit(client: APIClient, task: dict[str, Any], *annotations: dict[str, Any], **more: Any) -> Any:
    answers = [{"assignment": one["id"], "annotations": annotations} | more for one in task["assignments"]]
    body = {"operation_id": str(uuid.uuid4()), "answers": answers}
    return client.post(f"/api/v1/tasks/{task['id']}/submit/", body, format="json")


def untouched(project: Project) -> None:
    assert not Prelabel.objects.exists()
    assert counters.read(project.pk).get("prelabeled", 0) == 0


# --- Storing ---------------------------------------------------------------------------------------------------------


def test_a_program_stores_suggestions_by_number_and_by_path(
    people: factories.People, alice: APIClient, boxes: Project
) -> None:
    first, second, _third = entries(boxes)
    program = as_program(people.alice, people.workspace, [Capability.PRELABEL, Capability.READ_PROJECTS])
    cat, dog = classes(boxes)
    reply = store(
        program,
        boxes,
        {"entry": first.pk, "label_class": cat, "confidence": 0.9, "box": BOX},
        {"entry": first.pk, "label_class": dog, "confidence": 0.5, "box": BOX | {"width": 10_000}},
        {"path": second.item.path, "label_class": dog, "confidence": 1, "box": BOX},
    )
    assert reply.status_code == 201, reply.content
    assert reply.json() == {"prelabels": 3, "entries": 2, "answered": []}
    listed = alice.get(f"/api/v1/projects/{boxes.pk}/prelabels/?entry={first.pk}").json()["results"]
    assert {one["confidence"] for one in listed} == {0.9, 0.5}
    assert {one["produced_by"] for one in listed} == {"detector 1"}
    assert next(one["box"]["width"] for one in listed if one["confidence"] == 0.5) == 60, "clipped to the image"
    assert [entry.queue for entry in entries(boxes)] == ["prelabeled", "prelabeled", "manual"]
    read = counters.read(boxes.pk)
    assert (read["prelabeled"], read["manual"]) == (2, 1)
    assert count(boxes) == {key: n for key, n in read.items() if n and key != counters.VERSION}


def test_new_suggestions_take_the_place_of_old_ones_of_the_same_item_only(alice: APIClient, project: Project) -> None:
    first, second, *_rest = entries(project)
    cat, dog = classes(project)
    for entry in (first, second):
        store(alice, project, {"entry": entry.pk, "label_class": cat, "confidence": 0.6})
    assert (
        store(
            alice, project, {"entry": first.pk, "label_class": dog, "confidence": 0.7}, produced_by="classifier 2"
        ).json()["entries"]
        == 1
    )
    kept = set(Prelabel.objects.values_list("entry_id", "label_class_id", "produced_by"))
    assert kept == {(first.pk, dog, "classifier 2"), (second.pk, cat, "detector 1")}
    assert counters.read(project.pk)["prelabeled"] == 2


def test_answered_items_are_left_as_they_are_and_named(
    people: factories.People, alice: APIClient, project: Project
) -> None:
    label_page(people.bob, project, factories.label_class(project, "cat"))
    answered = QueueEntry.objects.get(project=project, status="labeled")
    is_open = QueueEntry.objects.filter(project=project, status="unlabeled").order_by("rank")[0]
    said = [{"entry": one.pk, "label_class": classes(project)[0], "confidence": 0.8} for one in (answered, is_open)]
    assert store(alice, project, *said).json() == {"prelabels": 1, "entries": 1, "answered": [answered.pk]}
    assert Prelabel.objects.get().entry == is_open


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": 1.2},
        {"confidence": -0.1},
        {"confidence": "high"},
        {"confidence": True},
        {"confidence": None},
        {"label_class": 999_999},
        {"box": BOX},
        {"frame": 3, "box": None, "entry": "x"},
        {"entry": True},
        {"entry": 2**70},
        {"id": "no uuid"},
    ],
)
def test_what_cannot_be_a_suggestion_is_refused_whole(
    alice: APIClient, project: Project, wrong: dict[str, Any]
) -> None:
    first, second, *_rest = entries(project)
    good = {"entry": first.pk, "label_class": classes(project)[0], "confidence": 0.5}
    refused(store(alice, project, good, good | {"entry": second.pk} | wrong), 400)
    untouched(project)


def test_a_multi_class_image_has_one_suggestion(alice: APIClient, project: Project) -> None:
    first = entries(project)[0]
    said = [{"entry": first.pk, "label_class": one, "confidence": 0.5} for one in classes(project)]
    refused(store(alice, project, *said), 400)
    untouched(project)


def test_shapes_outside_and_items_of_other_projects_are_refused(
    people: factories.People, alice: APIClient, project: Project, boxes: Project
) -> None:
    outside = {"x": 500, "y": 5, "width": 5, "height": 5}
    first = entries(boxes)[0]
    refused(
        store(alice, boxes, {"entry": first.pk, "label_class": classes(boxes)[0], "confidence": 1, "box": outside}), 400
    )
    foreign = {"entry": first.pk, "label_class": classes(project)[0], "confidence": 1}
    refused(store(alice, project, foreign), 404)
    refused(store(alice, project, foreign | {"entry": 2**40}), 404)
    named = {"path": "nothing.png", "label_class": classes(project)[0], "confidence": 1}
    refused(store(alice, project, named), 404)
    for body in ({}, {"produced_by": "m", "prelabels": []}, {"produced_by": "", "prelabels": [named]}):
        refused(alice.post(f"/api/v1/projects/{project.pk}/prelabels/", body, format="json"), 400)
    untouched(project)
    untouched(boxes)


def test_labelers_store_and_clear_nothing_and_strangers_see_nothing(
    people: factories.People, alice: APIClient, bob: APIClient, project: Project
) -> None:
    one = {"entry": entries(project)[0].pk, "label_class": classes(project)[0], "confidence": 1}
    assert refused(store(bob, project, one), 403)["missing"] == Capability.PRELABEL
    refused(store(as_person(people.charlie), project, one), 404)
    untouched(project)
    store(alice, project, one)
    address = f"/api/v1/projects/{project.pk}/prelabels/"
    refused(bob.post(f"{address}clear/", {}, format="json"), 403)
    refused(as_person(people.charlie).post(f"{address}clear/", {}, format="json"), 404)
    refused(bob.get(address), 403)
    refused(as_person(people.charlie).get(address), 404)
    assert Prelabel.objects.count() == 1


def test_clearing_puts_items_back_into_the_manual_queue(alice: APIClient, project: Project) -> None:
    address = f"/api/v1/projects/{project.pk}/prelabels/clear/"
    first, second, third, _fourth = entries(project)
    cat = classes(project)[0]
    store(alice, project, *({"entry": one.pk, "label_class": cat, "confidence": 0.6} for one in (first, second)))
    store(alice, project, {"entry": third.pk, "label_class": cat, "confidence": 0.6}, produced_by="other")
    assert alice.post(address, {"produced_by": "other"}, format="json").json() == {"removed": 1}
    assert alice.post(address, {"entries": [first.pk]}, format="json").json() == {"removed": 1}
    assert [entry.queue for entry in entries(project)] == ["manual", "prelabeled", "manual", "manual"]
    assert alice.post(address, {}, format="json").json() == {"removed": 1}
    assert alice.post(address, {}, format="json").json() == {"removed": 0}
    assert counters.read(project.pk)["manual"] == 4
    assert counters.read(project.pk)["prelabeled"] == 0
    refused(alice.post(address, {"entries": []}, format="json"), 400)


# --- On the page, and what became of them ----------------------------------------------------------------------------


def test_the_page_carries_suggestions_surest_first_until_it_is_answered(
    alice: APIClient, bob: APIClient, boxes: Project
) -> None:
    cat, dog = classes(boxes)
    said = [{"label_class": cat, "confidence": 0.4, "box": BOX}, {"label_class": dog, "confidence": 0.8, "box": BOX}]
    store(alice, boxes, *({"entry": entries(boxes)[0].pk} | one for one in said))
    task = next_page(bob, boxes)
    [page] = task["assignments"]
    assert page["queue"] == "prelabeled"
    assert [(one["label_class"], one["confidence"]) for one in page["prelabels"]] == [(dog, 0.8), (cat, 0.4)]
    assert page["prelabels"][0]["box"] == BOX
    done = submit(bob, task, *page["prelabels"]).json()["task"]["assignments"][0]
    assert done["prelabels"] == []
    assert [one["origin"] for one in done["response"]["annotations"]] == ["prelabel", "prelabel"]


def test_each_response_records_what_was_accepted_edited_and_dismissed(
    alice: APIClient, bob: APIClient, boxes: Project
) -> None:
    cat, dog = classes(boxes)
    first = entries(boxes)[0].pk
    names = ["kept", "moved", "renamed", "dropped"]
    keys = {name: str(uuid.uuid4()) for name in names}
    store(
        alice,
        boxes,
        *({"entry": first, "id": keys[n], "label_class": cat, "confidence": 0.5, "box": BOX} for n in names),
    )
    task = next_page(bob, boxes)
    shown = {one["id"]: one for one in task["assignments"][0]["prelabels"]}
    mine = {"id": str(uuid.uuid4()), "label_class": dog, "box": BOX}
    moved = shown[keys["moved"]] | {"box": BOX | {"x": 5}}
    renamed = shown[keys["renamed"]] | {"label_class": dog}
    assert submit(bob, task, shown[keys["kept"]], moved, renamed, mine).status_code == 200
    origins = dict(Annotation.objects.values_list("client_id", "origin"))
    assert {str(key): origin for key, origin in origins.items()} == {
        keys["kept"]: "prelabel",
        keys["moved"]: "edited",
        keys["renamed"]: "edited",
        mine["id"]: "manual",
    }
    decided = {str(key): (what, maker) for key, what, maker in decisions()}
    assert decided == {
        keys["kept"]: ("accepted", "detector 1"),
        keys["moved"]: ("edited", "detector 1"),
        keys["renamed"]: ("edited", "detector 1"),
        keys["dropped"]: ("dismissed", "detector 1"),
    }
    # Clearing later takes nothing of that away.
    alice.post(f"/api/v1/projects/{boxes.pk}/prelabels/clear/", {}, format="json")
    assert len(decisions()) == 4
    assert PrelabelDecision.objects.filter(label_class_id=cat, confidence=0.5).count() == 4


def decisions() -> list[tuple[Any, str, str]]:
    return list(PrelabelDecision.objects.values_list("key", "decision", "produced_by"))


def test_polygons_with_holes_come_back_the_same(people: factories.People, alice: APIClient, bob: APIClient) -> None:
    shapes = factories.make_project(people.workspace, images=1, task_type="instance_segmentation")
    one = {"entry": entries(shapes)[0].pk, "label_class": classes(shapes)[0], "confidence": 0.5, "polygon": POLYGON}
    store(alice, shapes, one)
    task = next_page(bob, shapes)
    submit(bob, task, *task["assignments"][0]["prelabels"])
    assert [what for _key, what, _maker in decisions()] == ["accepted"]


def test_a_class_other_than_suggested_dismisses_and_the_same_by_hand_does_too(
    alice: APIClient, bob: APIClient, project: Project
) -> None:
    cat, dog = classes(project)
    store(alice, project, *({"entry": one.pk, "label_class": cat, "confidence": 0.9} for one in entries(project)))
    task = next_page(bob, project)
    submit(bob, task, {"label_class": dog})
    task = next_page(bob, project)
    submit(bob, task, *task["assignments"][0]["prelabels"])
    assert sorted(what for _key, what, _maker in decisions()) == ["accepted", "dismissed"]


def test_a_skipped_image_says_nothing_about_its_suggestions(alice: APIClient, bob: APIClient, project: Project) -> None:
    store(alice, project, {"entry": entries(project)[0].pk, "label_class": classes(project)[0], "confidence": 0.9})
    submit(bob, next_page(bob, project), outcome="skipped")
    assert Response.objects.get().outcome == "skipped"
    assert not PrelabelDecision.objects.exists()


def test_what_was_stored_after_the_page_was_handed_out_was_not_dismissed(
    alice: APIClient, bob: APIClient, project: Project
) -> None:
    task = next_page(bob, project)
    entry = task["assignments"][0]["entry"]
    store(alice, project, {"entry": entry, "label_class": classes(project)[0], "confidence": 0.9})
    submit(bob, task, {"label_class": classes(project)[1]})
    assert not PrelabelDecision.objects.exists()


def test_an_operation_sent_twice_decides_once(alice: APIClient, bob: APIClient, project: Project) -> None:
    store(alice, project, {"entry": entries(project)[0].pk, "label_class": classes(project)[0], "confidence": 0.9})
    task = next_page(bob, project)
    answers = [{"assignment": one["id"], "annotations": one["prelabels"]} for one in task["assignments"]]
    body = {"operation_id": str(uuid.uuid4()), "answers": answers}
    for _ in range(2):
        assert bob.post(f"/api/v1/tasks/{task['id']}/submit/", body, format="json").status_code == 200
    assert PrelabelDecision.objects.count() == 1
    # A correction is a response of its own, with decisions of its own.
    submit(bob, task, {"label_class": classes(project)[1]})
    assert sorted(what for _key, what, _maker in decisions()) == ["accepted", "dismissed"]


def test_suggestions_are_blind_to_what_others_answered(
    people: factories.People, alice: APIClient, bob: APIClient
) -> None:
    """With several answers an item, the second labeler gets what the model said, nothing of the first one's answer."""
    project = factories.make_project(people.workspace, images=1, quality={"min_labelers": 2, "max_labelers": 2})
    QueueEntry.objects.filter(project=project).update(slots=2, open_slots=2)
    mia = as_person(factories.add_member(people.workspace, name="Mia"))
    cat, dog = classes(project)
    store(alice, project, {"entry": entries(project)[0].pk, "label_class": cat, "confidence": 0.9})
    submit(bob, next_page(bob, project), {"label_class": dog})
    QueueEntry.objects.filter(project=project).update(status="unlabeled", open_slots=1, final_response=None)
    [page] = next_page(mia, project)["assignments"]
    assert [one["label_class"] for one in page["prelabels"]] == [cat]
    assert page["response"] is None
