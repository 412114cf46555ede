"""Whatever stands in a request, the site answers with a sentence, never with a defect, and never half-way."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse

from projects.access import Capability
from tests.architecture import routes
from tests.architecture.routes import APART, EXPECTED, Route
from tests.architecture.world import World, ask, everything, said, signed_in, standing, undone

WORDS = ["", " ", "\0", "a\0b", "\ud800", "\u202e\u2066", "x" * 5000, "9" * 30, "²", "-1", "%s{0}${7*7}", "../../etc"]
VALUES: list[Any] = [
    *WORDS,
    None,
    True,
    -1,
    10**30,
    1.5,
    [],
    {},
    [None],
    [[]],
    {"a": {"b": []}},
    ["\0"],
    [{"name": []}],
]
OWN = ("POST", "PATCH")

pytestmark = [pytest.mark.django_db, pytest.mark.services]  # databases differ in what they keep


@pytest.fixture
def _django_db_helper() -> None:
    """In place of a transaction for each test: the one of `world` lasts for the whole module."""


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, broker_server: None, tmp_path_factory: Any) -> Iterator[World]:
    with standing(django_db_blocker, tmp_path_factory.mktemp("folders")) as found:
        yield found


CASES = [
    (route, method)
    for route in routes.all_routes()
    if not route.is_admin and route.name not in APART and route.name in EXPECTED
    for method, rule in EXPECTED[route.name].rules.items()
    if method in OWN and rule.body is not None and not rule.content_type
]


@pytest.mark.parametrize(("route", "method"), CASES, ids=lambda one: getattr(one, "name", one))
def test_each_field_takes_any_value_without_a_defect(world: World, route: Route, method: str) -> None:
    rule = EXPECTED[route.name].rules[method]
    assert rule.body is not None
    body = rule.body(world)
    for name in body:
        for value in VALUES if route.is_api else WORDS:
            if not route.is_api and "\ud800" in value:
                continue  # no form can send it
            with undone():
                reply = ask(signed_in(world, "owner"), world, route, method, body | {name: value})
                where = f"{name}={value!r}: {said(reply)}"
                assert reply.status_code < 500, where
                assert reply.status_code < 400 or everything() == world.before, where


def parameters_of(route: Route) -> set[str]:
    """The names that a view reads from the query: those its module writes down, or the filters of its viewset."""
    view = getattr(route.callback, "cls", None)
    if view is not None:
        return {*getattr(view, "filters", ()), "cursor", "page_size", "path"}
    source = inspect.getsource(inspect.getmodule(inspect.unwrap(route.callback)))  # type: ignore[arg-type]
    named = set(re.findall(r"""GET(?:\.get\(|\[|\.getlist\()"(\w+)\"""", source))
    return named | {"page", "q", "status", "since", "submitted_until", "label_class", "next"}


READ = [route for route in routes.all_routes() if route.name in EXPECTED and "GET" in EXPECTED[route.name].rules]


@pytest.mark.parametrize("route", READ, ids=lambda route: route.name)
def test_each_question_takes_any_value_without_a_defect(world: World, route: Route) -> None:
    """Every parameter that a page or list knows, with strange words, at every address that answers GET."""
    expected = EXPECTED[route.name]
    address = reverse(route.name, kwargs={name: world.value(expected.parameters[name]) for name in route.parameters})
    with undone():
        client = signed_in(world, "owner")
        client.raise_request_exception = False
        for name in sorted(parameters_of(route)):
            for word in ("\0", "9" * 30, "²", "-1", "'\"<>&"):
                reply = client.get(address, {name: word})
                assert reply.status_code < 500, f"{name}={word!r}: {said(reply)}"
        assert everything() == world.before


@pytest.mark.parametrize(
    "field", ["created_by__password", "workspace__memberships__user__email", "pk__in", "id__regex"]
)
def test_no_lookup_of_the_database_comes_from_outside(world: World, field: str) -> None:
    """Neither filters nor orders reach columns that nobody listed."""
    client = signed_in(world, "owner")
    for route in routes.all_routes():
        if not (route.is_api and "GET" in route.actions):
            continue
        parameters = EXPECTED[route.name].parameters
        address = reverse(route.name, kwargs={name: world.value(parameters[name]) for name in route.parameters})
        plain = client.get(address)
        if plain.status_code != 200:
            continue
        for query in ({field: "a"}, {"ordering": field}, {"order_by": f"-{field}"}, {"filter": json.dumps({field: 1})}):
            reply = client.get(address, query)
            same = reply.status_code == 200 and reply.content == plain.content
            assert same or reply.status_code == 400, f"{route.name} {query}: {said(reply)}"


def test_foreign_numbers_in_bodies_and_filters_find_nothing(world: World) -> None:
    """Charlie names rows of our workspace wherever a number may stand."""
    from tests.support.api import as_person

    charlie = as_person(world.strangers["charlie"])
    own = charlie.get("/api/v1/workspaces/").json()["results"][0]["id"]
    with undone():
        asked = {"workspace": own, "name": "mine", "task_type": "multi_class", "classes": [{"name": "x"}]}
        assert charlie.post("/api/v1/projects/", asked | {"dataset": world.dataset.pk}).status_code == 404
        dataset = {"workspace": own, "name": "mine", "kind": "datastore", "datastore": world.datastore.pk, "path": "**"}
        assert charlie.post("/api/v1/datasets/", dataset).status_code == 404
        invitation = {"role": world.role.pk, "email": world.people["labeler"].email}
        assert charlie.post(f"/api/v1/workspaces/{world.workspace.pk}/invitations/", invitation).status_code == 404
        keys = {"name": "k", "capabilities": [Capability.READ_WORKSPACE]}
        assert charlie.post(f"/api/v1/workspaces/{world.workspace.pk}/api-keys/", keys).status_code == 404
        assert everything() == world.before
    for query in (
        f"/api/v1/projects/?workspace={world.workspace.pk}",
        f"/api/v1/datasets/?workspace={world.workspace.pk}",
        f"/api/v1/datastores/?workspace={world.workspace.pk}",
        f"/api/v1/jobs/?subject={world.project.topic}",
        f"/api/v1/items/?dataset_version={world.project.dataset_version_id}",
    ):
        assert charlie.get(query).json()["results"] == [], query
