"""What every answer carries: the content policy, no sniffing, no framing, no leaking addresses; and the cookies."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from django.conf import LazySettings, settings
from django.test import Client
from rest_framework.test import APIClient

from tests import factories

pytestmark = pytest.mark.django_db

PATHS = [
    "/sign-in/",
    "/",
    "/projects/",
    "/account/",
    "/api/v1/me/",
    "/api/docs/",
    "/api/nothing/",
    "/nothing/",
    "/admin/",
]


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("who", ["visitor", "owner"])
def test_every_answer_is_guarded(people: factories.People, path: str, who: str) -> None:
    client = Client()
    if who == "owner":
        client.force_login(people.alice)
    reply = client.get(path)
    policy = dict(part.strip().partition(" ")[::2] for part in reply["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "unsafe" not in reply["Content-Security-Policy"]
    assert "Content-Security-Policy-Report-Only" not in reply.headers
    assert reply["X-Content-Type-Options"] == "nosniff"
    assert reply["X-Frame-Options"] == "DENY"
    assert reply["Referrer-Policy"] == "same-origin"
    assert reply["Cross-Origin-Opener-Policy"] in {"same-origin", "unsafe-none"}


class Inline(HTMLParser):
    """Collects what our policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "style" or "style" in values:
            self.found.append(f"style in <{tag}>")
        if tag == "script" and "src" not in values and values.get("type") != "application/json":
            self.found.append("inline script")
        self.found += [f"{name} in <{tag}>" for name in values if name.startswith("on")]
        self.found += [f"{value} in <{tag}>" for value in values.values() if (value or "").startswith("javascript:")]
        for name in ("src", "href", "action"):
            if re.match(r"(https?:)?//", values.get(name) or "") and tag != "a":
                self.found.append(f"{values[name]} in <{tag}>")


@pytest.mark.parametrize("path", [path for path in PATHS if not path.startswith("/api/v1")])
def test_pages_hold_nothing_that_the_policy_refuses(people: factories.People, path: str) -> None:
    client = Client()
    client.force_login(people.alice)
    reply = client.get(path, follow=True)
    parser = Inline()
    parser.feed(reply.content.decode())
    assert not parser.found


def test_cookies_are_kept_from_scripts_and_other_sites(people: factories.People) -> None:
    client = Client()
    client.get("/sign-in/")
    reply = client.post("/sign-in/", {"email": people.alice.email, "password": factories.PASSWORD})
    assert reply.status_code == 302
    session = reply.cookies[settings.SESSION_COOKIE_NAME]
    assert session["httponly"] and session["samesite"] == "Lax"
    assert reply.cookies["csrftoken"]["samesite"] == "Lax"
    assert int(session["max-age"]) <= 14 * 86_400


def test_signing_in_changes_the_session_and_signing_out_ends_it(people: factories.People) -> None:
    client = Client()
    client.get("/sign-in/")
    client.post("/sign-in/", {"email": people.alice.email, "password": factories.PASSWORD})
    first = client.cookies[settings.SESSION_COOKIE_NAME].value
    client.post("/sign-out/")
    stolen = Client()
    stolen.cookies[settings.SESSION_COOKIE_NAME] = first
    assert stolen.get("/api/v1/me/").status_code == 401


def test_a_site_behind_https_marks_its_cookies_secure() -> None:
    """Settings follow from PUBLIC_URL when the process starts, so another process has to tell."""
    import subprocess
    import sys
    import tempfile

    from tests.support import running

    code = (
        "import django; django.setup(); from django.conf import settings as s;"
        "print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS > 0);"
        "print(s.DEBUG)"
    )
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=running.ROOT,
            env=running.clean_environment(
                TESSERA_HOME=home,
                PUBLIC_URL="https://labels.example.org",
                DJANGO_SETTINGS_MODULE="labeling_site.settings",
            ),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.stdout.split() == ["True", "True", "True", "True", "False"], done.stderr


def test_a_closed_account_is_out_at_once_by_every_way(people: factories.People) -> None:
    from tests.support.api import as_program

    person, program = Client(), as_program(people.alice, people.workspace)
    person.force_login(people.alice)
    assert (person.get("/api/v1/me/").status_code, program.get("/api/v1/me/").status_code) == (200, 200)
    people.alice.is_active = False
    people.alice.save()
    assert person.get("/api/v1/me/").status_code == 401
    assert program.get("/api/v1/me/").status_code == 401
    assert person.get("/projects/").status_code == 302
    sign_in = Client().post("/sign-in/", {"email": people.alice.email, "password": factories.PASSWORD})
    assert sign_in.status_code == 400


def test_an_unknown_host_is_refused() -> None:
    assert Client(headers={"Host": "evil.example"}).get("/sign-in/").status_code == 400


def test_where_to_go_after_signing_in_stays_on_this_site(people: factories.People) -> None:
    for wanted in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "\thttps://e.x",
    ):
        reply = Client().post(
            "/sign-in/", {"email": people.alice.email, "password": factories.PASSWORD, "next": wanted}
        )
        assert reply.status_code == 302, wanted
        assert reply["Location"] == "/", wanted


# --- Limits ----------------------------------------------------------------------------------------------------------


def test_guessing_passwords_is_slowed_down(people: factories.People) -> None:
    client = Client()
    wrong = {"email": people.alice.email, "password": "wrong"}
    assert [client.post("/sign-in/", wrong).status_code for _number in range(10)] == [400] * 10
    for password in ("wrong", factories.PASSWORD):
        reply = client.post("/sign-in/", wrong | {"password": password})
        assert reply.status_code == 429
        assert reply["Retry-After"]
    assert client.get("/api/v1/me/").status_code == 401
    other = client.post("/sign-in/", {"email": people.bob.email, "password": factories.PASSWORD})
    assert other.status_code == 302, "one person's typing locks nobody else out"


def test_uploads_and_exports_have_a_limit(people: factories.People, monkeypatch: pytest.MonkeyPatch) -> None:
    from annotations.services import exporting
    from projects.api.datasets import UploadThrottle
    from tests.support.api import as_person, refused

    monkeypatch.setattr(exporting, "EXPORTS_PER_HOUR", 2)
    monkeypatch.setattr(UploadThrottle, "THROTTLE_RATES", {"upload": "2/min"})
    project = factories.make_project(people.workspace)
    alice: APIClient = as_person(people.alice)
    address = f"/api/v1/projects/{project.pk}/exports/"
    assert [alice.post(address, {"format": "csv"}).status_code for _number in range(2)] == [201, 201]
    reply = alice.post(address, {"format": "csv"})
    assert refused(reply, 429)["retry_after"] > 0
    assert reply["Retry-After"]
    assert project.transfers.count() == 2
    assert alice.get(address).status_code == 200, "looking is not counted"
    browser = Client()
    browser.force_login(people.alice)
    assert browser.post(f"/projects/{project.pk}/exports/", {"format": "csv"}).status_code == 429, "every door counts"
    assert project.transfers.count() == 2
    statuses = [alice.patch("/api/v1/uploads/1/", b"", content_type="application/octet-stream") for _number in range(3)]
    assert [one.status_code for one in statuses] == [400, 400, 429]


def test_the_rates_are_those_that_the_documentation_names(settings: LazySettings) -> None:
    from annotations.services import exporting

    rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    assert (rates["upload"], exporting.EXPORTS_PER_HOUR) == ("6000/min", 20)
