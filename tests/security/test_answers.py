"""No answer that is only read holds what lets somebody in, and none may be kept where others could read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from projects.models import ApiKey, Invitation, Item, SetupToken, User
from projects.services import api_keys
from tests import factories
from tests.architecture import routes
from tests.architecture.routes import EXPECTED
from tests.architecture.world import World, ask, signed_in, standing, text, undone
from tests.support.api import as_person, as_program

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, broker_server: None, tmp_path_factory: Any) -> Iterator[World]:
    with standing(django_db_blocker, tmp_path_factory.mktemp("folders")) as found:
        yield found


@pytest.fixture
def _django_db_helper() -> None:
    """In place of a transaction for each test: the one of `world` lasts for the whole module."""


def secrets_of(world: World) -> dict[str, str]:
    """Everything that lets somebody in, by what it is."""
    found = {f"password of {user.pk}": user.password for user in User.objects.all()}
    found |= {f"key {key.pk}": key.key_hash for key in ApiKey.objects.all()}
    found |= {f"invitation {one.pk}": one.token_hash for one in Invitation.objects.all()}
    found |= {f"set-up link {one.pk}": one.token_hash for one in SetupToken.objects.all()}
    return found | {"secret key": settings.SECRET_KEY, "invitation": world.token}


def test_no_page_and_no_reply_that_is_only_read_holds_one(world: World) -> None:
    """A script that got into a page could else take along what opens the account for ever."""
    with undone():
        SetupToken.objects.create(token_hash="f" * 64)
        _key, secret = api_keys.create_api_key(
            actor=world.people["owner"], workspace=world.workspace, name="k", capabilities=["read"]
        )
        hidden = secrets_of(world) | {"secret of a key": secret}
        clients = [signed_in(world, "owner"), as_person(world.strangers["administrator"])]
        looked = 0
        for route in routes.all_routes():
            if route.name not in EXPECTED or "GET" not in EXPECTED[route.name].rules or route.name == "invitation":
                continue
            for client in clients:
                said = text(ask(client, world, route, "GET"))
                assert not [name for name, value in hidden.items() if value in said], route.name
                looked += 1
        assert looked > 80


def test_nor_does_any_page_of_the_admin(world: World) -> None:
    with undone():
        SetupToken.objects.create(token_hash="f" * 64)
        hidden = secrets_of(world)
        client = as_person(world.strangers["administrator"])
        for route in routes.all_routes():
            if not route.name.endswith("_changelist"):
                continue
            listed = text(client.get(reverse(route.name)))
            pages = [listed]
            for link in sorted(set(re.findall(r'href="([^"?]+/change/)', listed)))[:5]:
                pages.append(text(client.get(link if link.startswith("/") else reverse(route.name) + link)))
            for page in pages:
                assert not [name for name, value in hidden.items() if value in page], route.name


# --- Caches ----------------------------------------------------------------------------------------------------------


def test_no_answer_to_somebody_who_is_signed_in_may_be_kept_by_others(world: World) -> None:
    """Neither by a proxy between, nor by the browser for whoever sits down at it next and goes back a page."""
    with undone():
        client = signed_in(world, "owner")
        for route in routes.all_routes():
            if route.name not in EXPECTED or "GET" not in EXPECTED[route.name].rules:
                continue
            reply = ask(client, world, route, "GET")
            said = {part.strip() for part in reply.get("Cache-Control", "").split(",")}
            assert "private" in said, (route.name, said)
            if route.name != "item-image":  # the browser may keep it, under an address that nobody can guess
                assert "no-store" in said, (route.name, said)


def test_refusals_and_programs_are_answered_for_them_alone_too(world: World) -> None:
    with undone():
        for client in (signed_in(world, "labeler"), as_program(world.people["owner"], world.workspace)):
            for path in ("/api/v1/me/", "/api/v1/projects/", "/api/v1/projects/99999/", "/api/v1/nothing/"):
                assert "no-store" in client.get(path).headers["Cache-Control"], path


def test_an_image_that_one_person_has_is_not_another_s_to_ask_about() -> None:
    """Its ETag is the same for all who may see it; to others it says nothing, not even that it has not changed."""
    people = factories.make_people()
    item = Item.objects.filter(dataset_version__dataset=factories.make_dataset_with_images(people.workspace, 1)).get()
    path = f"/items/{item.pk}/image/"
    alice, charlie = as_person(people.alice), as_person(people.charlie)
    etag = alice.get(path)["ETag"]
    assert alice.get(path, headers={"If-None-Match": etag}).status_code == 304
    for stranger in (charlie, Client(), as_person(factories.make_user("Ada", is_superuser=True))):
        for header in ({"If-None-Match": etag}, {"If-None-Match": "*"}, {"If-Modified-Since": "Thu, 01 Jan 2099"}, {}):
            reply = stranger.get(path, headers=header)
            assert reply.status_code == 404 and "ETag" not in reply.headers
    shown = alice.get(path)
    assert set(shown["Vary"].split(", ")) >= {"Cookie", "Authorization"}
    assert "public" not in shown["Cache-Control"] and "s-maxage" not in shown["Cache-Control"]


# --- Existence -------------------------------------------------------------------------------------------------------


def test_a_foreign_row_and_no_row_get_the_same_answer(world: World) -> None:
    """Wherever a number can stand in a body: numbers are in sequence, and who has how many is nobody's business."""
    charlie = as_person(world.strangers["charlie"])
    own = charlie.get("/api/v1/workspaces/").json()["results"][0]["id"]
    nobody = 10**12
    custom = world.workspace.roles.create(key="odd", name="Odd", capabilities=["read"])
    bodies: list[tuple[str, dict[str, Any], str, int]] = [
        (
            "/api/v1/projects/",
            {"name": "x", "task_type": "multi_class", "classes": [{"name": "c"}], "workspace": own},
            "dataset",
            world.dataset.pk,
        ),
        (
            "/api/v1/projects/",
            {"name": "x", "task_type": "multi_class", "classes": [{"name": "c"}], "dataset": 1},
            "workspace",
            world.workspace.pk,
        ),
        ("/api/v1/projects/sample/", {"task_type": "multi_class"}, "workspace", world.workspace.pk),
        ("/api/v1/datasets/", {"name": "x", "kind": "upload"}, "workspace", world.workspace.pk),
        (
            "/api/v1/datasets/",
            {"name": "x", "kind": "datastore", "path": "**", "workspace": own},
            "datastore",
            world.datastore.pk,
        ),
        ("/api/v1/datastores/", {"name": "x", "root": "/srv"}, "workspace", world.workspace.pk),
        (f"/api/v1/workspaces/{own}/invitations/", {}, "role", custom.pk),
    ]
    for path, body, field, foreign in bodies:
        with undone():
            one, other = (charlie.post(path, body | {field: pk}) for pk in (foreign, nobody))
        assert one.status_code == other.status_code == 404, (path, field, one.content, other.content)
        assert one.content == other.content, (path, field)
    custom.delete()


