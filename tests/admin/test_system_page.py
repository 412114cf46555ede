"""The system page says how each part is, also on the day on which parts are away."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
import redis
from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.test import Client

from annotations.models import Transfer
from labeling_site import broker, system_page
from labeling_site.core.models import Job
from tests.admin.rows import make_staff, make_superuser, signed_in
from tests.factories import make_project
from tests.support.running import free_port

pytestmark = [pytest.mark.django_db, pytest.mark.services]


@pytest.fixture
def ada() -> Client:
    return signed_in(make_superuser())


@pytest.fixture
def store() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete(broker.WORKERS)
    yield client
    client.delete(broker.WORKERS)
    client.close()


def text(client: Client) -> str:
    answer = client.get("/admin/system/")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_it_shows_workers_queues_jobs_storage_database_and_versions(ada: Client, store: redis.Redis) -> None:
    make_project()
    Job.objects.create(kind="test", state=Job.State.FAILED)
    Job.objects.create(kind="test")
    heard = time.time() - 12
    store.zadd(broker.WORKERS, {"lab-7:4711": heard, "lab-8:1": time.time() - 600})
    page = text(ada)
    [silent] = re.findall(r"lab-7:4711</td><td>(\d+)</td>", page)
    assert 12 <= int(silent) <= time.time() - heard + 1
    assert "lab-8:1" not in page, "a worker that went silent ten minutes ago is none"
    assert "No worker" not in page
    for queue in broker.QUEUES:
        assert f"<td>{queue}</td><td>" in page
    assert 'state__exact=failed">Failed</a></td><td>1</td>' in page
    assert 'state__exact=succeeded">Succeeded</a></td><td>' in page
    assert "The oldest that waits was made" in page
    assert settings.PUBLIC_URL in page and str(settings.HOME) in page
    assert "FileSystemStorage · answers" in page
    assert f"{connection.vendor} " in page and str(connection.settings_dict["NAME"]) in page
    for name, version in [("Tessera", settings.VERSION), ("Django", django.get_version())]:
        assert f'<th scope="row">{name}</th><td>{version}</td>' in page
    assert "does not answer" not in page and "cannot be read" not in page
    password = connection.settings_dict.get("PASSWORD")
    assert not password or password not in page


def test_what_waits_in_a_queue_is_counted(ada: Client, store: redis.Redis) -> None:
    store.rpush("dramatiq:ingest", "a", "b", "c")
    try:
        assert "<td>ingest</td><td>3</td>" in text(ada)
    finally:
        store.delete("dramatiq:ingest")


def test_no_worker_and_no_job_are_said_in_words(ada: Client, store: redis.Redis) -> None:
    Transfer.objects.all().delete()
    Job.objects.all().delete()
    page = text(ada)
    assert "No worker has been heard in the last minute. Jobs wait until one starts." in page
    assert "No job has run yet." in page


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{port}/0", "unix:///nowhere/valkey.sock", "stub://"])
def test_a_broker_that_is_away_is_said_in_words(ada: Client, settings: Any, url: str) -> None:
    settings.REDIS_URL = url.format(port=free_port())
    page = text(ada)
    assert "The broker does not answer. Jobs are kept" in page
    assert "Versions" in page and "FileSystemStorage · answers" in page


def test_a_data_folder_that_cannot_be_read_is_said_in_words(ada: Client, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "HOME", tmp_path / "gone")
    page = text(ada)
    assert "The data folder cannot be read." in page
    assert "FileNotFoundError" in page


def test_a_disk_that_is_almost_full_is_said_in_words(ada: Client, monkeypatch: Any) -> None:
    usage = type("Usage", (), {"free": 40 * 2**20, "total": 2**30})
    monkeypatch.setattr(system_page.shutil, "disk_usage", lambda path: usage)
    page = text(ada)
    assert "The disk of the data folder is almost full." in page
    assert "(3 %)" in page


class Refusing(FileSystemStorage):
    def exists(self, name: str) -> bool:
        raise ConnectionError("the bucket is away")


def test_a_file_store_that_is_away_is_said_in_words(ada: Client, settings: Any) -> None:
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Refusing"}}
    page = text(ada)
    assert "The file storage does not answer." in page and "the bucket is away" in page
    assert "Versions" in page


def test_a_database_that_refuses_a_question_is_said_in_words(ada: Client, monkeypatch: Any) -> None:
    def refuse() -> None:
        raise django.db.OperationalError("disk I/O error")

    monkeypatch.setattr(system_page, "_jobs", refuse)
    monkeypatch.setattr(system_page, "_database", refuse)
    page = text(ada)
    assert "The database refused a question." in page and "disk I/O error" in page
    assert "<td>default</td>" in page


def test_a_package_that_is_missing_does_not_break_it(ada: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(system_page, "PACKAGES", ["there-is-no-such-package"])
    assert '<th scope="row">there-is-no-such-package</th><td>not installed</td>' in text(ada)


def test_only_superusers_open_it() -> None:
    assert Client().get("/admin/system/").status_code == 302
    sam = signed_in(make_staff("core.view_job"))
    answer = sam.get("/admin/system/")
    assert answer.status_code == 403
    assert str(settings.HOME) not in answer.content.decode()


def test_it_is_read_only(ada: Client) -> None:
    assert ada.post("/admin/system/").status_code == 405


def test_a_worker_says_that_it_lives_and_takes_its_leave(store: redis.Redis) -> None:
    middleware = broker.SignOfLife()
    middleware.after_worker_boot(broker.broker, None)  # type: ignore[arg-type]  # it does not look at the worker
    end = time.monotonic() + 5
    while not (heard := store.zrange(broker.WORKERS, 0, -1, withscores=True)) and time.monotonic() < end:
        time.sleep(0.02)
    [(name, beat)] = heard
    assert name.decode().rpartition(":")[2].isdigit() and abs(beat - time.time()) < 5
    middleware.before_worker_shutdown(broker.broker, None)  # type: ignore[arg-type]
    assert store.zcard(broker.WORKERS) == 0
