"""Comments on items: who reads them, who writes, who settles, and what the lead is asked."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from annotations.models import Assignment, Comment, QueueEntry
from annotations.services import comments
from annotations.services.recounting import recount
from projects.access import Capability
from projects.models import Project, Role
from projects.services import counters
from tests import factories
from tests.annotations.labeling import open_page
from tests.support.api import as_person, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


@pytest.fixture
def project(people: factories.People) -> Project:
    return factories.make_project(people.workspace, images=4)


@pytest.fixture
def entry(people: factories.People, project: Project) -> QueueEntry:
    """An image that Bob has on his page."""
    row: QueueEntry = (
        open_page(people.bob, project).assignments.select_related("entry__project", "entry__item").get().entry
    )
    return row


def write(client: APIClient, entry: QueueEntry, text: str = "why?", **more: Any) -> Any:
    return client.post(f"/api/v1/entries/{entry.pk}/comments/", {"text": text} | more, format="json")


def threads(client: APIClient, entry: QueueEntry) -> list[dict[str, Any]]:
    reply = client.get(f"/api/v1/entries/{entry.pk}/comments/")
    assert reply.status_code == 200, reply.content
    return list(reply.json()["threads"])


def questions(project: Project) -> int:
    return counters.read(project.pk).get("questions", 0)


# --- Reading and writing ---------------------------------------------------------------------------------------------


def test_a_labeler_points_at_a_place_and_a_reviewer_answers(people: factories.People, entry: QueueEntry) -> None:
    bob, alice = as_person(people.bob), as_person(people.alice)
    made = write(bob, entry, "One thing or two?", point=[10.5, 20], asks_lead=True)
    assert made.status_code == 201, made.content
    assert (made.json()["point"], made.json()["asks_lead"], made.json()["is_mine"]) == ([10.5, 20.0], True, True)
    [thread] = threads(alice, entry)
    assert (thread["author"]["name"], thread["is_mine"], thread["text"]) == ("Bob", False, "One thing or two?")
    answer = alice.post(f"/api/v1/comments/{thread['id']}/reply/", {"text": "One."}, format="json")
    assert answer.status_code == 201, answer.content
    [thread] = threads(bob, entry)
    assert [(one["author"]["name"], one["text"]) for one in thread["replies"]] == [("Alice", "One.")]


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("", {}),
        ("   ", {}),
        ("x" * 2001, {}),
        ("a\x07b", {}),
        ("fine", {"point": [1]}),
        ("fine", {"point": [-1, 5]}),
        ("fine", {"point": [65, 5]}),
        ("fine", {"point": ["a", "b"]}),
        ("fine", {"frame": 1}),
        ("fine", {"frame": -1}),
    ],
)
def test_what_is_no_comment_is_refused(
    people: factories.People, entry: QueueEntry, text: str, more: dict[str, Any]
) -> None:
    refused(write(as_person(people.bob), entry, text, **more), 400)
    assert not Comment.objects.exists()


def test_an_item_takes_so_many_comments_and_no_more(
    people: factories.People, entry: QueueEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comments, "MAX_COMMENTS", 2)
    bob = as_person(people.bob)
    first = write(bob, entry).json()
    assert write(bob, entry).status_code == 201
    refused(write(bob, entry), 409)
    refused(bob.post(f"/api/v1/comments/{first['id']}/reply/", {"text": "x"}, format="json"), 409)
    assert Comment.objects.count() == 2


def test_labelers_read_only_about_items_that_were_handed_to_them(
    people: factories.People, project: Project, entry: QueueEntry
) -> None:
    write(as_person(people.bob), entry)
    mia = as_person(factories.add_member(people.workspace, name="Mia"))
    assert refused(mia.get(f"/api/v1/entries/{entry.pk}/comments/"), 403)["missing"] == Capability.READ_LABELS
    refused(write(mia, entry), 403)
    [thread] = threads(as_person(people.alice), entry)
    refused(mia.post(f"/api/v1/comments/{thread['id']}/reply/", {"text": "x"}, format="json"), 403)
    refused(mia.post(f"/api/v1/comments/{thread['id']}/resolve/"), 403)
    charlie = as_person(people.charlie)
    refused(charlie.get(f"/api/v1/entries/{entry.pk}/comments/"), 404)
    refused(write(charlie, entry), 404)
    refused(charlie.post(f"/api/v1/comments/{thread['id']}/reply/", {"text": "x"}, format="json"), 404)
    assert Comment.objects.count() == 1


def test_where_several_answer_independently_nobody_reads_the_others_remarks(
    people: factories.People, project: Project, entry: QueueEntry
) -> None:
    """A remark can give an answer away. What reviewers answer in one's own thread is read, of course."""
    QueueEntry.objects.filter(pk=entry.pk).update(slots=2, open_slots=1)
    mia = factories.add_member(people.workspace, name="Mia")
    task = open_page(mia, project)
    Assignment.objects.filter(task=task).update(entry=entry, slot=2)
    write(as_person(people.bob), entry, "I say it is a cat")
    mine = write(as_person(mia), entry, "Is it?").json()
    as_person(people.alice).post(f"/api/v1/comments/{mine['id']}/reply/", {"text": "It is."}, format="json")
    assert [one["text"] for one in threads(as_person(mia), entry)] == ["Is it?"]
    assert len(threads(as_person(people.alice), entry)) == 2
    [theirs] = [one for one in threads(as_person(people.alice), entry) if one["id"] != mine["id"]]
    refused(as_person(mia).post(f"/api/v1/comments/{theirs['id']}/reply/", {"text": "x"}, format="json"), 404)
    page = (
        as_person(mia).post(f"/api/v1/projects/{project.pk}/tasks/", {"page_size": 1}).json()["task"]["assignments"][0]
    )
    assert page["comments"] == {"total": 1, "open": 1}


