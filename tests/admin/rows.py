"""One row or more of everything that the admin lists, made by the services, and a look at all of it."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from annotations.models import Assignment, QueueEntry, Transfer
from annotations.services import comments, exporting, prelabels, reviewing
from annotations.services.answers import AnswerAnnotation
from annotations.services.prelabels import Suggestion
from labeling_site.core import jobs
from labeling_site.core.models import IdempotencyRecord, Job
from projects.models import ApiKey, Invitation, Project, Role, SetupToken, User
from projects.services import api_keys, class_examples, invitations, projects, uploads
from tests import factories
from tests.annotations.labeling import edit_once, label_page, open_page

OUR_APPS = ("core", "projects", "annotations")
SECRET = "nobody-may-read-this"


@dataclass
class Rows:
    """What was made, and the secrets that no page may hold."""

    people: factories.People
    project: Project
    assignment: Assignment
    api_key: ApiKey
    invitation: Invitation
    job: Job
    transfer: Transfer
    secrets: list[str]


def make_rows(number: int = 1) -> Rows:
    """A workspace in which everything has happened at least once. Other numbers make other rows."""
    people = factories.make_people()
    workspace, alice, bob = people.workspace, people.alice, people.bob
    dataset = factories.make_dataset_with_images(workspace, 8)
    uploads.begin(actor=alice, dataset=dataset, files=[{"path": "late.png", "size": 100}])
    project = factories.make_project(workspace, dataset=dataset)
    suggest_something(alice, project)
    projects.set_favourite(actor=alice, project=project, favourite=True)
    label_page(bob, project, factories.label_class(project, "cat"), page_size=4)
    entries = list(QueueEntry.objects.filter(project=project, status="labeled").values_list("pk", flat=True))
    reviewing.approve(actor=alice, project=project, entry_ids=entries[:1], comment="fine")
    reviewing.reject(actor=alice, project=project, entry_ids=entries[1:2], comment="blurred")
    assignment = open_page(bob, project).assignments.get()
    edit_once(bob, assignment, factories.label_class(project, "cat"))
    transfer = exporting.start_export(actor=alice, project=project, format="csv", options={})
    key, secret = api_keys.create_api_key(actor=alice, workspace=workspace, name="nightly", capabilities=["read"])
    invitation, link = invitations.invite(actor=alice, workspace=workspace, role=factories.role("labeler"))
    Role.objects.create(workspace=workspace, key="helper", name="Helper", capabilities=["read"])
    setup = SetupToken.objects.create(token_hash=hashlib.sha256(str(number).encode()).hexdigest())
    reply = IdempotencyRecord.objects.create(
        user_id=alice.pk, key=f"key-{number}", fingerprint="f" * 64, status=201, body={"secret": SECRET}
    )
    jobs.take_turn(f"chore-{number}", 5)
    job = transfer.job
    Job.objects.filter(pk=job.pk).update(token="11111111-2222-3333-4444-555555555555")
    secrets = [SECRET, "11111111-2222-3333-4444", reply.fingerprint, secret, link.rstrip("/").rpartition("/")[2]]
    secrets += [key.key_hash, invitation.token_hash, setup.token_hash, *User.objects.values_list("password", flat=True)]
    return Rows(people, project, assignment, key, invitation, job, transfer, secrets)


def suggest_something(alice: User, project: Project) -> None:
    """Prelabels of the first images of the queue, an example of a class and a question about an image."""
    cat = factories.label_class(project, "cat")
    entries = list(QueueEntry.objects.filter(project=project).select_related("project", "item").order_by("rank")[:4])
    suggested = [Suggestion(entry.pk, AnswerAnnotation(uuid.uuid4(), cat.pk), 0.5) for entry in entries]
    prelabels.store(actor=alice, project=project, produced_by="a model", suggestions=suggested)
    class_examples.add_example(actor=alice, label_class=cat, item=entries[0].item)
    comments.comment(actor=alice, entry=entries[0], text="Look again.", asks_lead=True)


def make_superuser() -> User:
    return factories.make_user("Ada", is_superuser=True)


def make_staff(*permissions: str, name: str = "Sam") -> User:
    """Somebody who may open the admin, with these permissions, as in projects.view_project."""
    user = factories.make_user(name)
    user.is_staff = True
    user.save()
    for permission in permissions:
        app_label, _dot, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app_label, codename=codename))
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def our_models() -> list[type[Model]]:
    return [model for label in OUR_APPS for model in apps.get_app_config(label).get_models()]


def list_address(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def row_address(row: Model, page: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """All rows of our tables and of the permissions, to see whether a refusal changed anything."""
    looked_at = [*our_models(), User.user_permissions.through, User.groups.through]
    found = {}
    for model in looked_at:
        columns = [field.attname for field in model._meta.concrete_fields if field.name != "last_login"]
        found[model._meta.label] = list(model._base_manager.order_by("pk").values_list(*columns))
    return found


def says(answer: Any) -> list[str]:
    """The messages on the page that an action leads to."""
    return [str(message) for message in answer.context["messages"]]


def act(client: Client, action: str, *rows: Model, method: str = "post") -> Any:
    """What the changelist answers to an action on these rows, after its redirect."""
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows], "index": "0"}
    return getattr(client, method)(list_address(type(rows[0])), data, follow=True)
