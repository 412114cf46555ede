"""Datastores, datasets, uploads and items, through the API."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from projects.models import Dataset, DatasetVersion, Datastore, Upload
from tests import factories
from tests.support.api import as_person, as_program, ids, refused, send_file

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


@pytest.fixture
def alice(people: factories.People) -> APIClient:
    return as_person(people.alice)


def new_dataset(client: APIClient, people: factories.People, **more: Any) -> Any:
    return client.post("/api/v1/datasets/", {"workspace": people.workspace.pk, "name": "cats", "kind": "upload"} | more)


def announce(client: APIClient, dataset: int, files: dict[str, bytes], **more: Any) -> Any:
    asked = [{"path": path, "size": len(content)} for path, content in files.items()]
    return client.post(f"/api/v1/datasets/{dataset}/uploads/", {"files": asked} | more)


# --- Uploads ---------------------------------------------------------------------------------------------------------


def test_files_go_in_by_chunks_and_come_out_as_items(people: factories.People, alice: APIClient) -> None:
    files = {"a/one.png": factories.image_bytes(), "two.png": factories.image_bytes(80, 60)}
    dataset = new_dataset(alice, people).json()["id"]
    reply = announce(alice, dataset, files)
    assert reply.status_code == 201, reply.content
    for upload in reply.json()["uploads"]:
        content = files[upload["path"]]
        half = len(content) // 2
        assert send_file(alice, upload, content[:half]).json()["received"] == half
        done = send_file(alice, upload, content[half:], offset=half)
        assert done.status_code == 200, done.content
        assert (done.json()["state"], done.json()["sha256"]) == ("stored", hashlib.sha256(content).hexdigest())
    version = alice.post(f"/api/v1/datasets/{dataset}/versions/")
    assert version.status_code == 201, version.content
    factories.run_jobs()
    seen = alice.get(f"/api/v1/datasets/{dataset}/versions/").json()["results"]
    assert [(one["number"], one["state"], one["item_count"]) for one in seen] == [(1, "ready", 2)]
    items = alice.get(f"/api/v1/items/?dataset_version={seen[0]['id']}").json()["results"]
    assert {(one["path"], one["width"], one["height"]) for one in items} == {
        ("a/one.png", 64, 48),
        ("two.png", 80, 60),
    }


def test_a_chunk_at_the_wrong_place_is_refused_and_told_the_right_one(
    people: factories.People, alice: APIClient
) -> None:
    content = factories.image_bytes()
    dataset = new_dataset(alice, people).json()["id"]
    upload = announce(alice, dataset, {"one.png": content}).json()["uploads"][0]
    send_file(alice, upload, content[:10])
    assert refused(send_file(alice, upload, content[:10]), 409)["received"] == 10
    assert Upload.objects.get(pk=upload["id"]).received == 10
    assert alice.get(f"/api/v1/uploads/{upload['id']}/").json()["received"] == 10
    resumed = announce(alice, dataset, {"one.png": content}).json()["uploads"][0]
    assert (resumed["id"], resumed["received"]) == (upload["id"], 10)


@pytest.mark.parametrize("offset", ["", "-1", "x", "1.5", "9" * 40])
def test_the_offset_has_to_be_a_number(people: factories.People, alice: APIClient, offset: str) -> None:
    dataset = new_dataset(alice, people).json()["id"]
    upload = announce(alice, dataset, {"one.png": b"x" * 20}).json()["uploads"][0]
    reply = alice.patch(
        f"/api/v1/uploads/{upload['id']}/",
        data=b"abc",
        content_type="application/octet-stream",
        headers={"Upload-Offset": offset},
    )
    refused(reply, 400)
    assert Upload.objects.get(pk=upload["id"]).received == 0


def test_a_chunk_larger_than_allowed_is_refused(
    people: factories.People, alice: APIClient, settings: LazySettings
) -> None:
    dataset = new_dataset(alice, people).json()["id"]
    upload = announce(alice, dataset, {"one.png": b"x" * 5000}).json()["uploads"][0]
    settings.UPLOAD_CHUNK_BYTES = 1024
    refused(send_file(alice, upload, b"x" * 1025), 413, "too_large")
    assert Upload.objects.get(pk=upload["id"]).received == 0
    assert send_file(alice, upload, b"x" * 1024).json()["received"] == 1024


def test_a_chunk_is_bytes_and_nothing_else(people: factories.People, alice: APIClient) -> None:
    dataset = new_dataset(alice, people).json()["id"]
    upload = announce(alice, dataset, {"one.png": b"x" * 50}).json()["uploads"][0]
    reply = alice.patch(f"/api/v1/uploads/{upload['id']}/", {"received": 50}, headers={"Upload-Offset": "0"})
    refused(reply, 415)
    assert Upload.objects.get(pk=upload["id"]).received == 0


def test_files_that_cannot_be_labeled_are_refused_before_they_are_sent(
    people: factories.People, alice: APIClient
) -> None:
    dataset = new_dataset(alice, people).json()["id"]
    found = announce(alice, dataset, {"page.svg": b"<svg/>", "empty.png": b"", "../up.png": b"x"}).json()["uploads"]
    assert [one["state"] for one in found] == ["refused"] * 3
    assert all(one["reason"] for one in found)
    refused(alice.post(f"/api/v1/datasets/{dataset}/versions/"), 409)
    assert not DatasetVersion.objects.exists()


def test_more_files_than_a_batch_holds_are_refused(people: factories.People, alice: APIClient) -> None:
    dataset = new_dataset(alice, people).json()["id"]
    refused(announce(alice, dataset, {f"{n}.png": b"x" for n in range(501)}), 413)
    assert not Upload.objects.exists()


def test_labelers_and_strangers_send_nothing(people: factories.People, alice: APIClient) -> None:
    dataset = new_dataset(alice, people).json()["id"]
    upload = announce(alice, dataset, {"one.png": b"x" * 50}).json()["uploads"][0]
    second = factories.make_workspace(people.alice, "Second")
    for client in (as_person(people.bob), as_person(people.charlie), as_program(people.alice, second)):
        refused(send_file(client, upload, b"x" * 50), 404)
        refused(announce(client, dataset, {"two.png": b"y"}), 404)
        refused(client.get(f"/api/v1/datasets/{dataset}/"), 404)
    assert list(Upload.objects.values_list("path", "received")) == [("one.png", 0)]


# --- Datasets and datastores -----------------------------------------------------------------------------------------


def test_a_dataset_is_made_once_however_often_the_request_is_sent(people: factories.People, alice: APIClient) -> None:
    ask = {"workspace": people.workspace.pk, "name": "cats", "kind": "upload"}
    first = alice.post("/api/v1/datasets/", ask, headers={"Idempotency-Key": "k1"})
    again = alice.post("/api/v1/datasets/", ask, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again["Idempotent-Replay"] == "true"
    assert Dataset.objects.count() == 1
    other = alice.post("/api/v1/datasets/", ask | {"name": "dogs"}, headers={"Idempotency-Key": "k1"})
    refused(other, 409)
    assert Dataset.objects.count() == 1


def test_the_same_idempotency_key_of_somebody_else_is_another_key(people: factories.People, alice: APIClient) -> None:
    ask = {"workspace": people.workspace.pk, "name": "cats", "kind": "upload"}
    alice.post("/api/v1/datasets/", ask, headers={"Idempotency-Key": "k1"})
    refused(as_person(people.charlie).post("/api/v1/datasets/", ask, headers={"Idempotency-Key": "k1"}), 404)
    narrow = as_program(people.alice, people.workspace, ["read"])
    reply = narrow.post("/api/v1/datasets/", ask, headers={"Idempotency-Key": "k1"})
    assert reply.status_code in {403, 409}
    assert Dataset.objects.count() == 1


def test_a_refused_creation_may_be_sent_again_with_the_same_key(people: factories.People, alice: APIClient) -> None:
    ask = {"workspace": people.workspace.pk, "name": "cats", "kind": "upload"}
    made = new_dataset(alice, people).json()["id"]
    refused(alice.post("/api/v1/datasets/", ask, headers={"Idempotency-Key": "k1"}), 409)
    alice.delete(f"/api/v1/datasets/{made}/")
    assert alice.post("/api/v1/datasets/", ask, headers={"Idempotency-Key": "k1"}).status_code == 201


def test_a_dataset_in_use_stays(people: factories.People, alice: APIClient) -> None:
    project = factories.make_project(people.workspace)
    dataset = project.dataset_version.dataset_id
    refused(alice.delete(f"/api/v1/datasets/{dataset}/"), 409)
    assert Dataset.objects.get(pk=dataset).deleted_at is None


def test_a_folder_becomes_a_datastore_that_can_be_looked_into(
    people: factories.People, tmp_path: Path, settings: LazySettings
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "one.png").write_bytes(factories.image_bytes())
    (photos / "note.txt").write_text("x")
    settings.LOCAL_FOLDERS = [tmp_path]
    alice = as_person(people.alice)
    ask = {"workspace": people.workspace.pk, "name": "disk", "root": str(photos)}
    assert refused(as_person(people.bob).post("/api/v1/datastores/", ask), 403)["missing"] == "datastores/write"
    assert not Datastore.objects.filter(kind="local").exists()
    made = alice.post("/api/v1/datastores/", ask)
    assert made.status_code == 201, made.content
    assert "root" not in made.json(), "where a folder lies on the server is nobody's business"
    pk = made.json()["id"]
    seen = alice.get(f"/api/v1/datastores/{pk}/preview/?path=**").json()
    assert (seen["count"], seen["paths"]) == (2, ["note.txt", "one.png"])
    refused(as_person(people.charlie).get(f"/api/v1/datastores/{pk}/preview/?path=**"), 404)
    refused(alice.get(f"/api/v1/datastores/{pk}/preview/?path=../"), 400)
    dataset = new_dataset(alice, people, kind="datastore", datastore=pk, path="*.png")
    assert dataset.status_code == 201, dataset.content
    refused(alice.delete(f"/api/v1/datastores/{pk}/"), 409)


def test_a_dataset_cannot_reach_into_a_foreign_datastore(people: factories.People, alice: APIClient) -> None:
    elsewhere = factories.make_workspace(people.charlie, "Elsewhere")
    foreign = Datastore.objects.get(workspace=elsewhere)
    refused(new_dataset(alice, people, kind="datastore", datastore=foreign.pk, path="**"), 404)
    reply = alice.post("/api/v1/datasets/", {"workspace": elsewhere.pk, "name": "x", "kind": "upload"})
    refused(reply, 404)
    assert not Dataset.objects.exists()


def test_folders_outside_what_the_site_allows_are_refused(people: factories.People, alice: APIClient) -> None:
    for root in ("/etc", "/", "relative", "\0"):
        reply = alice.post("/api/v1/datastores/", {"workspace": people.workspace.pk, "name": "disk", "root": root})
        assert reply.status_code in {400, 403}, (root, reply.content)
    assert not Datastore.objects.filter(kind="local").exists()


# --- Items -----------------------------------------------------------------------------------------------------------


def test_items_are_paged_by_key_and_foreign_ones_stay_unseen(people: factories.People, alice: APIClient) -> None:
    factories.make_dataset_with_images(people.workspace, 5)
    hidden = factories.make_dataset_with_images(factories.make_workspace(people.charlie, "Elsewhere"), 3)
    first = alice.get("/api/v1/items/?page_size=3")
    second = alice.get(first.json()["next"])
    assert len(ids(first)) == 3
    assert len(ids(second)) == 2
    assert second.json()["next"] is None
    foreign = DatasetVersion.objects.get(dataset=hidden)
    assert ids(alice.get(f"/api/v1/items/?dataset_version={foreign.pk}")) == []
    refused(alice.get(f"/api/v1/items/{foreign.items.first().pk}/"), 404)
    assert ids(as_person(people.bob).get("/api/v1/items/")) == [], "a labeler has no right to look into datasets"


def test_a_list_costs_the_same_for_many_rows(
    people: factories.People, alice: APIClient, django_assert_max_num_queries: Any
) -> None:
    factories.make_dataset_with_images(people.workspace, 60)
    with django_assert_max_num_queries(8):
        assert len(ids(alice.get("/api/v1/items/"))) == 60
