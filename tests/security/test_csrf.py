"""Nobody makes a signed-in browser change anything from another site: every unsafe route wants the token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from rest_framework.test import APIClient

from tests.architecture import routes
from tests.architecture.routes import APART, EXPECTED, Route
from tests.architecture.world import World, ask, everything, said, signed_in, standing, undone
from tests.support.api import as_person

UNSAFE = [
    (route, method)
    for route in routes.all_routes()
    if not route.is_admin and route.name not in APART and route.name in EXPECTED
    for method in EXPECTED[route.name].rules
    if method != "GET"
]

pytestmark = pytest.mark.django_db


@pytest.fixture
def _django_db_helper() -> None:
    """In place of a transaction for each test: the one of `world` lasts for the whole module."""


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, broker_server: None, tmp_path_factory: Any) -> Iterator[World]:
    with standing(django_db_blocker, tmp_path_factory.mktemp("folders")) as found:
        yield found


@pytest.mark.parametrize(("route", "method"), UNSAFE, ids=lambda one: getattr(one, "name", one))
def test_an_unsafe_request_without_the_token_is_refused(world: World, route: Route, method: str) -> None:
    with undone():
        reply = ask(signed_in(world, "owner", check_csrf=True), world, route, method)
        assert reply.status_code == 403, said(reply)
        assert everything() == world.before
    if route.is_api:
        assert "CSRF" in reply.json()["detail"]  # type: ignore[attr-defined]


def test_with_the_token_it_is_accepted(world: World) -> None:
    with undone():
        client = signed_in(world, "owner", check_csrf=True)
        page = client.get("/account/")
        token = client.cookies["csrftoken"].value
        assert page.status_code == 200
        changed = client.patch("/api/v1/me/", {"name": "Alice B."}, headers={"X-CSRFToken": token})
        assert changed.status_code == 200, changed.content
        world.people["owner"].refresh_from_db()
        assert world.people["owner"].name == "Alice B."


def test_a_token_from_a_foreign_origin_is_worth_nothing(world: World) -> None:
    with undone():
        client = signed_in(world, "owner", check_csrf=True)
        client.get("/account/")
        headers = {"X-CSRFToken": client.cookies["csrftoken"].value, "Origin": "https://evil.example"}
        assert client.patch("/api/v1/me/", {"name": "Mallory"}, headers=headers).status_code == 403
        assert client.post("/account/", {"name": "Mallory"}, format="multipart", headers=headers).status_code == 403
        assert everything() == world.before


def test_signing_in_wants_the_token_too() -> None:
    """Otherwise somebody could sign others in to an account of his own, and see what they put there."""
    reply: HttpResponse = APIClient(enforce_csrf_checks=True).post(
        "/sign-in/", {"email": "a@example.org", "password": "x"}, format="multipart"
    )
    assert reply.status_code == 403


def test_other_sites_get_no_cross_origin_answers(world: World) -> None:
    client = as_person(world.people["owner"])
    for path in ("/api/v1/me/", "/account/", "/api/v1/schema/"):
        reply = client.get(path, headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in reply.headers, path
