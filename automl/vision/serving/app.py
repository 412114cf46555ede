"""The ASGI application: what each address answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import calls, forms, open_inference, openapi
from .calls import Call, Image
from .engine import Engine
from .envelope import Envelope
from .keys import Keys
from .measures import CONTENT_TYPE
from .refusals import Refusal

EXTENSIONS = ["binary_tensor_data"]
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
        middleware=[Middleware(Envelope, engine=engine, keys=keys or Keys())],
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
                "platform": f"tessera_{self.engine.runner.engine}",
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


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, ensure_ascii=False, allow_nan=False), status, media_type="application/json")


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
