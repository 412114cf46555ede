"""One of everything in one workspace, and people who stand outside it.

Every name of the workspace holds MARK, so that a leak shows as that word.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model
from django.http import HttpResponse
from django.test import override_settings
from django.urls import reverse
from rest_framework.test import APIClient

from annotations.models import Assignment, QueueEntry
from annotations.services import comments, exporting, prelabels
from annotations.services.answers import AnswerAnnotation
from annotations.services.prelabels import Suggestion
from projects.access import BUILT_IN_ROLES
from projects.models import Item, User, Workspace
from projects.services import api_keys, class_examples, datastores, invitations, projects, uploads
from tests import factories
from tests.annotations.labeling import answer_all, label_page, open_page, submit
from tests.architecture.routes import EXPECTED, Route, Rule
from tests.support.api import as_person, as_program

MARK = "Qxzvkqwyjb"  # so long that no random token holds it
# Rows that reading may touch: who came by when.
NOT_COMPARED = {
    "admin.LogEntry",
    "sessions.Session",
    "projects.ApiKey",
    "core.Lock",
    "core.IdempotencyRecord",
    "contenttypes.ContentType",
}


@dataclass
class World:
    """Attributes are what parameters of routes and bodies of requests are taken from."""

    workspace: Workspace
    people: dict[str, User]
    strangers: dict[str, User] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    programs: dict[str, APIClient] = field(default_factory=dict)
    wrong_token: str = "nothing-like-a-token"
    section: str = "overview"
    finest: int = 0  # level, column and row of a tile

    def __getattr__(self, name: str) -> Any:  # set by build()
        raise AttributeError(name)

    def value(self, name: str) -> Any:
        """A parameter of a route: the key of a row, or a word."""
        found = getattr(self, name)
        return found.pk if isinstance(found, Model) else found


@contextmanager
def standing(blocker: Any, parent: Path) -> Iterator[World]:
    """A world for a whole module: built once, gone at the end. Its user also needs `without_transactions`."""
    with blocker.unblock(), override_settings(LOCAL_FOLDERS=[parent]), transaction.atomic():
        yield build(parent / "photos")
        transaction.set_rollback(True)


def build(folder: Path) -> World:
    """Call it with settings.LOCAL_FOLDERS naming `folder`'s parent."""
    alice = factories.make_user("Alice")  # without the word: she belongs to a second workspace, too
    workspace = factories.make_workspace(alice, f"Atelier {MARK}")
    people = {"owner": alice}
    for key in BUILT_IN_ROLES:
        if key != "owner":
            people[key] = factories.add_member(workspace, key, name=f"{key} {MARK}".replace("_", " "))
    world = World(workspace, people)
    _files(world, alice, folder)
    _projects(world, alice)
    world.own_key, secret = api_keys.create_api_key(
        actor=alice, workspace=workspace, name=f"key {MARK}", capabilities=["read"]
    )
    assert secret
    world.member = factories.membership(workspace, factories.add_member(workspace, name=f"Mia {MARK}"))
    world.role = factories.role("labeler")
    world.invitation, url = invitations.invite(actor=alice, workspace=workspace, role=world.role)
    world.token = url.rstrip("/").rpartition("/")[2]
    _strangers(world, alice)
    world.sessions = {name: _session(person, workspace) for name, person in people.items()}
    world.sessions |= {name: _session(person) for name, person in world.strangers.items()}
    world.before = everything()
    return world


