"""What happens to answers: complete or refused, stored once, corrected but never overwritten."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from annotations.geometry import Box
from annotations.models import Annotation, Assignment, Comment, QueueEntry, Response
from annotations.services import queue, reviewing
from annotations.services.answers import Answer
from annotations.services.recounting import count, recount
from labeling_site.core import errors
from projects.models import Project, TaskType
from projects.services import counters, label_classes
from tests import factories
from tests.annotations.labeling import answer_all, label_page, open_page, said, submit

pytestmark = [pytest.mark.django_db, pytest.mark.services]


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


def counts_are_right(project: Project) -> None:
    stored = {key: value for key, value in counters.read(project.pk).items() if value and key != "version"}
    assert stored == count(project)


def test_a_submitted_page_is_labeled_and_counted(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=5)
    cat = factories.label_class(project, "cat")
    task = label_page(people.bob, project, cat, page_size=4)
    assert task.assignments.filter(state=Assignment.State.DONE).count() == 4
    assert QueueEntry.objects.filter(project=project, status="labeled", final_response__author=people.bob).count() == 4
    counts = counters.read(project.pk)
    assert (counts["labeled"], counts["unlabeled"], counts["manual"]) == (4, 1, 1)
    assert (counts[f"class:{cat.pk}"], counts[f"labeler:{people.bob.pk}"]) == (4, 4)
    counts_are_right(project)


def test_an_incomplete_page_is_refused_whole(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=4)
    task = open_page(people.bob, project, 4)
    answers = answer_all(task, said(factories.label_class(project, "cat")))
    with pytest.raises(errors.Invalid, match="1 images of this page have no answer"):
        submit(people.bob, task, answers[:3])
    assert not Response.objects.exists()
    counts_are_right(project)


def test_the_same_submit_sent_twice_is_one(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=4)
    task = open_page(people.bob, project, 4)
    answers = answer_all(task, said(factories.label_class(project, "cat")))
    operation = uuid.uuid4()
    first = submit(people.bob, task, answers, operation)
    again = submit(people.bob, task, answers, operation)
    assert first == again
    assert Response.objects.count() == 4
    assert Annotation.objects.count() == 4
    counts_are_right(project)


@pytest.mark.parametrize(
    ("task_type", "classes", "box", "sentence"),
    [
        (TaskType.MULTI_CLASS, [], None, "exactly one class"),
        (TaskType.MULTI_CLASS, ["cat", "dog"], None, "exactly one class"),
        (TaskType.MULTI_CLASS, ["cat"], Box(1, 1, 5, 5), "not shapes"),
        (TaskType.MULTI_LABEL, [], None, "at least one class"),
        (TaskType.MULTI_LABEL, ["cat", "cat"], None, "at least one class, each once"),
        (TaskType.BOX, ["cat"], None, "has a box"),
        (TaskType.BOX, ["cat"], Box(900, 900, 5, 5), "outside"),
        (TaskType.POLYGON, ["cat"], Box(1, 1, 5, 5), "has a polygon"),
    ],
)
def test_answers_that_do_not_fit_the_task_type_are_refused(
    people: factories.People, task_type: str, classes: list[str], box: Box | None, sentence: str
) -> None:
    project = factories.make_project(people.workspace, task_type=task_type)
    task = open_page(people.bob, project)
    chosen = [factories.label_class(project, path) for path in classes]
    with pytest.raises(errors.Invalid, match=sentence):
        submit(people.bob, task, answer_all(task, said(*chosen, box=box)))
    assert not Response.objects.exists()
    assert task.assignments.get().state == Assignment.State.LIVE


def test_shapes_are_clipped_to_the_image(people: factories.People) -> None:
    project = factories.make_project(people.workspace, task_type=TaskType.BOX)  # images of 64 × 48
    label_page(people.bob, project, factories.label_class(project, "cat"), box=Box(-10, 40, 30, 30))
    one = Annotation.objects.get()
    assert (one.x, one.y, one.width, one.height) == (0, 40, 20, 8)


def test_no_objects_is_an_answer(people: factories.People) -> None:
    project = factories.make_project(people.workspace, task_type=TaskType.BOX)
    task = open_page(people.bob, project)
    submit(people.bob, task, answer_all(task, []))
    assert counters.read(project.pk)["labeled"] == 1
    counts_are_right(project)


def test_a_class_of_another_project_and_a_retired_one_are_refused(people: factories.People) -> None:
    project = factories.make_project(people.workspace)
    other = factories.make_project(people.workspace)
    task = open_page(people.bob, project)
    with pytest.raises(errors.Invalid, match="not a class of this project"):
        submit(people.bob, task, answer_all(task, said(factories.label_class(other, "cat"))))
    dog = factories.label_class(project, "dog")
    label_classes.retire_class(actor=people.alice, label_class=dog)
    with pytest.raises(errors.Conflict, match="retired"):
        submit(people.bob, task, answer_all(task, said(dog)))
    assert not Response.objects.exists()


def test_skipping_is_counted_with_its_reason(people: factories.People) -> None:
    project = factories.make_project(people.workspace)
    task = open_page(people.bob, project)
    submit(people.bob, task, answer_all(task, [], outcome="skipped", skip_reason="too dark"))
    assert Response.objects.get().skip_reason == "too dark"
    assert counters.read(project.pk)["skipped"] == 1
    counts_are_right(project)


def test_an_answer_that_comes_late_is_taken_while_nobody_else_has_the_item(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=1)
    task = open_page(people.bob, project)
    task.assignments.update(expires_at=timezone.now() - timedelta(minutes=1))
    queue.expire_overdue(project)
    submit(people.bob, task, answer_all(task, said(factories.label_class(project, "cat"))))
    assert counters.read(project.pk)["labeled"] == 1
    counts_are_right(project)


def test_a_late_answer_for_an_item_that_another_holds_is_refused_and_says_so(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=1)
    dana = factories.add_member(people.workspace, name="Dana")
    task = open_page(people.bob, project)
    task.assignments.update(expires_at=timezone.now() - timedelta(minutes=1))
    danas = open_page(dana, project)
    cat = factories.label_class(project, "cat")
    with pytest.raises(errors.Conflict, match="Somebody else has this image now"):
        submit(people.bob, task, answer_all(task, said(cat)))
    assert not Response.objects.exists()
    submit(dana, danas, answer_all(danas, said(cat)))
    counts_are_right(project)


@pytest.mark.parametrize("kind", ["cat", "dog"])
def test_a_late_answer_is_kept_as_a_second_opinion_and_the_lead_is_asked_where_it_differs(
    people: factories.People, kind: str
) -> None:
    project = factories.make_project(people.workspace, images=1)
    dana = factories.add_member(people.workspace, name="Dana")
    task = open_page(people.bob, project)
    task.assignments.update(expires_at=timezone.now() - timedelta(minutes=1))
    danas = label_page(dana, project, factories.label_class(project, "cat"))
    answers = answer_all(task, said(factories.label_class(project, kind)))
    with pytest.raises(errors.Conflict):
        submit(people.bob, task, answers)
    operation = uuid.uuid4()
    for _ in range(2):  # sent twice it is one
        assert not submit(people.bob, task, answers, operation, opinion=True).refused
    entry = QueueEntry.objects.get(project=project)
    assert entry.final_response is not None and entry.final_response.assignment == danas.assignments.get()
    opinion = Response.objects.get(kind=Response.Kind.OPINION)
    assert (opinion.author, opinion.replaces) == (people.bob, None)
    assert [one.label_class.path for one in opinion.annotations.all()] == [kind]
    questions = Comment.objects.filter(entry=entry, asks_lead=True)
    assert questions.count() == counters.read(project.pk).get("questions", 0) == (kind == "dog")
    assert counters.read(project.pk)[f"class:{factories.label_class(project, 'cat').pk}"] == 1
    counts_are_right(project)


def test_who_may_answer_still_gives_no_second_opinion(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=1)
    task = open_page(people.bob, project)
    submit(people.bob, task, answer_all(task, said(factories.label_class(project, "cat"))), opinion=True)
    assert QueueEntry.objects.get(project=project).final_response == Response.objects.get(kind="labeler")
    # What a reviewer has decided about is no matter of leases.
    reviewing.approve(actor=people.alice, project=project, entry_ids=[task.assignments.get().entry_id])
    with pytest.raises(errors.Conflict, match="approved"):
        submit(people.bob, task, answer_all(task, said(factories.label_class(project, "dog"))), opinion=True)
    counts_are_right(project)


def test_one_lost_image_does_not_cost_the_rest_of_the_page(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=4)
    dana = factories.add_member(people.workspace, name="Dana")
    task = open_page(people.bob, project, 4)
    lost = task.assignments.order_by("pk").first()
    assert lost is not None
    queue.release_assignment(actor=people.alice, assignment=lost)
    open_page(dana, project)
    done = submit(people.bob, task, answer_all(task, said(factories.label_class(project, "cat"))))
    assert [one.assignment_id for one in done.refused] == [lost.pk]
    assert counters.read(project.pk)["labeled"] == 3
    counts_are_right(project)


def test_a_correction_replaces_the_answer_and_keeps_the_old_one(people: factories.People) -> None:
    project = factories.make_project(people.workspace)
    cat, dog = factories.label_class(project, "cat"), factories.label_class(project, "dog")
    task = label_page(people.bob, project, cat)
    submit(people.bob, task, answer_all(task, said(dog)))
    entry = QueueEntry.objects.get(status="labeled")
    assert entry.final_response is not None
    assert entry.final_response.annotations.get().label_class == dog
    assert entry.final_response.replaces is not None
    assert entry.final_response.replaces.annotations.get().label_class == cat
    counts_are_right(project)


def test_after_approval_or_rejection_the_labeler_can_no_longer_correct(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=2)
    cat = factories.label_class(project, "cat")
    approved, rejected = label_page(people.bob, project, cat), label_page(people.bob, project, cat)
    ids = [task.assignments.get().entry_id for task in (approved, rejected)]
    reviewing.approve(actor=people.alice, project=project, entry_ids=ids[:1])
    reviewing.reject(actor=people.alice, project=project, entry_ids=ids[1:])
    with pytest.raises(errors.Conflict, match="approved"):
        submit(people.bob, approved, answer_all(approved, said(cat)))
    with pytest.raises(errors.Conflict, match="sent back"):
        submit(people.bob, rejected, answer_all(rejected, said(cat)))
    assert Response.objects.count() == 2
    counts_are_right(project)


def test_an_image_that_a_reviewer_removed_does_not_come_back_by_a_correction(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=2)
    task = open_page(people.bob, project)
    submit(people.bob, task, answer_all(task, [], outcome="skipped"))
    entry = task.assignments.get().entry
    reviewing.remove_skipped(actor=people.alice, project=project, entry_ids=[entry.pk])
    with pytest.raises(errors.Conflict, match="reviewer"):
        submit(people.bob, task, answer_all(task, said(factories.label_class(project, "cat"))))
    entry.refresh_from_db()
    assert entry.status == QueueEntry.Status.REMOVED
    assert Response.objects.count() == 1
    counts_are_right(project)


def test_nobody_answers_the_page_of_another(people: factories.People) -> None:
    project = factories.make_project(people.workspace)
    task = open_page(people.bob, project)
    answers = answer_all(task, said(factories.label_class(project, "cat")))
    with pytest.raises(errors.NotFound):
        submit(people.alice, task, answers)
    other = open_page(people.alice, project)
    with pytest.raises(errors.Invalid, match="not on this page"):
        submit(people.alice, other, [Answer(answers[0].assignment_id)])
    assert not Response.objects.exists()


def test_a_recount_repairs_counters_and_says_what_was_wrong(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=3)
    label_page(people.bob, project, factories.label_class(project, "cat"))
    assert recount(project=project) == {}
    counters.add(project.pk, {"labeled": 5})
    assert recount(project=project) == {"labeled": (6, 1)}
    counts_are_right(project)
