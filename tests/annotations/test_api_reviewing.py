"""The data tab, reviews, the dashboard and exports, through the API."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from annotations.models import QueueEntry, Response, Review, Transfer
from labeling_site.core.models import Job
from projects.models import Project
from tests import factories
from tests.annotations.labeling import answer_all, label_page, open_page, submit
from tests.support.api import as_person, as_program, ids, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


@pytest.fixture
def project(people: factories.People) -> Project:
    """Six items: four labeled "cat" by Bob, one skipped, one left."""
    project = factories.make_project(people.workspace, images=6)
    label_page(people.bob, project, factories.label_class(project, "cat"), page_size=4)
    task = open_page(people.bob, project)
    submit(people.bob, task, answer_all(task, [], outcome="skipped", skip_reason="blurred"))
    return project


@pytest.fixture
def alice(people: factories.People) -> APIClient:
    return as_person(people.alice)


def entries(project: Project, **where: Any) -> list[int]:
    return list(QueueEntry.objects.filter(project=project, **where).order_by("-id").values_list("pk", flat=True))


def review(client: APIClient, project: Project, action: str, chosen: list[Any], comment: str = "") -> Any:
    body = {"action": action, "entries": chosen, "comment": comment}
    return client.post(f"/api/v1/projects/{project.pk}/entries/review/", body)


# --- Looking ---------------------------------------------------------------------------------------------------------


def test_entries_are_filtered_by_known_names_only(people: factories.People, alice: APIClient, project: Project) -> None:
    address = f"/api/v1/projects/{project.pk}/entries/"
    cat, dog = (factories.label_class(project, name).pk for name in ("cat", "dog"))
    assert ids(alice.get(address)) == entries(project)
    assert ids(alice.get(f"{address}?status=skipped")) == entries(project, status="skipped")
    assert len(ids(alice.get(f"{address}?label_class={cat}&labeler={people.bob.pk}"))) == 4
    assert ids(alice.get(f"{address}?label_class={dog}")) == []
    assert ids(alice.get(f"{address}?labeler={people.alice.pk}")) == []
    assert ids(alice.get(f"{address}?approved=yes")) == []
    assert len(ids(alice.get(f"{address}?path=IMAGE-0001"))) == 1
    assert ids(alice.get(f"{address}?submitted_from=2100-01-01")) == []
    for bad in ("status=done", "label_class=x", "approved=maybe", "submitted_from=soon", "path=%00"):
        refused(alice.get(f"{address}?{bad}"), 400)
    for bad in ("final_response__author__password__startswith=a", "item__path=x", "ordering=-id", "project=1"):
        assert bad.partition("=")[0] in refused(alice.get(f"{address}?{bad}"), 400)["fields"]


def test_an_entry_shows_its_history_to_those_who_may_read_labels(
    people: factories.People, alice: APIClient, project: Project
) -> None:
    pk = entries(project, status="labeled")[0]
    shown = alice.get(f"/api/v1/entries/{pk}/").json()
    assert (shown["status"], shown["labeler"]["name"], len(shown["responses"])) == ("labeled", "Bob", 1)
    bob = as_person(people.bob)
    assert refused(bob.get(f"/api/v1/entries/{pk}/"), 403)["missing"] == "labeling/labels/read"
    assert refused(bob.get(f"/api/v1/projects/{project.pk}/entries/"), 403)["missing"] == "labeling/labels/read"
    refused(as_person(people.charlie).get(f"/api/v1/entries/{pk}/"), 404)


def test_a_list_of_entries_costs_the_same_for_many(
    people: factories.People, alice: APIClient, project: Project, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(9):
        alice.get(f"/api/v1/projects/{project.pk}/entries/?page_size=1")
    with django_assert_max_num_queries(9):
        alice.get(f"/api/v1/projects/{project.pk}/entries/?page_size=6")


def test_the_dashboard_counts_and_is_for_those_who_may_see_it(
    people: factories.People, alice: APIClient, project: Project
) -> None:
    address = f"/api/v1/projects/{project.pk}/dashboard/"
    board = alice.get(address).json()
    assert [board[name] for name in ("total", "labeled", "skipped", "incomplete", "percent")] == [6, 4, 1, 1, 66]
    assert [(one["path"], one["count"]) for one in board["classes"]] == [("cat", 4), ("dog", 0)]
    assert [(one["name"], one["count"]) for one in board["labelers"]] == [("Bob", 5)]
    assert refused(as_person(people.bob).get(address), 403)["missing"] == "labeling/projects/summary/read"
    refused(as_person(people.charlie).get(address), 404)


# --- Deciding --------------------------------------------------------------------------------------------------------


def test_reviewers_approve_reject_return_and_remove(alice: APIClient, project: Project) -> None:
    labeled, skipped = entries(project, status="labeled"), entries(project, status="skipped")
    assert review(alice, project, "approve", labeled).json() == {"changed": 4}
    assert review(alice, project, "unapprove", labeled[:1]).json() == {"changed": 1}
    assert review(alice, project, "reject", labeled[:1], "that is a fox").json() == {"changed": 1}
    assert review(alice, project, "return", skipped).json() == {"changed": 1}
    assert QueueEntry.objects.get(pk=skipped[0]).status == "unlabeled"
    assert Review.objects.filter(action="reject").get().comment == "that is a fox"


@pytest.mark.parametrize(
    ("action", "missing"),
    [
        ("approve", "labeling/labels/approve_unapprove/action"),
        ("unapprove", "labeling/labels/approve_unapprove/action"),
        ("reject", "labeling/labels/reject/action"),
        ("return", "labeling/labels/reject/action"),
        ("remove", "labeling/labels/approve_unapprove/action"),
    ],
)
def test_a_labeler_decides_nothing(people: factories.People, project: Project, action: str, missing: str) -> None:
    chosen = entries(project, status="skipped" if action in {"return", "remove"} else "labeled")
    assert refused(review(as_person(people.bob), project, action, chosen), 403)["missing"] == missing
    refused(review(as_person(people.charlie), project, action, chosen), 404)
    assert not Review.objects.exists()


def test_one_wrong_entry_stops_the_whole_decision(people: factories.People, alice: APIClient, project: Project) -> None:
    foreign = factories.make_project(factories.make_workspace(people.charlie, "Elsewhere"))
    labeled = entries(project, status="labeled")
    for wrong in (entries(foreign)[0], 0, 2**62):
        refused(review(alice, project, "approve", [*labeled, wrong]), 404)
    refused(review(alice, project, "approve", [*labeled, entries(project, status="skipped")[0]]), 409)
    for bad in ([], ["x"], [10**30], list(range(501)), [-1]):
        refused(review(alice, project, "approve", bad), 400)
    refused(review(alice, project, "delete", labeled), 400)
    refused(review(alice, project, "approve", labeled, "x" * 1001), 400)
    assert not Review.objects.exists()
    assert not QueueEntry.objects.filter(approved=True).exists()


def test_a_correction_replaces_what_counts_and_keeps_what_was(
    people: factories.People, alice: APIClient, project: Project
) -> None:
    pk, dog = entries(project, status="labeled")[0], factories.label_class(project, "dog")
    body = {"annotations": [{"label_class": dog.pk}], "operation_id": str(uuid.uuid4()), "comment": "a dog"}
    address = f"/api/v1/entries/{pk}/correct/"
    assert refused(as_person(people.bob).post(address, body), 403)["missing"] == "labeling/labels/update/action"
    refused(as_person(people.charlie).post(address, body), 404)
    refused(alice.post(address, body | {"annotations": []}), 400)
    assert Response.objects.filter(entry=pk).count() == 1
    first = alice.post(address, body)
    assert first.status_code == 200, first.content
    assert alice.post(address, body).json()["id"] == first.json()["id"]
    assert Response.objects.filter(entry=pk).count() == 2
    assert alice.get(f"/api/v1/entries/{pk}/").json()["annotations"][0]["label_class"] == dog.pk


# --- Taking away -----------------------------------------------------------------------------------------------------


def start(client: APIClient, project: Project, format: str = "coco", **more: Any) -> Any:
    return client.post(f"/api/v1/projects/{project.pk}/exports/", {"format": format, **more})


def test_an_export_is_written_fetched_without_signing_in_and_deleted(alice: APIClient, project: Project) -> None:
    body = {"format": "coco", "options": {"coordinates": "normalized"}}
    address = f"/api/v1/projects/{project.pk}/exports/"
    made = alice.post(address, body, headers={"Idempotency-Key": "e1"})
    assert made.status_code == 201, made.content
    assert alice.post(address, body, headers={"Idempotency-Key": "e1"}).json()["id"] == made.json()["id"]
    one = f"/api/v1/exports/{made.json()['id']}/"
    refused(alice.get(one + "download/"), 409)
    refused(alice.delete(one), 409)
    factories.run_jobs()
    shown = alice.get(one).json()
    assert (shown["state"], shown["item_count"], shown["annotation_count"]) == ("succeeded", 4, 4)
    assert ids(alice.get(address)) == [shown["id"]]
    assert alice.delete(one).status_code == 204
    refused(alice.get(one), 404)


def test_the_download_link_opens_the_file(alice: APIClient, project: Project) -> None:
    pk = start(alice, project).json()["id"]
    factories.run_jobs()
    link = alice.get(f"/api/v1/exports/{pk}/download/").json()
    assert link["expires_in"] == 3600
    reply = APIClient().get(link["url"])
    assert reply.status_code == 200
    content = b"".join(reply.streaming_content) if reply.streaming else reply.content
    assert len(json.loads(content)["annotations"]) == 4
    assert reply["X-Content-Type-Options"] == "nosniff"
    assert reply["Content-Disposition"].startswith("attachment")


def test_who_may_not_export_gets_nothing(people: factories.People, alice: APIClient, project: Project) -> None:
    pk = start(alice, project).json()["id"]
    factories.run_jobs()
    bob, charlie = as_person(people.bob), as_person(people.charlie)
    second = as_program(people.alice, factories.make_workspace(people.alice, "Second"))
    for path in (f"exports/{pk}/", f"exports/{pk}/download/", f"projects/{project.pk}/exports/"):
        assert refused(bob.get(f"/api/v1/{path}"), 403)["missing"] == "labeling/export/action"
        refused(charlie.get(f"/api/v1/{path}"), 404)
        refused(second.get(f"/api/v1/{path}"), 404)
    assert refused(start(bob, project), 403)["missing"] == "labeling/export/action"
    assert refused(bob.delete(f"/api/v1/exports/{pk}/"), 403)["missing"] == "labeling/export/action"
    refused(charlie.delete(f"/api/v1/exports/{pk}/"), 404)
    assert (Transfer.objects.count(), Job.objects.filter(kind="annotations.export").count()) == (1, 1)


def test_an_export_can_be_stopped(alice: APIClient, project: Project) -> None:
    pk = start(alice, project, "csv").json()["id"]
    assert alice.post(f"/api/v1/exports/{pk}/cancel/").json()["state"] == "cancelled"
    refused(alice.get(f"/api/v1/exports/{pk}/download/"), 409)


@pytest.mark.parametrize(
    "more", [{"format": "xml"}, {"options": {"where": "1=1"}}, {"options": {"coordinates": "polar"}}, {"options": []}]
)
def test_an_export_of_an_unknown_kind_is_refused(alice: APIClient, project: Project, more: dict[str, Any]) -> None:
    refused(start(alice, project, **({"format": "coco"} | more)), 400)
    assert not Transfer.objects.exists()