def _files(world: World, alice: User, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{MARK}.png").write_bytes(factories.image_bytes())
    world.folder = folder
    world.datastore = datastores.create_local_datastore(
        actor=alice, workspace=world.workspace, name=f"disk {MARK}", root=str(folder)
    )
    world.dataset = factories.make_dataset_from_bytes(
        world.workspace, {f"{MARK}.png": factories.image_bytes()}, name=f"files {MARK}"
    )
    special = {f"{MARK}.dcm": factories.dicom_bytes(np.zeros((2, 2), np.uint16)), f"{MARK}.jpg": wide_image()}
    factories.make_dataset_from_bytes(world.workspace, special, name=f"special files {MARK}")
    world.scan, world.poster = Item.objects.filter(path__in=special).order_by("path")
    world.upload = uploads.begin(actor=alice, dataset=world.dataset, files=[{"path": f"{MARK}2.png", "size": 100}])[0]
    world.item = Item.objects.get(dataset_version__dataset=world.dataset)


def wide_image() -> bytes:
    """Large enough to be cut into tiles."""
    return factories.image_bytes(5000, 2, format="JPEG")


def _projects(world: World, alice: User) -> None:
    bob = world.people["labeler"]
    project = factories.make_project(
        world.workspace, images=8, name=f"Project {MARK}", classes=[f"cat {MARK}", f"dog {MARK}"]
    )
    world.project, world.label_class = project, project.label_classes.order_by("position")[0]
    other = factories.make_project(world.workspace, images=1, name=f"Paused {MARK}")
    world.paused_project = projects.pause_project(actor=alice, project=other)
    label_page(bob, project, world.label_class, page_size=4)
    skipped = open_page(bob, project)
    submit(bob, skipped, answer_all(skipped, [], outcome="skipped", skip_reason=f"dark {MARK}"))
    world.entry = QueueEntry.objects.filter(project=project, status="labeled").order_by("pk")[0]
    world.comment = comments.comment(actor=bob, entry=world.entry, text=f"why {MARK}", asks_lead=True)
    world.example = class_examples.add_example(
        actor=alice,
        label_class=world.project.label_classes.order_by("position")[1],
        item=world.entry.item,
        note=f"look {MARK}",
    )
    world.open_entry = QueueEntry.objects.filter(project=project, status="unlabeled", open_slots=1).order_by("pk")[0]
    made = AnswerAnnotation(uuid.uuid4(), world.label_class.pk)
    prelabels.store(
        actor=alice,
        project=project,
        produced_by=f"model {MARK}",
        suggestions=[Suggestion(world.open_entry.pk, made, 0.8)],
    )
    world.export = exporting.start_export(actor=alice, project=project, format="csv", options={})
    factories.run_jobs()
    world.export.refresh_from_db()
    world.download = exporting.download_token(actor=alice, transfer=world.export)
    world.pending_export = exporting.start_export(actor=alice, project=project, format="csv", options={})
    world.job = world.pending_export.job
    world.task = open_page(bob, project)
    world.assignment = Assignment.objects.get(task=world.task)
    world.answers = {
        "operation_id": str(uuid.uuid4()),
        "answers": [{"assignment": world.assignment.pk, "annotations": [{"label_class": world.label_class.pk}]}],
    }
    pk = str(uuid.uuid4())
    change = {"id": pk, "after": {"id": pk, "label_class": world.label_class.pk}, "at": 0}
    world.operations = {
        "client": str(uuid.uuid4()),
        "operations": [{"id": str(uuid.uuid4()), "assignment": world.assignment.pk, "changes": [change]}],
    }


def _strangers(world: World, alice: User) -> None:
    """Charlie owns another workspace, the administrator runs the site, the key is Alice's for her second workspace."""
    charlie = factories.make_user("Charlie")
    factories.make_workspace(charlie, "Elsewhere")
    administrator = factories.make_user("Ada", is_superuser=True)
    world.strangers = {"charlie": charlie, "administrator": administrator}
    second = factories.make_workspace(alice, "Second")
    world.programs["key of another workspace"] = as_program(alice, second)


def ask(client: APIClient, world: World, route: Route, method: str, data: Any = None) -> HttpResponse:
    """One request with the parameters and the body of the table, or with another body."""
    expected = EXPECTED[route.name]
    rule = expected.rules.get(method, Rule())
    address = reverse(route.name, kwargs={name: world.value(expected.parameters[name]) for name in route.parameters})
    address += f"?{rule.query}" if rule.query else ""
    if data is None and rule.body:
        data = rule.body(world)
    sent: dict[str, Any] = {"headers": rule.headers(world) if rule.headers else {}}
    if isinstance(data, bytes):
        sent |= {"data": data, "content_type": rule.content_type}
    elif method != "GET" and route.is_api:
        sent |= {"data": json.dumps({} if data is None else data), "content_type": "application/json"}
    elif data is not None:
        sent |= {"data": data, "format": "multipart"}
    client.raise_request_exception = False
    reply: HttpResponse = getattr(client, method.lower())(address, **sent)
    return reply


def signed_in(world: World, name: str, *, check_csrf: bool = False) -> APIClient:
    """A browser in which a person or a stranger of this name has signed in; each request brings a fresh one. With
    `check_csrf` it is held to CSRF as a real one."""
    client = APIClient(enforce_csrf_checks=check_csrf)
    client.cookies[settings.SESSION_COOKIE_NAME] = world.sessions[name]
    return client


def _session(user: User, workspace: Workspace | None = None) -> str:
    """The key of a session in which `user` has signed in and is at work in `workspace`. Made once and not with each
    request, which it takes a fifth of."""
    client = as_person(user)
    session = client.session
    if workspace:
        session["workspace"] = workspace.pk
        session.save()
    return str(session.session_key)


def text(reply: HttpResponse) -> str:
    """The whole body, of files too."""
    content = b"".join(reply.streaming_content) if reply.streaming else reply.content  # type: ignore[attr-defined]
    return content.decode("utf-8", "replace")


def said(reply: HttpResponse) -> str:
    """A reply in a line, for messages of failed tests."""
    body = "" if reply.streaming else text(reply)
    body = body.partition("<main")[2].partition("</main")[0] or body
    return f"{reply.status_code} {' '.join(body.split())[:600]} {reply.headers.get('Location', '')}"


@contextmanager
def undone() -> Iterator[None]:
    """Whatever the block writes is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, to see whether a refusal changed anything."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.label in NOT_COMPARED:
                continue
            columns = [field.column for field in model._meta.concrete_fields if field.name != "last_login"]
            cursor.execute(f"SELECT {', '.join(columns)} FROM {model._meta.db_table} ORDER BY {model._meta.pk.column}")
            found[model._meta.label] = cursor.fetchall()
    return found
