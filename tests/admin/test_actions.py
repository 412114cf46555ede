"""Actions do what the same command does on the site's own pages, say what was refused, and need POST."""

from __future__ import annotations

from typing import Any

import pytest

from annotations.models import Assignment, Comment, QueueEntry
from labeling_site.core.models import Job
from projects.models import ApiKey, ClassExample, Invitation, Project
from projects.services import api_keys, counters, invitations
from tests import factories
from tests.admin.rows import Rows, act, everything, list_address, make_staff, make_superuser, says, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.services]


def test_a_project_is_paused_and_started_again(rows: Rows) -> None:
    ada = signed_in(make_superuser())
    assert says(act(ada, "pause", rows.project)) == ["Pause: 1 row done."]
    rows.project.refresh_from_db()
    assert rows.project.state == Project.State.PAUSED
    [refusal] = says(act(ada, "pause", rows.project))
    assert rows.project.name in refusal and "Only a running project can be paused" in refusal
    assert says(act(ada, "start", rows.project)) == ["Start: 1 row done."]
    rows.project.refresh_from_db()
    assert rows.project.state == Project.State.RUNNING
    history = ada.get(f"/admin/projects/project/{rows.project.pk}/history/").content.decode()
    assert history.count("Pause") == 1 and "Ada" in history


def test_some_are_done_and_some_refused_and_both_are_said(rows: Rows) -> None:
    ada = signed_in(make_superuser())
    others = [factories.make_project(rows.people.workspace, images=1) for _ in range(8)]
    Project.objects.filter(pk__in=[one.pk for one in others]).update(state=Project.State.PAUSED)
    said = says(act(ada, "pause", rows.project, *others))
    assert said[-2:] == ["3 more rows were refused.", "Pause: 1 row done."]
    assert len(said) == 7
    assert not Project.objects.filter(state=Project.State.RUNNING).exists()


def test_a_question_is_settled_and_an_example_removed(rows: Rows) -> None:
    ada = signed_in(make_superuser())
    assert counters.read(rows.project.pk)["questions"] == 1
    assert says(act(ada, "resolve", Comment.objects.get())) == ["Resolve: 1 row done."]
    assert Comment.objects.get().resolved_at is not None
    assert counters.read(rows.project.pk)["questions"] == 0
    assert says(act(ada, "remove", ClassExample.objects.get())) == ["Remove the example: 1 row done."]
    assert not ClassExample.objects.exists()


def test_a_lease_is_taken_back_and_its_image_returns_to_the_queue(rows: Rows) -> None:
    ada = signed_in(make_superuser())
    entry = rows.assignment.entry
    waiting = counters.read(rows.project.pk).get(entry.queue, 0)
    assert entry.open_slots == 0
    assert says(act(ada, "release", rows.assignment)) == ["Release the lease: 1 row done."]
    assert Assignment.objects.get(pk=rows.assignment.pk).state == Assignment.State.RELEASED
    assert QueueEntry.objects.get(pk=entry.pk).open_slots == 1
    assert counters.read(rows.project.pk)[entry.queue] == waiting + 1
    [refusal] = says(act(ada, "release", rows.assignment))
    assert "This lease has already ended" in refusal


def test_a_key_and_an_invitation_are_revoked(rows: Rows) -> None:
    ada = signed_in(make_superuser())
    alice, workspace = rows.people.alice, rows.people.workspace
    key, secret = api_keys.create_api_key(actor=alice, workspace=workspace, name="k", capabilities=["read"])
    assert says(act(ada, "revoke", key)) == ["Revoke: 1 row done."]
    assert api_keys.find_api_key(secret) is None
    assert says(act(ada, "revoke", rows.invitation)) == ["Revoke: 1 row done."]
    assert Invitation.objects.get(pk=rows.invitation.pk).revoked_at is not None
    used = Invitation.objects.exclude(accepted_at=None).earliest("pk")
    [refusal] = says(act(ada, "revoke", used))
    assert "used already" in refusal
    assert Invitation.objects.get(pk=used.pk).revoked_at is None


