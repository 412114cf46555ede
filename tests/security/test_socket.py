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