def test_the_page_says_how_many_threads_there_are(
    people: factories.People, project: Project, entry: QueueEntry
) -> None:
    bob = as_person(people.bob)
    done = write(bob, entry).json()
    write(bob, entry)
    bob.post(f"/api/v1/comments/{done['id']}/resolve/")
    page = bob.post(f"/api/v1/projects/{project.pk}/tasks/", {"page_size": 1}).json()["task"]["assignments"][0]
    assert page["comments"] == {"total": 2, "open": 1}


def test_without_the_right_to_comment_one_reads_and_writes_nothing(people: factories.People, entry: QueueEntry) -> None:
    thread = write(as_person(people.bob), entry).json()
    role = factories.role("labeler")
    Role.objects.filter(pk=role.pk).update(capabilities=[one for one in role.capabilities if one != Capability.COMMENT])
    bob = as_person(people.bob)
    assert refused(write(bob, entry), 403)["missing"] == Capability.COMMENT
    for action in ("reply", "resolve", "reopen"):
        refused(bob.post(f"/api/v1/comments/{thread['id']}/{action}/", {"text": "x"}, format="json"), 403)
    assert len(threads(bob, entry)) == 1
    assert Comment.objects.count() == 1


# --- Settling, and the lead ------------------------------------------------------------------------------------------


