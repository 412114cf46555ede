"""What two people do at the same moment: one of them comes first, and the rules hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from labeling_site.core import errors, jobs
from projects.access import Capability
from projects.models import Membership, Project, User
from projects.services import accounts, counters, invitations, label_classes, projects, workspaces
from tests.factories import (
    PASSWORD,
    add_member,
    make_dataset_with_images,
    make_people,
    make_project,
    make_user,
    membership,
    role,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


def together(calls: list[Callable[[], Any]]) -> list[Any]:
    """Runs all calls at once, each with a connection of its own; a result is what it returned or raised."""
    gate = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(index: int) -> None:
        gate.wait(timeout=10)
        try:
            results[index] = calls[index]()
        except Exception as error:  # handed to the test, which looks at every result
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return results


def split(results: list[Any]) -> tuple[list[Any], list[errors.AppError]]:
    """What worked, and what was refused; anything but a refusal in our words fails the test."""
    refused = [result for result in results if isinstance(result, Exception)]
    assert all(isinstance(error, errors.AppError) for error in refused), refused
    return [result for result in results if not isinstance(result, Exception)], refused


def test_one_invitation_lets_one_person_in():
    people = make_people()
    _row, link = invitations.invite(actor=people.alice, workspace=people.workspace, role=role("labeler"))
    token = link.rstrip("/").rpartition("/")[2]
    crowd = [make_user("Dora") for _ in range(6)]
    worked, refused = split(
        together([lambda one=one: invitations.accept_invitation(token=token, actor=one) for one in crowd])
    )
    assert len(worked) == 1 and {type(error) for error in refused} == {errors.Gone}
    assert Membership.objects.filter(user__in=crowd).count() == 1


def test_one_setup_link_makes_one_administrator():
    role("owner")
    link = accounts.make_setup_link()
    token = link.rstrip("/").rpartition("/")[2]

    def create(number: int) -> User:
        return accounts.create_first_admin(
            token=token, email=f"admin{number}@example.org", name="Admin", password=PASSWORD, workspace_name="W"
        )

    worked, refused = split(together([lambda number=number: create(number) for number in range(5)]))
    assert len(worked) == 1 and len(refused) == 4
    assert User.objects.count() == 1


def test_two_owners_who_step_down_at_once_leave_one():
    people = make_people()
    dora = add_member(people.workspace, "owner", name="Dora")
    _worked, refused = split(
        together(
            [
                lambda one=one: workspaces.change_role(
                    actor=one, membership=membership(people.workspace, one), role=role("labeler")
                )
                for one in (people.alice, dora)
            ]
        )
    )
    assert [type(error) for error in refused] == [errors.Conflict]
    held = people.workspace.memberships.values_list("role__capabilities", flat=True)
    assert sum(Capability.MANAGE_MEMBERS in capabilities for capabilities in held) == 1


def test_one_name_makes_one_project():
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 1)

    def create() -> Project:
        return projects.create_project(
            actor=people.alice,
            workspace=people.workspace,
            name="Birds",
            task_type="multi_class",
            dataset=dataset,
            classes=[{"name": "bird"}],
        )

    worked, refused = split(together([create] * 5))
    assert len(worked) == 1 and {type(error) for error in refused} == {errors.Conflict}
    assert Project.objects.count() == 1


def test_a_project_is_deleted_while_its_job_writes_and_neither_waits_for_the_other_for_ever():
    people = make_people()
    project = make_project(people.workspace, images=1, running=False)
    holds_its_job = threading.Event()

    def work() -> None:
        held = jobs.claim(project.job_id)
        assert held is not None
        with held.publishing():
            holds_its_job.set()
            time.sleep(0.5)  # deleting has begun by now, and waits
            projects.mark_initialized(project)

    def delete() -> None:
        assert holds_its_job.wait(timeout=10)
        projects.delete_project(actor=people.alice, project=project)

    assert together([work, delete]) == [None, None]
    project.refresh_from_db()
    assert project.deleted_at is not None and project.state == Project.State.CREATED
    assert project.job is not None and project.job.cancel_requested


def test_classes_added_at_once_all_have_a_place_and_one_name_is_taken_once():
    people = make_people()
    project = make_project(people.workspace, images=1)
    names = [*(f"class {number}" for number in range(5)), "same", "Same"]
    worked, refused = split(
        together(
            [
                lambda name=name: label_classes.add_class(actor=people.alice, project=project, name=name)
                for name in names
            ]
        )
    )
    assert (len(worked), len(refused)) == (6, 1)
    assert sorted(project.label_classes.values_list("position", flat=True)) == list(range(8))


def test_no_count_is_lost_when_a_key_is_counted_for_the_first_time():
    people = make_people()
    project = make_project(people.workspace, images=1, running=False)
    before = counters.read(project.pk)["version"]
    worked, _refused = split(together([lambda: [counters.add(project.pk, {"labeled": 1}) for _ in range(10)]] * 6))
    assert len(worked) == 6
    after = counters.read(project.pk)
    assert (after["labeled"], after["version"] - before) == (60, 60)
