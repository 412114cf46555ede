"""Getting in: the first administrator, signing in and out, invitations, one's own account."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from projects.models import ApiKey, Invitation, Membership, User, Workspace
from projects.services import accounts, invitations
from tests.factories import PASSWORD, add_member, make_people, make_user, make_workspace, role

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


# --- The first administrator -----------------------------------------------------------------------------------------


def test_the_setup_link_makes_the_administrator_once_and_signs_in() -> None:
    link = path_of(accounts.make_setup_link() or "")
    client = Client()
    assert client.get(link).status_code == 200
    details = {"name": "Ada", "email": "Ada@Example.org", "password": PASSWORD, "workspace_name": "Birds"}
    answer = client.post(link, details)
    assert answer.status_code == 302 and answer.url == "/"
    ada = User.objects.get()
    assert ada.email == "ada@example.org" and ada.is_superuser
    assert Membership.objects.get().workspace.name == "Birds"
    assert client.get("/", follow=True).status_code == 200
    # The link is spent.
    assert Client().get(link).status_code == 404
    assert Client().post(link, details | {"email": "eve@example.org"}).status_code == 404
    assert User.objects.count() == 1


def test_a_weak_password_is_refused_beside_its_field_and_the_link_still_works() -> None:
    link = path_of(accounts.make_setup_link() or "")
    details = {"name": "Ada", "email": "ada@example.org", "password": "password12", "workspace_name": "Birds"}
    answer = Client().post(link, details)
    assert answer.status_code == 400
    assert answer.context["form"].errors["password"]
    assert not User.objects.exists() and not Workspace.objects.exists()
    assert Client().get(link).status_code == 200


def test_an_unknown_setup_link_is_not_found() -> None:
    assert Client().get(reverse("setup", args=["nothing"])).status_code == 404


# --- Signing in and out ----------------------------------------------------------------------------------------------


def test_alice_signs_in_and_comes_back_to_where_she_was() -> None:
    people = make_people()
    client = Client()
    refused = client.get("/projects/")
    assert refused.status_code == 302 and refused.url == "/sign-in/?next=/projects/"
    answer = client.post(refused.url, {"email": "ALICE@example.org", "password": PASSWORD, "next": "/projects/"})
    assert answer.status_code == 302 and answer.url == "/projects/"
    assert client.session["_auth_user_id"] == str(people.alice.pk)


@pytest.mark.parametrize("away", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"])
def test_signing_in_never_leads_away_from_the_site(away: str) -> None:
    make_people()
    answer = Client().post("/sign-in/", {"email": "alice@example.org", "password": PASSWORD, "next": away})
    assert answer.status_code == 302 and answer.url == "/"


def test_a_wrong_password_and_an_unknown_address_get_the_same_sentence() -> None:
    make_people()
    sentences = []
    for email in ("alice@example.org", "nobody@example.org"):
        answer = Client().post("/sign-in/", {"email": email, "password": "wrong-wrong-wrong"})
        assert answer.status_code == 400
        sentences.append(str(answer.context["form"].non_field_errors()))
    assert sentences[0] == sentences[1]


def test_a_closed_account_cannot_sign_in() -> None:
    people = make_people()
    User.objects.filter(pk=people.alice.pk).update(is_active=False)
    client = Client()
    assert client.post("/sign-in/", {"email": "alice@example.org", "password": PASSWORD}).status_code == 400
    assert "_auth_user_id" not in client.session


def test_the_eleventh_attempt_in_a_minute_has_to_wait_even_with_the_right_password() -> None:
    make_people()
    client = Client()
    for _attempt in range(10):
        assert client.post("/sign-in/", {"email": "alice@example.org", "password": "wrong"}).status_code == 400
    answer = client.post("/sign-in/", {"email": "Alice@example.org", "password": PASSWORD})
    assert answer.status_code == 429 and answer["Retry-After"] == "60"
    assert "Wait a minute" in answer.content.decode()
    assert "_auth_user_id" not in client.session
    # Somebody else at the same address is not locked out, nor is Alice elsewhere.
    assert client.post("/sign-in/", {"email": "bob@example.org", "password": PASSWORD}).status_code == 302
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert elsewhere.post("/sign-in/", {"email": "alice@example.org", "password": PASSWORD}).status_code == 302


def test_signing_in_needs_the_csrf_token() -> None:
    make_people()
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/sign-in/", {"email": "alice@example.org", "password": PASSWORD})
    assert answer.status_code == 403 and "_auth_user_id" not in client.session


def test_signing_in_starts_a_new_session() -> None:
    make_people()
    client = Client()
    client.get("/sign-in/")
    session = client.session
    session["planted"] = "x"
    session.save()
    before = session.session_key
    client.cookies["tessera_session"] = before
    client.post("/sign-in/", {"email": "alice@example.org", "password": PASSWORD})
    assert client.session.session_key != before


def test_signing_out_takes_a_post() -> None:
    client = signed_in(make_people().alice)
    assert client.get("/sign-out/").status_code == 405
    assert "_auth_user_id" in client.session
    assert client.post("/sign-out/").status_code == 302
    assert "_auth_user_id" not in client.session


# --- Invitations -----------------------------------------------------------------------------------------------------


def invitation_path(workspace: Workspace, inviter: User, email: str = "") -> str:
    _row, url = invitations.invite(actor=inviter, workspace=workspace, role=role("labeler"), email=email)
    return path_of(url)


def test_a_new_person_makes_an_account_and_joins() -> None:
    people = make_people()
    link = invitation_path(people.workspace, people.alice)
    client = Client()
    page = client.get(link)
    assert page.status_code == 200 and people.workspace.name in page.content.decode()
    answer = client.post(link, {"name": "Dora", "email": "dora@example.org", "password": PASSWORD})
    assert answer.status_code == 302
    dora = User.objects.get(email="dora@example.org")
    assert Membership.objects.get(user=dora).role.key == "labeler"
    assert client.session["_auth_user_id"] == str(dora.pk)
    # Used once.
    answer = Client().post(link, {"name": "Eve", "email": "eve@example.org", "password": PASSWORD})
    assert answer.status_code == 410 and "Ask for a new one" in answer.content.decode()
    assert "not understood" not in answer.content.decode(), "the person did nothing wrong"
    assert not User.objects.filter(email="eve@example.org").exists()


def test_the_page_says_who_can_use_the_link_before_anybody_tries() -> None:
    people = make_people()
    link = invitation_path(people.workspace, people.alice, email="dora@example.org")
    text = signed_in(people.charlie).get(link).content.decode()
    assert "This invitation is for dora@example.org" in text and ">Join<" not in text
    text = signed_in(people.bob).get(invitation_path(people.workspace, people.alice)).content.decode()
    assert "member of this workspace already" in text and ">Join<" not in text


def test_charlie_joins_with_the_account_that_exists() -> None:
    people = make_people()
    link = invitation_path(people.workspace, people.alice)
    client = signed_in(people.charlie)
    assert client.post(link).status_code == 302
    assert Membership.objects.filter(user=people.charlie, workspace=people.workspace).exists()
    assert client.session["workspace"] == people.workspace.pk


def test_an_invitation_for_dora_is_of_no_use_to_charlie() -> None:
    people = make_people()
    link = invitation_path(people.workspace, people.alice, email="dora@example.org")
    answer = signed_in(people.charlie).post(link)
    assert answer.status_code == 403
    assert not Membership.objects.filter(user=people.charlie).exists()
    assert Invitation.objects.get(email="dora@example.org").accepted_at is None


def test_a_withdrawn_invitation_says_so() -> None:
    people = make_people()
    link = invitation_path(people.workspace, people.alice)
    Invitation.objects.filter(accepted_at=None).update(revoked_at=timezone.now())
    answer = Client().get(link)
    assert answer.status_code == 410
    assert "withdrawn" in answer.content.decode()


# --- One's account ---------------------------------------------------------------------------------------------------


def test_alice_changes_her_name() -> None:
    people = make_people()
    assert signed_in(people.alice).post("/account/", {"name": "Alice B."}).status_code == 302
    people.alice.refresh_from_db()
    assert people.alice.name == "Alice B."


def test_alice_changes_her_password_and_stays_signed_in_here_only() -> None:
    people = make_people()
    here, elsewhere = signed_in(people.alice), signed_in(people.alice)
    answer = here.post("/account/password/", {"current": PASSWORD, "new": "green-teapot-1907"})
    assert answer.status_code == 302
    people.alice.refresh_from_db()
    assert people.alice.check_password("green-teapot-1907")
    assert here.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302


def test_a_wrong_present_password_changes_nothing() -> None:
    people = make_people()
    answer = signed_in(people.alice).post("/account/password/", {"current": "wrong", "new": "green-teapot-1907"})
    assert answer.status_code == 400 and answer.context["password_form"].errors["current"]
    people.alice.refresh_from_db()
    assert people.alice.check_password(PASSWORD)


def test_a_key_is_shown_once_and_can_be_revoked() -> None:
    people = make_people()
    client = signed_in(people.bob)
    wanted = {"name": "script", "days": "30", "capabilities": ["read", "labeling/projects/read"]}
    answer = client.post("/account/keys/", wanted)
    assert answer.status_code == 200
    secret = re.search(r'value="(tsk_[^"]+)"', answer.content.decode())
    assert secret and answer["Cache-Control"].startswith("max-age=0")
    key = ApiKey.objects.get()
    assert key.user == people.bob and key.workspace == people.workspace and key.expires_at
    page = client.get("/account/").content.decode()
    assert key.prefix in page and secret[1] not in page
    assert client.post(reverse("api-key-revoke", args=[key.pk])).status_code == 302
    key.refresh_from_db()
    assert key.revoked_at


def test_bob_cannot_make_a_key_that_may_more_than_he() -> None:
    people = make_people()
    wanted = {"name": "script", "days": "30", "capabilities": ["labeling/export/action"]}
    assert signed_in(people.bob).post("/account/keys/", wanted).status_code == 400
    assert not ApiKey.objects.exists()


def test_nobody_revokes_the_key_of_another() -> None:
    people = make_people()
    signed_in(people.bob).post("/account/keys/", {"name": "x", "days": "0", "capabilities": ["read"]})
    key = ApiKey.objects.get()
    for other in (people.charlie, add_member(people.workspace, "contributor", name="Dora")):
        assert signed_in(other).post(reverse("api-key-revoke", args=[key.pk])).status_code == 404
    key.refresh_from_db()
    assert key.revoked_at is None


def test_the_account_of_somebody_without_a_workspace_opens() -> None:
    assert signed_in(make_user("Charlie")).get("/account/").status_code == 200


@pytest.mark.parametrize("name", ["account", "account-password", "api-key-create"])
def test_visitors_are_sent_to_sign_in(name: str) -> None:
    make_workspace()
    answer = Client().post(reverse(name))
    assert answer.status_code == 302 and answer.url.startswith("/sign-in/")


def test_each_field_of_the_account_page_has_a_label_of_its_own() -> None:
    text = signed_in(make_people().alice).get("/account/").content.decode()
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert sorted(ids) == sorted(set(ids)), "an id that stands twice takes the label from the second field"
    assert 'for="id_key_name"' in text and 'id="id_key_name"' in text


def test_a_new_key_begins_with_reading_only() -> None:
    text = signed_in(make_people().alice).get("/account/").content.decode()
    ticked = re.findall(r'name="capabilities" value="([^"]+)"[^>]* checked', text)
    assert ticked == ["read", "labeling/projects/read"]
