"""Around every request, in one place: ids, keys, bodies, time, errors, measures and the log."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automl.vision.errors import VisionError

from .engine import Engine
from .keys import Keys
from .refusals import Refusal, bad, too_large, unavailable

log = logging.getLogger(__name__)
OPEN = {"/v2/health/live", "/v2/health/ready"}
"""Answered without a key: whoever starts and stops the server asks them."""
_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)


class Envelope:
    """Around every request: its id, its key, its body within the limits, its time, errors, measures and log line."""

    def __init__(self, app: ASGIApp, engine: Engine, keys: Keys) -> None:
        self.app, self.engine, self.keys = app, engine, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        request_id = _request_id(request)
        begin = time.monotonic()
        status = 500
        has_begun = False

        async def told(message: Message) -> None:
            nonlocal status, has_begun
            if message["type"] == "http.response.start":
                status, has_begun = message["status"], True
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"cache-control", b"no-store"),
                ]
            await send(message)

        try:
            async with asyncio.timeout(self.engine.limits.timeout):
                await self._within(request, told)
        except ClientDisconnect:
            status = 499  # nobody is there any more; the figure is nginx's
        except Exception as error:
            refusal = self._refusal_of(error, request_id)
            if not has_begun:
                await _refused(refusal, request_id)(scope, receive, told)
        finally:
            self._note(scope, status, time.monotonic() - begin, request_id)

    async def _within(self, request: Request, send: Send) -> None:
        scope = request.scope
        if scope["path"] not in OPEN:
            self.keys.check(request.headers.get("authorization"))
        if scope["method"] != "POST":
            await self.app(scope, request.receive, send)
            return
        if self.engine.is_draining or not self.engine.is_ready:
            what = "is shutting down" if self.engine.is_draining else "is not ready yet"
            raise unavailable("not_ready", f"This server {what}.", "Ask another replica, or this one again later.")
        packed = request.headers.get("content-encoding", "identity").strip().lower()
        if packed != "identity":
            raise Refusal(
                415, "content_encoding", f"The body is packed ({packed}).", "Send it as it is: images hardly shrink."
            )
        size = _announced(request, self.engine.limits.body_bytes)
        self._check_body(size)
        with self.engine.gate.hold(size=size):
            scope["body"] = await self._body(request)
            await self.app(scope, request.receive, send)

    async def _body(self, request: Request) -> bytes:
        """The whole body. Refusal (413) as soon as it is larger than allowed."""
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            self._check_body(size)
            parts.append(part)
        return b"".join(parts)

    def _check_body(self, size: int) -> None:
        if size > self.engine.limits.body_bytes:
            refusal = too_large(
                "body_too_large",
                f"The request has more than {self.engine.limits.max_body_mb:g} MB.",
                "Send fewer images in it, or smaller ones.",
            )
            refusal.headers["Connection"] = "close"  # what is still on its way is not read
            raise refusal

    def _refusal_of(self, error: Exception, request_id: str) -> Refusal:
        if isinstance(error, Refusal):
            return error
        if isinstance(error, TimeoutError):
            return unavailable(
                "timeout",
                f"There was no answer within {self.engine.limits.timeout:g} seconds.",
                "Send fewer images at once, or ask when there is less to do.",
            )
        if isinstance(error, VisionError):
            return bad("request", error.sentence, error.way_out)
        log.error("request %s failed", request_id, exc_info=error)
        return Refusal(500, "failed", "The server failed.", f"Its log says why, under the request id {request_id}.")

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = _route_of(scope)
        self.engine.measures.requests.labels(route, str(status)).inc()
        self.engine.measures.seconds.labels(route).observe(seconds)
        level = logging.DEBUG if route in OPEN or route == "/metrics" else logging.INFO
        log.log(level, "%s %s %d %.0f ms %s", scope["method"], route, status, seconds * 1000, request_id)


def _announced(request: Request, unknown: int) -> int:
    """The size that the body is said to have; `unknown` where it is not said."""
    text = request.headers.get("content-length")
    if text is None:
        return unknown if request.headers.get("transfer-encoding") else 0
    return int(text) if text.isdecimal() and len(text) < 16 else unknown


def _route_of(scope: MutableMapping[str, Any]) -> str:
    """The address with names for what varies, so that measures do not grow with what people try."""
    path = scope["path"]
    match = re.fullmatch(r"/v2/models/[^/]+(/versions/[^/]+)?(/ready|/infer)?", path)
    if match:
        return f"/v2/models/{{model}}{match[2] or ''}"
    known = {"/", "/score", "/openapi.json", "/metrics", "/v2", *OPEN}
    return path if path in known else "other"


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def _refused(refusal: Refusal, request_id: str) -> Response:
    return JSONResponse(refusal.body(request_id), refusal.status, refusal.headers)
