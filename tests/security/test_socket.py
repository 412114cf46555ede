"""The socket tells people what happens in their own workspaces, and nobody else anything."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.test import Client

from projects.models import User
from tests import factories
from tests.support.running import run_async

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


class Socket:
    """A browser's end of the socket."""

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        from labeling_site.asgi import application

        scope = {"type": "websocket", "path": "/ws/events/", "query_string": b"", "headers": headers}
        self.wire = ApplicationCommunicator(application, scope | {"subprotocols": []})

    async def is_let_in(self) -> bool:
        await self.wire.send_input({"type": "websocket.connect"})
        return bool((await self.wire.receive_output(timeout=10))["type"] == "websocket.accept")

    async def say(self, message: Any) -> None:
        await self.wire.send_input({"type": "websocket.receive", "text": json.dumps(message)})

    async def hear(self) -> dict[str, Any]:
        """The next thing from the site: a message, or {"closed": code}."""
        output = await self.wire.receive_output(timeout=10)
        if output["type"] == "websocket.close":
            return {"closed": output["code"]}
        found: dict[str, Any] = json.loads(output["text"])
        return found

    async def is_quiet(self) -> bool:
        return bool(await self.wire.receive_nothing(timeout=0.3))

    async def leave(self) -> None:
        await self.wire.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wire.wait(timeout=5)


def cookie(user: User) -> tuple[bytes, bytes]:
    client = Client()
    client.force_login(user)
    return b"cookie", f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}".encode()


def talk(
    headers: list[tuple[bytes, bytes]],
    say: Callable[[Socket], Awaitable[Any]],
    *,
    origin: str = "http://127.0.0.1",
) -> Any:
    """Opens the socket, runs `say`, and returns what it returns; None where the site refuses the connection."""

    async def run() -> Any:
        socket = Socket([*headers, (b"origin", origin.encode())])
        if not await socket.is_let_in():
            return None
        found = await say(socket)
        await socket.leave()
        return found

    return run_async(run())


def subscribe(*topics: Any) -> Callable[[Socket], Awaitable[Any]]:
    async def say(socket: Socket) -> list[Any]:
        await socket.say({"subscribe": list(topics)})
        replies = [await socket.hear()]
        while not await socket.is_quiet():
            replies.append(await socket.hear())
        return replies

    return say


def answer_to(message: Any) -> Callable[[Socket], Awaitable[Any]]:
    async def say(socket: Socket) -> Any:
        await socket.say(message)
        return await socket.hear()

    return say


def test_visitors_and_other_sites_are_not_let_in() -> None:
    people = factories.make_people()
    assert talk([], subscribe("workspace:1")) is None
    assert talk([cookie(people.alice)], subscribe("workspace:1"), origin="https://evil.example") is None


def test_one_follows_the_own_workspace_and_no_other() -> None:
    people = factories.make_people()
    own, foreign = people.workspace.pk, factories.make_workspace(people.charlie, "Elsewhere").pk
    project = factories.make_project(people.workspace, running=False)
    mine = [f"workspace:{own}", project.topic]
    odd = ["workspace:²", "workspace:" + "9" * 30, "user:1", "workspace:", ":", f"workspace:{own} OR 1=1"]
    replies = talk([cookie(people.bob)], subscribe(*mine, f"workspace:{foreign}", "workspace:999999", *odd))
    told = {name for reply in replies for name in reply.get("versions", {})}
    refused = {name for reply in replies for name in reply.get("refused", [])}
    assert told == set(mine)
    assert refused == {f"workspace:{foreign}", "workspace:999999", *odd}
    replies = talk([cookie(people.charlie)], subscribe(project.topic))
    assert [reply.get("refused") for reply in replies if "refused" in reply] == [[project.topic]]


@pytest.mark.parametrize("message", [{}, {"subscribe": "workspace:1"}, {"subscribe": None}, [], "x", 7])
def test_what_is_no_subscription_closes_the_socket(message: Any) -> None:
    people = factories.make_people()

    assert talk([cookie(people.alice)], answer_to(message)) == {"closed": 4400}


def test_too_many_topics_close_the_socket() -> None:
    people = factories.make_people()
    topics = [f"workspace:{number}" for number in range(51)]
    assert talk([cookie(people.alice)], answer_to({"subscribe": topics})) == {"closed": 4400}


# --- What is no message at all ---------------------------------------------------------------------------------------


