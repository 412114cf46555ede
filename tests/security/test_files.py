"""What people can name, point at or send as a file: it leads nowhere else, and is never what a browser would run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from labeling_site.core import errors
from projects.models import Item
from projects.services import datastores, instructions
from tests import factories
from tests.support.api import as_person, send_file

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


# --- Folders of the server -------------------------------------------------------------------------------------------


def add(people: factories.People, root: Path) -> Any:
    return datastores.create_local_datastore(
        actor=people.alice, workspace=people.workspace, name=f"disk {root}", root=str(root)
    )


def test_stored_files_of_all_workspaces_are_nobody_s_datastore(
    people: factories.People, tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STORAGE_URL may put them beside the folders that workspaces may use, and DATABASE_URL the database."""
    from django.core.files.storage import FileSystemStorage

    settings.LOCAL_FOLDERS = [tmp_path]
    for name in ("media/uploads", "photos", "db", "static"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(datastores, "default_storage", FileSystemStorage(location=tmp_path / "media"))
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", str(tmp_path / "db" / "tessera.sqlite3"))
    settings.USES_SQLITE = True
    (tmp_path / "link").symlink_to(tmp_path / "media")
    for name in ("media", "media/uploads", "db", "link", ""):
        with pytest.raises(errors.Invalid):
            add(people, tmp_path / name)
    assert add(people, tmp_path / "photos").pk


HOSTILE = [
    *("..", "../..", "a/../../etc", "..\\..\\etc", "/etc/passwd", "//etc", "a/./../..", "\\etc", "C:\\Windows"),
    *("a\0b", "\0", "%2e%2e/", "..;/", "\u2025/x", "．．/x", "a\nb", "\u202ea", "x" * 2000, "/" * 900, "*" * 900),
    *("?" * 900, "**/" * 300, "[" * 900, "(" * 900, "\\" * 900, "{a,b}" * 100, "~root", "$HOME", "|id", "`id`"),
]


def test_no_path_leads_out_of_a_datastore(people: factories.People, tmp_path: Path, settings: LazySettings) -> None:
    settings.LOCAL_FOLDERS = [tmp_path]
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "inside.png").write_bytes(factories.image_bytes())
    (outside / "secret.png").write_bytes(factories.image_bytes())
    (root / "folder").symlink_to(outside)
    (root / "file.png").symlink_to(outside / "secret.png")
    (root / "up").symlink_to("..")
    (root / "hard.txt").write_text("x", encoding="utf-8")
    store = add(people, root)
    client = as_person(people.alice)
    for path in [*HOSTILE, "folder", "folder/**", "folder/secret.png", "up/outside/**", "up/**", "**", "file.png"]:
        for reply in (
            client.get(f"/datastores/{store.pk}/preview/", {"path": path}),
            client.get(f"/api/v1/datastores/{store.pk}/preview/", {"path": path}),
        ):
            assert reply.status_code in {200, 400, 404}, (path, reply.status_code)
            assert "secret" not in reply.content.decode().replace(path, ""), path
        asked = {"workspace": people.workspace.pk, "name": "x", "kind": "datastore", "datastore": store.pk}
        made = client.post("/api/v1/datasets/", asked | {"path": path, "name": f"d {hash(path)}"})
        assert made.status_code in {201, 400}, (path, made.content)
        if made.status_code == 201:
            client.post(f"/api/v1/datasets/{made.json()['id']}/versions/")
    from labeling_site.core import jobs
    from labeling_site.core.models import Job

    for pk in Job.objects.filter(state=Job.State.QUEUED).values_list("pk", flat=True):
        jobs.run(str(pk))
    assert {item.path for item in Item.objects.filter(state="ok", dataset_version__dataset__datastore=store)} == {
        "inside.png"
    }


def test_a_file_that_became_a_link_is_not_followed_out(
    people: factories.People, tmp_path: Path, settings: LazySettings
) -> None:
    """Between reading a dataset and showing an image somebody may put a link, a folder or a pipe in its place."""
    settings.LOCAL_FOLDERS = [tmp_path]
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "a").mkdir(parents=True)
    (outside / "a").mkdir(parents=True)
    for folder in (root, outside):
        (folder / "a" / "x.png").write_bytes(factories.image_bytes())
    store = add(people, root)
    client = as_person(people.alice)
    asked = {"workspace": people.workspace.pk, "name": "x", "kind": "datastore", "datastore": store.pk, "path": "**"}
    dataset = client.post("/api/v1/datasets/", asked).json()["id"]
    client.post(f"/api/v1/datasets/{dataset}/versions/")
    factories.run_jobs()
    item = Item.objects.get(state="ok", dataset_version__dataset=dataset)

    def look(side: int) -> int:
        return int(client.get(f"/items/{item.pk}/image/", {"max_side": side}).status_code)

    assert look(256) == 200
    (root / "a" / "x.png").unlink()
    (root / "a" / "x.png").symlink_to(outside / "a" / "x.png")
    assert look(512) == 404
    (root / "a" / "x.png").unlink()
    os.mkfifo(root / "a" / "x.png")
    assert look(1024) == 404, "and nobody waits for a pipe"
    (root / "a" / "x.png").unlink()
    (root / "a").rmdir()
    (root / "a").symlink_to(outside / "a")
    assert look(1600) == 404


