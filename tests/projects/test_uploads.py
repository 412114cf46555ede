"""Files arrive in chunks, in batches, interrupted and resumed; hostile names and races do no harm."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Sequence

import pytest
from django.conf import settings as site
from django.core.files.storage import default_storage
from django.db import connection

from labeling_site.core import errors
from projects.models import Dataset, Item, Upload, Workspace
from projects.services import datasets, uploads
from tests import factories


@pytest.fixture
def people(db: None) -> factories.People:
    return factories.make_people()


@pytest.fixture
def dataset(people: factories.People) -> Dataset:
    return new_dataset(people)


def new_dataset(people: factories.People, name: str = "photos") -> Dataset:
    return datasets.create_dataset(actor=people.alice, workspace=people.workspace, name=name, kind=Dataset.Kind.UPLOAD)


def announce(
    people: factories.People, dataset: Dataset, *files: tuple[str, int], overwrite: bool = False
) -> list[Upload]:
    asked: Sequence[uploads.Announced] = [{"path": path, "size": size} for path, size in files]
    return uploads.begin(actor=people.alice, dataset=dataset, files=asked, overwrite=overwrite)


def send(people: factories.People, upload: Upload, data: bytes, step: int = 4) -> Upload:
    for offset in range(upload.received, len(data), step):
        upload = uploads.append(actor=people.alice, upload=upload, offset=offset, chunk=data[offset : offset + step])
    return upload


def stored(upload: Upload) -> bytes:
    with default_storage.open(upload.storage_key) as handle:
        return bytes(handle.read())


def test_chunks_become_a_stored_file(people: factories.People, dataset: Dataset) -> None:
    [upload] = announce(people, dataset, ("trip/day 1/a.jpg", 10))
    sent = send(people, upload, b"0123456789")
    assert (sent.state, sent.received, sent.storage_key) == ("stored", 10, f"uploads/{dataset.pk}/{upload.pk}")
    assert stored(sent) == b"0123456789"
    assert sent.sha256 == hashlib.sha256(b"0123456789").hexdigest()
    assert not uploads.partial_path(upload.pk).exists()
    upload.refresh_from_db()
    assert (upload.state, upload.sha256) == ("stored", sent.sha256)


def test_a_wrong_offset_tells_the_right_one(people: factories.People, dataset: Dataset) -> None:
    [upload] = announce(people, dataset, ("a.jpg", 10))
    uploads.append(actor=people.alice, upload=upload, offset=0, chunk=b"0123")
    for offset, chunk in [(0, b"0123"), (8, b"89"), (4, b"too long by far")]:
        with pytest.raises(errors.Conflict) as refusal:
            uploads.append(actor=people.alice, upload=upload, offset=offset, chunk=chunk)
        assert refusal.value.extra["received"] == 4
    upload.refresh_from_db()
    assert (upload.received, uploads.partial_path(upload.pk).read_bytes()) == (4, b"0123")
    assert stored(send(people, upload, b"0123456789")) == b"0123456789"


def test_more_bytes_than_announced_are_refused_as_such(people: factories.People, dataset: Dataset) -> None:
    upload = announce(people, dataset, ("a.png", 4))[0]
    with pytest.raises(errors.Conflict, match="beyond the 4 bytes"):
        uploads.append(actor=people.alice, upload=upload, offset=0, chunk=b"12345")
    upload.refresh_from_db()
    assert upload.received == 0 and upload.state == Upload.State.RECEIVING


def test_announcing_again_resumes(people: factories.People, dataset: Dataset) -> None:
    [upload] = announce(people, dataset, ("a.jpg", 10))
    uploads.append(actor=people.alice, upload=upload, offset=0, chunk=b"0123")
    [again] = announce(people, dataset, ("a.jpg", 10))
    assert (again.pk, again.received) == (upload.pk, 4)
    send(people, again, b"0123456789")
    [there] = announce(people, dataset, ("a.jpg", 10))
    assert (there.pk, there.state) == (upload.pk, "stored")


def test_a_kill_between_bytes_and_count_costs_nothing(people: factories.People, dataset: Dataset) -> None:
    [upload] = announce(people, dataset, ("a.jpg", 10))
    uploads.append(actor=people.alice, upload=upload, offset=0, chunk=b"0123")
    with uploads.partial_path(upload.pk).open("ab") as partial:
        partial.write(b"GARBAGE")  # written, but the process died before the row knew
    assert stored(send(people, Upload.objects.get(pk=upload.pk), b"0123456789")) == b"0123456789"


def test_a_kill_before_the_file_was_stored_costs_nothing(
    people: factories.People, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    [upload] = announce(people, dataset, ("a.jpg", 4))

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(uploads, "_store", killed)
        with pytest.raises(KeyboardInterrupt):
            uploads.append(actor=people.alice, upload=upload, offset=0, chunk=b"0123")
    upload.refresh_from_db()
    assert (upload.state, upload.received) == ("receiving", 4)
    finished = uploads.append(actor=people.alice, upload=upload, offset=4, chunk=b"")
    assert (finished.state, stored(finished)) == ("stored", b"0123")
    assert uploads.append(actor=people.alice, upload=upload, offset=4, chunk=b"").state == "stored"


def test_a_lost_partial_file_starts_over(people: factories.People, dataset: Dataset) -> None:
    [upload] = announce(people, dataset, ("a.jpg", 10))
    uploads.append(actor=people.alice, upload=upload, offset=0, chunk=b"0123")
    uploads.partial_path(upload.pk).unlink()
    with pytest.raises(errors.Conflict) as refusal:
        uploads.append(actor=people.alice, upload=upload, offset=4, chunk=b"4567")
    assert refusal.value.extra["received"] == 0
    upload.refresh_from_db()
    assert stored(send(people, upload, b"0123456789")) == b"0123456789"


def test_a_wrong_checksum_starts_over(people: factories.People, dataset: Dataset) -> None:
    [upload] = announce(people, dataset, ("a.jpg", 4))
    with pytest.raises(errors.Conflict, match="checksum"):
        uploads.append(actor=people.alice, upload=upload, offset=0, chunk=b"0123", sha256="0" * 64)
    upload.refresh_from_db()
    assert (upload.state, upload.received) == ("receiving", 0)
    digest = hashlib.sha256(b"0123").hexdigest()
    assert uploads.append(actor=people.alice, upload=upload, offset=0, chunk=b"0123", sha256=digest).state == "stored"


@pytest.mark.parametrize(
    ("path", "size", "reason"),
    [
        ("a.svg", 10, "kind"),
        ("a.html", 10, "kind"),
        ("jpg", 10, "kind"),
        ("a.jpg", 0, "empty"),
        ("a.jpg", 2**40, "larger"),
        ("../../etc/a.jpg", 10, "leads out"),
        ("a/..\\..\\b.jpg", 10, "leads out"),
        ("nul\0.jpg", 10, "characters"),
        ("line\nbreak.jpg", 10, "characters"),
        ("lone\ud800.jpg", 10, "characters"),
        ("x" * 1200 + ".jpg", 10, "longer"),
        ("///", 10, "no name"),
    ],
)
def test_what_cannot_be_labeled_is_refused_alone(
    people: factories.People, dataset: Dataset, path: str, size: int, reason: str
) -> None:
    bad, good = announce(people, dataset, (path, size), ("good.jpg", 4))
    assert (bad.state, good.state) == ("refused", "receiving")
    assert reason in bad.reason
    with pytest.raises(errors.Conflict, match="ended"):
        uploads.append(actor=people.alice, upload=bad, offset=0, chunk=b"x")
    assert not uploads.partial_path(bad.pk).exists()
    assert send(people, good, b"0123").state == "stored"


def test_names_are_kept_as_people_wrote_them(people: factories.People, dataset: Dataset) -> None:
    names = ["café.jpg", "фото 1.jpg", "-dash.jpg", " leading.jpg", "100%.jpg", "a\\b.jpg", "<b>&amp;.jpg", "🐙.PNG"]
    made = announce(people, dataset, *[(f"/trip//./{name}", 4) for name in names])
    assert [upload.path for upload in made] == [f"trip/{name}" for name in names]
    assert {upload.state for upload in made} == {"receiving"}
    [composed] = announce(people, dataset, ("trip/cafe\N{COMBINING ACUTE ACCENT}.jpg", 4))
    assert composed.pk == made[0].pk  # as a Mac spells the same name


def test_another_file_of_the_same_name_is_not_taken_for_it(people: factories.People, dataset: Dataset) -> None:
    [upload] = announce(people, dataset, ("a.jpg", 4))
    send(people, upload, b"0123")
    [other] = announce(people, dataset, ("a.jpg", 5))
    assert (other.state, other.pk) == ("refused", None)
    assert "another size" in other.reason.lower()
    assert list(dataset.uploads.values_list("pk", "state")) == [(upload.pk, "stored")]


def test_overwriting_leaves_versions_that_were_read_before(people: factories.People, dataset: Dataset) -> None:
    old, new = factories.image_bytes(8, 8), factories.image_bytes(20, 10)
    [upload] = announce(people, dataset, ("a.png", len(old)))
    send(people, upload, old, step=10_000)
    datasets.start_version(actor=people.alice, dataset=dataset)
    factories.run_jobs()
    [again] = announce(people, dataset, ("a.png", len(new)), overwrite=True)
    assert again.pk != upload.pk
    send(people, again, new, step=10_000)
    datasets.start_version(actor=people.alice, dataset=dataset)
    factories.run_jobs()
    first, second = Item.objects.filter(dataset_version__dataset=dataset).order_by("dataset_version__number")
    assert ((first.width, first.height), (second.width, second.height)) == ((8, 8), (20, 10))
    assert default_storage.exists(first.storage_key)
    [third] = announce(people, dataset, ("b.png", 4))
    send(people, third, b"0123")
    announce(people, dataset, ("b.png", 5), overwrite=True)
    assert not default_storage.exists(f"uploads/{dataset.pk}/{third.pk}")  # no version ever saw it


def test_thousands_of_files_are_announced_in_batches(people: factories.People, dataset: Dataset) -> None:
    made = announce(people, dataset, *[(f"{number}.jpg", 4) for number in range(500)])
    assert len({upload.pk for upload in made}) == 500
    with pytest.raises(errors.TooLarge, match="500"):
        announce(people, dataset, *[(f"x{number}.jpg", 4) for number in range(501)])
    assert dataset.uploads.count() == 500


def test_who_may_upload(people: factories.People, dataset: Dataset) -> None:
    [upload] = announce(people, dataset, ("a.jpg", 4))
    for person, refusal in [(people.bob, errors.Forbidden), (people.charlie, errors.NotFound)]:
        with pytest.raises(refusal):
            uploads.begin(actor=person, dataset=dataset, files=[{"path": "b.jpg", "size": 4}])
        with pytest.raises(refusal):
            uploads.append(actor=person, upload=upload, offset=0, chunk=b"0123")
    assert list(dataset.uploads.values_list("path", "received")) == [("a.jpg", 0)]
    assert not Upload.objects.visible_to(people.charlie).exists()


def test_chunks_have_a_limit(people: factories.People, dataset: Dataset) -> None:
    [upload] = announce(people, dataset, ("a.jpg", site.UPLOAD_CHUNK_BYTES * 2))
    with pytest.raises(errors.TooLarge):
        uploads.append(actor=people.alice, upload=upload, offset=0, chunk=bytes(site.UPLOAD_CHUNK_BYTES + 1))
    upload.refresh_from_db()
    assert upload.received == 0


def test_a_full_disk_stops_uploads_with_a_sentence(
    people: factories.People, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    [upload] = announce(people, dataset, ("a.jpg", 4))
    monkeypatch.setattr(uploads, "KEPT_FREE_BYTES", 2**60)
    with pytest.raises(errors.Unavailable, match="full"):
        uploads.append(actor=people.alice, upload=upload, offset=0, chunk=b"0123")
    upload.refresh_from_db()
    assert upload.received == 0


def test_deleting_a_dataset_removes_its_bytes(people: factories.People, dataset: Dataset) -> None:
    done, half = announce(people, dataset, ("a.jpg", 4), ("b.jpg", 8))
    done = send(people, done, b"0123")
    uploads.append(actor=people.alice, upload=half, offset=0, chunk=b"0123")
    with pytest.raises(errors.Forbidden):
        datasets.delete_dataset(actor=people.bob, dataset=dataset)
    assert stored(done) == b"0123"
    datasets.delete_dataset(actor=people.alice, dataset=dataset)
    factories.run_jobs()
    assert not default_storage.exists(done.storage_key)
    assert not uploads.partial_path(half.pk).exists()
    assert not dataset.uploads.exists()
    assert not Dataset.objects.visible_to(people.alice).exists()
    assert new_dataset(people).pk != dataset.pk  # the name is free again


def test_a_dataset_that_is_being_labeled_stays(people: factories.People) -> None:
    project = factories.make_project(people.workspace)
    dataset = project.dataset_version.dataset
    with pytest.raises(errors.Conflict, match=project.name):
        datasets.delete_dataset(actor=people.alice, dataset=dataset)
    assert Dataset.objects.visible_to(people.alice).filter(pk=dataset.pk).exists()


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_many_senders_of_one_file_make_one_file() -> None:
    people = factories.make_people()
    dataset = new_dataset(people)
    data = bytes(range(256)) * 40
    [upload] = announce(people, dataset, ("a.jpg", len(data)))
    accepted: list[int] = []
    trouble: list[BaseException] = []

    def sender() -> None:
        offset = 0
        try:
            while offset < len(data):
                try:
                    done = uploads.append(
                        actor=people.alice, upload=upload, offset=offset, chunk=data[offset : offset + 1024]
                    )
                    accepted.append(offset)
                    offset = done.received
                except errors.Conflict as conflict:
                    offset = conflict.extra.get("received", len(data))
        except BaseException as error:
            trouble.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=sender) for _number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not trouble
    assert sorted(accepted) == list(range(0, len(data), 1024))  # every chunk was counted once
    upload.refresh_from_db()
    assert (upload.state, stored(upload)) == ("stored", data)


def test_uploads_of_one_workspace_are_no_business_of_another(people: factories.People, dataset: Dataset) -> None:
    other: Workspace = factories.make_workspace(people.charlie, name="Other")
    assert not Upload.objects.visible_to(people.charlie).filter(dataset=dataset).exists()
    with pytest.raises(errors.NotFound):
        uploads.begin(actor=people.charlie, dataset=dataset, files=[{"path": "b.jpg", "size": 4}])
    assert other.pk != people.workspace.pk
    assert not dataset.uploads.exists()


def test_what_nobody_goes_on_sending_is_forgotten(people: factories.People, dataset: Dataset) -> None:
    old, new = announce(people, dataset, ("old.jpg", 8), ("new.jpg", 8))
    for upload in (old, new):
        uploads.append(actor=people.alice, upload=upload, offset=0, chunk=b"0123")
    long_ago = time.time() - uploads.KEPT_SECONDS - 60
    os.utime(uploads.partial_path(old.pk), (long_ago, long_ago))
    assert uploads.forget_abandoned() == 1
    assert not uploads.partial_path(old.pk).exists()
    assert stored(send(people, Upload.objects.get(pk=new.pk), b"01234567")) == b"01234567"
