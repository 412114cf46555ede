"""Preferences of the site have a form, whichever door they come through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from projects.models import User
from tests import factories
from tests.support.api import as_person, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob() -> User:
    return factories.make_people().bob


def keep(user: User, **preferences: Any) -> Any:
    return as_person(user).patch("/api/v1/me/", {"preferences": preferences}, format="json")


def test_a_keymap_is_kept_and_forgotten(bob: User) -> None:
    keymap = {"skip": ["q", "shift+q"], "lock": [], "submit": ["ctrl+enter"], "toggle": [" "], "zoom_in": ["+", "é"]}
    assert keep(bob, keymap=keymap).json()["preferences"]["keymap"] == keymap
    assert keep(bob, labeling={"one_key": "grid", "help": "comments"}).status_code == 200
    assert set(as_person(bob).get("/api/v1/me/").json()["preferences"]) == {"keymap", "labeling"}
    assert "keymap" not in keep(bob, keymap=None).json()["preferences"]


@pytest.mark.parametrize(
    "keymap",
    [
        [],
        "s",
        {"skip": "s"},
        {"skip": ["ab"]},
        {"skip": ["S"]},
        {"skip": [""]},
        {"skip": ["alt+s"]},
        {"skip": ["shift+ctrl+s"]},
        {"skip": ["a", "b", "c", "d", "e"]},
        {"skip": [1]},
        {"skip": [None]},
        {"skip": ["\u202e"]},
        {"skip": ["\n"]},
        {"skip": ["</script><qxss>"]},
        {"</script>": ["s"]},
        {"Skip": ["s"]},
        {"a" * 41: ["s"]},
        {"": ["s"]},
        {f"action_{chr(97 + n // 26)}{chr(97 + n % 26)}": ["s"] for n in range(201)},
    ],
)
def test_what_is_no_keymap_is_refused_and_the_old_one_stays(bob: User, keymap: Any) -> None:
    keep(bob, keymap={"skip": ["q"]})
    refused(keep(bob, keymap=keymap), 400)
    bob.refresh_from_db()
    assert bob.preferences == {"keymap": {"skip": ["q"]}}


@pytest.mark.parametrize("labeling", [[], "x", {"one_key": "always"}, {"one_key": []}, {"help": True}, {"other": "x"}])
def test_what_is_no_setting_of_the_labeling_page_is_refused(bob: User, labeling: Any) -> None:
    refused(keep(bob, labeling=labeling), 400)
    bob.refresh_from_db()
    assert bob.preferences == {}


def test_preferences_of_others_keep_their_freedom(bob: User) -> None:
    assert keep(bob, theme="dark", my_tool={"any": ["thing"]}).status_code == 200


def test_the_labeling_page_gets_them_as_data(bob: User) -> None:
    keep(bob, keymap={"skip": ["<"]}, labeling={"one_key": "never"})
    workspace = bob.memberships.get().workspace
    project = factories.make_project(workspace, images=1)
    client = Client()
    client.force_login(bob)
    page = client.get(f"/projects/{project.pk}/label/").content.decode()
    raw = page.partition('id="label-context" type="application/json">')[2].partition("</script>")[0]
    assert "<" not in raw
    assert json.loads(raw)["preferences"] == {"keymap": {"skip": ["<"]}, "labeling": {"one_key": "never"}}
