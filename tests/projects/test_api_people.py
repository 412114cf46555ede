"""Workspaces, members, invitations, keys and oneself, through the API."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from projects.models import ApiKey, Invitation, Membership, Workspace
from tests import factories
from tests.support.api import as_person, as_program, ids, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


def test_everybody_sees_the_own_workspaces_and_what_one_may_do_there(people: factories.People) -> None:
    other = factories.make_workspace(people.charlie, "Elsewhere")
    assert ids(as_person(people.alice).get("/api/v1/workspaces/")) == [people.workspace.pk]
    assert ids(as_person(people.charlie).get("/api/v1/workspaces/")) == [other.pk]
    shown = as_person(people.bob).get(f"/api/v1/workspaces/{people.workspace.pk}/").json()
    assert shown["capabilities"] == [
        *("labeling/comments/write", "labeling/labels/write", "labeling/projects/read", "read")
    ]


def test_without_a_sign_in_nothing_is_answered(people: factories.People) -> None:
    reply = APIClient().get("/api/v1/workspaces/")
    refused(reply, 401, "sign_in_needed")
    assert reply["WWW-Authenticate"] == "Bearer"
    refused(APIClient().get("/api/v1/me/", headers={"Authorization": "Bearer tsk_nonsense"}), 401)
    refused(APIClient().get("/api/v1/me/", headers={"Authorization": "Bearer \udcff".encode(errors="replace")}), 401)


def test_an_owner_makes_renames_and_deletes_a_workspace(people: factories.People) -> None:
    alice = as_person(people.alice)
    made = alice.post("/api/v1/workspaces/", {"name": "Second"})
    assert made.status_code == 201, made.content
    pk = made.json()["id"]
    assert alice.patch(f"/api/v1/workspaces/{pk}/", {"name": "Renamed"}).json()["name"] == "Renamed"
    assert alice.delete(f"/api/v1/workspaces/{pk}/").status_code == 204
    refused(alice.get(f"/api/v1/workspaces/{pk}/"), 404)


def test_a_labeler_neither_renames_nor_deletes_the_workspace(people: factories.People) -> None:
    bob, address = as_person(people.bob), f"/api/v1/workspaces/{people.workspace.pk}/"
    assert refused(bob.patch(address, {"name": "Mine"}), 403)["missing"] == "workspace/write"
    assert refused(bob.delete(address), 403)["missing"] == "workspace/write"
    kept = Workspace.objects.get(pk=people.workspace.pk)
    assert (kept.name, kept.deleted_at) == ("Atelier", None)


def test_a_labeler_sees_no_colleagues_an_owner_sees_all(people: factories.People) -> None:
    address = f"/api/v1/workspaces/{people.workspace.pk}/members/"
    assert len(ids(as_person(people.alice).get(address))) == 2
    rows = as_person(people.bob).get(address).json()["results"]
    assert [row["email"] for row in rows] == ["bob@example.org"]
    refused(as_person(people.charlie).get(address), 404)


def test_roles_are_changed_and_members_removed_by_owners_only(people: factories.People) -> None:
    member = factories.membership(people.workspace, people.bob)
    address = f"/api/v1/workspaces/{people.workspace.pk}/members/{member.pk}/"
    lead = factories.role("team_lead")
    bob, alice = as_person(people.bob), as_person(people.alice)
    assert refused(bob.patch(address, {"role": factories.role("owner").pk}), 403)["missing"] == "members/write"
    assert Membership.objects.get(pk=member.pk).role.key == "labeler"
    changed = alice.patch(address, {"role": lead.pk})
    assert changed.status_code == 200 and changed.json()["role_key"] == "team_lead"
    mine = factories.membership(people.workspace, people.alice)
    last = f"/api/v1/workspaces/{people.workspace.pk}/members/{mine.pk}/"
    refused(alice.delete(last), 409)
    refused(alice.patch(last, {"role": lead.pk}), 409)
    assert alice.delete(address).status_code == 204
    refused(bob.get(address), 404)


def test_an_invitation_shows_its_link_once_and_lets_one_person_join(people: factories.People) -> None:
    address = f"/api/v1/workspaces/{people.workspace.pk}/invitations/"
    alice, charlie = as_person(people.alice), as_person(people.charlie)
    made = alice.post(address, {"role": factories.role("labeler").pk, "email": "", "days": 3})
    assert made.status_code == 201, made.content
    token = made.json()["url"].rstrip("/").rpartition("/")[2]
    assert token not in alice.get(address).content.decode()
    joined = charlie.post("/api/v1/invitations/", {"token": token})
    assert joined.status_code == 201, joined.content
    refused(as_person(factories.make_user("Dora")).post("/api/v1/invitations/", {"token": token}), 410)
    assert Membership.objects.filter(workspace=people.workspace).count() == 3


def test_only_those_who_manage_members_see_make_and_withdraw_invitations(people: factories.People) -> None:
    address = f"/api/v1/workspaces/{people.workspace.pk}/invitations/"
    bob, alice = as_person(people.bob), as_person(people.alice)
    for reply in (bob.get(address), bob.post(address, {"role": factories.role("labeler").pk})):
        assert refused(reply, 403)["missing"] == "members/write"
    assert not Invitation.objects.filter(created_by=people.bob).exists()
    pk = alice.post(address, {"role": factories.role("labeler").pk}).json()["id"]
    assert refused(bob.delete(f"{address}{pk}/"), 403)["missing"] == "members/write"
    assert alice.delete(f"{address}{pk}/").status_code == 204
    assert Invitation.objects.get(pk=pk).revoked_at


def test_a_key_shows_its_secret_once_and_acts_with_its_rights_only(people: factories.People) -> None:
    address = f"/api/v1/workspaces/{people.workspace.pk}/api-keys/"
    alice = as_person(people.alice)
    made = alice.post(address, {"name": "reader", "capabilities": ["read", "labeling/projects/read"]})
    assert made.status_code == 201, made.content
    secret = made.json()["secret"]
    assert secret not in alice.get(address).content.decode()
    program = APIClient(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {secret}"})
    assert ids(program.get("/api/v1/workspaces/")) == [people.workspace.pk]
    assert refused(program.patch(f"/api/v1/workspaces/{people.workspace.pk}/", {"name": "x"}), 403)["missing"]
    assert alice.delete(f"{address}{made.json()['id']}/").status_code == 204
    refused(program.get("/api/v1/workspaces/"), 401)


def test_a_key_sees_its_own_workspace_only_and_makes_no_keys(people: factories.People) -> None:
    second = factories.make_workspace(people.alice, "Second")
    program = as_program(people.alice, second)
    assert ids(program.get("/api/v1/workspaces/")) == [second.pk]
    refused(program.get(f"/api/v1/workspaces/{people.workspace.pk}/"), 404)
    before = ApiKey.objects.count()
    reply = program.post(f"/api/v1/workspaces/{second.pk}/api-keys/", {"name": "more", "capabilities": ["read"]})
    refused(reply, 403)
    assert ApiKey.objects.count() == before


def test_a_labeler_sees_and_ends_the_own_keys_only(people: factories.People) -> None:
    address = f"/api/v1/workspaces/{people.workspace.pk}/api-keys/"
    as_program(people.alice, people.workspace)
    as_program(people.bob, people.workspace)
    alices = ApiKey.objects.get(user=people.alice)
    bob = as_person(people.bob)
    assert ids(bob.get(address)) == [ApiKey.objects.get(user=people.bob).pk]
    refused(bob.delete(f"{address}{alices.pk}/"), 404)
    assert ApiKey.objects.get(pk=alices.pk).revoked_at is None
    refused(bob.post(address, {"name": "too much", "capabilities": ["workspace/write"]}), 403)


def test_one_changes_the_own_name_preferences_and_password(people: factories.People) -> None:
    bob = as_person(people.bob)
    shown = bob.patch("/api/v1/me/", {"name": "Robert", "preferences": {"theme": "dark"}})
    assert shown.status_code == 200, shown.content
    assert (shown.json()["name"], shown.json()["preferences"]) == ("Robert", {"theme": "dark"})
    refused(bob.post("/api/v1/me/password/", {"current": "wrong", "new": "amber-lantern-77"}), 400)
    people.bob.refresh_from_db()
    assert people.bob.check_password(factories.PASSWORD)
    changed = bob.post("/api/v1/me/password/", {"current": factories.PASSWORD, "new": "amber-lantern-77"})
    assert changed.status_code == 204
    people.bob.refresh_from_db()
    assert people.bob.check_password("amber-lantern-77")
    refused(as_program(people.alice, people.workspace).patch("/api/v1/me/", {"name": "Robot"}), 403)


def test_a_new_password_ends_other_sessions_and_keeps_this_one(people: factories.People) -> None:
    here, elsewhere = as_person(people.bob), as_person(people.bob)
    here.post("/api/v1/me/password/", {"current": factories.PASSWORD, "new": "amber-lantern-77"})
    assert here.get("/api/v1/me/").status_code == 200
    refused(elsewhere.get("/api/v1/me/"), 401)