def test_the_lead_is_asked_until_somebody_settles_it(
    people: factories.People, project: Project, entry: QueueEntry
) -> None:
    bob, alice = as_person(people.bob), as_person(people.alice)
    asked = write(bob, entry, asks_lead=True).json()
    write(bob, entry, "no question")
    assert questions(project) == 1
    board = alice.get(f"/api/v1/projects/{project.pk}/dashboard/").json()
    assert board["questions"] == 1
    listed = alice.get(f"/api/v1/projects/{project.pk}/comments/?asks_lead=yes&open=yes").json()["results"]
    assert [one["id"] for one in listed] == [asked["id"]]
    found = alice.get(f"/api/v1/projects/{project.pk}/entries/?questions=yes").json()["results"]
    assert [one["id"] for one in found] == [entry.pk]
    settled = alice.post(f"/api/v1/comments/{asked['id']}/resolve/").json()
    assert settled["resolved_by"] == "Alice"
    assert settled["resolved_at"]
    alice.post(f"/api/v1/comments/{asked['id']}/resolve/")
    assert questions(project) == 0, "settling twice counts once"
    assert alice.get(f"/api/v1/projects/{project.pk}/entries/?questions=yes").json()["results"] == []
    assert bob.post(f"/api/v1/comments/{asked['id']}/reopen/").json()["resolved_at"] is None
    assert questions(project) == 1
    assert recount(project=project) == {}


def test_labelers_settle_their_own_threads_only(people: factories.People, entry: QueueEntry) -> None:
    bob, alice = as_person(people.bob), as_person(people.alice)
    theirs = write(alice, entry, "look again", asks_lead=True).json()
    assert refused(bob.post(f"/api/v1/comments/{theirs['id']}/resolve/"), 403)["missing"] == Capability.READ_LABELS
    assert Comment.objects.get().resolved_at is None
    mine = write(bob, entry).json()
    assert bob.post(f"/api/v1/comments/{mine['id']}/resolve/").status_code == 200


def test_an_answer_is_no_thread(people: factories.People, entry: QueueEntry) -> None:
    bob = as_person(people.bob)
    thread = write(bob, entry).json()
    answer = bob.post(f"/api/v1/comments/{thread['id']}/reply/", {"text": "x"}, format="json").json()
    for action in ("reply", "resolve"):
        refused(bob.post(f"/api/v1/comments/{answer['id']}/{action}/", {"text": "x"}, format="json"), 404)


def test_the_projects_list_is_for_reviewers(people: factories.People, project: Project, entry: QueueEntry) -> None:
    refused(as_person(people.bob).get(f"/api/v1/projects/{project.pk}/comments/"), 403)
    refused(as_person(people.charlie).get(f"/api/v1/projects/{project.pk}/comments/"), 404)
    refused(as_person(people.alice).get(f"/api/v1/projects/{project.pk}/comments/?open=perhaps"), 400)


# --- Pages -----------------------------------------------------------------------------------------------------------


def test_a_reviewer_reads_answers_and_settles_on_the_items_page(
    people: factories.People, project: Project, entry: QueueEntry
) -> None:
    write(as_person(people.bob), entry, "Is a mirror a cat?", asks_lead=True)
    client = Client()
    client.force_login(people.alice)
    assert "1 question waits for the lead" in client.get(f"/projects/{project.pk}/panel/").content.decode()
    listed = client.get(f"/projects/{project.pk}/data/?status=all&questions=yes").content.decode()
    assert listed.count('class="tile"') == 1
    address = f"/projects/{project.pk}/data/{entry.pk}/"
    assert "Is a mirror a cat?" in client.get(address).content.decode()
    thread = Comment.objects.get()
    client.post(f"{address}comments/{thread.pk}/", {"do": "reply", "text": "No."})
    client.post(f"{address}comments/{thread.pk}/", {"do": "resolve"})
    client.post(f"{address}comments/", {"text": "Noted in the instructions."})
    shown = client.get(address).content.decode()
    assert "No." in shown
    assert "settled" in shown
    assert "Noted in the instructions." in shown
    assert "waits for the lead" not in client.get(f"/projects/{project.pk}/panel/").content.decode()
    assert client.post(f"{address}comments/{thread.pk}/", {"do": "burn"}).status_code == 400
    elsewhere = QueueEntry.objects.filter(project=project).exclude(pk=entry.pk)[0]
    moved = f"/projects/{project.pk}/data/{elsewhere.pk}/comments/{thread.pk}/"
    assert client.post(moved, {"do": "reopen"}).status_code == 404
