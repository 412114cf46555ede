"""Signing in and staying signed in: whose session it is, how long, and what guessing costs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import hashers
from django.test import Client

from projects.models import User
from projects.pages import throttle
from tests import factories
from tests.factories import PASSWORD
from tests.support import running
from tests.support.api import as_person, refused

pytestmark = pytest.mark.django_db
WRONG = {"email": "alice@example.org", "password": "wrong-wrong"}
RIGHT = {"email": "alice@example.org", "password": PASSWORD}


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


# --- Sessions --------------------------------------------------------------------------------------------------------


def test_a_session_that_somebody_else_chose_is_never_signed_in(people: factories.People) -> None:
    """Session fixation: a planted identifier, known to the site or not, is worth nothing afterwards."""
    visitor = Client()
    session = visitor.session
    session["planted"] = "x"
    session.save()
    for planted in (session.session_key, "a" * 32):
        victim = Client()
        victim.cookies[settings.SESSION_COOKIE_NAME] = planted
        assert victim.post("/sign-in/", RIGHT).status_code == 302
        assert victim.cookies[settings.SESSION_COOKIE_NAME].value != planted
        attacker = Client()
        attacker.cookies[settings.SESSION_COOKIE_NAME] = planted
        assert attacker.get("/api/v1/me/").status_code == 401


def test_what_one_person_left_in_a_session_is_not_the_next_person_s(people: factories.People) -> None:
    client = Client()
    client.post("/sign-in/", RIGHT)
    client.get("/projects/")
    kept = {**client.session}
    client.post("/sign-out/")
    client.post("/sign-in/", {"email": people.bob.email, "password": PASSWORD})
    assert not {name for name in ("workspace", "data_layout") if name in client.session}
    assert client.session["_auth_user_id"] != kept["_auth_user_id"]


@pytest.mark.parametrize("door", ["page", "api"])
def test_a_new_password_ends_all_other_sessions(people: factories.People, door: str) -> None:
    here, elsewhere = as_person(people.alice), as_person(people.alice)
    new = {"current": PASSWORD, "new": "green-teapot-1907"}
    if door == "page":
        assert here.post("/account/password/", new, format="multipart").status_code == 302
    else:
        assert here.post("/api/v1/me/password/", new).status_code == 204
    assert (here.get("/api/v1/me/").status_code, elsewhere.get("/api/v1/me/").status_code) == (200, 401)


def test_signing_out_tells_the_browser_to_forget_the_session(people: factories.People) -> None:
    client = Client()
    client.post("/sign-in/", RIGHT)
    client.get("/projects/")
    reply = client.post("/sign-out/")
    cookie = reply.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie.value == "" and cookie["max-age"] == 0
    assert reply["Location"] == "/sign-in/"


BEHIND_TLS = """
import json, django
django.setup()
from django.conf import settings
settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.test import Client
from projects.services import accounts
from tests import factories
alice = factories.make_user("Alice")
client = Client(headers={"Host": "labels.example.org", "X-Forwarded-Proto": "https"})
client.get("/sign-in/")
reply = client.post("/sign-in/", {"email": alice.email, "password": factories.PASSWORD})
plain = Client(headers={"Host": "labels.example.org"}).get("/sign-in/")
odd = [
    Client(headers={"Host": host, "X-Forwarded-Proto": "https"}).get("/sign-in/").status_code
    for host in ("evil.example", "labels.example.org.evil.example", "localhost", "127.0.0.1", "LABELS.example.org")
]
print("SAID", json.dumps({
    "status": reply.status_code,
    "cookies": {
        name: [bool(one["secure"]), bool(one["httponly"]), one["samesite"], one["domain"]]
        for name, one in reply.cookies.items()
    },
    "hsts": reply.headers.get("Strict-Transport-Security", ""),
    "plain": [plain.status_code, plain.headers.get("Location", "")],
    "odd": odd,
    "link": accounts.make_setup_link(),
}))
"""


def test_behind_https_cookies_never_travel_in_the_clear() -> None:
    """Settings follow from PUBLIC_URL when the process starts, so another process has to tell."""
    with tempfile.TemporaryDirectory() as home, running.embedded_broker_in(home):
        done = subprocess.run(
            [sys.executable, "-c", BEHIND_TLS],
            cwd=running.ROOT,
            env=running.clean_environment(
                TESSERA_HOME=home,
                PUBLIC_URL="https://labels.example.org",
                DJANGO_SETTINGS_MODULE="labeling_site.settings",
            ),
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert "SAID" in done.stdout, done.stderr[-2000:]
    said = json.loads(done.stdout.partition("SAID ")[2])
    assert said["status"] == 302
    assert said["cookies"] == {
        "tessera_session": [True, True, "Lax", ""],
        "csrftoken": [True, False, "Lax", ""],
    }
    assert said["hsts"].startswith("max-age=31536000")
    assert said["plain"] == [301, "https://labels.example.org/sign-in/"]
    assert said["odd"] == [400, 400, 400, 400, 200]
    assert said["link"].startswith("https://labels.example.org/setup/")


# --- Guessing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For",
        "X-Real-IP",
        "Forwarded",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "True-Client-IP",
        "Remote-Addr",
    ],
)
def test_no_header_of_the_caller_makes_somebody_else_of_him(people: factories.People, header: str) -> None:
    client = Client()
    statuses = [
        client.post("/sign-in/", WRONG, headers={header: f"203.0.113.{number}"}).status_code
        for number in range(throttle.TRIES_PER_ADDRESS_AND_EMAIL + 1)
    ]
    assert statuses[-1] == 429
    assert set(statuses[:-1]) == {400}


def address_seen(forwarded: str, *, by: str, trusted: str) -> str:
    """The caller's address that the site sees, behind the web server's own reading of X-Forwarded-For."""
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    seen: list[Any] = []

    async def site(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])

    headers = [(b"x-forwarded-for", forwarded.encode())]
    scope = {"type": "http", "client": (by, 1), "headers": headers, "scheme": "http"}
    running.run_async(ProxyHeadersMiddleware(site, trusted)(scope, None, None))  # type: ignore[arg-type]
    return str(seen[0])


def trusted_in_compose() -> str:
    import yaml

    loaded = yaml.safe_load((running.ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
    command = loaded["services"]["web"]["command"]
    found = re.fullmatch(r"\$\{TRUSTED_PROXIES:-(.+)\}", command[command.index("--forwarded-allow-ips") + 1])
    assert found, "what is trusted unless somebody says otherwise"
    return found[1]


@pytest.mark.parametrize("trusted", ["127.0.0.1", "compose"])
def test_behind_a_proxy_the_address_is_the_one_that_the_proxy_saw(trusted: str) -> None:
    """A proxy appends the caller's address to whatever the caller wrote; only the last word is the proxy's."""
    proxy = "172.18.0.1" if trusted == "compose" else "127.0.0.1"
    allowed = trusted_in_compose() if trusted == "compose" else trusted
    assert address_seen("203.0.113.9", by=proxy, trusted=allowed) == "203.0.113.9"
    assert address_seen("198.51.100.1, 203.0.113.9", by=proxy, trusted=allowed) == "203.0.113.9"
    assert address_seen("127.0.0.1, 203.0.113.9", by=proxy, trusted=allowed) == "203.0.113.9"
    assert address_seen("198.51.100.1", by="203.0.113.9", trusted=allowed) == "203.0.113.9", "not through the proxy"


@pytest.mark.parametrize("door", ["/account/password/", "/api/v1/me/password/"])
def test_a_borrowed_session_is_no_place_to_guess_the_password(people: factories.People, door: str) -> None:
    client = as_person(people.alice)
    form = {} if door.startswith("/api/") else {"format": "multipart"}

    def attempt(current: str) -> int:
        return int(client.post(door, {"current": current, "new": "green-teapot-1907"}, **form).status_code)

    assert [attempt(f"guess-{number}") for number in range(10)] == [400] * 10
    assert attempt(PASSWORD) in {400, 429}
    people.alice.refresh_from_db()
    assert people.alice.check_password(PASSWORD)
    if door.startswith("/api/"):
        refused(client.post(door, {"current": PASSWORD, "new": "green-teapot-1907"}), 429)


def test_an_unknown_address_costs_as_much_work_as_a_wrong_password(
    people: factories.People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the time of an answer tells who has an account. Counted, since time on a busy machine tells nothing."""
    worked: list[str] = []
    hasher = type(hashers.get_hasher())
    encode = hasher.encode

    def counted(self: Any, password: str, salt: str) -> str:
        worked.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(hasher, "encode", counted)
    User.objects.filter(pk=people.charlie.pk).update(is_active=False)
    costs, answers = [], []
    for email in ("alice@example.org", "nobody@example.org", "charlie@example.org", "ALICE@EXAMPLE.ORG"):
        worked.clear()
        reply = Client().post("/sign-in/", {"email": email, "password": "wrong-wrong"})
        costs.append(len(worked))
        answers.append((reply.status_code, str(reply.context["form"].non_field_errors())))
    assert costs == [1, 1, 1, 1]
    assert len(set(answers)) == 1


