"""Edits of an open page through the API: applied once, refused alone with a reason, and brought back on any machine."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from annotations.models import Annotation, Assignment, Draft, Operation, QueueEntry, Response
from annotations.services import drafts
from annotations.services.drafts import Change
from projects.models import Project
from tests import factories
from tests.support.api import as_person, refused

pytestmark = [pytest.mark.django_db, pytest.mark.services]

BOX = {"x": 4, "y": 5, "width": 20.5, "height": 10}
# Fixed, for tests are named after them.
HERE, THERE = "3d1f2a52-7a0c-4f0e-9f1d-0c7b6f6a1e01", "9b1c7c1e-2f4b-4a7e-8c53-5d0a4c3e2f02"


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


@pytest.fixture
def project(people: factories.People) -> Project:
    return factories.make_project(people.workspace, task_type="object_detection", images=4)


@pytest.fixture
def bob(people: factories.People) -> APIClient:
    return as_person(people.bob)


def classes(project: Project) -> list[int]:
    return list(project.label_classes.order_by("position").values_list("pk", flat=True))


def next_page(client: APIClient, project: Project, **asked: Any) -> dict[str, Any]:
    reply = client.post(f"/api/v1/projects/{project.pk}/tasks/", asked)
    assert reply.status_code in (200, 201), reply.content
    return dict(reply.json())


def lease(client: APIClient, project: Project) -> dict[str, Any]:
    """The only assignment of a page handed out now, with the number of its task."""
    task = next_page(client, project)["task"]
    return {"task": task["id"], **task["assignments"][0]}


def put(label_class: int, *, name: str | None = None, box: Any = BOX, at: int = 0, **more: Any) -> dict[str, Any]:
    name = name or str(uuid.uuid4())
    return {"id": name, "after": {"id": name, "label_class": label_class, "box": box, **more}, "at": at}


def gone(name: str, at: int = 0) -> dict[str, Any]:
    return {"id": name, "after": None, "at": at}


def edit(held: dict[str, Any], *changes: dict[str, Any], base: int = 0, name: str | None = None) -> dict[str, Any]:
    return {"id": name or str(uuid.uuid4()), "assignment": held["id"], "base": base, "changes": list(changes)}


def send(client: APIClient, held: dict[str, Any], *edits: dict[str, Any], browser: str = HERE, **more: Any) -> Any:
    return client.post(
        f"/api/v1/tasks/{held['task']}/operations/", {"client": browser, "operations": list(edits), **more}
    )


def codes(reply: Any) -> list[str]:
    assert reply.status_code == 200, reply.content
    return [one["code"] or one["status"] for one in reply.json()["results"]]


def submit(who: APIClient, held: dict[str, Any], *annotations: dict[str, Any], **more: Any) -> Any:
    answer = {"assignment": held["id"], "annotations": list(annotations)}
    for key in ("operations", "base", "actions", "active_seconds"):
        if key in more:
            answer[key] = more.pop(key)
    body = {"operation_id": str(uuid.uuid4()), "answers": [answer]} | more
    return who.post(f"/api/v1/tasks/{held['task']}/submit/", body)


def seen(client: APIClient, held: dict[str, Any]) -> Any:
    """The draft as a page that is opened now gets it."""
    return client.get(f"/api/v1/tasks/{held['task']}/").json()["assignments"][0]["draft"]


# --- What an edit does -----------------------------------------------------------------------------------------------


def test_edits_make_the_draft_that_another_machine_opens(bob: APIClient, project: Project) -> None:
    held = lease(bob, project)
    cat, dog = classes(project)
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    assert held["draft"] is None
    reply = send(
        bob,
        held,
        edit(held, put(cat, name=one)),
        edit(held, put(dog, name=two, at=1)),
        edit(held, put(dog, name=one)),
        edit(held, gone(two, 1)),
        edit(held, put(cat, name=two, at=0)),
    )
    assert codes(reply) == ["applied"] * 5
    assert reply.json()["revisions"] == {str(held["id"]): 5}
    again = next_page(bob, project)["task"]["assignments"][0]
    assert [(row["id"], row["label_class"]) for row in again["draft"]["annotations"]] == [(two, cat), (one, dog)]
    assert again["draft"]["revision"] == 5
    assert not Response.objects.exists() and not Annotation.objects.exists(), "a draft is no answer"


def test_an_edit_sent_again_is_applied_once(bob: APIClient, project: Project) -> None:
    held = lease(bob, project)
    name, (cat, dog) = str(uuid.uuid4()), classes(project)
    first, second = edit(held, put(cat, name=name)), edit(held, put(dog, name=name))
    for batch in ([first], [first, second], [first], [second, first]):
        assert set(codes(send(bob, held, *batch))) == {"applied"}
    assert [row["label_class"] for row in seen(bob, held)["annotations"]] == [dog], "an old edit does not come back"
    assert (Operation.objects.count(), Draft.objects.get().revision) == (2, 2)


def test_a_shape_is_clipped_and_what_a_page_notes_beside_it_is_kept(bob: APIClient, project: Project) -> None:
    held = lease(bob, project)
    far = {"x": 50, "y": -5, "width": 100, "height": 20}
    send(bob, held, edit(held, put(classes(project)[0], box=far, prelabel=7)))
    [row] = seen(bob, held)["annotations"]
    assert row["box"] == {"x": 50.0, "y": 0.0, "width": 14.0, "height": 15.0}
    assert row["prelabel"] == 7


def test_a_move_in_the_drawing_order_is_one_edit() -> None:
    rows = [{"id": name} for name in "abc"]
    moved = drafts.apply(rows, [Change("a", None, 0), Change("a", {"id": "a"}, 2)])
    assert [row["id"] for row in moved] == ["b", "c", "a"]


def test_classes_and_skips_of_a_grid(people: factories.People, bob: APIClient) -> None:
    project = factories.make_project(people.workspace, images=4)
    task = next_page(bob, project, page_size=4)["task"]
    rows = [{"task": task["id"], **row} for row in task["assignments"]]
    name = str(uuid.uuid4())
    skip = {"id": name, "after": {"id": name, "skipped": True, "skip_reason": "dark", "assignment": 1}, "at": 0}
    one = str(uuid.uuid4())
    label = {"id": one, "after": {"id": one, "label_class": classes(project)[0]}, "at": 3}
    assert codes(send(bob, rows[0], edit(rows[0], label), edit(rows[1], skip))) == ["applied", "applied"]
    found = bob.get(f"/api/v1/tasks/{task['id']}/").json()["assignments"]
    assert [row["label_class"] for row in found[0]["draft"]["annotations"]] == [classes(project)[0]]
    assert found[1]["draft"]["annotations"] == [{"id": name, "skipped": True, "skip_reason": "dark"}]
    assert found[2]["draft"] is None


# --- What is refused, alone ------------------------------------------------------------------------------------------

BAD = [
    {"box": {"x": 1, "y": 1, "width": 0, "height": 5}},
    {"box": {"x": 900, "y": 1, "width": 5, "height": 5}},
    {"box": None},
    {"box": {"x": "1", "y": 1, "width": 5, "height": 5}},
    {"frame": 3},
    {"label_class": 10**30},
    {"label_class": None},
    {"label_class": "cat"},
    {"Upper": 1},
    {"note": {"deep": 1}},
    {"note": "x" * 400},
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_a_bad_edit_is_refused_with_a_reason_and_the_rest_goes_through(
    bob: APIClient, project: Project, bad: dict[str, Any]
) -> None:
    held = lease(bob, project)
    cat = classes(project)[0]
    wrong = put(cat)
    wrong["after"] |= bad
    reply = send(bob, held, edit(held, put(cat)), edit(held, wrong), edit(held, put(cat)))
    assert codes(reply)[::2] == ["applied", "applied"]
    assert reply.json()["results"][1]["status"] == "refused" and reply.json()["results"][1]["detail"]
    assert len(seen(bob, held)["annotations"]) == 2
    assert Operation.objects.count() == 2


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"id": "x", "after": None},
        {"after": None},
        {"id": HERE, "after": 3},
        {"id": HERE},
        {"id": HERE, "after": None, "at": "x"},
    ],
    ids=str,
)
def test_what_is_no_change_is_refused(bob: APIClient, project: Project, change: dict[str, Any]) -> None:
    held = lease(bob, project)
    assert codes(send(bob, held, edit(held, change))) == ["invalid"]
    assert codes(send(bob, held, edit(held))) == ["invalid"]
    assert not Operation.objects.exists() and not Draft.objects.filter(is_open=True).exists()


def test_a_class_that_was_retired_or_is_not_ours_refuses_that_edit_only(
    people: factories.People, bob: APIClient, project: Project
) -> None:
    held = lease(bob, project)
    cat, dog = classes(project)
    other = classes(factories.make_project(people.workspace))[0]
    as_person(people.alice).post(f"/api/v1/label-classes/{dog}/retire/")
    name = str(uuid.uuid4())
    reply = send(bob, held, edit(held, put(cat)), edit(held, put(dog, name=name)), edit(held, put(other)))
    assert codes(reply) == ["applied", "retired_class", "unknown_class"]
    # The class changed, the object is as good as any; and one that never arrived can be taken away.
    assert (
        codes(send(bob, held, edit(held, put(cat, name=name)), edit(held, gone(str(uuid.uuid4()))))) == ["applied"] * 2
    )
    assert len(seen(bob, held)["annotations"]) == 2


def test_an_image_that_is_not_on_this_page_is_refused(
    people: factories.People, bob: APIClient, project: Project
) -> None:
    held = lease(bob, project)
    alices = lease(as_person(people.alice), project)
    reply = send(bob, held, edit(alices, put(classes(project)[0])), edit(held, put(classes(project)[0])))
    assert codes(reply) == ["invalid", "applied"]
    assert Draft.objects.get().assignment_id == held["id"]


@pytest.mark.parametrize(
    "body",
    [
        {"client": "me", "operations": []},
        {"operations": []},
        {"client": HERE},
        {"client": HERE, "operations": [{"id": "x", "assignment": 1, "changes": []}]},
        {"client": HERE, "operations": [{"id": HERE, "assignment": "one", "changes": []}]},
        {"client": HERE, "operations": [{"id": HERE, "assignment": 1}]},
        {"client": HERE, "operations": [{"id": HERE, "assignment": 1, "changes": [], "base": -1}]},
    ],
    ids=str,
)
def test_what_cannot_be_answered_edit_by_edit_is_refused_whole(
    bob: APIClient, project: Project, body: dict[str, Any]
) -> None:
    held = lease(bob, project)
    refused(bob.post(f"/api/v1/tasks/{held['task']}/operations/", body), 400)
    assert not Draft.objects.exists()


def test_too_many_edits_at_once_are_refused(bob: APIClient, project: Project) -> None:
    held = lease(bob, project)
    refused(send(bob, held, *(edit(held, put(classes(project)[0])) for _ in range(501))), 400)
    assert not Operation.objects.exists()


def test_nobody_edits_the_page_of_another(people: factories.People, bob: APIClient, project: Project) -> None:
    held = lease(bob, project)
    for somebody in (people.alice, people.charlie):
        refused(send(as_person(somebody), held, edit(held, put(classes(project)[0]))), 404)
    assert not Draft.objects.exists() and not Operation.objects.exists()


# --- Leases ----------------------------------------------------------------------------------------------------------


def test_an_edit_keeps_the_lease(bob: APIClient, project: Project) -> None:
    held = lease(bob, project)
    Assignment.objects.update(expires_at=timezone.now() + timedelta(seconds=5))
    send(bob, held, edit(held, put(classes(project)[0])))
    assert Assignment.objects.get().expires_at > timezone.now() + timedelta(minutes=5)


def test_after_the_lease_ended_edits_wait_and_the_work_comes_along_to_the_next_lease(
    people: factories.People, bob: APIClient
) -> None:
    project = factories.make_project(people.workspace, task_type="object_detection", images=1)
    held = lease(bob, project)
    cat = classes(project)[0]
    assert codes(send(bob, held, edit(held, put(cat)))) == ["applied"]
    Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    alice = as_person(people.alice)
    hers = lease(alice, project)
    assert hers["draft"] is None, "nobody sees the work of another"
    assert codes(send(bob, held, edit(held, put(cat)))) == ["lease_lost"]
    assert len(seen(bob, held)["annotations"]) == 1
    alice.post(f"/api/v1/tasks/{hers['task']}/release/")
    again = lease(bob, project)
    assert again["id"] != held["id"]
    assert len(again["draft"]["annotations"]) == 1
    assert codes(send(bob, again, edit(again, put(cat), base=again["draft"]["revision"]))) == ["applied"]
    assert len(seen(bob, again)["annotations"]) == 2


# --- Two browsers of one person --------------------------------------------------------------------------------------


def test_what_another_browser_changed_is_not_overwritten_unseen(bob: APIClient, project: Project) -> None:
    held = lease(bob, project)
    cat, dog = classes(project)
    name = str(uuid.uuid4())
    send(bob, held, edit(held, put(cat, name=name)))
    # The other one has loaded revision 1 and changes the class; this one has not seen that.
    assert codes(send(bob, held, edit(held, put(dog, name=name), base=1), browser=THERE)) == ["applied"]
    reply = send(bob, held, edit(held, put(cat, name=name)), edit(held, gone(name)), edit(held, put(cat, at=1)))
    assert codes(reply) == ["changed_elsewhere", "changed_elsewhere", "applied"]
    assert [row["label_class"] for row in seen(bob, held)["annotations"]] == [dog, cat]
    # After it was loaded again it can be changed.
    revision = seen(bob, held)["revision"]
    assert codes(send(bob, held, edit(held, put(cat, name=name), base=revision))) == ["applied"]


def test_an_older_view_is_not_submitted_over_a_newer_one(bob: APIClient, project: Project) -> None:
    held = lease(bob, project)
    cat = classes(project)[0]
    send(bob, held, edit(held, put(cat)))
    send(bob, held, edit(held, put(cat), base=1), browser=THERE)
    refused(submit(bob, held, put(cat)["after"], client=HERE, base=0), 409, "changed_elsewhere")
    assert not Response.objects.exists() and Draft.objects.get().is_open
    assert submit(bob, held, put(cat)["after"], client=HERE, base=seen(bob, held)["revision"]).status_code == 200


def test_a_page_submitted_elsewhere_is_neither_edited_nor_replaced_unknowingly(
    bob: APIClient, project: Project
) -> None:
    held = lease(bob, project)
    cat = classes(project)[0]
    assert submit(bob, held, put(cat)["after"], client=HERE, correction=False).status_code == 200
    assert codes(send(bob, held, edit(held, put(cat)), browser=THERE)) == ["submitted"]
    refused(submit(bob, held, client=THERE, correction=False), 409, "submitted")
    assert (Response.objects.count(), Annotation.objects.count()) == (1, 1)
    assert not Draft.objects.filter(is_open=True).exists()


# --- From edits to an answer -----------------------------------------------------------------------------------------


def test_a_submit_ends_the_draft_and_knows_the_edits_that_it_contains(bob: APIClient, project: Project) -> None:
    held = lease(bob, project)
    cat = classes(project)[0]
    first, late = put(cat), put(cat, at=1)
    send(bob, held, edit(held, first))
    on_its_way = edit(held, late)
    said = {"operations": [on_its_way["id"]], "base": 0, "actions": 2.5, "active_seconds": 3}
    assert submit(bob, held, first["after"], late["after"], client=HERE, correction=False, **said).status_code == 200
    # The edit arrives after all: it is known, and changes nothing.
    assert codes(send(bob, held, on_its_way)) == ["applied"]
    response = Response.objects.get()
    assert (response.actions, response.active_seconds, response.annotations.count()) == (2.5, 3, 2)
    assert seen(bob, held)["annotations"] is None
    assert Operation.objects.count() == 2


def test_a_correction_starts_from_the_answer_and_ends_with_approval(
    people: factories.People, bob: APIClient, project: Project
) -> None:
    held = lease(bob, project)
    cat, dog = classes(project)
    first = put(cat)
    submit(bob, held, first["after"])
    assert codes(send(bob, held, edit(held, put(dog, at=1)), correction=True)) == ["applied"]
    assert [row["label_class"] for row in seen(bob, held)["annotations"]] == [cat, dog]
    assert Annotation.objects.count() == 1, "the answer stands until the correction is submitted"
    entry = QueueEntry.objects.get(pk=held["entry"])
    as_person(people.alice).post(
        f"/api/v1/projects/{project.pk}/entries/review/", {"action": "approve", "entries": [entry.pk]}
    )
    assert codes(send(bob, held, edit(held, put(dog)), correction=True)) == ["approved"]


def test_a_batch_costs_the_same_for_many(bob: APIClient, project: Project, django_assert_max_num_queries: Any) -> None:
    held = lease(bob, project)
    edits = [edit(held, put(classes(project)[0])) for _ in range(50)]
    with django_assert_max_num_queries(25):
        assert codes(send(bob, held, *edits)) == ["applied"] * 50


# --- What is kept of old edits ---------------------------------------------------------------------------------------


def test_old_edits_are_forgotten_once_nobody_works_on_their_page(bob: APIClient, project: Project) -> None:
    cat = classes(project)[0]
    pages: list[dict[str, Any]] = []
    for _ in range(4):
        task = next_page(bob, project, holding=[one["task"] for one in pages])["task"]
        pages.append({"task": task["id"], **task["assignments"][0]})
        send(bob, pages[-1], edit(pages[-1], put(cat)), edit(pages[-1], put(cat)))
    sent, _live, given_back, corrected = pages
    for held in (sent, corrected):
        assert submit(bob, held, {"label_class": cat, "box": BOX}, base=2, client=HERE).status_code == 200
    Assignment.objects.filter(pk=given_back["id"]).update(state=Assignment.State.EXPIRED)
    again = edit(corrected, put(cat), base=3)
    send(bob, corrected, again, correction=True)
    Operation.objects.update(applied_at=timezone.now() - timedelta(days=31))
    fresh = edit(sent, put(cat), base=3)
    send(bob, sent, fresh, correction=True)
    Draft.objects.filter(assignment=sent["id"]).update(is_open=False)
    assert drafts.forget_operations() == 2
    left = Operation.objects.values_list("assignment", flat=True)
    assert sorted(left) == sorted(
        [sent["id"]] + [one["id"] for one in pages[1:3] for _ in range(2)] + [corrected["id"]] * 3
    )
    assert drafts.forget_operations() == 0
    # What is forgotten and arrives after all changes nothing.
    late = edit(sent, put(cat))
    assert codes(send(bob, sent, late)) == ["submitted"]


def test_forgetting_ends_at_the_first_young_edit(
    bob: APIClient, project: Project, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(drafts, "FORGET_TOGETHER", 2)
    held = lease(bob, project)
    send(bob, held, *[edit(held, put(classes(project)[0])) for _ in range(7)])
    submit(bob, held, {"label_class": classes(project)[0], "box": BOX}, base=7, client=HERE)
    old = sorted(Operation.objects.values_list("pk", flat=True))[:3]
    Operation.objects.filter(pk__in=old).update(applied_at=timezone.now() - timedelta(days=31))
    assert drafts.forget_operations() == 3
    with django_assert_num_queries(1):
        assert drafts.forget_operations() == 0


# --- Several pages at once -------------------------------------------------------------------------------------------


def test_who_holds_a_page_gets_another_one(bob: APIClient, project: Project) -> None:
    first = next_page(bob, project)["task"]["id"]
    second = next_page(bob, project, holding=[first], ahead=True)["task"]["id"]
    assert second != first
    assert next_page(bob, project, holding=[first])["task"]["id"] == second, "what was taken ahead is not taken again"
    assert next_page(bob, project)["task"]["id"] == first
    assert Assignment.objects.filter(state="live").count() == 2


def test_the_page_with_work_on_it_is_opened_first(bob: APIClient, project: Project) -> None:
    first = next_page(bob, project)["task"]["id"]
    second = next_page(bob, project, holding=[first])["task"]
    held = {"task": second["id"], **second["assignments"][0]}
    send(bob, held, edit(held, put(classes(project)[0])))
    assert next_page(bob, project)["task"]["id"] == second["id"]


def test_nobody_takes_ahead_what_the_others_need(people: factories.People, bob: APIClient, project: Project) -> None:
    alice = as_person(people.alice)
    bobs, hers = next_page(bob, project)["task"]["id"], next_page(alice, project)["task"]["id"]
    # Two images are free, and two people are at work.
    scarce = next_page(bob, project, holding=[bobs], ahead=True)
    assert (scarce["task"], scarce["reason"]) == (None, "scarce")
    assert Assignment.objects.count() == 2
    # Who has nothing on the screen gets one all the same.
    second = next_page(bob, project, holding=[bobs])["task"]["id"]
    beat = bob.post(f"/api/v1/projects/{project.pk}/tasks/heartbeat/", {"tasks": [bobs, second, hers]})
    assert beat.json() == {"lost": [hers], "scarce": True}


def test_one_heartbeat_keeps_several_pages_and_names_the_lost(bob: APIClient, project: Project) -> None:
    first = next_page(bob, project)["task"]["id"]
    second = next_page(bob, project, holding=[first])["task"]["id"]
    Assignment.objects.filter(task=first).update(expires_at=timezone.now() - timedelta(seconds=1))
    Assignment.objects.filter(task=second).update(expires_at=timezone.now() + timedelta(seconds=5))
    beat = bob.post(f"/api/v1/projects/{project.pk}/tasks/heartbeat/", {"tasks": [first, second]})
    assert beat.json() == {"lost": [first], "scarce": False}
    assert Assignment.objects.get(task=second).expires_at > timezone.now() + timedelta(minutes=5)
    assert Assignment.objects.get(task=first).expires_at < timezone.now()
    refused(bob.post(f"/api/v1/projects/{project.pk}/tasks/heartbeat/", {"tasks": []}), 400)


def test_nobody_collects_pages_without_end(people: factories.People, bob: APIClient) -> None:
    project = factories.make_project(people.workspace, images=20)
    held: list[int] = []
    while task := (given := next_page(bob, project, holding=held))["task"]:
        held.append(task["id"])
    assert (len(held), given["reason"]) == (12, "enough")
