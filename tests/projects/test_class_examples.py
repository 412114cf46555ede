"""Examples and counter-examples of classes: chosen by owners, shown to labelers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from annotations.models import QueueEntry
from projects.access import Capability
from projects.models import ClassExample, Project
from projects.services import class_examples
from tests import factories
from tests.support.api import as_person, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


@pytest.fixture
def project(people: factories.People) -> Project:
    return factories.make_project(people.workspace, images=4)


def add(client: Any, project: Project, item: int, **more: Any) -> Any:
    cat = factories.label_class(project, "cat")
    return client.post(f"/api/v1/label-classes/{cat.pk}/examples/", {"item": item} | more, format="json")


def items(project: Project) -> list[int]:
    return list(project.dataset_version.items.order_by("pk").values_list("pk", flat=True))


def test_an_owner_chooses_examples_and_every_labeler_sees_them(people: factories.People, project: Project) -> None:
    alice, bob = as_person(people.alice), as_person(people.bob)
    first, second, *_rest = items(project)
    made = add(alice, project, second, is_counter=True, note="only its mirror")
    assert made.status_code == 201, made.content
    assert add(alice, project, first).status_code == 201
    cat = factories.label_class(project, "cat")
    listed = bob.get(f"/api/v1/label-classes/{cat.pk}/examples/").json()
    assert [(one["item"], one["is_counter"], one["note"]) for one in listed] == [
        (first, False, ""),
        (second, True, "only its mirror"),
    ]
    assert bob.get(listed[0]["thumbnail_url"]).status_code == 200
    client = Client()
    client.force_login(people.bob)
    page = client.get(f"/projects/{project.pk}/label/").content.decode()
    context = json.loads(page.partition('id="label-context" type="application/json">')[2].partition("</script>")[0])
    [shown] = [one["examples"] for one in context["classes"] if one["name"] == "cat"]
    assert [(one["counter"], one["note"]) for one in shown] == [(False, ""), (True, "only its mirror")]
    assert alice.delete(f"/api/v1/class-examples/{listed[0]['id']}/").status_code == 204
    assert ClassExample.objects.count() == 1


def test_refusals_change_nothing(people: factories.People, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = as_person(people.alice)
    first, second, *_rest = items(project)
    other = factories.make_project(people.workspace, images=1)
    made = add(alice, project, first).json()
    assert refused(add(as_person(people.bob), project, second), 403)["missing"] == Capability.WRITE_PROJECTS
    refused(as_person(people.bob).delete(f"/api/v1/class-examples/{made['id']}/"), 403)
    refused(add(as_person(people.charlie), project, second), 404)
    refused(as_person(people.charlie).delete(f"/api/v1/class-examples/{made['id']}/"), 404)
    refused(add(alice, project, items(other)[0]), 404)
    refused(add(alice, project, first, is_counter=True), 409)
    refused(add(alice, project, second, note="x" * 201), 400)
    monkeypatch.setattr(class_examples, "MAX_EXAMPLES", 1)
    refused(add(alice, project, second), 409)
    assert list(ClassExample.objects.values_list("item", "is_counter")) == [(first, False)]


def test_on_the_pages_of_the_data_and_the_classes(people: factories.People, project: Project) -> None:
    client = Client()
    client.force_login(people.alice)
    entry = QueueEntry.objects.filter(project=project)[0]
    dog = factories.label_class(project, "dog")
    address = f"/projects/{project.pk}/data/{entry.pk}/"
    assert "Show it as an example" in client.get(address).content.decode()
    client.post(f"{address}example/", {"label_class": dog.pk, "is_counter": "on", "note": "a wolf"})
    example = ClassExample.objects.get()
    assert (example.label_class, example.item, example.is_counter) == (dog, entry.item, True)
    assert "counter-example" in client.get(f"/projects/{project.pk}/details/classes/").content.decode()
    foreign = factories.label_class(factories.make_project(people.workspace, images=1), "dog")
    assert client.post(f"{address}example/", {"label_class": foreign.pk}).status_code == 404
    client.post(f"/projects/{project.pk}/details/examples/{example.pk}/remove/")
    assert not ClassExample.objects.exists()


def test_the_description_of_a_class_is_written_beside_its_name(people: factories.People, project: Project) -> None:
    client = Client()
    client.force_login(people.alice)
    dog = factories.label_class(project, "dog")
    said = {"do": "save", "name": "dog", "colour": dog.colour, "description": "No wolves."}
    client.post(f"/projects/{project.pk}/details/classes/{dog.pk}/", said)
    dog.refresh_from_db()
    assert dog.description == "No wolves."
