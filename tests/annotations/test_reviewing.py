"""What reviewers can do, and that nothing said is ever deleted."""

from __future__ import annotations

import pytest

from annotations.models import QueueEntry, Response, Review
from annotations.services import reviewing
from annotations.services.recounting import count
from labeling_site.core import errors
from projects.models import Project
from projects.services import counters
from tests import factories
from tests.annotations.labeling import answer_all, label_page, open_page, said, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


@pytest.fixture
def project(people: factories.People) -> Project:
    project = factories.make_project(people.workspace, images=4)
    label_page(people.bob, project, factories.label_class(project, "cat"), page_size=4)
    return project


def entry_ids(project: Project) -> list[int]:
    return list(QueueEntry.objects.filter(project=project).order_by("pk").values_list("pk", flat=True))


def counts_are_right(project: Project) -> None:
    stored = {key: value for key, value in counters.read(project.pk).items() if value and key != "version"}
    assert stored == count(project)


def test_approving_twice_counts_once(people: factories.People, project: Project) -> None:
    assert reviewing.approve(actor=people.alice, project=project, entry_ids=entry_ids(project)[:2]) == 2
    assert reviewing.approve(actor=people.alice, project=project, entry_ids=entry_ids(project)[:2]) == 0
    assert counters.read(project.pk)["approved"] == 2
    assert reviewing.unapprove(actor=people.alice, project=project, entry_ids=entry_ids(project)[:1]) == 1
    assert counters.read(project.pk)["approved"] == 1
    counts_are_right(project)


def test_a_rejected_item_goes_back_to_the_queue_with_its_comment_and_its_history(
    people: factories.People, project: Project
) -> None:
    first = entry_ids(project)[0]
    reviewing.reject(actor=people.alice, project=project, entry_ids=[first], comment="that is a fox")
    entry = QueueEntry.objects.get(pk=first)
    assert (entry.status, entry.round, entry.final_response) == ("unlabeled", 2, None)
    assert entry.responses.count() == 1
    assert Review.objects.get().comment == "that is a fox"
    counts_are_right(project)
    again = open_page(people.bob, project)
    assert again.assignments.get().entry_id == first
    submit(people.bob, again, answer_all(again, said(factories.label_class(project, "dog"))))
    assert Response.objects.filter(entry=first).count() == 2
    counts_are_right(project)


def test_one_item_that_cannot_be_reviewed_leaves_all_untouched(people: factories.People, project: Project) -> None:
    ids = entry_ids(project)
    reviewing.reject(actor=people.alice, project=project, entry_ids=ids[:1])
    with pytest.raises(errors.Conflict, match="unlabeled"):
        reviewing.approve(actor=people.alice, project=project, entry_ids=ids)
    assert not QueueEntry.objects.filter(approved=True).exists()


def test_skipped_items_are_returned_or_removed(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=4)
    task = open_page(people.bob, project, 4)
    submit(people.bob, task, answer_all(task, [], outcome="skipped"))
    ids = entry_ids(project)
    assert reviewing.return_skipped(actor=people.alice, project=project, entry_ids=ids[:1]) == 1
    assert reviewing.remove_skipped(actor=people.alice, project=project, entry_ids=ids[1:2]) == 1
    counts = counters.read(project.pk)
    assert (counts["unlabeled"], counts["removed"], counts["skipped"]) == (1, 1, 2)
    with pytest.raises(errors.Conflict):
        reviewing.remove_skipped(actor=people.alice, project=project, entry_ids=ids[:1])
    counts_are_right(project)


def test_a_correction_by_a_reviewer_stands_and_the_old_answer_stays(people: factories.People, project: Project) -> None:
    entry = QueueEntry.objects.get(pk=entry_ids(project)[0])
    dog = factories.label_class(project, "dog")
    response = reviewing.correct(actor=people.alice, entry=entry, annotations=said(dog))
    entry.refresh_from_db()
    assert entry.final_response == response
    assert response.kind == Response.Kind.REVIEW
    assert response.replaces is not None
    counts_are_right(project)


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("labeler", set()),
        ("team_lead", {"reject"}),
        ("vendor_admin", {"reject", "approve"}),
        ("customer_qa", {"reject", "approve"}),
        ("vendor_qa", {"reject", "approve", "correct"}),
        ("contributor", {"reject", "approve", "correct"}),
    ],
)
def test_each_role_reviews_what_its_matrix_says(
    people: factories.People, project: Project, role: str, allowed: set[str]
) -> None:
    person = factories.add_member(people.workspace, role, name="Rae")
    ids = entry_ids(project)
    entry = QueueEntry.objects.get(pk=ids[2])
    dog = factories.label_class(project, "dog")
    attempts = {
        "approve": lambda: reviewing.approve(actor=person, project=project, entry_ids=ids[:1]),
        "reject": lambda: reviewing.reject(actor=person, project=project, entry_ids=ids[1:2]),
        "correct": lambda: reviewing.correct(actor=person, entry=entry, annotations=said(dog)),
    }
    for name, attempt in attempts.items():
        if name in allowed:
            attempt()
        else:
            before = (Review.objects.count(), Response.objects.count())
            with pytest.raises(errors.Forbidden, match="Your role does not include the right"):
                attempt()
            assert (Review.objects.count(), Response.objects.count()) == before


def test_items_of_another_project_cannot_be_smuggled_in(people: factories.People, project: Project) -> None:
    other = factories.make_project(people.workspace)
    with pytest.raises(errors.NotFound):
        reviewing.reject(actor=people.alice, project=other, entry_ids=entry_ids(project)[:1])
    assert QueueEntry.objects.filter(project=project, status="labeled").count() == 4
