"""Small requests that would cost a site its time, memory or disk: each is bounded or refused, by visitors too."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files import uploadhandler
from django.test import Client

from labeling_site.static_files import StaticFromMemory
from projects.services import folders
from tests import factories
from tests.support import running

# --- Patterns --------------------------------------------------------------------------------------------------------

# A path and a pattern that does not match it, for which a backtracking matcher would try out for years.
SLOW = {
    "stars in a name": ("*a" * 120 + "*b", "a" * 240),
    "question marks for characters of two bytes": ("?" * 120 + "x", "é" * 125),
    "stars and question marks": ("*?" * 120 + "*b.png", "é" * 120 + ".png"),
    "stars in an extension": ("x." + "*a" * 120 + "*b", "x." + "a" * 240),
    "folders in a row": ("**/" * 200 + "x.png", "a/" * 60 + "y.png"),
    "folders with names between": ("**/a/" * 60 + "b.png", "a/" * 62 + "c.png"),
    "folders with stars between": ("**/*a*a*/" * 60 + "b.png", "aaaaaaaa/" * 62 + "c.png"),
}


def test_no_pattern_takes_long_to_say_no() -> None:
    """In a process of its own, that can be ended: a matcher that tries out for ever holds Python's lock."""
    code = (
        "import sys, json, django; django.setup(); from projects.services import folders\n"
        "for name, (pattern, path) in json.load(sys.stdin).items():\n"
        "    print(name, folders.parse_glob(pattern).matches(path.encode()), flush=True)"
    )
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=running.ROOT,
            env=running.clean_environment(TESSERA_HOME=home, DJANGO_SETTINGS_MODULE="labeling_site.settings"),
            input=json.dumps(SLOW),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.stdout.splitlines() == [f"{name} False" for name in SLOW], done.stderr


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("**/*.png", ["a.png", "a/b.PNG", "a/b/c.png"], ["a.jpg", "a.png/b"]),
        ("**/a/**/b.png", ["a/b.png", "x/a/b.png", "a/x/y/b.png", "a/a/b.png"], ["b.png", "xa/b.png", "a/bb.png"]),
        ("**/**/x.png", ["x.png", "a/x.png", "a/b/x.png"], ["a/xx.png"]),
        ("**/a*/x?.png", ["a/x1.png", "b/ab/x1.png", "b/ab/xé.png"], ["a/x.png", "b/x1.png", "a/b/x1.png"]),
        ("a*b*c.png", ["abc.png", "aXbXc.png", "abbc.png", "abcbc.png"], ["abd.png", "ab/c.png", "acb.png"]),
        ("*a?", ["aa", "aaa", "xaé", "xaab"], ["a", "xa", "aé/"]),
        ("x/*/y/**", ["x/a/y/b", "x/a/y/b/c"], ["x/y/b", "x/a/b/y/c", "x/a/y"]),
        ("**/a/*", ["a/b", "x/a/b", "a/a/b"], ["a", "a/b/c", "x/a"]),
        ("*.tar.gz", ["a.tar.gz", "a.b.tar.GZ"], ["a.TAR.gz", "a.gz"]),
    ],
)
def test_patterns_mean_what_they_say(pattern: str, yes: list[str], no: list[str]) -> None:
    glob = folders.parse_glob(pattern)
    assert [path for path in yes if not glob.matches(path.encode())] == []
    assert [path for path in no if glob.matches(path.encode())] == []


@pytest.mark.django_db
def test_a_long_name_in_a_path_is_no_folder_and_no_defect(tmp_path: Path, settings: LazySettings) -> None:
    from projects.services import datastores

    settings.LOCAL_FOLDERS = [tmp_path]
    people = factories.make_people()
    store = datastores.create_local_datastore(
        actor=people.alice, workspace=people.workspace, name="disk", root=str(tmp_path)
    )
    client = Client()
    client.force_login(people.alice)
    for path in ("x" * 900, "x" * 900 + "/**", "a/" * 400 + "**"):
        assert client.get(f"/datastores/{store.pk}/preview/", {"path": path}).status_code == 200
        assert client.get(f"/api/v1/datastores/{store.pk}/preview/", {"path": path}).status_code in {400, 404}


# --- Searches --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.services
def test_a_search_longer_than_any_name_is_answered() -> None:
    """SQLite refuses a pattern of more than 50,000 bytes, which would be a defect of ours."""
    people = factories.make_people()
    project = factories.make_project(people.workspace, images=1)
    client = Client()
    client.force_login(factories.make_user("Ada", is_superuser=True))
    admin = client.get("/admin/projects/project/", {"q": "x" * 60_000})
    client.force_login(people.alice)
    long = "x" * 60_000
    for path, query in [
        (f"/api/v1/projects/{project.pk}/entries/", {"path": long}),
        (f"/projects/{project.pk}/data/", {"path": long, "status": "all"}),
        ("/projects/", {"q": long}),
        ("/api/v1/projects/", {"search": long}),
        ("/datasets/", {"q": long}),
    ]:
        assert client.get(path, query).status_code in {200, 400}, path
    assert admin.status_code in {200, 302, 400}


