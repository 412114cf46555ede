"""Who is given what: one page per person, nobody's page twice, leases that end and come back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotations.models import Assignment, QueueEntry, Task
from annotations.services import queue
from labeling_site.core import errors
from projects.models import TaskType
from projects.services import counters, projects
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.services]


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


def held(task: Task) -> set[int]:
    return set(task.assignments.values_list("entry_id", flat=True))


def overdue(task: Task) -> None:
    task.assignments.update(expires_at=timezone.now() - timedelta(seconds=1))


def test_a_new_project_has_every_item_in_its_queue_in_random_order(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=30)
    by_rank = list(QueueEntry.objects.filter(project=project).order_by("rank").values_list("item__path", flat=True))
    assert sorted(by_rank) == [f"image-{n:04d}.png" for n in range(30)]
    assert by_rank != sorted(by_rank)
    counts = counters.read(project.pk)
    assert (counts["total"], counts["unlabeled"], counts["manual"]) == (30, 30, 30)


def test_a_page_holds_as_many_items_as_asked_and_the_rest_stays(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=10)
    given = queue.next_task(actor=people.bob, project=project, page_size=4)
    assert given.task is not None
    assert len(held(given.task)) == 4
    assert given.remaining == 10
    assert counters.read(project.pk)["manual"] == 6


def test_a_page_of_a_cluster_holds_up_to_36_items_and_no_row_says_more(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=40)
    given = queue.next_task(actor=people.bob, project=project, page_size=36)
    assert given.task is not None
    assert len(held(given.task)) == 36
    assert counters.read(project.pk)["manual"] == 4
    with pytest.raises(IntegrityError), transaction.atomic():
        Task.objects.filter(pk=given.task.pk).update(page_size=37)


def test_boxes_come_one_image_at_a_time(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=5, task_type=TaskType.BOX)
    given = queue.next_task(actor=people.bob, project=project, page_size=9)
    assert given.task is not None
    assert len(held(given.task)) == 1


def test_a_page_size_that_no_layout_has_is_refused(people: factories.People) -> None:
    project = factories.make_project(people.workspace)
    with pytest.raises(errors.Invalid, match="1, 4, 6, 9, 16, 25, 36"):
        queue.next_task(actor=people.bob, project=project, page_size=5)
    assert not Task.objects.exists()


def test_asking_again_or_from_another_tab_gives_the_same_page(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=10)
    first = queue.next_task(actor=people.bob, project=project, page_size=4).task
    again = queue.next_task(actor=people.bob, project=project, page_size=4).task
    assert first is not None
    assert first == again


def test_two_people_never_share_an_item(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=10)
    dana = factories.add_member(people.workspace, name="Dana")
    bobs = queue.next_task(actor=people.bob, project=project, page_size=6).task
    danas = queue.next_task(actor=dana, project=project, page_size=6).task
    assert bobs is not None and danas is not None
    assert len(held(bobs)) == 6
    assert len(held(danas)) == 4
    assert not held(bobs) & held(danas)


def test_the_last_one_waits_while_others_hold_the_rest_and_then_it_is_empty(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=1)
    dana = factories.add_member(people.workspace, name="Dana")
    assert queue.next_task(actor=people.bob, project=project).task
    assert queue.next_task(actor=dana, project=project).reason == "waiting"
    QueueEntry.objects.update(status=QueueEntry.Status.LABELED, open_slots=0)
    counters.add(project.pk, {"unlabeled": -1, "labeled": 1})
    Assignment.objects.update(state=Assignment.State.DONE)
    assert queue.next_task(actor=dana, project=project).reason == "empty"


def test_a_lease_that_ran_out_goes_to_the_next_person(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=1)
    dana = factories.add_member(people.workspace, name="Dana")
    bobs = queue.next_task(actor=people.bob, project=project).task
    assert bobs is not None
    overdue(bobs)
    danas = queue.next_task(actor=dana, project=project).task
    assert danas is not None
    assert held(danas) == held(bobs)
    assert bobs.assignments.get().state == Assignment.State.EXPIRED
    with pytest.raises(errors.Conflict, match="idle"):
        queue.heartbeat(actor=people.bob, task=bobs)


def test_a_heartbeat_keeps_the_lease(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=1)
    task = queue.next_task(actor=people.bob, project=project).task
    assert task is not None
    task.assignments.update(expires_at=timezone.now() + timedelta(seconds=5))
    queue.heartbeat(actor=people.bob, task=task)
    assert task.assignments.get().expires_at > timezone.now() + timedelta(minutes=9)


def test_a_page_given_back_is_free_at_once(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=2)
    dana = factories.add_member(people.workspace, name="Dana")
    task = queue.next_task(actor=people.bob, project=project, page_size=4).task
    assert task is not None
    queue.release_task(actor=people.bob, task=task)
    assert counters.read(project.pk)["manual"] == 2
    danas = queue.next_task(actor=dana, project=project, page_size=4).task
    assert danas is not None
    assert held(danas) == held(task)


def test_nobody_gives_back_or_keeps_the_page_of_another(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=2)
    task = queue.next_task(actor=people.bob, project=project).task
    assert task is not None
    for refused in (queue.release_task, queue.heartbeat):
        with pytest.raises(errors.NotFound):
            refused(actor=people.alice, task=task)
    assert task.assignments.get().state == Assignment.State.LIVE


def test_a_paused_project_hands_nothing_out(people: factories.People) -> None:
    project = factories.make_project(people.workspace)
    project = projects.pause_project(actor=people.alice, project=project)
    assert queue.next_task(actor=people.bob, project=project).reason == "paused"
    assert not Assignment.objects.exists()


def test_strangers_and_people_without_the_right_get_nothing(people: factories.People) -> None:
    project = factories.make_project(people.workspace)
    qa = factories.add_member(people.workspace, "customer_qa", name="Quinn")
    with pytest.raises(errors.NotFound):
        queue.next_task(actor=people.charlie, project=project)
    with pytest.raises(errors.Forbidden, match="label"):
        queue.next_task(actor=qa, project=project)
    assert not Task.objects.exists()


def test_an_owner_takes_a_lease_away_and_a_labeler_cannot(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=1)
    dana = factories.add_member(people.workspace, name="Dana")
    task = queue.next_task(actor=people.bob, project=project).task
    assert task is not None
    with pytest.raises(errors.Forbidden):
        queue.release_assignment(actor=dana, assignment=task.assignments.get())
    assert task.assignments.get().state == Assignment.State.LIVE
    queue.release_assignment(actor=people.alice, assignment=task.assignments.get())
    assert task.assignments.get().state == Assignment.State.RELEASED
    assert counters.read(project.pk)["manual"] == 1
