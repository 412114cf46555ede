"""A server in this process: an ASGI client without sockets, and a runner without a network."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from automl.vision.data import images
from automl.vision.errors import DataError
from automl.vision.requests import Request
from automl.vision.serving.app import create_app
from automl.vision.serving.engine import Engine
from automl.vision.serving.keys import Keys
from automl.vision.serving.limits import Limits
from automl.vision.spec import resolve, tasks

CLASSES = ["red", "green", "blue"]
MODELS = {
    tasks.CLASSIFICATION: "resnet18",
    tasks.MULTILABEL: "resnet18",
    tasks.DETECTION: "fasterrcnn_resnet18_fpn",
    tasks.SEGMENTATION: "maskrcnn_resnet18_fpn",
}
SCORES = (0.9, 0.6, 0.2)


@dataclass
class Answer:
    said: dict[str, Any]
    arrays: dict[str, np.ndarray]


class Runner:
    """Classification: the shares of red, green and blue. Else one box for each 32 pixels of width, up to three, of
    falling scores. `batches` are the batches it was given, `requests` what they asked for. It computes only while
    `may_go` is set."""

    def __init__(self, task: str = tasks.CLASSIFICATION, name: str | None = None) -> None:
        self.engine = "pixels"
        self.task, self.model_name, self.classes = task, name or MODELS[task], CLASSES
        self.settings = resolve(task, self.model_name).effective
        self.batches: list[int] = []
        self.requests: list[Request | None] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.is_in = threading.Event()

    def read(self, content: Any) -> np.ndarray:
        return images.read(content).pixels

    def predict(self, prepared: Sequence[np.ndarray], request: Request | None = None) -> list[Answer]:
        self.is_in.set()
        assert self.may_go.wait(20)
        self.batches.append(len(prepared))
        self.requests.append(request)
        if any(tuple(pixels[0, 0]) == (1, 2, 3) for pixels in prepared):
            raise RuntimeError("secret of the machine room")
        return [self._answer(pixels, request) for pixels in prepared]

    def _answer(self, pixels: np.ndarray, request: Request | None) -> Answer:
        if self.task in tasks.CLASSIFIES:
            sums = pixels.reshape(-1, 3).sum(axis=0) + 1.0
            probs = (sums / sums.sum()).astype(np.float32)
            return Answer({"probs": probs.tolist(), "labels": CLASSES}, {"probs": probs})
        least = request.thresholds.box_score if request else None
        least = self.settings["box_score_threshold"] if least is None else least
        scores = np.array([one for one in SCORES[: pixels.shape[1] // 32] if one >= least], np.float32)
        boxes = np.stack([[0.1 * at, 0.2, 0.1 * at + 0.1, 0.4] for at in range(len(scores))] or [np.zeros(4)])
        boxes = boxes[: len(scores)].astype(np.float32)
        said = []
        for at, score in enumerate(scores):
            corners = dict(zip(("topX", "topY", "bottomX", "bottomY"), map(float, boxes[at]), strict=True))
            one: dict[str, Any] = {"box": corners, "label": CLASSES[at], "score": float(score)}
            if self.task == tasks.SEGMENTATION:
                one["polygon"] = [[0.1, 0.2, 0.2, 0.2, 0.2, 0.4]]
            said.append(one)
        return Answer({"boxes": said}, {"boxes": boxes, "scores": scores, "class_ids": np.arange(len(scores))})


def picture(
    colour: tuple[int, int, int] = (200, 20, 20), width: int = 48, height: int = 32, kind: str = "PNG"
) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, kind)
    return buffer.getvalue()


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def sentence(self) -> str:
        return str(self.json()["error"])


@dataclass
class Call:
    """One request; `parts` are how its body arrives."""

    method: str
    path: str
    parts: list[bytes] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)


class Server:
    """An application with its lifespan, on an event loop of its own."""

    def __init__(
        self,
        runner: Any = None,
        limits: Limits | None = None,
        *,
        keys: Sequence[str] = (),
        explain: Any = None,
        name: str = "colours",
    ) -> None:
        self.runner = runner or Runner()
        self._loop = asyncio.Runner()
        self.engine = Engine(self.runner, limits, explain=explain)
        self.app = create_app(self.engine, name=name, version="2", keys=Keys(keys))

    def __enter__(self) -> Server:
        self._loop.__enter__()
        self._loop.run(self._start())
        if isinstance(self.runner, Runner):
            self.runner.batches.clear()
            self.runner.requests.clear()
            self.runner.is_in.clear()
        return self

    def __exit__(self, *error: Any) -> None:
        if isinstance(self.runner, Runner):
            self.runner.may_go.set()
        self._loop.run(self._stop())
        self._loop.close()

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        length = {"content-length": str(len(body))} if body else {}
        return self.wait(self.call(Call(method, path, [body], {**length, **given})))

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, **headers)

    def post_json(self, path: str, value: Any, **headers: str) -> Reply:
        return self.send("POST", path, json.dumps(value).encode(), content_type="application/json", **headers)

    def paths(self) -> list[str]:
        return [route.path for route in self.app.routes]  # type: ignore[attr-defined]

    def wait(self, awaitable: Awaitable[Any]) -> Any:
        async def whole() -> Any:
            return await asyncio.wait_for(awaitable, 60)  # whoever waits for what never comes fails

        return self._loop.run(whole())

    async def call(self, call: Call) -> Reply:
        path, _, query = call.path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": call.method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in call.headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8080),
        }
        parts = list(call.parts)
        answered: list[Any] = []

        async def receive() -> dict[str, Any]:
            if not parts:
                await asyncio.Event().wait()  # the client waits for its answer
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: dict[str, Any]) -> None:
            answered.append(message)

        await self.app(scope, receive, send)  # type: ignore[arg-type]
        begin, *rest = answered
        headers = {name.decode().lower(): value.decode() for name, value in begin["headers"]}
        return Reply(begin["status"], headers, b"".join(one.get("body", b"") for one in rest))

    async def _start(self) -> None:
        self._told: asyncio.Queue[Any] = asyncio.Queue()
        self._heard: asyncio.Queue[Any] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self._life = asyncio.create_task(self.app(scope, self._told.get, self._heard.put))  # type: ignore[arg-type]
        await self._told.put({"type": "lifespan.startup"})
        message = await self._heard.get()
        assert message["type"] == "lifespan.startup.complete", message

    async def _stop(self) -> None:
        await self._told.put({"type": "lifespan.shutdown"})
        await self._heard.get()
        await self._life


def raises(text: str) -> Any:
    """A runner's `read` that refuses."""

    def read(content: Any) -> Any:
        raise DataError(text)

    return read
