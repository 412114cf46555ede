"""Members, invitations, and workspaces: who may change what, and that refusals change nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from projects.access import BUILT_IN_ROLES, Capability
from projects.models import Invitation, Membership, User, Workspace
from tests.factories import add_member, make_people, make_project, make_user, make_workspace, membership, role

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_alice_sees_members_and_what_each_role_may_do() -> None:
    people = make_people()
    text = signed_in(people.alice).get("/workspace/members/").content.decode()
    assert "bob@example.org" in text and "charlie@example.org" not in text
    assert all(name in text for name, _words, _held in BUILT_IN_ROLES.values())
    assert all(str(capability.label) in text for capability in Capability)


@pytest.mark.parametrize("key", sorted(set(BUILT_IN_ROLES) - {"owner"}))
def test_only_owners_open_the_page(key: str) -> None:
    people = make_people()
    person = add_member(people.workspace, key, name="Dora")
    answer = signed_in(person).get("/workspace/members/")
    assert answer.status_code == 403 and "invite people" in answer.content.decode()
    count = Invitation.objects.count()
    posted = signed_in(person).post("/workspace/members/", {"role": role("labeler").pk, "days": "7"})
    assert posted.status_code == 403 and Invitation.objects.count() == count


def test_an_invitation_link_is_shown_once_and_works() -> None:
    people = make_people()
    client = signed_in(people.alice)
    answer = client.post("/workspace/members/", {"role": role("customer_qa").pk, "days": "7", "email": ""})
    found = re.search(r'value="https?://[^/]+(/invitations/[^"]+)"', answer.content.decode())
    assert answer.status_code == 200 and found
    again = client.get("/workspace/members/").content.decode()
    assert found[1] not in again and "anybody with the link" in again
    assert signed_in(people.charlie).post(found[1]).status_code == 302
    assert membership(people.workspace, people.charlie).role.key == "customer_qa"


def test_alice_withdraws_an_invitation() -> None:
    people = make_people()
    client = signed_in(people.alice)
    client.post("/workspace/members/", {"role": role("labeler").pk, "days": "1", "email": "eve@example.org"})
    invitation = Invitation.objects.get(email="eve@example.org")
    address = reverse("invitation-revoke", args=[invitation.pk])
    assert signed_in(people.charlie).post(address).status_code == 404
    assert signed_in(people.bob).post(address).status_code == 403
    invitation.refresh_from_db()
    assert invitation.revoked_at is None
    assert client.post(address).status_code == 302
    invitation.refresh_from_db()
    assert invitation.revoked_at


def test_alice_changes_a_role_and_nobody_else_does() -> None:
    people = make_people()
    bob = membership(people.workspace, people.bob)
    address = reverse("member-role", args=[bob.pk])
    wanted = {"role": role("team_lead").pk}
    assert signed_in(people.charlie).post(address, wanted).status_code == 404
    assert signed_in(people.bob).post(address, wanted).status_code == 403
    bob.refresh_from_db()
    assert bob.role.key == "labeler"
    assert signed_in(people.alice).post(address, wanted).status_code == 302
    bob.refresh_from_db()
    assert bob.role.key == "team_lead"


def test_a_role_of_another_workspace_does_not_exist_here() -> None:
    people = make_people()
    theirs = make_workspace(people.charlie, name="Elsewhere")
    foreign = theirs.roles.create(key="x", name="Foreign", capabilities=["read"])
    bob = membership(people.workspace, people.bob)
    answer = signed_in(people.alice).post(reverse("member-role", args=[bob.pk]), {"role": foreign.pk})
    assert answer.status_code == 404
    bob.refresh_from_db()
    assert bob.role.key == "labeler"


def test_the_last_owner_stays() -> None:
    people = make_people()
    mine = membership(people.workspace, people.alice)
    client = signed_in(people.alice)
    assert client.post(reverse("member-remove", args=[mine.pk])).status_code == 409
    assert client.post(reverse("member-role", args=[mine.pk]), {"role": role("labeler").pk}).status_code == 409
    mine.refresh_from_db()
    assert mine.role.key == "owner"


def test_removing_and_leaving() -> None:
    people = make_people()
    dora = add_member(people.workspace, "contributor", name="Dora")
    bob = membership(people.workspace, people.bob)
    assert signed_in(dora).post(reverse("member-remove", args=[bob.pk])).status_code == 403
    assert Membership.objects.filter(pk=bob.pk).exists()
    assert signed_in(people.alice).post(reverse("member-remove", args=[bob.pk])).status_code == 302
    assert not Membership.objects.filter(pk=bob.pk).exists()
    assert signed_in(people.bob).get("/projects/", follow=True).redirect_chain == [("/workspace/new/", 302)]
    mine = membership(people.workspace, dora)
    account = signed_in(dora).get("/account/").content.decode()
    assert reverse("member-remove", args=[mine.pk]) in account
    assert signed_in(dora).post(reverse("member-remove", args=[mine.pk])).status_code == 302
    assert not Membership.objects.filter(pk=mine.pk).exists()


def test_renaming_takes_the_right_to_manage() -> None:
    people = make_people()
    assert signed_in(people.alice).post("/workspace/settings/", {"name": "Studio"}).status_code == 302
    dora = add_member(people.workspace, "contributor", name="Dora")
    assert signed_in(dora).post("/workspace/settings/", {"name": "Mine"}).status_code == 403
    people.workspace.refresh_from_db()
    assert people.workspace.name == "Studio"


def test_deleting_a_workspace_takes_its_name_typed() -> None:
    people = make_people()
    make_project(people.workspace)
    client = signed_in(people.alice)
    assert client.post("/workspace/delete/", {"typed_name": "atelier"}).status_code == 400
    assert client.get("/workspace/delete/").status_code == 405
    assert signed_in(people.bob).post("/workspace/delete/", {"typed_name": "Atelier"}).status_code == 403
    people.workspace.refresh_from_db()
    assert people.workspace.deleted_at is None
    assert client.post("/workspace/delete/", {"typed_name": "Atelier"}).status_code == 302
    people.workspace.refresh_from_db()
    assert people.workspace.deleted_at


def test_alice_makes_a_second_workspace_and_switches_back() -> None:
    people = make_people()
    client = signed_in(people.alice)
    assert client.post("/workspace/new/", {"name": "Second"}).status_code == 302
    second = Workspace.objects.get(name="Second")
    assert client.session["workspace"] == second.pk
    assert client.post("/workspace/switch/", {"workspace": people.workspace.pk}).status_code == 302
    assert client.session["workspace"] == people.workspace.pk


def test_nobody_switches_into_a_workspace_of_others() -> None:
    people = make_people()
    make_workspace(people.charlie, name="Elsewhere")
    client = signed_in(people.charlie)
    for wanted in (people.workspace.pk, "x", ""):
        assert client.post("/workspace/switch/", {"workspace": wanted}).status_code == 404
    assert client.session.get("workspace") != people.workspace.pk


def test_people_who_run_no_workspace_make_none() -> None:
    people = make_people()
    for person in (people.bob, make_user("Eve")):
        assert signed_in(person).post("/workspace/new/", {"name": "Mine"}).status_code == 403
    assert not Workspace.objects.filter(name="Mine").exists()


@pytest.mark.parametrize(
    "name", ["workspace-members", "workspace-settings", "workspace-delete", "workspace-new", "workspace-switch"]
)
def test_visitors_are_sent_to_sign_in(name: str) -> None:
    make_people()
    answer = Client().post(reverse(name))
    assert answer.status_code == 302 and answer.url.startswith("/sign-in/")


def test_the_new_link_says_whether_anybody_may_use_it() -> None:
    people = make_people()
    wanted = {"role": role("labeler").pk, "days": "7"}
    client = signed_in(people.alice)
    assert "whoever opens it first" in client.post("/workspace/members/", wanted).content.decode()
    text = client.post("/workspace/members/", wanted | {"email": "dora@example.org"}).content.decode()
    assert "only this address" in text and "whoever opens it first" not in text


def test_three_hundred_members_come_in_pages_and_are_found_by_name(django_assert_max_num_queries: Any) -> None:
    people = make_people()
    crowd = User.objects.bulk_create(User(email=f"p{at:03}@example.org", name=f"Person {at:03}") for at in range(60))
    Membership.objects.bulk_create(
        Membership(workspace=people.workspace, user=one, role=role("labeler")) for one in crowd
    )
    client = signed_in(people.alice)
    with django_assert_max_num_queries(20):
        text = client.get("/workspace/members/").content.decode()
    assert "Person 010" in text and "Person 059" not in text and 'href="#invite"' in text
    assert "Person 059" in client.get("/workspace/members/?page=3").content.decode()
    found = client.get("/workspace/members/?q=P059@").content.decode()
    assert "Person 059" in found and "Person 010" not in found
    assert "Nobody here has this" in client.get("/workspace/members/?q=zzz").content.decode()


def test_changing_a_role_stays_on_the_page_of_members() -> None:
    people = make_people()
    bob = membership(people.workspace, people.bob)
    address, here = reverse("member-role", args=[bob.pk]), "http://testserver/workspace/members/?page=3"
    client = signed_in(people.alice)
    assert client.post(address, {"role": role("team_lead").pk}, headers={"referer": here}).url == here
    elsewhere = {"referer": "https://evil.example/workspace/members/"}
    assert client.post(address, {"role": role("labeler").pk}, headers=elsewhere).url == "/workspace/members/"
