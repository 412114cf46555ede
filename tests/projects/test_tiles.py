"""Large images in squares: every pixel in its place, cut once, and for nobody who may not see the image."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from django.test import Client
from PIL import Image

from labeling_site.core import errors
from projects import media
from projects.models import Item
from projects.pages.media import item_tiles
from projects.services import renditions, tiles
from tests import factories

pytestmark = pytest.mark.django_db

WIDTH, HEIGHT = 4400, 1100  # as a person sees it; stored standing


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    renditions.trim(0)


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


def pixels() -> np.ndarray:
    """Smooth in both directions, and different everywhere."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x * 255 // WIDTH, y * 255 // HEIGHT, 255 - x * 255 // WIDTH], axis=-1).astype(np.uint8)


def poster(people: factories.People) -> Item:
    held = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(pixels()).transpose(Image.Transpose.ROTATE_90)
    stored.save(held, "JPEG", exif=exif, quality=95)
    dataset = factories.make_dataset_from_bytes(people.workspace, {"poster.jpg": held.getvalue()})
    factories.make_project(people.workspace, dataset=dataset)
    item: Item = Item.objects.get(dataset_version__dataset=dataset)
    assert (item.width, item.height) == (WIDTH, HEIGHT)
    return item


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def put_together(item: Item, level: int) -> np.ndarray:
    width, height = -(-WIDTH // 2**level), -(-HEIGHT // 2**level)
    whole = np.zeros((height, width, 3), int)
    for row in range(-(-height // tiles.SIDE)):
        for column in range(-(-width // tiles.SIDE)):
            square = opened(tiles.tile(item, level=level, column=column, row=row).content)
            top, left = row * tiles.SIDE, column * tiles.SIDE
            assert square.shape[:2] == (min(tiles.SIDE, height - top), min(tiles.SIDE, width - left))
            whole[top : top + square.shape[0], left : left + square.shape[1]] = square
    return whole


def test_the_squares_of_each_level_make_the_image(people: factories.People) -> None:
    item = poster(people)
    assert tiles.levels_of(item) == 2
    whole = put_together(item, 0)
    assert np.abs(whole - pixels()).mean() < 3
    half = put_together(item, 1)
    assert np.abs(half - pixels()[::2, ::2]).mean() < 3


def test_all_squares_come_from_one_decode(people: factories.People, monkeypatch: pytest.MonkeyPatch) -> None:
    item = poster(people)
    first = tiles.tile(item, level=0, column=0, row=0)
    assert first.content_type == "image/jpeg"

    def broken(*_args: Any, **_options: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(media, "tiles", broken)
    for level in (0, 1):
        put_together(item, level)
    assert tiles.tile(item, level=0, column=0, row=0) == first
    renditions.trim(0)
    with pytest.raises(AssertionError):
        tiles.tile(item, level=0, column=0, row=0)
    assert not list(renditions.folder().glob("*/*")), "nothing half-made stays behind"


@pytest.mark.parametrize(("level", "column", "row"), [(2, 0, 0), (0, 9, 0), (0, 0, 3), (1, 5, 0)])
def test_a_square_that_is_not_there(people: factories.People, level: int, column: int, row: int) -> None:
    with pytest.raises(errors.NotFound):
        tiles.tile(poster(people), level=level, column=column, row=row)


def test_small_images_and_dicom_have_none(people: factories.People) -> None:
    dataset = factories.make_dataset_from_bytes(
        people.workspace,
        {"a.png": factories.image_bytes(), "b.dcm": factories.dicom_bytes(np.zeros((9, 9), np.uint16))},
    )
    for item in Item.objects.filter(dataset_version__dataset=dataset):
        assert tiles.levels_of(item) == 0
        assert item_tiles(item) is None
        with pytest.raises(errors.NotFound):
            tiles.tile(item, level=0, column=0, row=0)
    assert tiles.levels_of(Item(width=4096, height=4096)) == 0
    assert tiles.levels_of(Item(width=8000, height=5000)) == 2
    assert tiles.levels_of(Item(width=100, height=65_000)) == 5


def test_through_the_door(people: factories.People) -> None:
    item = poster(people)
    plan = item_tiles(item)
    assert plan and (plan["side"], plan["levels"]) == (512, 2)
    url = plan["url"].format(level=1, column=2, row=0)
    client = Client()
    client.force_login(people.bob)
    answer = client.get(url)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "private" in answer["Cache-Control"] and "immutable" in answer["Cache-Control"]
    assert client.get(url, headers={"If-None-Match": answer["ETag"]}).status_code == 304
    assert client.get(plan["url"].format(level=1, column=20, row=0)).status_code == 404
    client.force_login(people.charlie)
    assert client.get(url).status_code == 404
    assert Client().get(url).status_code == 404


def test_an_image_that_changed_its_size_is_said_so(people: factories.People) -> None:
    item = poster(people)
    item.width += 600
    with pytest.raises(renditions.Unreadable):
        tiles.tile(item, level=0, column=0, row=0)
    assert not list(renditions.folder().glob("*/*"))


def test_a_full_disk_is_said_so(people: factories.People, monkeypatch: pytest.MonkeyPatch) -> None:
    item = poster(people)

    def full(*_args: Any, **_options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tiles, "_write", full)
    with pytest.raises(errors.Unavailable):
        tiles.tile(item, level=0, column=0, row=0)
    assert not list(renditions.folder().glob("*/*"))