def serializers_of_bodies() -> set[type]:
    """Those that read what was sent: `self.validated(X)` or `X(data=…)` somewhere in the API."""
    import ast
    import importlib

    from tests.architecture import sources

    found = set()
    for path in sources.files():
        if len(path.parts) < 3 or path.parts[1] != "api":
            continue
        module = importlib.import_module(".".join(path.with_suffix("").parts))
        for call in (node for node in ast.walk(sources.tree(path)) if isinstance(node, ast.Call)):
            names = [one.id for one in call.args if isinstance(one, ast.Name)]
            if not (isinstance(call.func, ast.Attribute) and call.func.attr == "validated"):
                is_read = any(keyword.arg == "data" for keyword in call.keywords)
                names = [call.func.id] if is_read and isinstance(call.func, ast.Name) else []
            found |= {getattr(module, name) for name in names if isinstance(getattr(module, name, None), type)}
    return found


def test_numbers_in_bodies_are_looked_up_among_one_s_own_rows() -> None:
    """Also in serializers to come: Django REST framework looks among all rows unless it is told otherwise."""
    from rest_framework import serializers

    from labeling_site.core.api import OwnRow

    found = serializers_of_bodies()
    assert len(found) > 12
    for kind in found:
        for name, field in kind().fields.items():
            if isinstance(field, serializers.RelatedField) and not field.read_only:
                assert isinstance(field, OwnRow), f"{kind.__name__}.{name}: serializer_related_field = OwnRow"
