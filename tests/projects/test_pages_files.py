"""Datastores and datasets: who looks, who changes, what a page tells about refused files, and a preview of a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from labeling_site.core import events
from labeling_site.core.models import Job
from projects import selectors
from projects.models import Dataset, DatasetVersion, Datastore, Item, User
from projects.services import datastores
from tests.factories import (
    add_member,
    image_bytes,
    make_dataset_from_bytes,
    make_dataset_with_images,
    make_people,
    make_project,
    make_workspace,
)

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """A folder that workspaces may use, with two images and a text in it."""
    root = tmp_path / "images"
    (root / "sub").mkdir(parents=True)
    (root / "a.png").write_bytes(image_bytes())
    (root / "sub" / "b.png").write_bytes(image_bytes())
    (root / "notes.txt").write_text("x")
    settings.LOCAL_FOLDERS = [tmp_path]
    return root


# --- Datastores ------------------------------------------------------------------------------------------------------


def test_alice_adds_and_forgets_a_folder(folder: Path) -> None:
    people = make_people()
    client = signed_in(people.alice)
    assert client.post("/datastores/", {"name": "Disk", "root": str(folder)}).status_code == 302
    datastore = Datastore.objects.get(name="Disk")
    assert datastore.config == {"root": str(folder)} and datastore.workspace == people.workspace
    text = client.get("/datastores/").content.decode()
    assert "Disk" in text and str(folder) in text
    assert client.post(reverse("datastore-delete", args=[datastore.pk])).status_code == 302
    assert not Datastore.objects.filter(pk=datastore.pk).exists()
    assert (folder / "a.png").exists()


@pytest.mark.parametrize("root", ["/etc", "/", "relative", "/no/such/folder"])
def test_folders_that_are_not_offered_are_refused(folder: Path, root: str) -> None:
    people = make_people()
    answer = signed_in(people.alice).post("/datastores/", {"name": "Disk", "root": root})
    assert answer.status_code == 400 and answer.context["form"].errors
    assert not Datastore.objects.filter(name="Disk").exists()


def test_people_without_the_right_add_and_forget_nothing(folder: Path) -> None:
    people = make_people()
    datastore = datastores.create_local_datastore(
        actor=people.alice, workspace=people.workspace, name="Disk", root=str(folder)
    )
    qa = add_member(people.workspace, "customer_qa", name="Quinn")
    assert signed_in(qa).get("/datastores/").status_code == 200
    assert signed_in(people.bob).get("/datastores/").status_code == 403
    for person, status in ((qa, 403), (people.bob, 403), (people.charlie, 404)):
        assert signed_in(person).post(reverse("datastore-delete", args=[datastore.pk])).status_code == status
    assert signed_in(qa).post("/datastores/", {"name": "Mine", "root": str(folder)}).status_code == 403
    assert list(Datastore.objects.filter(kind="local").values_list("name", flat=True)) == ["Disk"]


def test_a_preview_counts_what_a_path_selects(folder: Path) -> None:
    people = make_people()
    datastore = datastores.create_local_datastore(
        actor=people.alice, workspace=people.workspace, name="Disk", root=str(folder)
    )
    address = reverse("datastore-preview", args=[datastore.pk])
    client = signed_in(people.alice)
    text = client.get(address, {"path": ""}).content.decode()
    assert "3 files match." in text and "2 of them are of a kind that can be labeled." in text and ".txt × 1" in text
    text = client.get(address, {"path": "sub/**"}).content.decode()
    assert "1 file matches." in text and "sub/b.png" in text and "a.png" not in text
    # Folders to go on to, and the way back up.
    assert 'data-path="sub"' in client.get(address, {"path": ""}).content.decode()
    assert 'data-path=""' in text
    for path in ("../", "missing/**"):
        answer = client.get(address, {"path": path})
        assert answer.status_code == 200 and "alert-warning" in answer.content.decode()
    assert signed_in(people.charlie).get(address).status_code == 404
    assert signed_in(people.bob).get(address).status_code == 403


# --- Datasets --------------------------------------------------------------------------------------------------------


def test_a_dataset_in_a_folder_is_read_at_once(folder: Path) -> None:
    people = make_people()
    datastore = datastores.create_local_datastore(
        actor=people.alice, workspace=people.workspace, name="Disk", root=str(folder)
    )
    values = {"name": "Port", "kind": "datastore", "datastore": datastore.pk, "path": "**/*.png"}
    answer = signed_in(people.alice).post("/datasets/new/", values)
    dataset = Dataset.objects.get()
    assert answer.status_code == 302 and answer.url == reverse("dataset", args=[dataset.pk])
    assert dataset.path == "**/*.png"
    assert Job.objects.filter(kind="projects.scan_dataset").count() == 1


def test_a_dataset_needs_a_name_and_a_datastore(folder: Path) -> None:
    people = make_people()
    client = signed_in(people.alice)
    assert client.post("/datasets/new/", {"name": " ", "kind": "upload"}).status_code == 400
    assert client.post("/datasets/new/", {"name": "x", "kind": "datastore"}).status_code == 400
    make_dataset_with_images(people.workspace, 1, name="taken")
    assert client.post("/datasets/new/", {"name": "taken", "kind": "upload"}).status_code == 400
    assert signed_in(people.bob).post("/datasets/new/", {"name": "x", "kind": "upload"}).status_code == 403
    assert Dataset.objects.count() == 1


def test_the_page_shows_thumbnails_and_why_files_were_refused() -> None:
    people = make_people()
    files = {"good.png": image_bytes(), "broken.png": b"no image at all", "<b>odd</b>.png": b"neither"}
    dataset = make_dataset_from_bytes(people.workspace, files)
    item = Item.objects.get(state="ok")
    text = signed_in(people.alice).get(reverse("dataset", args=[dataset.pk])).content.decode()
    assert reverse("item-image", args=[item.pk]) in text
    refused = Item.objects.get(path="broken.png")
    assert refused.reason and refused.reason in text.replace("&#x27;", "'").replace("&quot;", '"')
    assert "<b>odd</b>" not in text and "&lt;b&gt;odd&lt;/b&gt;.png" in text


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only on SQLite: others choose a plan by what tables hold")
def test_a_few_refused_files_among_many_are_found_by_the_index() -> None:
    version = make_dataset_with_images(make_people().workspace, 1).versions.get()
    plan = selectors.refused_items(version)[:50].explain()
    assert "item_version_state" in plan and "state=?" in plan and "TEMP B-TREE" not in plan


def test_refused_files_come_in_pages_of_fifty() -> None:
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 1)
    version = dataset.versions.get()
    Item.objects.bulk_create(
        Item(dataset_version=version, path=f"bad-{number:03}.png", state="refused", reason="Broken.")
        for number in range(60)
    )
    address = reverse("dataset-panel", args=[dataset.pk])
    client = signed_in(people.alice)
    text = client.get(address).content.decode()
    assert "bad-049.png" in text and "bad-050.png" not in text
    assert "bad-050.png" in client.get(address, {"refused": "2"}).content.decode()


def test_a_labeler_and_strangers_do_not_look_into_datasets() -> None:
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 1, name="Secret birds")
    make_workspace(people.charlie, name="Elsewhere")
    for name in ("dataset", "dataset-panel", "dataset-upload-counts"):
        assert signed_in(people.bob).get(reverse(name, args=[dataset.pk])).status_code == 403
        assert signed_in(people.charlie).get(reverse(name, args=[dataset.pk])).status_code == 404
    for name in ("dataset-scan", "dataset-delete"):
        assert signed_in(people.bob).post(reverse(name, args=[dataset.pk])).status_code == 403
        assert signed_in(people.charlie).post(reverse(name, args=[dataset.pk])).status_code == 404
        assert signed_in(people.alice).get(reverse(name, args=[dataset.pk])).status_code == 405
    assert "Secret birds" not in signed_in(people.charlie).get("/datasets/").content.decode()
    dataset.refresh_from_db()
    assert dataset.deleted_at is None and dataset.versions.count() == 1


def test_counts_of_an_upload_for_a_wizard_that_was_reloaded() -> None:
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 3)
    answer = signed_in(people.alice).get(reverse("dataset-upload-counts", args=[dataset.pk]))
    assert answer.json() == {"receiving": 0, "stored": 3, "refused": 0}


def test_reading_again_makes_a_version_and_a_project_keeps_its_own() -> None:
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 1)
    project = make_project(people.workspace, dataset=dataset)
    assert signed_in(people.alice).post(reverse("dataset-scan", args=[dataset.pk])).status_code == 302
    assert list(dataset.versions.order_by("number").values_list("number", flat=True)) == [1, 2]
    project.refresh_from_db()
    assert project.dataset_version == DatasetVersion.objects.get(dataset=dataset, number=1)


def test_a_dataset_in_use_is_not_deleted() -> None:
    people = make_people()
    used, free = make_dataset_with_images(people.workspace, 1), make_dataset_with_images(people.workspace, 1)
    make_project(people.workspace, dataset=used)
    client = signed_in(people.alice)
    assert client.post(reverse("dataset-delete", args=[used.pk])).status_code == 409
    assert client.post(reverse("dataset-delete", args=[free.pk])).status_code == 302
    used.refresh_from_db()
    free.refresh_from_db()
    assert used.deleted_at is None and free.deleted_at is not None
    assert client.get(reverse("dataset", args=[free.pk])).status_code == 404


def test_an_opened_dataset_brings_its_workspace_with_it() -> None:
    people = make_people()
    second = make_workspace(people.alice, name="Second")
    dataset = make_dataset_with_images(second, 1)
    client = signed_in(people.alice)
    assert client.get("/datasets/").context["workspace"] == people.workspace
    assert client.get(reverse("dataset", args=[dataset.pk])).context["workspace"] == second
    assert client.get("/datasets/").context["workspace"] == second


@pytest.mark.parametrize("name", ["datastores", "datasets", "dataset-new"])
def test_visitors_are_sent_to_sign_in(name: str) -> None:
    answer = Client().get(reverse(name))
    assert answer.status_code == 302 and answer.url.startswith("/sign-in/")


def test_a_name_that_is_taken_is_said_beside_the_name(folder: Path) -> None:
    people = make_people()
    client = signed_in(people.alice)
    for _time in range(2):
        answer = client.post("/datasets/new/", {"name": "Photos", "kind": "upload"})
    assert answer.status_code == 400 and "already a dataset" in str(answer.context["form"].errors["name"])
    wanted = {"name": "Shelf", "root": str(folder)}
    for _time in range(2):
        answer = client.post("/datastores/", wanted)
    assert answer.status_code == 400 and "already a datastore" in str(answer.context["form"].errors["name"])


def test_a_fresh_dataset_page_is_not_asked_for_twice() -> None:
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 2)
    text = signed_in(people.alice).get(reverse("dataset", args=[dataset.pk])).content.decode()
    version = events.version(f"dataset:{dataset.pk}")
    assert version and f'topic="dataset:{dataset.pk}" version="{version}"' in text