NO_MESSAGES: list[dict[str, Any]] = [
    {"text": "{"},
    {"text": ""},
    {"text": "[" * 100_000},
    {"bytes": b"\x00\xff"},
    {"bytes": b"{}"},
]
NO_TOPICS = ["x" * 70_000, "\ud800:1", "workspace:\0", "workspace:1\r\nx"]


def test_what_is_no_message_closes_the_socket_and_is_no_defect() -> None:
    signed_in = cookie(factories.make_people().alice)
    for sent in NO_MESSAGES:

        async def say(socket: Socket, sent: dict[str, Any] = sent) -> Any:
            await socket.wire.send_input({"type": "websocket.receive", **sent})
            return await socket.hear()

        assert talk([signed_in], say) == {"closed": 4400}, sent
    assert talk([signed_in], answer_to({"subscribe": NO_TOPICS})) == {"refused": NO_TOPICS}


def test_an_address_that_is_no_socket_is_refused_without_a_defect() -> None:
    """A connection that fails by an exception fills the log of whoever runs the site."""
    signed_in = cookie(factories.make_people().alice)

    async def run(path: str) -> Any:
        from labeling_site.asgi import application

        headers = [signed_in, (b"origin", b"http://127.0.0.1")]
        scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers, "subprotocols": []}
        wire = ApplicationCommunicator(application, scope)
        await wire.send_input({"type": "websocket.connect"})
        output = await wire.receive_output(timeout=10)
        await wire.send_input({"type": "websocket.disconnect", "code": 1006})
        await wire.wait(timeout=5)
        return output

    for path in ("/ws/", "/ws/nothing/", "/", "/ws/events/more/"):
        assert run_async(run(path))["type"] == "websocket.close", path


ORIGINS = ["", "null", "http://127.0.0.1.evil.example", "http://evil.example#127.0.0.1", "file://", "127.0.0.1@x"]


def test_only_a_page_of_this_site_opens_the_socket() -> None:
    signed_in = cookie(factories.make_people().alice)
    for origin in ORIGINS:
        assert talk([signed_in], subscribe("workspace:1"), origin=origin) is None, origin

    async def without_origin() -> bool:
        return await Socket([signed_in]).is_let_in()

    assert not run_async(without_origin())
    assert talk([signed_in], answer_to({"subscribe": []})) == {"versions": {}}, "a page of the site does"


# --- When rights end -------------------------------------------------------------------------------------------------


def sign_out(people: factories.People, key: str) -> None:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    assert client.post("/sign-out/").status_code == 302


def close_account(people: factories.People, key: str) -> None:
    User.objects.filter(pk=people.bob.pk).update(is_active=False)


def change_password(people: factories.People, key: str) -> None:
    people.bob.set_password("amber-kettle-1791")
    people.bob.save()


@pytest.mark.parametrize("ending", [sign_out, close_account, change_password])
def test_the_socket_closes_when_its_session_ends(monkeypatch: pytest.MonkeyPatch, ending: Any) -> None:
    from channels.db import database_sync_to_async

    from labeling_site import sockets

    monkeypatch.setattr(sockets, "HEARTBEAT_SECONDS", 0.2)
    people = factories.make_people()
    header = cookie(people.bob)
    key = header[1].decode().partition("=")[2]

    async def say(socket: Socket) -> Any:
        await socket.say({"subscribe": [f"workspace:{people.workspace.pk}"]})
        await socket.hear()
        await database_sync_to_async(ending)(people, key)
        for _message in range(20):
            reply = await socket.hear()
            if "closed" in reply:
                return reply
        return None

    assert talk([header], say) == {"closed": 4401}


def test_hints_stop_when_the_membership_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    from channels.db import database_sync_to_async

    from labeling_site import sockets
    from labeling_site.core import events
    from projects.services import workspaces

    monkeypatch.setattr(sockets, "HEARTBEAT_SECONDS", 0.2)
    people = factories.make_people()
    topic = f"workspace:{people.workspace.pk}"

    def end() -> None:
        member = factories.membership(people.workspace, people.bob)
        workspaces.remove_member(actor=people.alice, membership=member)
        events.flush()

    async def say(socket: Socket) -> list[dict[str, Any]]:
        await socket.say({"subscribe": [topic]})
        assert topic in (await socket.hear())["versions"]
        await database_sync_to_async(end)()
        for _message in range(20):
            if (await socket.hear()).get("versions") == {}:
                break
        await database_sync_to_async(events.publish)(topic)
        await database_sync_to_async(events.flush)()
        return [await socket.hear() for _message in range(4)]

    # One hint may have been on its way.
    assert talk([cookie(people.bob)], say)[1:] == [{"versions": {}}] * 3
