"""Who may make, rename and delete workspaces, give roles, and remove people."""

from __future__ import annotations

import pytest

from labeling_site.core import errors, jobs
from labeling_site.core.models import Job
from projects import access, selectors
from projects.access import Capability
from projects.models import Membership, Project, Role, Workspace
from projects.services import api_keys, workspaces
from tests.factories import add_member, make_people, make_project, make_user, make_workspace, membership, role

pytestmark = pytest.mark.django_db


def member_manager(workspace: Workspace) -> Role:
    """A role of one workspace that manages members and may do little else."""
    return Role.objects.create(
        workspace=workspace,
        key="host",
        name="Host",
        capabilities=[Capability.READ_WORKSPACE, Capability.MANAGE_MEMBERS],
    )


# --- Workspaces ------------------------------------------------------------------------------------------------------


def test_administrators_and_owners_make_workspaces_and_own_them():
    people, admin = make_people(), make_user("Admin", is_superuser=True)
    for person in (people.alice, admin):
        made = workspaces.create_workspace(actor=person, name="Second")
        assert access.may(person, Capability.MANAGE_WORKSPACE, made)


def test_a_workspace_needs_a_name():
    people = make_people()
    with pytest.raises(errors.Invalid) as refusal:
        workspaces.create_workspace(actor=people.alice, name=" ")
    assert "name" in refusal.value.fields
    assert Workspace.objects.count() == 1


def test_labelers_and_strangers_make_no_workspace():
    people = make_people()
    for person in (people.bob, people.charlie):
        with pytest.raises(errors.Forbidden):
            workspaces.create_workspace(actor=person, name="Second")
    assert Workspace.objects.count() == 1


def test_nobody_outside_sees_a_workspace_not_even_an_administrator():
    people, admin = make_people(), make_user("Admin", is_superuser=True)
    assert people.workspace in Workspace.objects.visible_to(people.bob)
    for person in (people.charlie, admin):
        assert not Workspace.objects.visible_to(person).exists()
    with pytest.raises(errors.NotFound):
        workspaces.rename_workspace(actor=people.charlie, workspace=people.workspace, name="Mine")
    people.workspace.refresh_from_db()
    assert people.workspace.name == "Atelier"


def test_an_administrator_gives_a_workspace_that_lost_its_owner_a_new_one():
    people, admin = make_people(), make_user("Admin", is_superuser=True)
    people.alice.is_active = False
    people.alice.save()
    workspaces.change_role(actor=admin, membership=membership(people.workspace, people.bob), role=role("owner"))
    assert access.may(people.bob, Capability.MANAGE_MEMBERS, people.workspace)


def test_somebody_with_the_admin_but_without_the_site_is_an_ordinary_person():
    people = make_people()
    people.charlie.is_staff = True
    people.charlie.save()
    with pytest.raises(errors.NotFound):
        workspaces.change_role(
            actor=people.charlie, membership=membership(people.workspace, people.bob), role=role("owner")
        )
    assert membership(people.workspace, people.bob).role.key == "labeler"


def test_owners_rename_and_members_do_not():
    people = make_people()
    workspaces.rename_workspace(actor=people.alice, workspace=people.workspace, name=" Studio ")
    with pytest.raises(errors.Forbidden) as refusal:
        workspaces.rename_workspace(actor=people.bob, workspace=people.workspace, name="Bob's")
    assert refusal.value.extra["missing"] == Capability.MANAGE_WORKSPACE
    people.workspace.refresh_from_db()
    assert people.workspace.name == "Studio"


def test_a_deleted_workspace_is_nobodys_and_its_jobs_stop():
    people = make_people()
    project = make_project(people.workspace, running=False)
    workspaces.delete_workspace(actor=people.alice, workspace=people.workspace)
    assert not Workspace.objects.visible_to(people.alice).exists()
    assert not Project.objects.visible_to(people.alice).exists()
    assert access.capabilities(people.alice, people.workspace) == frozenset()
    assert Job.objects.get(pk=project.job_id).state == Job.State.CANCELLED
    for person in (people.alice, make_user("Admin", is_superuser=True)):
        with pytest.raises(errors.NotFound):
            workspaces.rename_workspace(actor=person, workspace=people.workspace, name="Back again")
    people.workspace.refresh_from_db()
    assert people.workspace.name == "Atelier"


def test_only_owners_delete():
    people = make_people()
    contributor = add_member(people.workspace, "contributor", name="Dora")
    for person in (people.bob, contributor):
        with pytest.raises(errors.Forbidden):
            workspaces.delete_workspace(actor=person, workspace=people.workspace)
    people.workspace.refresh_from_db()
    assert people.workspace.deleted_at is None


# --- Roles -----------------------------------------------------------------------------------------------------------


def test_an_owner_gives_another_role_and_it_counts_at_once():
    people = make_people()
    workspaces.change_role(
        actor=people.alice, membership=membership(people.workspace, people.bob), role=role("team_lead")
    )
    assert access.may(people.bob, Capability.REJECT, people.workspace)


@pytest.mark.parametrize("key", ["contributor", "labeler", "team_lead", "vendor_admin", "customer_qa", "vendor_qa"])
def test_nobody_but_owners_changes_roles_least_of_all_ones_own(key):
    people = make_people()
    dora = add_member(people.workspace, key, name="Dora")
    for person in (dora, people.bob):
        with pytest.raises(errors.Forbidden):
            workspaces.change_role(actor=dora, membership=membership(people.workspace, person), role=role("owner"))
    assert membership(people.workspace, dora).role.key == key
    assert membership(people.workspace, people.bob).role.key == "labeler"


