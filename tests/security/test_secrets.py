"""Where passwords, keys and links must not be found: in logs, in the cache, in files that others can read."""

from __future__ import annotations

import logging
import pickle
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from labeling_site import logs
from projects.models import User
from projects.services import accounts, api_keys, invitations
from tests import factories
from tests.support import running

# --- Logs ------------------------------------------------------------------------------------------------------------


class Lines(logging.Handler):
    """A handler with the filters that the site's own has."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        for name in settings.LOGGING["handlers"]["console"]["filters"]:
            assert settings.LOGGING["filters"][name]["()"] == f"{logs.__name__}.{logs.WithoutTokens.__name__}"
            self.addFilter(logs.WithoutTokens())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.getLogger("django.request").setLevel(logging.DEBUG)
    try:
        yield handler.lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@pytest.mark.django_db
def test_no_log_holds_a_link_a_key_or_a_password(lines: list[str]) -> None:
    people = factories.make_people()
    link = invitations.invite(actor=people.alice, workspace=people.workspace, role=factories.role("labeler"))[1]
    token = link.rstrip("/").rpartition("/")[2]
    _key, secret = api_keys.create_api_key(
        actor=people.alice, workspace=people.workspace, name="k", capabilities=["read"]
    )
    weak = {"name": "Dora", "email": "dora@example.org", "password": "hunter2"}
    typed = "correct-horse-7"
    client = Client()
    assert client.post(f"/invitations/{token}/", weak).status_code == 400
    assert Client(enforce_csrf_checks=True).post(f"/invitations/{token}/", weak).status_code == 403
    assert client.put(f"/invitations/{token}/").status_code == 405
    for number in range(12):
        client.post("/sign-in/", {"email": "alice@example.org", "password": typed, "number": number})
    bearer = {"Authorization": f"Bearer {secret}"}
    assert client.get("/api/v1/nothing/", headers=bearer).status_code == 404
    assert client.get("/api/v1/projects/9/", headers=bearer).status_code == 404
    client.raise_request_exception = False
    User.objects.all().delete()
    setup = (accounts.make_setup_link() or "").rstrip("/").rpartition("/")[2]
    assert client.post(f"/setup/{setup}/", weak).status_code == 400
    said = "\n".join(lines)
    assert "/invitations/…/" in said and "/setup/…/" in said, "the lines are there, without the token"
    for hidden in (token, setup, secret, weak["password"], typed):
        assert hidden not in said


def test_a_whole_site_writes_no_link_and_no_key_into_its_files(live_site: running.Site) -> None:
    """The link is for the terminal; a log is read, copied and sent around."""
    output = live_site.output
    link = re.search(r"/setup/([\w-]{20,})/", output)
    hidden = [(live_site.home / "secrets" / "secret_key").read_text(encoding="ascii").strip()]
    hidden += [link[1]] if link else []
    assert link, "the terminal has it"
    for path in sorted((live_site.home / "logs").iterdir()):
        said = path.read_text(encoding="utf-8", errors="replace")
        assert not [one for one in hidden if one in said], path.name


# --- Files -----------------------------------------------------------------------------------------------------------


def test_nothing_in_the_home_of_a_site_can_be_read_by_other_accounts(live_site: running.Site) -> None:
    open_to_others = [
        path
        for path in [live_site.home, *live_site.home.rglob("*")]
        if not path.is_symlink() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    assert not open_to_others


@pytest.mark.django_db
def test_stored_files_are_closed_whatever_the_umask(tmp_path: Path) -> None:
    """In a container nobody sets it: web and workers run without the supervisor."""
    import os

    from django.core.files.base import ContentFile
    from django.core.files.storage import FileSystemStorage

    from projects.services import renditions, uploads

    before = os.umask(0)
    try:
        people = factories.make_people()
        dataset = factories.make_dataset_from_bytes(people.workspace, {"a.png": factories.image_bytes()})
        stored = FileSystemStorage(location=tmp_path)
        stored.save("deep/er/a.png", ContentFile(b"x"))
        uploads.begin(actor=people.alice, dataset=dataset, files=[{"path": "b.png", "size": 8}])
        uploads.append(actor=people.alice, upload=dataset.uploads.get(path="b.png"), offset=0, chunk=b"1234")
        Client().get("/")
    finally:
        os.umask(before)
    parts = [*tmp_path.rglob("*"), *uploads.partial_path(0).parent.iterdir()]
    folders = [uploads.partial_path(0).parent, *(path for path in parts if path.is_dir())]
    assert renditions.folder().is_relative_to(settings.HOME)
    assert not [path for path in folders if path.stat().st_mode & 0o077]
    within_reach = [path for path in parts if path.is_file() and path.stat().st_mode & 0o077]
    assert not [path for path in within_reach if path.parent.stat().st_mode & 0o077]


# --- The cache -------------------------------------------------------------------------------------------------------


class Boom:
    def __reduce__(self) -> Any:
        return (setattr, (Boom, "went_off", True))


def test_nothing_in_the_cache_is_unpickled() -> None:
    """Who gets at the broker, or at a cache that others share, must not get at the site through it."""
    client = cache._cache.get_client(None, write=True)  # type: ignore[attr-defined]
    client.set(cache.make_key("planted"), pickle.dumps(Boom()))
    with pytest.raises(ValueError):
        cache.get("planted")
    assert not hasattr(Boom, "went_off")
    for value in (1, "é", [1.5, 2], {"a": None}, True, None, 10**12):
        cache.set("value", value)
        assert cache.get("value") == value
        assert b"\x80" not in client.get(cache.make_key("value"))
    cache.set("count", 1)
    assert cache.incr("count") == 2