# --- Uploads ---------------------------------------------------------------------------------------------------------


def test_no_name_of_an_upload_decides_where_its_bytes_go(people: factories.People) -> None:
    from django.core.files.storage import default_storage

    from projects.models import Dataset, Upload
    from projects.services import datasets

    dataset = datasets.create_dataset(
        actor=people.alice, workspace=people.workspace, name="files", kind=Dataset.Kind.UPLOAD
    )
    client = as_person(people.alice)
    content = factories.image_bytes()
    names = [f"{one}.png" for one in HOSTILE] + ["../../../secrets/secret_key", "a.png/../../b.png", ".htaccess.png"]
    files = [{"path": name, "size": len(content)} for name in names if "\0" not in name]
    reply = client.post(f"/api/v1/datasets/{dataset.pk}/uploads/", {"files": files})
    assert reply.status_code == 201, reply.content
    for upload in reply.json()["uploads"]:
        if upload["state"] == "receiving":
            assert send_file(client, upload, content).json()["state"] == "stored"
    stored = Upload.objects.filter(dataset=dataset, state="stored")
    assert stored.count() > 10
    for upload in stored:
        assert upload.storage_key == f"uploads/{dataset.pk}/{upload.pk}"
        assert default_storage.size(upload.storage_key) == len(content)
    for upload in Upload.objects.filter(dataset=dataset):
        assert ".." not in upload.path.replace("\\", "/").split("/") or upload.state == "refused", upload.path


RUNNABLE = {
    "page.png": b"<!doctype html><script>alert(1)</script>",
    "page.jpg": b"<html><body onload=alert(1)>",
    "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "xml.tif": b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>',
    "script.bmp": b"alert(1)//",
    "pdf.png": b"%PDF-1.7 1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>",
    "archive.jpg": b"PK\x03\x04" + b"\0" * 100,
    "gif.png": b"GIF89a/*" + b"\0" * 40 + b"*/=1;alert(1)",
    "page.dcm": b"<html>" + b"\0" * 122 + b"DICM<script>alert(1)</script>",
}


def test_what_a_browser_would_run_is_refused_and_never_sent(people: factories.People) -> None:
    hidden = factories.image_bytes(format="PNG") + b"<script>alert('behind the picture')</script>"
    dataset = factories.make_dataset_from_bytes(people.workspace, RUNNABLE | {"behind.png": hidden})
    client = as_person(people.alice)
    for item in Item.objects.filter(dataset_version__dataset=dataset):
        reply = client.get(f"/items/{item.pk}/image/")
        if item.path != "behind.png":
            assert item.state == "refused" and item.reason, item.path
            assert reply.status_code == 404
            continue
        assert reply.status_code == 200
        assert b"<script" not in reply.content
        assert reply["Content-Type"] in {"image/png", "image/jpeg"}
        assert reply["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in reply["Content-Security-Policy"]


# --- Rich text -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "\x01javascript:alert(1)"),
        *("data:text/html,<script>alert(1)</script>", "da\tta:text/html,x", " data:text/html,x", "DATA:text/html,x"),
        *("vbscript:x", "file:///etc/passwd", "blob:https://x/1", "&#106;avascript:alert(1)", "view-source:x"),
    ],
)
def test_no_link_in_instructions_runs_or_opens_a_file(address: str) -> None:
    cleaned = instructions.sanitise(f'<p><a href="{address}">x</a><img src="{address}"></p>')
    assert "href" not in cleaned and "src" not in cleaned, cleaned


def test_plain_links_in_instructions_stay() -> None:
    for address in ("https://example.org/a?b=c#d", "http://example.org", "mailto:a@example.org", "/projects/", "#top"):
        assert f'href="{address}"' in instructions.sanitise(f'<a href="{address}">x</a>'), address
