"""The one WebSocket: pages subscribe to topics, get hints, and a heartbeat that repeats each topic's version."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer
from django.conf import settings
from django.urls import path, re_path

from labeling_site.core import events

HEARTBEAT_SECONDS = 15
MAX_TOPICS = 50
COALESCE_SECONDS = 0.5


class Events(AsyncJsonWebsocketConsumer):
    """Sends {"topic","version"} when something behind a topic changed, and {"versions": {...}} every 15 s.

    A client sends {"subscribe": ["project:1"]}. Topics one may not see are answered like topics that do not exist:
    {"refused": [...]}. At each heartbeat it is asked again whether the session still stands, and what its person sees.
    """

    async def connect(self) -> None:
        self.topics: set[str] = set()
        self.pending: set[str] = set()
        self.flusher: asyncio.Task[None] | None = None
        self.heart: asyncio.Task[None] | None = None
        if not self.scope["user"].is_authenticated:
            await self.close(code=4401)
            return
        await self.accept()
        self.heart = asyncio.create_task(self._beat())

    async def disconnect(self, code: int) -> None:
        for task in (self.heart, self.flusher):
            if task:
                task.cancel()
        for topic in self.topics:
            await self.channel_layer.group_discard(events.group(topic), self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        try:
            content = await self.decode_json(text_data or "")
        except (ValueError, RecursionError):
            await self.close(code=4400)
            return
        await self.receive_json(content)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        wanted = content.get("subscribe") if isinstance(content, dict) else None
        if not isinstance(wanted, list) or len(wanted) + len(self.topics) > MAX_TOPICS:
            await self.close(code=4400)
            return
        wanted = [topic for topic in wanted if isinstance(topic, str) and topic not in self.topics]
        allowed = await self._allowed(wanted)
        for topic in allowed:
            await self.channel_layer.group_add(events.group(topic), self.channel_name)
            self.topics.add(topic)
        if refused := [topic for topic in wanted if topic not in allowed]:
            await self.send_json({"refused": refused})
        await self._send_versions(allowed)

    async def hint(self, message: dict[str, Any]) -> None:
        """Called by the channel layer; hints are gathered for half a second."""
        self.pending.add(message["topic"])
        if self.flusher is None or self.flusher.done():
            self.flusher = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        while self.pending:
            # A hint may have come before its topic was taken away.
            topics, self.pending = sorted(self.pending & self.topics), set()
            for topic, version in (await self._versions(topics)).items():
                await self.send_json({"topic": topic, "version": version})
            await asyncio.sleep(COALESCE_SECONDS)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if not await self._is_signed_in():
                await self.close(code=4401)
                return
            still = await self._allowed(sorted(self.topics))
            for topic in self.topics - set(still):
                await self.channel_layer.group_discard(events.group(topic), self.channel_name)
            self.topics = set(still)
            await self._send_versions(still)

    async def _is_signed_in(self) -> bool:
        """Reads the session anew: it ends by signing out, by a new password, and with the account."""
        store = import_module(settings.SESSION_ENGINE).SessionStore(self.scope["session"].session_key)
        user = await get_user({"session": store})
        return bool(user.is_authenticated and user.pk == self.scope["user"].pk)

    async def _send_versions(self, topics: list[str]) -> None:
        await self.send_json({"versions": await self._versions(topics)})

    @database_sync_to_async
    def _versions(self, topics: list[str]) -> dict[str, int]:
        return {topic: events.version(topic) for topic in topics}

    @database_sync_to_async
    def _allowed(self, topics: list[str]) -> list[str]:
        from projects.access import visible_topics

        return visible_topics(self.scope["user"].pk, topics)


class NoSocket(AsyncWebsocketConsumer):
    """The answer at every other address: no connection, and no exception in the log."""

    async def connect(self) -> None:
        await self.close()


urlpatterns = [path("ws/events/", Events.as_asgi()), re_path("", NoSocket.as_asgi())]
