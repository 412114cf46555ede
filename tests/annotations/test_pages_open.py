"""Every page of a project opens, for the people who may open it, with nothing in it and with everything."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from annotations.geometry import Box
from annotations.models import QueueEntry
from annotations.pages.details import SECTIONS
from projects.models import Project, TaskType, User
from tests.annotations.labeling import label_page
from tests.factories import add_member, image_bytes, label_class, make_people, make_project

pytestmark = pytest.mark.django_db

PAGES = ["project", "project-dashboard-panel", "project-head", "project-data", "project-details", "project-exports"]
PAGES += ["project-exports-panel", "project-label", "project-instructions"]


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(client: Client, name: str, *args: object, **query: str) -> str:
    answer = client.get(reverse(name, args=args), query)
    assert answer.status_code == 200, (name, answer.status_code)
    return answer.content.decode()


@pytest.mark.parametrize("task_type", TaskType.values)
def test_each_page_opens_before_and_after_the_first_label(task_type: str) -> None:
    people = make_people()
    project = make_project(people.workspace, task_type=task_type, images=3, instructions="<p>Look twice.</p>")
    alice = signed_in(people.alice)
    for name in PAGES:
        text_of(alice, name, project.pk)
    box = None if project.kind.is_classification else Box(1, 2, 30, 20)
    if project.kind != TaskType.POLYGON:
        label_page(people.alice, project, label_class(project, "cat"), box=box)
    for name in PAGES:
        text_of(alice, name, project.pk)
    for status in [*QueueEntry.Status.values, "all"]:
        for layout in ("4", "6", "9", "list"):
            text_of(alice, "project-data", project.pk, status=status, layout=layout)
    for entry in QueueEntry.objects.filter(project=project):
        text_of(alice, "project-entry", project.pk, entry.pk)
    for section, _label in SECTIONS:
        text_of(alice, "project-details-section", project.pk, section)


def test_an_unknown_section_is_not_found() -> None:
    people = make_people()
    project = make_project(people.workspace)
    address = reverse("project-details-section", args=[project.pk, "nonsense"])
    assert signed_in(people.alice).get(address).status_code == 404


ADDRESSES = [*PAGES, "project-data-news"]


@pytest.mark.parametrize("name", ADDRESSES)
def test_strangers_find_nothing_and_visitors_sign_in(name: str) -> None:
    people = make_people()
    project = make_project(people.workspace)
    address = reverse(name, args=[project.pk])
    assert signed_in(people.charlie).get(address).status_code == 404
    answer = Client().get(address)
    assert answer.status_code == 302 and "sign-in" in answer.url


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("project-dashboard-panel", "see dashboards"),
        ("project-data", "see submitted labels"),
        ("project-data-news", "see submitted labels"),
        ("project-details", "see dashboards"),
        ("project-exports", "export labels"),
        ("project-exports-panel", "export labels"),
    ],
)
def test_labelers_are_told_which_right_they_lack(name: str, right: str) -> None:
    people = make_people()
    project = make_project(people.workspace)
    answer = signed_in(people.bob).get(reverse(name, args=[project.pk]))
    assert answer.status_code == 403
    assert f"Your role does not include the right to {right}." in answer.content.decode()


def test_a_labeler_who_opens_the_project_lands_on_the_labeling_page() -> None:
    people = make_people()
    project = make_project(people.workspace)
    answer = signed_in(people.bob).get(reverse("project", args=[project.pk]))
    assert answer.status_code == 302 and answer.url == reverse("project-label", args=[project.pk])
    context = signed_in(people.bob).get(answer.url).context["label_context"]
    # Back leads to the list and not round in a circle.
    assert context["urls"]["dashboard"] == reverse("projects")


def test_people_who_only_review_see_no_labeling_page() -> None:
    people = make_people()
    project = make_project(people.workspace)
    quinn = add_member(people.workspace, "customer_qa", name="Quinn")
    assert signed_in(quinn).get(reverse("project-label", args=[project.pk])).status_code == 403
    page = text_of(signed_in(quinn), "project", project.pk)
    assert "Label data" not in page and reverse("project-exports", args=[project.pk]) in page


def test_the_labeling_page_carries_what_the_editor_needs() -> None:
    people = make_people()
    classes = [{"name": "animal", "children": [{"name": "cat"}]}, *[f"class {n}" for n in range(9)]]
    project = make_project(people.workspace, classes=classes, instructions="<p onclick='x()'>Look <b>twice</b>.</p>")
    answer = signed_in(people.bob).get(reverse("project-label", args=[project.pk]))
    context = answer.context["label_context"]
    assert context["urls"]["tasks"] == f"/api/v1/projects/{project.pk}/tasks/"
    assert context["urls"]["task"] == "/api/v1/tasks/{id}/"
    assert [(one["path"], one["depth"], one["key"]) for one in context["classes"][:3]] == [
        ("animal", 0, "1"),
        ("animal/cat", 1, "2"),
        ("class 0", 0, "3"),
    ]
    assert context["classes"][-1]["key"] is None
    assert context["page_sizes"] == [1, 4, 6, 9, 16, 25, 36]
    assert "<p>Look <b>twice</b>.</p>" in answer.content.decode()


def test_boxes_come_one_image_at_a_time() -> None:
    people = make_people()
    project = make_project(people.workspace, task_type=TaskType.BOX)
    answer = signed_in(people.bob).get(reverse("project-label", args=[project.pk]))
    assert answer.context["label_context"]["page_sizes"] == [1]


def test_names_are_shown_as_text_never_as_markup() -> None:
    people = make_people()
    hostile = '<img src=x onerror="alert(1)">'
    project = make_project(
        people.workspace, name=hostile.replace("/", ""), classes=[hostile.replace("/", ""), "dog"], description=hostile
    )
    label_page(people.alice, project, project.label_classes.order_by("id")[0])
    alice = signed_in(people.alice)
    entry = QueueEntry.objects.get(project=project, status="labeled")
    pages = [text_of(alice, name, project.pk) for name in PAGES]
    pages += [text_of(alice, "project-details-section", project.pk, name) for name, _label in SECTIONS]
    pages += [text_of(alice, "project-entry", project.pk, entry.pk), text_of(alice, "project-data", project.pk)]
    assert all("<img src=x" not in page for page in pages)
    assert any("&lt;img src=x" in page for page in pages)


def test_a_project_that_failed_says_why_and_can_be_tried_again() -> None:
    from tests.factories import make_dataset_from_bytes, run_jobs

    people = make_people()
    project = make_project(
        people.workspace, dataset=make_dataset_from_bytes(people.workspace, {"a.png": image_bytes()}), running=False
    )
    Project.objects.filter(pk=project.pk).update(state=Project.State.FAILED, state_reason="The disk was full.")
    alice = signed_in(people.alice)
    page = text_of(alice, "project", project.pk)
    assert "The disk was full." in page and "Try again" in page
    alice.post(reverse("project-state", args=[project.pk]), {"action": "start"})
    run_jobs()
    project.refresh_from_db()
    assert project.state == Project.State.RUNNING


def test_a_project_that_is_being_made_ready_shows_how_far_it_is() -> None:
    people = make_people()
    project = make_project(people.workspace, running=False)
    assert project.job is not None
    project.job.done, project.job.total, project.job.message = 250, 1000, "Queueing items"
    project.job.save()
    page = text_of(signed_in(people.alice), "project", project.pk)
    assert "25 %" in page and "Queueing items" in page and "250 of 1000" in page
