"""What a browser gets to see of an item: its own re-encoded image, upright and right-sized, and nobody else's."""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from PIL import Image

from labeling_site.core import errors
from projects import media
from projects.access import Capability
from projects.models import Item
from projects.pages.media import item_image_url
from projects.services import api_keys, datasets, projects, renditions
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


@pytest.fixture(autouse=True)
def empty_rendition_cache() -> None:
    renditions.trim(0)


def turned_photo(width: int = 900, height: int = 600) -> bytes:
    """A JPEG that is stored lying and shown standing, red on top as a person sees it, with a secret in its EXIF."""
    upright = Image.new("RGB", (height, width), (20, 20, 200))
    upright.paste((220, 20, 20), (0, 0, height, width // 2))
    held = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "SECRET-PLACE"
    upright.transpose(Image.Transpose.ROTATE_90).save(held, "JPEG", exif=exif, quality=92)
    return held.getvalue()


def item_of(people: factories.People, name: str, data: bytes) -> Item:
    dataset = factories.make_dataset_from_bytes(people.workspace, {name: data})
    item: Item = Item.objects.get(dataset_version__dataset=dataset)
    return item


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_a_member_sees_the_image_upright_and_bare(people: factories.People) -> None:
    item = item_of(people, "trip/a.jpg", turned_photo())
    factories.make_project(people.workspace, dataset=item.dataset_version.dataset)
    answer = signed_in(people.bob).get(item_image_url(item))
    assert answer.status_code == 200
    image = opened(answer.content)
    assert image.size == (item.width, item.height) == (600, 900)
    red, _green, blue = image.convert("RGB").getpixel((300, 100))  # type: ignore[misc]
    assert red > 150 > blue
    assert b"SECRET-PLACE" not in answer.content
    assert not image.getexif()


def test_the_answer_cannot_be_taken_for_anything_but_an_image(people: factories.People) -> None:
    item = item_of(people, 'x";script.jpg', turned_photo(90, 60))
    answer = signed_in(people.alice).get(item_image_url(item))
    assert answer["Content-Type"] in {"image/jpeg", "image/png"}
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["Content-Disposition"].startswith(f'inline; filename="item-{item.pk}.')
    assert "script" not in answer["Content-Disposition"]


def test_nobody_else_sees_it(people: factories.People) -> None:
    item = item_of(people, "a.jpg", turned_photo(90, 60))
    signed_in(people.alice).get(item_image_url(item))  # even when it lies in the cache
    for client in (signed_in(people.charlie), Client()):
        answer = client.get(item_image_url(item))
        assert answer.status_code == 404
        assert not answer["Content-Type"].startswith("image/")
    assert signed_in(people.alice).get(f"/items/{item.pk + 1000}/image/").status_code == 404
    assert signed_in(people.alice).post(item_image_url(item)).status_code == 405


def test_a_labeler_sees_images_of_projects_and_of_no_other_dataset(people: factories.People) -> None:
    dataset = factories.make_dataset_with_images(people.workspace, 1)
    item = Item.objects.get(dataset_version__dataset=dataset)
    _key, secret = api_keys.create_api_key(
        actor=people.alice, workspace=people.workspace, name="labels", capabilities=[Capability.LABEL]
    )

    def answers() -> list[int]:
        address = f"/items/{item.pk}/image/"
        found = [signed_in(person).get(address) for person in (people.alice, people.bob)]
        found.append(Client().get(address, headers={"Authorization": f"Bearer {secret}"}))
        return [answer.status_code for answer in found]

    assert answers() == [200, 404, 404]
    project = factories.make_project(people.workspace, dataset=dataset)
    assert answers() == [200, 200, 200]
    projects.delete_project(actor=people.alice, project=project)
    assert answers() == [200, 404, 404]
    datasets.delete_dataset(actor=people.alice, dataset=dataset)
    assert answers() == [404, 404, 404]


def test_an_api_key_sees_what_its_workspace_holds(people: factories.People) -> None:
    item = item_of(people, "a.jpg", turned_photo(90, 60))
    _key, secret = api_keys.create_api_key(
        actor=people.alice, workspace=people.workspace, name="k", capabilities=[Capability.PREVIEW_DATASETS]
    )
    url = item_image_url(item)
    assert Client(headers={"Authorization": f"Bearer {secret}"}).get(url).status_code == 200
    other = factories.make_workspace(people.alice, name="Other")
    _key, secret = api_keys.create_api_key(
        actor=people.alice, workspace=other, name="k", capabilities=[Capability.PREVIEW_DATASETS]
    )
    assert Client(headers={"Authorization": f"Bearer {secret}"}).get(url).status_code == 404
    assert Client(headers={"Authorization": "Bearer tsk_wrong"}).get(url).status_code in {400, 401}


@pytest.mark.parametrize(("asked", "side"), [(1, 256), (256, 256), (300, 512), (800, 900), (9000, 900)])
def test_sizes_come_in_few_steps_and_never_grow(people: factories.People, asked: int, side: int) -> None:
    item = item_of(people, "a.jpg", turned_photo())
    image = opened(signed_in(people.alice).get(f"/items/{item.pk}/image/?max_side={asked}").content)
    assert max(image.size) == side
    assert image.width * 3 == pytest.approx(image.height * 2, abs=3)


def test_browsers_keep_it_for_ever_when_the_address_names_the_bytes(people: factories.People) -> None:
    item = item_of(people, "a.jpg", turned_photo(90, 60))
    client = signed_in(people.alice)
    first = client.get(item_image_url(item))
    assert "immutable" in first["Cache-Control"]
    assert "private" in first["Cache-Control"]
    assert "immutable" not in client.get(f"/items/{item.pk}/image/")["Cache-Control"]
    assert "immutable" not in client.get(f"/items/{item.pk}/image/?v=other")["Cache-Control"]
    again = client.get(item_image_url(item), headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other_size = client.get(f"/items/{item.pk}/image/?max_side=256", headers={"If-None-Match": first["ETag"]})
    assert other_size.status_code == 200
    before = item_image_url(item)
    item.fingerprint = "changed"
    assert item_image_url(item) != before


@pytest.mark.parametrize(
    "query", ["max_side=x", "max_side=-1", "max_side=99999999", "window=1", "window=1,0", "frame=a"]
)
def test_a_wrong_question_gets_a_sentence(people: factories.People, query: str) -> None:
    item = item_of(people, "a.jpg", turned_photo(90, 60))
    assert signed_in(people.alice).get(f"/items/{item.pk}/image/?{query}").status_code == 400


def test_a_frame_that_is_not_there(people: factories.People) -> None:
    item = item_of(people, "a.jpg", turned_photo(90, 60))
    assert signed_in(people.alice).get(f"/items/{item.pk}/image/?frame=1").status_code == 404


def test_files_that_vanished_or_broke_are_said_so(people: factories.People) -> None:
    item = item_of(people, "a.jpg", turned_photo(90, 60))
    path = Path(default_storage.path(item.storage_key))
    path.write_bytes(b"<svg onload='alert(1)'/>")
    answer = signed_in(people.alice).get(item_image_url(item))
    assert answer.status_code == 422
    assert b"onload" not in answer.content
    path.unlink()
    assert signed_in(people.alice).get(item_image_url(item)).status_code == 404
    Item.objects.filter(pk=item.pk).update(state=Item.State.REFUSED, reason="Broken.", storage_key="")
    assert signed_in(people.alice).get(item_image_url(item)).status_code == 404


def test_a_second_look_draws_nothing(people: factories.People, monkeypatch: pytest.MonkeyPatch) -> None:
    item = item_of(people, "a.jpg", turned_photo(90, 60))
    first = renditions.rendition(item)

    def broken(*args: Any, **options: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(media, "render", broken)
    assert renditions.rendition(item) == first
    with pytest.raises(AssertionError):
        renditions.rendition(item, max_side=256)


def test_the_cache_drops_what_was_not_used_for_the_longest_time(people: factories.People) -> None:
    item = item_of(people, "a.jpg", turned_photo())
    sides = [256, 512, 1024]
    for age, side in enumerate(sides):
        renditions.rendition(item, max_side=side)
        key = renditions.key_of(item, max_side=side, frame=0, window=None)
        [path] = renditions.folder().glob(f"{key[:2]}/{key}.*")
        os.utime(path, (time.time() - 1000 + age, time.time() - 1000 + age))
    renditions.rendition(item, max_side=256)  # used again: now the newest
    total = renditions.trim(2**40)
    assert renditions.trim(total) == total
    left = renditions.trim(total - 1)
    assert 0 < left <= total
    kept = {path.stem for path in renditions.folder().glob("*/*")}
    assert renditions.key_of(item, max_side=512, frame=0, window=None) not in kept
    assert renditions.key_of(item, max_side=256, frame=0, window=None) in kept
    assert renditions.trim(0) == 0
    assert not list(renditions.folder().glob("*/*"))


def test_a_full_disk_costs_speed_only(people: factories.People, monkeypatch: pytest.MonkeyPatch) -> None:
    item = item_of(people, "a.jpg", turned_photo(90, 60))

    def full(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert opened(renditions.rendition(item).content).size == (60, 90)
    assert not list(renditions.folder().glob("*/*"))


@pytest.mark.django_db(transaction=True)
def test_few_images_are_drawn_at_the_same_time(people: factories.People, monkeypatch: pytest.MonkeyPatch) -> None:
    item = item_of(people, "a.jpg", turned_photo(90, 60))
    item = Item.objects.select_related("dataset_version__dataset__datastore").get(pk=item.pk)
    original, lock = media.render, threading.Lock()
    drawing, most, drawn = 0, 0, 0

    def slow(*args: Any, **options: Any) -> media.Rendition:
        nonlocal drawing, most, drawn
        with lock:
            drawing, drawn = drawing + 1, drawn + 1
            most = max(most, drawing)
        time.sleep(0.05)
        try:
            return original(*args, **options)
        finally:
            with lock:
                drawing -= 1

    monkeypatch.setattr(media, "render", slow)
    threads = [
        threading.Thread(target=renditions.rendition, args=(item,), kwargs={"max_side": side})
        for side in (256, 512, 1024, 1600, 2048, 3072)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (drawn, most) == (6, 2)
    monkeypatch.setattr(renditions, "WAIT_SECONDS", 0.01)
    renditions.trim(0)
    waiting = [threading.Thread(target=renditions.rendition, args=(item,), kwargs={"max_side": s}) for s in (256, 512)]
    for thread in waiting:
        thread.start()
    time.sleep(0.02)
    with pytest.raises(errors.Unavailable):
        renditions.rendition(item, max_side=1024)
    for thread in waiting:
        thread.join()


def test_dicom_is_drawn_through_the_window_that_is_asked_for(people: factories.People, sample_data: Path) -> None:
    data = (sample_data / "dicom-mix" / "single_frame" / "CT_small.dcm").read_bytes()
    item = item_of(people, "ct.dcm", data)
    assert item.is_dicom
    client = signed_in(people.alice)
    plain = client.get(item_image_url(item))
    narrow = client.get(f"{item_image_url(item)}&window=40,1")
    assert opened(plain.content).size == (item.width, item.height)
    assert set(opened(narrow.content).convert("L").histogram()) != set(opened(plain.content).convert("L").histogram())
    assert b"CompressedSamples" not in plain.content  # the patient's name in this file


def test_frames_of_one_file_are_images_of_their_own(people: factories.People, sample_data: Path) -> None:
    path = next(
        path
        for path in sorted((sample_data / "dicom-mix" / "multi_frame").glob("*.dcm"))
        if media.probe(path, path.name).frames > 1
    )
    item = item_of(people, path.name, path.read_bytes())
    assert item.frames > 1
    client = signed_in(people.alice)
    first, last = (client.get(item_image_url(item, frame=frame)) for frame in (0, item.frames - 1))
    assert first.status_code == last.status_code == 200
    assert first["ETag"] != last["ETag"]
