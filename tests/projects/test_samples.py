"""Values of grey DICOM frames: what a browser shows with them is what the server shows, and nothing else is in them."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from PIL import Image

from labeling_site.core import errors
from projects import media
from projects.models import Item
from projects.pages.media import item_samples_url
from projects.services import renditions
from tests import factories
from tests.support.running import ROOT, find_node

RANDOM = np.random.default_rng(5)
SIGNED = RANDOM.integers(-1024, 3071, (2, 90, 70)).astype(np.int16)
LINEAR = {"WindowCenter": 40, "WindowWidth": 400}
# name → pixels, elements
FILES: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "ct": (SIGNED, {**LINEAR, "RescaleSlope": 1, "RescaleIntercept": -200}),
    "fractions": (SIGNED[0], {**LINEAR, "RescaleSlope": "0.37", "RescaleIntercept": "12.5"}),
    "negative slope": (SIGNED[0], {**LINEAR, "RescaleSlope": -2, "RescaleIntercept": 7}),
    "inverted": (SIGNED[0], {"PhotometricInterpretation": "MONOCHROME1", **LINEAR}),
    "no window": (RANDOM.integers(500, 4095, (80, 60)).astype(np.uint16), {"BitsStored": 12, "HighBit": 11}),
    "sigmoid": (SIGNED[0], {"VOILUTFunction": "SIGMOID", **LINEAR}),
    "one value": (np.full((20, 20), 77, np.uint16), {}),
    "32 bits": (RANDOM.integers(0, 2**31, (40, 40)).astype(np.uint32), {"WindowCenter": 2**30, "WindowWidth": 2**29}),
}
WINDOWS: list[tuple[float, float] | None] = [None, (40, 400), (-600, 1500), (100.5, 1), (1000, 3000.7)]


def header_of(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:4], "little")
    return dict(json.loads(data[4 : 4 + length]))


def values_of(data: bytes) -> np.ndarray:
    header = header_of(data)
    count = header["width"] * header["height"]
    return np.frombuffer(data[-2 * count :], "<u2").reshape(header["height"], header["width"])


@pytest.mark.parametrize("name", FILES)
def test_the_browser_shows_what_the_server_shows(name: str, tmp_path: Path) -> None:
    pixels, elements = FILES[name]
    content = factories.dicom_bytes(pixels, **elements)
    file = tmp_path / "samples.bin"
    file.write_bytes(renditions.packed(media.samples(io.BytesIO(content), "a.dcm", max_side=4096)))
    command = [find_node(), "tests/js/show_samples.mjs", str(file), json.dumps(WINDOWS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    for window, line in zip(WINDOWS, done.stdout.splitlines(), strict=True):
        drawn = media.render(io.BytesIO(content), "a.dcm", window=window, format="png")
        wanted = np.asarray(Image.open(io.BytesIO(drawn.content))).ravel().astype(int)
        apart = np.abs(np.array(json.loads(line)) - wanted).max()
        assert apart <= 1, f"{window}: {apart} grey levels apart"


def test_values_are_exact_where_16_bits_hold_them() -> None:
    for name in ("ct", "fractions", "negative slope"):
        pixels, elements = FILES[name]
        found = media.samples(io.BytesIO(factories.dicom_bytes(pixels, **elements)), "a.dcm", max_side=4096)
        slope, intercept = float(elements["RescaleSlope"]), float(elements["RescaleIntercept"])
        frame = pixels if pixels.ndim == 2 else pixels[0]
        assert np.allclose(found.low + found.values * found.step, frame * slope + intercept, atol=1e-9), name


def test_large_frames_are_averaged_down() -> None:
    pixels = np.tile(np.array([[0, 1000], [1000, 2000]], np.uint16), (64, 64))
    found = media.samples(io.BytesIO(factories.dicom_bytes(pixels)), "a.dcm", max_side=64)
    assert found.values.shape == (64, 64)
    assert set(np.unique(found.low + found.values * found.step)) == {1000.0}


def test_what_has_no_values_is_refused() -> None:
    with pytest.raises(media.MediaError):
        media.samples(io.BytesIO(factories.image_bytes()), "a.png", max_side=64)
    colour = factories.dicom_bytes(
        np.zeros((4, 4), np.uint8), SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0,
        PixelData=bytes(48),
    )  # fmt: skip
    with pytest.raises(media.MediaError, match="colour"):
        media.samples(io.BytesIO(colour), "a.dcm", max_side=64)


# --- Through the door ------------------------------------------------------------------------------------------------


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


def item_of(people: factories.People, name: str, content: bytes) -> Item:
    dataset = factories.make_dataset_from_bytes(people.workspace, {name: content})
    factories.make_project(people.workspace, dataset=dataset)
    item: Item = Item.objects.get(dataset_version__dataset=dataset)
    return item


def client_of(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.mark.django_db
def test_a_labeler_gets_values_and_no_name(people: factories.People) -> None:
    secrets = {"PatientName": "Doe^Secret", "PatientID": "SECRET-7", "InstitutionName": "Secret Clinic"}
    item = item_of(people, "a.dcm", factories.dicom_bytes(SIGNED, **LINEAR, **secrets))
    url = item_samples_url(item)
    assert url
    client = client_of(people.bob)
    answer = client.get(f"{url}&frame=1", headers={"Accept-Encoding": "gzip"})
    assert (answer.status_code, answer["Content-Encoding"]) == (200, "gzip")
    assert answer["Content-Type"] == "application/octet-stream"
    assert (answer["X-Content-Type-Options"], answer["Content-Disposition"]) == ("nosniff", "attachment")
    assert "private" in answer["Cache-Control"] and "immutable" in answer["Cache-Control"]
    data = gzip.decompress(answer.content)
    header = header_of(data)
    assert set(header) == {"width", "height", "low", "step", "entries", "invert", "window"}
    assert (header["width"], header["height"], header["window"]) == (70, 90, [40.0, 400.0])
    assert (header["low"] + values_of(data) * header["step"] == SIGNED[1]).all()
    assert b"secret" not in data.lower()
    assert client.get(f"{url}&frame=1", headers={"If-None-Match": answer["ETag"]}).status_code == 304
    plain = client.get(f"{url}&frame=1")
    assert "Content-Encoding" not in plain and plain.content == data
    assert client.get(f"{url}&frame=0")["ETag"] != answer["ETag"]


@pytest.mark.django_db
def test_nobody_else_gets_them(people: factories.People) -> None:
    item = item_of(people, "a.dcm", factories.dicom_bytes(SIGNED))
    url = item_samples_url(item)
    for client in (client_of(people.charlie), Client()):
        assert client.get(url).status_code == 404


@pytest.mark.django_db
def test_wrong_questions(people: factories.People) -> None:
    item = item_of(people, "a.dcm", factories.dicom_bytes(SIGNED))
    photo = item_of(people, "a.png", factories.image_bytes())
    assert item_samples_url(photo) is None
    client = client_of(people.bob)
    assert client.get(f"/items/{item.pk}/samples/?frame=2").status_code == 404
    assert client.get(f"/items/{item.pk}/samples/?frame=x").status_code == 400
    assert client.get(f"/items/{photo.pk}/samples/").status_code == 404
    with pytest.raises(errors.NotFound):
        renditions.samples(photo)


@pytest.mark.django_db
def test_a_second_look_decodes_nothing(people: factories.People, monkeypatch: pytest.MonkeyPatch) -> None:
    renditions.trim(0)
    item = item_of(people, "a.dcm", factories.dicom_bytes(SIGNED))
    first = renditions.samples(item)

    def broken(*_args: Any, **_options: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(media, "samples", broken)
    assert renditions.samples(item) == first
    with pytest.raises(AssertionError):
        renditions.samples(item, frame=1)
