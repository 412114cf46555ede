"""Every route × every role × own and foreign objects, generated from the URLconf.

A route that is not in tests/architecture/routes.py fails here, so nobody can add one without saying who may call it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.urls import NoReverseMatch, reverse
from rest_framework.test import APIClient

from projects.access import BUILT_IN_ROLES
from projects.models import Workspace
from tests.architecture import routes
from tests.architecture.routes import APART, EXPECTED, METHODS, SAFE, Route
from tests.architecture.world import MARK, World, ask, everything, said, signed_in, standing, text, undone
from tests.support.api import PROBLEM

ROUTES = [route for route in routes.all_routes() if route.name not in APART]
PLAIN = [route for route in ROUTES if not route.is_admin]
ADMIN = [route for route in ROUTES if route.is_admin]
CASES = [(route, method) for route in PLAIN if route.name in EXPECTED for method in EXPECTED[route.name].rules]


pytestmark = pytest.mark.django_db  # has the test database made


@pytest.fixture
def _django_db_helper() -> None:
    """In place of a transaction for each test: the one of `world` lasts for the whole module."""


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, broker_server: None, tmp_path_factory: Any) -> Iterator[World]:
    """Built once; each request below is taken back, and the whole at the end."""
    with standing(django_db_blocker, tmp_path_factory.mktemp("folders")) as found:
        yield found


# --- The table is whole ----------------------------------------------------------------------------------------------


def test_every_route_says_who_may_call_it_and_how() -> None:
    missing = [route.name for route in PLAIN if route.name not in EXPECTED]
    assert not missing, "say in tests/architecture/routes.py who may call these"
    for route in PLAIN:
        if route.actions:
            assert set(route.actions) == set(EXPECTED[route.name].rules), route.name
    known = {route.name for route in PLAIN}
    assert not set(EXPECTED) - known, "these routes no longer exist"


# --- Those inside ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "method"), CASES, ids=lambda one: getattr(one, "name", one))
def test_each_role_gets_what_its_rights_say(world: World, route: Route, method: str) -> None:
    rule = EXPECTED[route.name].rules[method]
    for role in BUILT_IN_ROLES:
        with undone():
            reply = ask(signed_in(world, role), world, route, method)
            unchanged = everything() == world.before
        where = f"{role}: {method} {route.name}: {said(reply)}"
        if not rule.sees(role):
            assert reply.status_code == 404, where
            assert unchanged, where
        elif missing := rule.missing(role):
            if route.name == "project" and "labeling/labels/write" in BUILT_IN_ROLES[role][2]:
                assert (reply.status_code, unchanged) == (302, True), where  # labelers are led to their work
                continue
            assert reply.status_code == 403, where
            if rule.names_right and route.is_api:
                assert json.loads(text(reply))["missing"] in missing, where
            elif rule.names_right:
                assert any(str(right.label) in text(reply) for right in missing), where
            assert unchanged, where
        else:
            assert reply.status_code == rule.ok, where
            if method in SAFE:
                assert unchanged, f"reading changed something: {where}"


# --- Those outside ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "method"), CASES, ids=lambda one: getattr(one, "name", one))
def test_strangers_see_and_change_nothing(world: World, route: Route, method: str) -> None:
    rule = EXPECTED[route.name].rules[method]
    for name in [*world.strangers, *(world.programs if route.is_api else ())]:
        with undone():
            reply = ask(world.programs.get(name) or signed_in(world, name), world, route, method)
            unchanged = everything() == world.before
        where = f"{name}: {method} {route.name}: {said(reply)}"
        assert reply.status_code < 500, where
        if route.name not in {"export-download", "invitation", "api-accept-invitation-list"}:
            assert MARK not in text(reply), f"a word of a foreign workspace: {where}"
        if not rule.is_open:
            assert reply.status_code == 404, where
            assert unchanged, where
            if route.is_api:
                assert reply["Content-Type"] == PROBLEM, where


@pytest.mark.parametrize(("route", "method"), CASES, ids=lambda one: getattr(one, "name", one))
def test_visitors_are_asked_to_sign_in(world: World, route: Route, method: str) -> None:
    rule = EXPECTED[route.name].rules[method]
    with undone():
        reply = ask(APIClient(), world, route, method)
        assert everything() == world.before, "a visitor changed something"
    if rule.anonymous != "sign-in":
        assert reply.status_code == rule.anonymous, said(reply)
    elif route.is_api:
        assert (reply.status_code, reply["Content-Type"]) == (401, PROBLEM), said(reply)
    else:
        assert reply.status_code == 302, said(reply)
        assert reply["Location"].startswith(reverse(settings.LOGIN_URL)), said(reply)
    if route.name not in {"export-download", "invitation"}:
        assert MARK not in text(reply)


# --- What is not offered ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", PLAIN, ids=lambda route: route.name)
def test_methods_that_are_not_in_the_table_are_refused(world: World, route: Route) -> None:
    if route.name not in EXPECTED:
        pytest.fail("not in the table")
    for method in METHODS:
        if method in EXPECTED[route.name].rules:
            continue
        with undone():
            reply = ask(signed_in(world, "owner"), world, route, method)
            assert reply.status_code == 405, f"{method} {route.name}: {said(reply)}"
            assert everything() == world.before


@pytest.mark.parametrize("route", PLAIN, ids=lambda route: route.name)
def test_a_deleted_workspace_is_gone_at_every_address(world: World, route: Route) -> None:
    """Also for its owner, and also for what is reached by number."""
    if not route.parameters or route.name not in EXPECTED or "token" in route.parameters:
        return
    with undone():
        Workspace.objects.filter(pk=world.workspace.pk).update(deleted_at="2026-01-01T00:00:00Z")
        client = APIClient()
        client.force_login(world.people["owner"])
        for method in EXPECTED[route.name].rules:
            reply = ask(client, world, route, method)
            assert reply.status_code == 404, f"{method} {route.name}: {said(reply)}"


# --- The admin -------------------------------------------------------------------------------------------------------


def admin_address(world: World, route: Route) -> str | None:
    rows = {
        value._meta.label_lower.replace(".", "_"): value.pk
        for value in vars(world).values()
        if hasattr(value, "_meta") and hasattr(value, "pk")
    }
    label = "_".join(route.name.removeprefix("admin:").split("_")[:2])
    usual = {"app_label": "projects", "id": 1, "content_type_id": 1, "object_id": rows.get(label, 1), "url": "nothing"}
    try:
        return reverse(route.name, kwargs={name: usual[name] for name in route.parameters})
    except NoReverseMatch:
        return None  # the nameless ones: a redirect to the change page, and the admin's own 404


@pytest.mark.parametrize("route", ADMIN, ids=lambda route: route.name)
def test_the_admin_is_for_administrators_and_never_breaks(world: World, route: Route) -> None:
    address = admin_address(world, route)
    if address is None:
        assert route.name == "admin:-"
        return
    public = {"admin:login"}
    with undone():
        owner, administrator = signed_in(world, "owner"), signed_in(world, "administrator")
        for client in (APIClient(), owner):
            reply = client.get(address)
            if route.name in public:
                assert reply.status_code in {200, 302}, said(reply)
            else:
                assert reply.status_code in {302, 403, 404}, said(reply)
            assert MARK not in text(reply)
        for method in ("GET", "POST"):
            administrator.raise_request_exception = False
            reply = ask_admin(administrator, method, address)
            assert reply.status_code < 500, f"{method} {address}: {said(reply)}"
        if route.name != "admin:logout":
            assert everything() == world.before, "an empty form of the admin changed something"


def ask_admin(client: APIClient, method: str, address: str) -> HttpResponse:
    return client.get(address) if method == "GET" else client.post(address, {}, format="multipart")