def test_a_job_is_cancelled_and_put_back_into_its_queue(rows: Rows) -> None:
    ada = signed_in(make_superuser())
    assert says(act(ada, "cancel", rows.job)) == ["Cancel: 1 row done."]
    rows.job.refresh_from_db()
    assert rows.job.state == Job.State.CANCELLED
    [refusal] = says(act(ada, "cancel", rows.job))
    assert "already ended" in refusal
    assert says(act(ada, "requeue", rows.job)) == ["Requeue: 1 row done."]
    rows.job.refresh_from_db()
    assert (rows.job.state, rows.job.cancel_requested) == (Job.State.QUEUED, False)
    factories.run_jobs()
    rows.transfer.refresh_from_db()
    assert rows.transfer.storage_key
    [refusal] = says(act(ada, "requeue", rows.job))
    assert "nothing to repeat" in refusal


def cases(rows: Rows) -> list[tuple[str, Any, str]]:
    return [
        ("pause", rows.project, "projects.change_project"),
        ("release", rows.assignment, "annotations.change_assignment"),
        ("revoke", rows.api_key, "projects.change_apikey"),
        ("revoke", rows.invitation, "projects.change_invitation"),
        ("cancel", rows.job, "core.change_job"),
    ]


def test_actions_need_post(rows: Rows) -> None:
    ada = signed_in(make_superuser())
    before = everything()
    for action, row, _permission in cases(rows):
        for method in ("get", "put", "patch"):
            act(ada, action, row, method=method)
            assert everything() == before, (action, method)


def test_actions_need_the_change_permission(rows: Rows) -> None:
    before = everything()
    for number, (action, row, permission) in enumerate(cases(rows)):
        app_label, _dot, codename = permission.partition(".")
        view = f"{app_label}.{codename.replace('change', 'view')}"
        for name, held, status in [("none", [], 403), ("viewer", [view], 200)]:
            client = signed_in(sam := make_staff(*held, name=f"{name} {number}"))
            answer = act(client, action, row)
            assert answer.status_code == status
            sam.delete()
            assert everything() == before, (action, name)
            if status == 200:
                assert 'name="action"' not in client.get(list_address(type(row))).content.decode()


def test_the_change_permission_does_not_stand_in_for_rights_in_a_workspace(rows: Rows) -> None:
    """Staff act as themselves: the service asks for the right in the workspace; only superusers need none."""
    client = signed_in(make_staff(*[permission for _action, _row, permission in cases(rows)]))
    before = everything()
    for action, row, _permission in cases(rows)[:-1]:
        [refusal] = says(act(client, action, row))
        assert "not yours to see" in refusal
        assert everything() == before, action
    assert ApiKey.objects.get(pk=rows.api_key.pk).revoked_at is None


def test_a_member_of_staff_with_the_right_in_the_workspace_may_act(rows: Rows) -> None:
    sam = make_staff("projects.change_project")
    factories.add_member(rows.people.workspace, "contributor", user=sam)
    assert says(act(signed_in(sam), "pause", rows.project)) == ["Pause: 1 row done."]
    rows.project.refresh_from_db()
    assert rows.project.state == Project.State.PAUSED


def test_staff_with_the_permission_on_jobs_cancel_them(rows: Rows) -> None:
    """Jobs belong to the site, so the admin's own permission decides about them."""
    assert says(act(signed_in(make_staff("core.change_job")), "cancel", rows.job)) == ["Cancel: 1 row done."]


def test_an_invitation_link_of_the_admin_s_revoke_no_longer_works(rows: Rows) -> None:
    invitation, link = invitations.invite(
        actor=rows.people.alice, workspace=rows.people.workspace, role=factories.role("labeler")
    )
    path = "/" + link.split("/", 3)[3]
    client = signed_in(make_superuser())
    assert client.get(path).status_code == 200
    act(client, "revoke", invitation)
    assert client.get(path).status_code in {404, 410}