# --- Bodies ----------------------------------------------------------------------------------------------------------


def test_a_json_body_is_not_read_beyond_its_limit(settings: LazySettings) -> None:
    """The parser reads from the connection itself, past Django's own limit."""
    from labeling_site.core.json_body import JsonBody

    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    read: list[int] = []

    class Endless:
        def read(self, count: int = -1) -> bytes:
            assert count >= 0, "all of it was asked for"
            read.append(count)
            return b"[" * count

    from django.core.exceptions import RequestDataTooBig

    with pytest.raises(RequestDataTooBig):
        JsonBody().parse(Endless())  # type: ignore[arg-type]
    assert sum(read) <= 1001


@pytest.mark.django_db
def test_a_visitor_cannot_fill_the_disk_with_files_that_no_form_asks_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Django stores files of a form before any view, or the check of its token, sees the request."""
    made: list[Any] = []
    whole = uploadhandler.TemporaryFileUploadHandler.new_file
    monkeypatch.setattr(
        uploadhandler.TemporaryFileUploadHandler, "new_file", lambda *args: (made.append(args), whole(*args))[1]
    )
    big = tmp_path / "big"
    big.write_bytes(b"x" * 4_000_000)
    client = Client(enforce_csrf_checks=True)
    client.get("/sign-in/")
    token = client.cookies["csrftoken"].value
    for path in ("/sign-in/", "/account/", "/projects/new/"):
        for sent in ({"csrfmiddlewaretoken": token}, {"csrfmiddlewaretoken": "wrong"}):
            with big.open("rb") as handle:
                reply = client.post(path, {"email": "a@example.org", "file": handle, **sent})
            assert reply.status_code in {200, 302, 400, 403}, path
    assert not made


# --- Static files ----------------------------------------------------------------------------------------------------


def test_one_static_file_is_kept_once_however_its_address_is_spelled() -> None:
    """Each spelling kept in memory would be as many copies as a visitor likes."""
    said: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    async def nothing(*args: Any) -> None:
        raise AssertionError("only static files are asked for here")

    site = StaticFromMemory(nothing)
    spellings = ["js//site.js", "./js/site.js", "js/./site.js", "js/../js/site.js", "/js/site.js", "js/site.js/", "js/"]
    for name in ["js/site.js", *spellings]:
        scope = {"type": "http", "method": "GET", "path": f"/static/{name}", "headers": []}
        running.run_async(site(scope, nothing, send))
    statuses = [message["status"] for message in said if "status" in message]
    assert statuses == [200] + [404] * len(spellings)
    assert list(site.cache) == ["js/site.js"]


# --- Queues ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.services
def test_one_person_cannot_fill_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    from labeling_site.core import jobs
    from labeling_site.core.models import Job
    from tests.support.api import as_person, refused

    monkeypatch.setattr(jobs, "MOST_WAITING", 3)
    people = factories.make_people()
    path = f"/api/v1/projects/{factories.make_project(people.workspace, images=1).pk}/exports/"
    alice = as_person(people.alice)
    for _number in range(3):
        assert alice.post(path, {"format": "csv"}).status_code == 201
    before = Job.objects.count()
    assert "waiting" in refused(alice.post(path, {"format": "csv"}), 429)["detail"]
    assert Job.objects.count() == before
    dora = factories.add_member(people.workspace, "contributor", name="Dora")
    assert as_person(dora).post(path, {"format": "csv"}).status_code == 201, "others are not held up"
    Job.objects.update(state=Job.State.SUCCEEDED)
    assert alice.post(path, {"format": "csv"}).status_code == 201


def test_every_pattern_of_ours_is_free_of_nested_repeats() -> None:
    """`(a+)+` and its like take exponential time; none stands in our sources."""
    nested = re.compile(r"\((?:\?:)?[^()]*[^\\()][*+][^()]*\)[*+]")
    assert nested.search("(?:a+b*)+") and not nested.search("(?>a+)b")
    from tests.architecture import sources

    found = []
    for path in sources.files():
        text = (sources.ROOT / path).read_text(encoding="utf-8")
        found += [
            f"{path}: {one[0]}" for one in re.finditer(r're\.compile\(\s*r?b?"[^"\n]*"', text) if nested.search(one[0])
        ]
    assert not found
