"""Static files: hashed names at set-up, answered from memory before Django sees the request."""

from __future__ import annotations

import gzip
import mimetypes
import re
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.exceptions import SuspiciousFileOperation

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

COMPRESSIBLE = {"text/css", "text/javascript", "application/javascript", "image/svg+xml", "application/json"}
HASHED_NAME = re.compile(r"\.[0-9a-f]{12}\.\w+$")
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("text/javascript", ".mjs")


class HashedStorage(ManifestStaticFilesStorage):
    """File names carry a hash of the content, also inside ES module imports. Before set-up names stay plain."""

    manifest_strict = False
    support_js_module_import_aggregation = True


class StaticFromMemory:
    """Answers GET and HEAD under STATIC_URL from a cache of file bytes; everything else goes to the site."""

    def __init__(self, site: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.site = site
        self.cache: dict[str, tuple[bytes, bytes | None, str, str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http" or not scope["path"].startswith(settings.STATIC_URL):
            await self.site(scope, receive, send)
            return
        entry = self._load(scope["path"].removeprefix(settings.STATIC_URL))
        if entry is None or scope["method"] not in {"GET", "HEAD"}:
            await self._reply(send, 404, [(b"content-type", b"text/plain")], b"")
            return
        body, packed, content_type, etag = entry
        headers = dict(scope["headers"])
        hashed = HASHED_NAME.search(scope["path"]) is not None
        reply = [
            (b"content-type", content_type.encode()),
            (b"etag", etag.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"public, max-age=31536000, immutable" if hashed else b"no-cache"),
            (b"vary", b"accept-encoding"),
        ]
        if headers.get(b"if-none-match") == etag.encode():
            await self._reply(send, 304, reply, b"")
            return
        if packed is not None and b"gzip" in headers.get(b"accept-encoding", b""):
            reply.append((b"content-encoding", b"gzip"))
            body = packed
        reply.append((b"content-length", str(len(body)).encode()))
        await self._reply(send, 200, reply, b"" if scope["method"] == "HEAD" else body)

    @staticmethod
    async def _reply(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    @staticmethod
    async def _lifespan(receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

    def _load(self, name: str) -> tuple[bytes, bytes | None, str, str] | None:
        if not settings.DEBUG and name in self.cache:
            return self.cache[name]
        try:
            path = self._find(name)
        except (OSError, ValueError, SuspiciousFileOperation):  # no name that a file could have, or one elsewhere
            return None
        if path is None:
            return None
        body = path.read_bytes()
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        packed = gzip.compress(body, 6) if content_type in COMPRESSIBLE and len(body) > 500 else None
        if content_type.startswith("text/"):
            content_type += "; charset=utf-8"
        etag = f'"{path.stat().st_mtime_ns:x}-{len(body):x}"'
        entry = (body, packed, content_type, etag)
        self.cache[name] = entry
        return entry

    @staticmethod
    def _find(name: str) -> Path | None:
        """The file of this name. Only its one spelling counts: each other one would be kept in memory as well."""
        if PurePosixPath(name).as_posix() != name or name.startswith("/") or ".." in name.split("/"):
            return None
        root = settings.STATIC_ROOT.resolve()
        path = (root / name).resolve()
        if path.is_relative_to(root) and path.is_file():
            return path
        # Not collected yet, as in a checkout under test: ask the finders, which know no path outside their folders.
        found = finders.find(name)
        return Path(found) if isinstance(found, str) and Path(found).is_file() else None