# --- Going elsewhere -------------------------------------------------------------------------------------------------

AWAY = [
    *("https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example"),
    *("http:evil.example", "javascript:alert(1)", "data:text/html,x", "\t//evil.example", "https:///evil.example"),
    *("//testserver@evil.example", "http://testserver.evil.example/", "/\t/evil.example", "//127.0.0.1:1/"),
]


@pytest.mark.parametrize("away", AWAY)
def test_no_address_in_a_request_leads_away_from_the_site(people: factories.People, away: str) -> None:
    project = factories.make_project(people.workspace, images=1)
    alice = Client()
    alice.force_login(people.alice)
    replies = [
        alice.get("/sign-in/", {"next": away}),
        Client().post("/sign-in/", RIGHT | {"next": away}),
        Client().post(f"/sign-in/?next={away}", RIGHT),
        alice.post(f"/projects/{project.pk}/state/", {"action": "pause", "next": away}),
        alice.post(
            f"/projects/{project.pk}/data/review/", {"action": "approve", "next": away}, headers={"Referer": away}
        ),
        alice.post("/workspace/switch/", {"workspace": people.workspace.pk, "next": away}),
        alice.post("/projects/command/", {"action": "pause", "projects": project.pk, "next": away}),
        alice.post(f"/projects/{project.pk}/favourite/", {"on": "1", "next": away}),
    ]
    for reply in replies:
        where = reply.headers.get("Location", "")
        assert not where or (where.startswith("/") and not where.startswith(("//", "/\\", "/\t"))), (reply, where)
