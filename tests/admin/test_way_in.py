"""Who gets into the admin, and by which door."""

from __future__ import annotations

import pytest
from django.test import Client

from projects.models import User
from projects.pages import throttle
from tests.admin.rows import Rows, everything, make_superuser, row_address, signed_in
from tests.factories import PASSWORD, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.services]
RAISED = {"email": "eve@example.org", "name": "Eve", "is_active": "on", "is_staff": "on", "is_superuser": "on"}


def test_visitors_are_led_to_the_sign_in_and_back() -> None:
    make_superuser()
    client = Client()
    for address in ("/admin/", "/admin/projects/user/", "/admin/system/", "/admin/nothing/"):
        answer = client.get(address, follow=True)
        assert answer.redirect_chain[-1][0].split("?")[0] == "/sign-in/", address
        assert answer.context["next"] == address
    sent = {"email": "ada@example.org", "password": PASSWORD, "next": "/admin/projects/user/"}
    assert client.post("/sign-in/", sent).url == "/admin/projects/user/"
    assert client.get("/admin/login/").url == "/admin/"
    assert client.get("/admin/login/", {"next": "/admin/core/job/?q=a"}).url == "/admin/core/job/?q=a"


@pytest.mark.parametrize("away", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/admin/login/"])
def test_the_login_leads_nowhere_else(away: str) -> None:
    ada = make_superuser()
    assert Client().get("/admin/login/", {"next": away}).url == "/sign-in/?next=/admin/"
    assert signed_in(ada).get("/admin/login/", {"next": away}).url == "/admin/"


def test_the_admin_has_no_second_unthrottled_door() -> None:
    make_superuser()
    client = Client()
    for _ in range(throttle.TRIES_PER_ADDRESS_AND_EMAIL + 5):
        sent = {"username": "ada@example.org", "email": "ada@example.org", "password": PASSWORD, "next": "/admin/"}
        answer = client.post("/admin/login/", sent)
        assert answer.status_code == 302 and answer.url.startswith("/sign-in/")
        assert "_auth_user_id" not in client.session
    for _ in range(throttle.TRIES_PER_ADDRESS_AND_EMAIL):
        client.post("/sign-in/", {"email": "ada@example.org", "password": "wrong"})
    assert client.post("/sign-in/", {"email": "ada@example.org", "password": PASSWORD}).status_code == 429


def test_people_who_are_not_staff_are_told_so_and_never_sent_in_circles(rows: Rows) -> None:
    for person in (rows.people.alice, make_user("Zoe")):
        client = signed_in(person)
        before = everything()
        for address in ("/admin/", "/admin/login/", "/admin/projects/user/", "/admin/system/"):
            answer = client.get(address, follow=True)
            assert answer.status_code == 403, address
            assert "may not open the administration" in answer.content.decode()
            assert rows.people.workspace.name not in answer.content.decode()
            assert "no-store" in answer["Cache-Control"]
        answer = client.post(row_address(person), RAISED)
        assert answer.status_code == 403
        assert everything() == before


def test_a_closed_account_is_out_at_once() -> None:
    ada = make_superuser()
    client = signed_in(ada)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert client.get("/admin/projects/user/", follow=True).request["PATH_INFO"] == "/sign-in/"


def test_a_post_without_the_csrf_token_is_refused(rows: Rows) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_superuser())
    before = everything()
    bob = rows.people.bob
    assert client.post(row_address(bob), RAISED).status_code == 403
    assert client.post("/admin/projects/project/", {"action": "pause"}).status_code == 403
    assert everything() == before


def test_signing_out_of_the_admin_signs_out_of_the_site() -> None:
    client = signed_in(make_superuser())
    assert client.get("/admin/logout/").status_code == 405
    assert client.post("/admin/logout/").url == "/sign-in/"
    assert "_auth_user_id" not in client.session
