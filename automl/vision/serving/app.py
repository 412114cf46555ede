"""The ASGI application: routes, and around them one place for keys, request ids, errors, measures and the log."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automl.vision.errors import VisionError

from . import calls, forms, open_inference, openapi
from .calls import Call, Image
from .engine import Engine
from .keys import Keys
from .measures import CONTENT_TYPE
from .refusals import Refusal, bad, too_large, unavailable

log = logging.getLogger(__name__)
OPEN = {"/v2/health/live", "/v2/health/ready"}
"""Answered without a key: whoever starts and stops the server asks them."""
EXTENSIONS = ["binary_tensor_data"]
_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_RAW = ("application/octet-stream", "image/", "application/dicom")
_ACCEPTED = "Send application/octet-stream or image/… (one image as it is), application/json, or multipart/form-data."


def create_app(engine: Engine, *, name: str, version: str = "1", keys: Keys | None = None) -> Starlette:
    """The application for one model, known as `name`. It starts and stops the engine with itself."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await engine.start()
        try:
            yield
        finally:
            await engine.stop()

    doors = _Doors(engine, name, version)
    app = Starlette(
        routes=doors.routes(),
        lifespan=lifespan,
        exception_handlers={HTTPException: _not_found},
        middleware=[Middleware(_Envelope, engine=engine, keys=keys or Keys())],
    )
    app.state.engine = engine
    return app


class _Doors:
    """What each address answers."""

    def __init__(self, engine: Engine, name: str, version: str) -> None:
        self.engine, self.name, self.version = engine, name, version

    def routes(self) -> list[Route]:
        model = ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"]
        return [
            Route("/", self.index),
            Route("/score", self.score, methods=["POST"]),
            Route("/openapi.json", self.openapi),
            Route("/metrics", self.metrics),
            Route("/v2", self.server),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            *(Route(path, self.model) for path in model),
            *(Route(f"{path}/ready", self.model_ready) for path in model),
            *(Route(f"{path}/infer", self.infer, methods=["POST"]) for path in model),
        ]

    # --- Scoring -----------------------------------------------------------------------------------------------------

    async def score(self, request: Request) -> Response:
        """v1 for raw bytes (one object with its filename), v2 for JSON (a list), a list with filenames for forms."""
        kind = _content_type(request)
        body = request.scope["body"]
        query = dict(request.query_params)
        filename = query.pop("filename", "image")
        if kind == "application/json":
            call = calls.of_json(body, self.engine.limits)
            answers = await self.engine.answer(Call(call.images, {**query, **call.parameters}))
            return _json([one.said for one in answers])
        if kind == "multipart/form-data":
            call = await forms.of_form(body, request.headers["content-type"], self.engine.limits)
            answers = await self.engine.answer(Call(call.images, {**query, **call.parameters}))
            named = zip(call.images, answers, strict=True)
            return _json([{"filename": image.filename, **one.said} for image, one in named])
        if kind.startswith(_RAW):
            call = calls.checked([Image(body, filename)], query, self.engine.limits)
            (answer,) = await self.engine.answer(call)
            return _json({"filename": filename, **answer.said})
        what = f"The content type is {kind}" if kind else "The request has no content type"
        raise Refusal(415, "content_type", f"{what}, which says nothing of an image.", _ACCEPTED)

    async def infer(self, request: Request) -> Response:
        """Open Inference Protocol v2."""
        self._check_model(request)
        kind = _content_type(request)
        length = request.headers.get(open_inference.LENGTH_HEADER)
        if kind not in ("application/json", "application/octet-stream", ""):
            raise Refusal(
                415, "content_type", f"The content type is {kind}.", "Send application/json, or binary tensor data."
            )
        task = self.engine.runner.task
        call, wanted = open_inference.parse(request.scope["body"], length, task, self.engine.limits)
        answers = await self.engine.answer(call)
        tensors = open_inference.tensors_of(answers, task)
        body, header = open_inference.render(wanted, self.name, self.version, tensors)
        if header is None:
            return Response(body, media_type="application/json")
        headers = {open_inference.LENGTH_HEADER: str(header)}
        return Response(body, media_type="application/octet-stream", headers=headers)

    # --- About the server and its model ------------------------------------------------------------------------------

    async def index(self, request: Request) -> Response:
        runner = self.engine.runner
        return _json(
            {
                "name": self.name,
                "version": self.version,
                "task": runner.task,
                "model_name": runner.model_name,
                "classes": runner.classes,
                "score": "/score",
                "open_inference": f"/v2/models/{self.name}",
                "documentation": "/openapi.json",
            }
        )

    async def server(self, request: Request) -> Response:
        return _json({"name": "tessera", "version": self.version, "extensions": EXTENSIONS})

    async def live(self, request: Request) -> Response:
        return _json({"live": True})

    async def ready(self, request: Request) -> Response:
        return _json({"ready": self._is_ready}, 200 if self._is_ready else 503)

    async def model_ready(self, request: Request) -> Response:
        self._check_model(request)
        return _json({"name": self.name, "ready": self._is_ready}, 200 if self._is_ready else 503)

    async def model(self, request: Request) -> Response:
        self._check_model(request)
        outputs = open_inference.outputs_of(self.engine.runner.task)
        return _json(
            {
                "name": self.name,
                "versions": [self.version],
                "platform": "tessera_onnxruntime",
                "inputs": [
                    {"name": "image", "datatype": "BYTES", "shape": [-1], "parameters": {"content_type": "base64"}}
                ],
                "outputs": [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in outputs],
            }
        )

    async def openapi(self, request: Request) -> Response:
        runner = self.engine.runner
        document = openapi.document(
            self.name, self.version, runner.task, runner.model_name, runner.classes, self.engine.limits
        )
        return _json(document)

    async def metrics(self, request: Request) -> Response:
        measures = self.engine.measures
        measures.at_work.set(self.engine.gate.images)
        measures.ready.set(int(self._is_ready))
        return Response(measures.text(), media_type=CONTENT_TYPE)

    @property
    def _is_ready(self) -> bool:
        return self.engine.is_ready and not self.engine.is_draining

    def _check_model(self, request: Request) -> None:
        asked, version = request.path_params["model"], request.path_params.get("version", self.version)
        if asked != self.name or version != self.version:
            raise Refusal(
                404,
                "no_model",
                f"There is no model {asked!r} of version {version!r}.",
                f"Here is {self.name!r}, version {self.version!r}.",
            )


class _Envelope:
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


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, ensure_ascii=False, allow_nan=False), status, media_type="application/json")


def _refused(refusal: Refusal, request_id: str) -> Response:
    return JSONResponse(refusal.body(request_id), refusal.status, refusal.headers)


async def _not_found(request: Request, error: Exception) -> Response:
    """404 and 405 of the router, in our words."""
    assert isinstance(error, HTTPException)  # noqa: S101  it is registered for nothing else
    if error.status_code == 405:
        raise Refusal(
            405,
            "method",
            f"{request.url.path} does not know {request.method}.",
            "See /openapi.json.",
            error.headers,
        )
    raise Refusal(404, "no_address", f"There is nothing at {request.url.path}.", "See /openapi.json.")