def test_who_manages_members_gives_no_right_that_he_lacks():
    people = make_people()
    host = member_manager(people.workspace)
    dora = add_member(people.workspace, "labeler", name="Dora")
    workspaces.change_role(actor=people.alice, membership=membership(people.workspace, dora), role=host)
    for person in (dora, people.bob):
        with pytest.raises(errors.Forbidden) as refusal:
            workspaces.change_role(actor=dora, membership=membership(people.workspace, person), role=role("owner"))
        assert Capability.LABEL in refusal.value.extra["missing"]
    with pytest.raises(errors.Forbidden) as refusal:
        workspaces.change_role(actor=dora, membership=membership(people.workspace, dora), role=role("owner"))
    assert Capability.EXPORT in refusal.value.extra["missing"]
    assert membership(people.workspace, dora).role == host


def test_who_manages_members_takes_no_right_from_people_who_hold_more():
    people = make_people()
    host = member_manager(people.workspace)
    dora = add_member(people.workspace, "labeler", name="Dora")
    workspaces.change_role(actor=people.alice, membership=membership(people.workspace, dora), role=host)
    alices = membership(people.workspace, people.alice)
    with pytest.raises(errors.Forbidden):
        workspaces.change_role(actor=dora, membership=alices, role=host)
    with pytest.raises(errors.Forbidden):
        workspaces.remove_member(actor=dora, membership=alices)
    assert membership(people.workspace, people.alice).role.key == "owner"


def test_a_role_of_another_workspace_does_not_exist_here():
    people = make_people()
    foreign = member_manager(make_workspace(people.charlie))
    with pytest.raises(errors.NotFound):
        workspaces.change_role(actor=people.alice, membership=membership(people.workspace, people.bob), role=foreign)
    assert membership(people.workspace, people.bob).role.key == "labeler"


def test_a_stranger_who_owns_elsewhere_has_no_say_here():
    people = make_people()
    make_workspace(people.charlie)
    bobs = membership(people.workspace, people.bob)
    with pytest.raises(errors.NotFound):
        workspaces.change_role(actor=people.charlie, membership=bobs, role=role("owner"))
    with pytest.raises(errors.NotFound):
        workspaces.remove_member(actor=people.charlie, membership=bobs)
    assert membership(people.workspace, people.bob).role.key == "labeler"


# --- The last owner --------------------------------------------------------------------------------------------------


def test_the_last_owner_can_neither_step_down_nor_leave():
    people = make_people()
    alices = membership(people.workspace, people.alice)
    with pytest.raises(errors.Conflict):
        workspaces.change_role(actor=people.alice, membership=alices, role=role("contributor"))
    with pytest.raises(errors.Conflict):
        workspaces.remove_member(actor=people.alice, membership=alices)
    assert membership(people.workspace, people.alice).role.key == "owner"


def test_an_owner_steps_down_when_another_one_stays():
    people = make_people()
    add_member(people.workspace, "owner", name="Dora")
    alices = membership(people.workspace, people.alice)
    workspaces.change_role(actor=people.alice, membership=alices, role=role("labeler"))
    assert not access.may(people.alice, Capability.MANAGE_MEMBERS, people.workspace)


def test_an_owner_who_cannot_sign_in_does_not_count_as_staying():
    people = make_people()
    dora = add_member(people.workspace, "owner", name="Dora")
    dora.is_active = False
    dora.save()
    with pytest.raises(errors.Conflict):
        workspaces.remove_member(actor=people.alice, membership=membership(people.workspace, people.alice))
    assert Membership.objects.filter(workspace=people.workspace, user=people.alice).exists()


# --- Leaving ---------------------------------------------------------------------------------------------------------


def test_an_owner_removes_a_member_whose_keys_end_too():
    people = make_people()
    _key, secret = api_keys.create_api_key(
        actor=people.bob, workspace=people.workspace, name="script", capabilities=[Capability.LABEL]
    )
    workspaces.remove_member(actor=people.alice, membership=membership(people.workspace, people.bob))
    assert access.capabilities(people.bob, people.workspace) == frozenset()
    assert api_keys.find_api_key(secret) is None
    add_member(people.workspace, "labeler", user=people.bob)
    assert api_keys.find_api_key(secret) is None, "an old key must not come back with the person"


def test_a_member_leaves_but_removes_nobody_else():
    people = make_people()
    dora = add_member(people.workspace, "contributor", name="Dora")
    with pytest.raises(errors.Forbidden):
        workspaces.remove_member(actor=people.bob, membership=membership(people.workspace, dora))
    workspaces.remove_member(actor=people.bob, membership=membership(people.workspace, people.bob))
    assert {row.user for row in selectors.members(people.alice, people.workspace)} == {people.alice, dora}


def test_a_membership_that_is_gone_is_said_to_be_gone():
    people = make_people()
    bobs = membership(people.workspace, people.bob)
    workspaces.remove_member(actor=people.alice, membership=bobs)
    bobs.pk = bobs.pk or Membership.objects.count() + 99
    with pytest.raises(errors.NotFound):
        workspaces.change_role(actor=people.alice, membership=bobs, role=role("owner"))


def test_jobs_that_have_ended_do_not_stop_a_deletion():
    people = make_people()
    make_project(people.workspace)
    assert not Job.objects.exclude(state__in=jobs.Job.ENDED).exists()
    workspaces.delete_workspace(actor=people.alice, workspace=people.workspace)
    assert not Workspace.objects.visible_to(people.alice).exists()
