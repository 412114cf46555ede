"""How the first administrator is made, and what people may change about themselves."""

from __future__ import annotations

import io

import pytest
from django.conf import settings
from django.core.management import call_command
from django.urls import resolve

from labeling_site.core import errors
from projects import access
from projects.access import Capability
from projects.models import SetupToken, User, Workspace
from projects.services import accounts
from tests.factories import PASSWORD, make_people, make_user, with_api_key

pytestmark = pytest.mark.django_db

ALICE = {"email": "Alice@Example.org", "name": "Alice", "password": PASSWORD, "workspace_name": "Atelier"}


def token_of(link: str | None) -> str:
    assert link is not None
    return link.rstrip("/").rpartition("/")[2]


def test_the_setup_link_makes_an_administrator_who_owns_a_workspace():
    user = accounts.create_first_admin(token=token_of(accounts.make_setup_link()), **ALICE)
    assert user.is_superuser and user.is_staff and user.check_password(PASSWORD)
    assert user.email == "alice@example.org"
    workspace = Workspace.objects.visible_to(user).get()
    assert workspace.name == "Atelier"
    assert access.capabilities(user, workspace) == frozenset(Capability.values)
    assert workspace.datastores.get().is_default


def test_the_setup_link_is_an_address_of_this_site_and_its_token_is_kept_only_as_a_hash():
    link = accounts.make_setup_link()
    token = token_of(link)
    assert link == f"{settings.PUBLIC_URL}/setup/{token}/"
    assert resolve(f"/setup/{token}/").url_name == "setup"
    assert len(token) >= 40
    assert token not in SetupToken.objects.get().token_hash


def test_a_newer_setup_link_replaces_the_older_one():
    old, new = token_of(accounts.make_setup_link()), token_of(accounts.make_setup_link())
    with pytest.raises(errors.NotFound):
        accounts.check_setup_token(old)
    accounts.check_setup_token(new)
    with pytest.raises(errors.NotFound):
        accounts.create_first_admin(token=old, **ALICE)
    assert not User.objects.exists()


def test_the_setup_link_works_once():
    token = token_of(accounts.make_setup_link())
    accounts.create_first_admin(token=token, **ALICE)
    with pytest.raises(errors.NotFound):
        accounts.create_first_admin(token=token, **ALICE | {"email": "mallory@example.org"})
    assert User.objects.count() == 1


def test_nobody_makes_a_second_administrator_by_link():
    token = token_of(accounts.make_setup_link())
    make_user("Alice", is_superuser=True)
    assert accounts.make_setup_link() is None
    with pytest.raises(errors.NotFound):
        accounts.create_first_admin(token=token, **ALICE | {"email": "mallory@example.org"})
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("password", "short"),
        ("password", "password1234"),
        ("password", "alice@example.org"),
        ("password", "x" * 1001),
        ("email", "alice"),
        ("name", "  "),
        ("name", "A\x00"),
        ("workspace_name", ""),
    ],
)
def test_a_refused_first_administrator_leaves_nothing_and_the_link_still_works(field, value):
    token = token_of(accounts.make_setup_link())
    with pytest.raises(errors.Invalid) as refusal:
        accounts.create_first_admin(token=token, **ALICE | {field: value})
    assert field in refusal.value.fields
    assert not User.objects.exists() and not Workspace.objects.exists()
    accounts.check_setup_token(token)


def test_the_command_prints_the_link_and_later_nothing():
    def printed() -> str:
        answer = io.StringIO()
        call_command("setup_link", stdout=answer)
        return answer.getvalue().strip()

    accounts.check_setup_token(token_of(printed()))
    make_user("Alice", is_superuser=True)
    assert printed() == ""


def test_two_people_cannot_share_an_address_whatever_its_case():
    make_user("Alice", email="alice@example.org")
    with pytest.raises(errors.Conflict):
        accounts.make_user(email="ALICE@example.org ", name="Other", password=PASSWORD)
    assert User.objects.count() == 1


def test_people_change_their_name():
    alice = make_user("Alice")
    accounts.change_profile(actor=alice, name=" Alice  B. ")
    alice.refresh_from_db()
    assert alice.name == "Alice  B."


def test_a_password_changes_only_for_those_who_know_the_present_one():
    alice = make_user("Alice")
    with pytest.raises(errors.Invalid):
        accounts.change_password(actor=alice, current="wrong", new="orange-teapot-17")
    with pytest.raises(errors.Invalid):
        accounts.change_password(actor=alice, current=PASSWORD, new="short")
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    accounts.change_password(actor=alice, current=PASSWORD, new="orange-teapot-17")
    alice.refresh_from_db()
    assert alice.check_password("orange-teapot-17")


def test_an_api_key_changes_neither_name_nor_password():
    people = make_people()
    program = with_api_key(people.bob, people.workspace, [Capability.LABEL])
    with pytest.raises(errors.Forbidden):
        accounts.change_profile(actor=program, name="Mallory")
    with pytest.raises(errors.Forbidden):
        accounts.change_password(actor=program, current=PASSWORD, new="orange-teapot-17")
    people.bob.refresh_from_db()
    assert people.bob.name == "Bob" and people.bob.check_password(PASSWORD)


def test_preferences_are_merged_and_none_forgets_one():
    alice = make_user("Alice")
    accounts.change_preferences(actor=alice, changes={"theme": "dark", "keymap": {"submit": ["enter"]}})
    assert accounts.change_preferences(actor=alice, changes={"theme": None, "layout": 4}) == {
        "keymap": {"submit": ["enter"]},
        "layout": 4,
    }
    alice.refresh_from_db()
    assert alice.preferences == {"keymap": {"submit": ["enter"]}, "layout": 4}


def test_preferences_stay_small_and_plainly_named():
    alice = make_user("Alice")
    with pytest.raises(errors.TooLarge):
        accounts.change_preferences(actor=alice, changes={"notes": "x" * accounts.PREFERENCES_BYTES})
    with pytest.raises(errors.Invalid):
        accounts.change_preferences(actor=alice, changes={"__class__": 1})
    alice.refresh_from_db()
    assert alice.preferences == {}
