"""Labeling through the API: pages handed out, kept, submitted, given back."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from annotations.models import Annotation, Assignment, QueueEntry, Response, Task
from projects.models import Project
from projects.services import counters
from tests import factories
from tests.support.api import as_person, as_program, ids, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


@pytest.fixture
def project(people: factories.People) -> Project:
    return factories.make_project(people.workspace, images=6)


@pytest.fixture
def bob(people: factories.People) -> APIClient:
    return as_person(people.bob)


def next_page(client: APIClient, project: Project, page_size: int = 1, **headers: str) -> Any:
    return client.post(f"/api/v1/projects/{project.pk}/tasks/", {"page_size": page_size}, headers=headers)


def classes(project: Project) -> list[int]:
    return list(project.label_classes.order_by("position").values_list("pk", flat=True))


def answers(task: dict[str, Any], *annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = [{"id": str(uuid.uuid4())} | one for one in annotations]
    rows = [{"assignment": one["id"], "annotations": said, "active_seconds": 1.5} | more for one in task["assignments"]]
    return {"operation_id": str(uuid.uuid4()), "answers": rows}


def submit(client: APIClient, task: dict[str, Any], body: dict[str, Any]) -> Any:
    return client.post(f"/api/v1/tasks/{task['id']}/submit/", body)


BOX = {"x": 4, "y": 5, "width": 20.5, "height": 10}
POLYGON = {"parts": [{"outer": [[1, 1], [30, 1], [30, 30], [1, 30]], "holes": [[[5, 5], [10, 5], [10, 10], [5, 10]]]}]}


# --- Getting a page --------------------------------------------------------------------------------------------------


def test_a_page_says_all_that_an_editor_needs(bob: APIClient, project: Project) -> None:
    reply = next_page(bob, project, 4)
    assert reply.status_code == 201, reply.content
    assert set(reply.json()) == {"task", "remaining", "reason"}
    task = reply.json()["task"]
    assert set(task) == {
        *("id", "project", "page_size", "state", "created_at", "submitted_at", "expires_at", "assignments"),
    }
    assert (len(task["assignments"]), reply.json()["remaining"], reply.json()["reason"]) == (4, 6, "")
    one = task["assignments"][0]
    assert {"id", "position", "state", "expires_at", "round", "slot", "item", "entry", "status"} <= set(one)
    assert one["rejection"] is None and one["response"] is None
    assert (one["item"]["width"], one["item"]["height"], one["item"]["frames"]) == (64, 48, 1)
    picture = bob.get(one["item"]["image_url"])
    assert (picture.status_code, picture["X-Content-Type-Options"]) == (200, "nosniff")
    assert bob.get(one["item"]["thumbnail_url"]).status_code == 200


def test_asking_again_gives_the_same_page_until_it_is_submitted(bob: APIClient, project: Project) -> None:
    first = next_page(bob, project, 4).json()["task"]
    assert next_page(bob, project, 4).json()["task"]["id"] == first["id"]
    assert Assignment.objects.count() == 4


@pytest.mark.parametrize("size", [0, 2, 10, -1, "many", None, 1.5])
def test_a_page_has_one_four_six_or_nine_images(bob: APIClient, project: Project, size: Any) -> None:
    refused(bob.post(f"/api/v1/projects/{project.pk}/tasks/", {"page_size": size}), 400)
    assert not Task.objects.exists()


def test_a_paused_project_and_an_empty_queue_say_so(people: factories.People, bob: APIClient, project: Project) -> None:
    alice = as_person(people.alice)
    alice.post(f"/api/v1/projects/{project.pk}/pause/")
    paused = next_page(bob, project)
    assert (paused.status_code, paused.json()) == (200, {"task": None, "remaining": 6, "reason": "paused"})
    alice.post(f"/api/v1/projects/{project.pk}/start/")
    page = next_page(bob, project, 6).json()["task"]
    waiting = next_page(alice, project)
    assert (waiting.json()["task"], waiting.json()["reason"]) == (None, "waiting")
    submit(bob, page, answers(page, {"label_class": classes(project)[0]}))
    empty = next_page(bob, project)
    assert (empty.status_code, empty.json()) == (200, {"task": None, "remaining": 0, "reason": "empty"})


def test_who_may_not_label_gets_no_page(people: factories.People, project: Project) -> None:
    reviewer = as_person(factories.add_member(people.workspace, "customer_qa", name="Quinn"))
    assert refused(next_page(reviewer, project), 403)["missing"] == "labeling/labels/write"
    refused(next_page(as_person(people.charlie), project), 404)
    second = factories.make_workspace(people.alice, "Second")
    refused(next_page(as_program(people.alice, second), project), 404)
    narrow = as_program(people.alice, people.workspace, ["read", "labeling/projects/read"])
    assert refused(next_page(narrow, project), 403)["missing"] == "labeling/labels/write"
    assert not Task.objects.exists()


def test_the_next_page_costs_the_same_for_one_image_and_nine(
    people: factories.People, django_assert_max_num_queries: Any
) -> None:
    project = factories.make_project(people.workspace, images=30)
    alice, bob = as_person(people.alice), as_person(people.bob)
    with django_assert_max_num_queries(27):
        next_page(alice, project, 1)
    with django_assert_max_num_queries(27):
        next_page(bob, project, 9)
    with django_assert_max_num_queries(16):
        next_page(bob, project, 9)


# --- Submitting ------------------------------------------------------------------------------------------------------


def test_a_page_is_submitted_once_however_often_it_is_sent(bob: APIClient, project: Project) -> None:
    page = next_page(bob, project, 4).json()["task"]
    body = answers(page, {"label_class": classes(project)[1]})
    first = submit(bob, page, body)
    assert first.status_code == 200, first.content
    assert (first.json()["remaining"], first.json()["refused"]) == (2, [])
    assert first.json()["task"]["state"] == "submitted"
    given = first.json()["task"]["assignments"][0]["response"]
    assert (given["outcome"], given["active_seconds"]) == ("labeled", 1.5)
    assert [one["label_class"] for one in given["annotations"]] == [classes(project)[1]]
    assert submit(bob, page, body).json() == first.json()
    assert Response.objects.count() == 4
    assert counters.read(project.pk)["labeled"] == 4


@pytest.mark.parametrize(("task_type", "shape"), [("object_detection", "box"), ("instance_segmentation", "polygon")])
def test_shapes_come_back_as_they_were_drawn(people: factories.People, task_type: str, shape: str) -> None:
    project = factories.make_project(people.workspace, task_type=task_type)
    bob = as_person(people.bob)
    page = next_page(bob, project, 9).json()["task"]
    assert page["page_size"] == 1
    drawn = {"label_class": classes(project)[0], shape: BOX if shape == "box" else POLYGON}
    assert submit(bob, page, answers(page, drawn)).status_code == 200
    shown = bob.get(f"/api/v1/tasks/{page['id']}/").json()["assignments"][0]["response"]["annotations"]
    assert [one[shape] for one in shown] == [drawn[shape]]
    nothing = next_page(bob, project).json()["task"]
    done = submit(bob, nothing, answers(nothing))
    assert done.status_code == 200, "an image without any object is an answer"


BAD = [
    {"box": BOX},
    {"label_class": "cat", "box": BOX},
    {"label_class": 10**30, "box": BOX},
    {"label_class": -1, "box": BOX},
    {"label_class": 0, "box": BOX},
    {"id": "nonsense", "box": BOX},
    {"frame": 3, "box": BOX},
    {"frame": "x", "box": BOX},
    {"frame": 10**30, "box": BOX},
    {},
    {"polygon": POLYGON},
    {"box": {"x": 1, "y": 1, "width": 0, "height": 5}},
    {"box": {"x": 1, "y": 1, "width": -5, "height": 5}},
    {"box": {"x": 1e308, "y": 1, "width": 1e308, "height": 5}},
    {"box": {"x": "NaN", "y": 1, "width": 5, "height": 5}},
    {"box": {"x": 900, "y": 1, "width": 5, "height": 5}},
    {"box": [1, 2, 3, 4]},
    {"box": {"x": 1}},
    {"box": BOX, "polygon": POLYGON},
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_what_fits_neither_the_project_nor_the_image_is_refused_whole(
    people: factories.People, bad: dict[str, Any]
) -> None:
    project = factories.make_project(people.workspace, task_type="object_detection")
    bob = as_person(people.bob)
    page = next_page(bob, project).json()["task"]
    known = {} if bad is BAD[0] else {"label_class": classes(project)[0]}
    body = answers(page, {"label_class": classes(project)[0], "box": BOX}, known | bad)
    refused(submit(bob, page, body), 400)
    assert (Response.objects.count(), Annotation.objects.count()) == (0, 0)
    assert Task.objects.get().state == "open"


def test_not_a_number_is_no_coordinate(people: factories.People) -> None:
    """Python reads NaN and Infinity in JSON, which no other JSON reader does."""
    project = factories.make_project(people.workspace, task_type="object_detection")
    bob = as_person(people.bob)
    page = next_page(bob, project).json()["task"]
    for bad in ("NaN", "Infinity", "-Infinity", "1e999"):
        body = (
            f'{{"operation_id": "{uuid.uuid4()}", "answers": [{{"assignment": {page["assignments"][0]["id"]}, '
            f'"annotations": [{{"label_class": {classes(project)[0]}, '
            f'"box": {{"x": {bad}, "y": 1, "width": 5, "height": 5}}}}]}}]}}'
        )
        reply = bob.post(f"/api/v1/tasks/{page['id']}/submit/", data=body, content_type="application/json")
        refused(reply, 400)
    assert not Response.objects.exists()


@pytest.mark.parametrize("change", ["few", "twice", "foreign", "outcome", "operation", "seconds", "two classes"])
def test_an_incomplete_page_is_refused_whole(
    people: factories.People, bob: APIClient, project: Project, change: str
) -> None:
    page = next_page(bob, project, 4).json()["task"]
    other = next_page(as_person(people.alice), project).json()["task"]
    first, second = classes(project)
    body = answers(page, {"label_class": first})
    rows = body["answers"]
    match change:
        case "few":
            rows.pop()
        case "twice":
            rows.append(rows[0])
        case "foreign":
            rows[0]["assignment"] = other["assignments"][0]["id"]
        case "outcome":
            rows[0]["outcome"] = "guessed"
        case "operation":
            body["operation_id"] = "once"
        case "seconds":
            rows[0]["active_seconds"] = -1
        case "two classes":
            rows[0]["annotations"] = [{"label_class": first}, {"label_class": second}]
    refused(submit(bob, page, body), 400)
    assert not Response.objects.exists()


def test_a_class_of_another_project_is_refused(people: factories.People, bob: APIClient, project: Project) -> None:
    other = factories.make_project(people.workspace)
    page = next_page(bob, project).json()["task"]
    refused(submit(bob, page, answers(page, {"label_class": classes(other)[0]})), 400, "unknown_class")
    as_person(people.alice).post(f"/api/v1/label-classes/{classes(project)[0]}/retire/")
    refused(submit(bob, page, answers(page, {"label_class": classes(project)[0]})), 409, "retired_class")
    assert not Response.objects.exists()


def test_skipping_takes_a_reason_and_no_class(bob: APIClient, project: Project) -> None:
    page = next_page(bob, project).json()["task"]
    reply = submit(bob, page, answers(page, outcome="skipped", skip_reason="too dark"))
    assert reply.status_code == 200, reply.content
    given = reply.json()["task"]["assignments"][0]["response"]
    assert (given["outcome"], given["skip_reason"], given["annotations"]) == ("skipped", "too dark", [])


def test_ones_own_pages_are_seen_newest_first_and_can_be_corrected(
    people: factories.People, bob: APIClient, project: Project
) -> None:
    first, second = classes(project)
    page = next_page(bob, project).json()["task"]
    submit(bob, page, answers(page, {"label_class": first}))
    open_page = next_page(bob, project).json()["task"]
    address = f"/api/v1/projects/{project.pk}/tasks/"
    assert ids(bob.get(address)) == [open_page["id"], page["id"]]
    assert ids(as_person(people.alice).get(address)) == []
    again = submit(bob, page, answers(page, {"label_class": second}))
    assert again.status_code == 200, again.content
    entry = QueueEntry.objects.get(pk=page["assignments"][0]["entry"])
    assert [one.label_class_id for one in entry.final_response.annotations.all()] == [second]
    as_person(people.alice).post(
        f"/api/v1/projects/{project.pk}/entries/review/", {"action": "approve", "entries": [entry.pk]}
    )
    refused(submit(bob, page, answers(page, {"label_class": first})), 409, "approved")
    assert entry.responses.count() == 2


def test_a_list_of_pages_costs_the_same_for_many(
    people: factories.People, project: Project, bob: APIClient, django_assert_max_num_queries: Any
) -> None:
    for _number in range(5):
        page = next_page(bob, project).json()["task"]
        submit(bob, page, answers(page, {"label_class": classes(project)[0]}))
    with django_assert_max_num_queries(12):
        assert len(ids(bob.get(f"/api/v1/projects/{project.pk}/tasks/"))) == 5


# --- Keeping, giving back, losing ------------------------------------------------------------------------------------


def test_a_heartbeat_keeps_the_page_and_says_when_it_is_lost(bob: APIClient, project: Project) -> None:
    page = next_page(bob, project).json()["task"]
    Assignment.objects.update(expires_at=timezone.now() + timedelta(seconds=5))
    kept = bob.post(f"/api/v1/tasks/{page['id']}/heartbeat/")
    assert kept.status_code == 200
    assert Assignment.objects.get().expires_at > timezone.now() + timedelta(minutes=5)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    refused(bob.post(f"/api/v1/tasks/{page['id']}/heartbeat/"), 409, "lease_lost")


def test_a_lost_image_is_not_overwritten(people: factories.People, bob: APIClient, project: Project) -> None:
    page = next_page(bob, project).json()["task"]
    Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    alice = as_person(people.alice)
    taken = next_page(alice, project, 9).json()["task"]
    submit(alice, taken, answers(taken, {"label_class": classes(project)[1]}))
    refused(submit(bob, page, answers(page, {"label_class": classes(project)[0]})), 409, "lease_lost")
    assert not Response.objects.filter(author=people.bob).exists()


def test_a_page_given_back_goes_to_the_next_person(people: factories.People, bob: APIClient, project: Project) -> None:
    page = next_page(bob, project, 6).json()["task"]
    assert bob.post(f"/api/v1/tasks/{page['id']}/release/").json()["state"] == "released"
    assert len(next_page(as_person(people.alice), project, 6).json()["task"]["assignments"]) == 6


def test_nobody_touches_the_page_of_another(people: factories.People, bob: APIClient, project: Project) -> None:
    page = next_page(bob, project).json()["task"]
    body = answers(page, {"label_class": classes(project)[0]})
    for client in (as_person(people.alice), as_person(people.charlie)):
        refused(client.get(f"/api/v1/tasks/{page['id']}/"), 404)
        refused(client.post(f"/api/v1/tasks/{page['id']}/heartbeat/"), 404)
        refused(client.post(f"/api/v1/tasks/{page['id']}/release/"), 404)
        refused(submit(client, page, body), 404)
    assert Assignment.objects.get().state == "live"


def test_who_changes_the_project_sees_all_leases_and_takes_one_back(
    people: factories.People, bob: APIClient, project: Project
) -> None:
    page = next_page(bob, project).json()["task"]
    lease = page["assignments"][0]["id"]
    alice, address = as_person(people.alice), f"/api/v1/projects/{project.pk}/assignments/"
    assert ids(alice.get(f"{address}?state=live")) == [lease]
    assert refused(bob.get(address), 403)["missing"] == "labeling/projects/write"
    assert refused(bob.post(f"/api/v1/assignments/{lease}/release/"), 403)["missing"] == "labeling/projects/write"
    refused(as_person(people.charlie).post(f"/api/v1/assignments/{lease}/release/"), 404)
    assert Assignment.objects.get().state == "live"
    assert alice.post(f"/api/v1/assignments/{lease}/release/").json()["state"] == "released"
    refused(alice.post(f"/api/v1/assignments/{lease}/release/"), 409)
