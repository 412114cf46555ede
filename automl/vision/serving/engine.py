"""From the images of one call to their answers: read in threads, batched, predicted, explained where asked."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from automl.vision.errors import DataError, UsageError
from automl.vision.spec import tasks

from . import parameters, pictures
from .batching import Batcher
from .calls import Call, Image, place
from .gate import Gate
from .limits import Limits
from .measures import Measures
from .refusals import Refusal, bad, too_large

log = logging.getLogger(__name__)
MOST_READERS = 4
"""Images that are decoded at the same time, at most: each may take `max_megapixels` of memory several times over."""


class Answer(Protocol):
    """`said` is the object of parity.md B.15.2; `arrays` its numbers: probs (C,), or boxes (N, 4), scores and
    class_ids (N,)."""

    said: dict[str, Any]
    arrays: dict[str, np.ndarray]


class Runner(Protocol):
    """What `automl.vision.runtime.Runner` promises and the server uses."""

    engine: str
    task: str
    model_name: str
    classes: list[str]
    settings: dict[str, Any]

    def read(self, content: Any) -> Any: ...

    def predict(self, prepared: Sequence[Any], request: Any = None) -> Sequence[Answer]: ...


Explain = Callable[[bytes, Mapping[str, Any]], dict[str, Any]]
"""Explains one image file: (its bytes, xai_parameters) → visualizations and attributions. Raises UsageError for
parameters that are not acceptable."""


class Engine:
    """One model at work."""

    def __init__(
        self,
        runner: Runner,
        limits: Limits | None = None,
        *,
        explain: Explain | None = None,
        measures: Measures | None = None,
    ) -> None:
        self.runner, self.explain = runner, explain
        self.limits = limits or Limits()
        self.gate = Gate(self.limits)
        self.measures = measures or Measures()
        self.is_ready = self.is_draining = False
        self.answered = 0
        self._reading = 0
        readers = min(self.limits.cores or os.cpu_count() or 1, MOST_READERS)
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self._explainer = ThreadPoolExecutor(1, thread_name_prefix="explainer")
        self.batcher: Batcher

    async def start(self) -> None:
        """Ready when the model has answered once, so that nobody waits for its first, slow answer."""
        self.batcher = Batcher(
            self._predict,
            size=self.limits.batch_size,
            wait=self.limits.batch_wait_ms / 1000,
            threads=self.limits.threads,
            coming=lambda: self._reading,
        )
        await self.batcher.start()
        await self.answer(Call([Image(pictures.blank())]))
        self.answered, self.is_ready = 0, True

    async def stop(self) -> None:
        self.is_ready = False
        await self.batcher.stop()
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._explainer.shutdown(wait=False, cancel_futures=True)

    async def answer(self, call: Call) -> list[Answer]:
        """One answer per image, in order. Refusal for what cannot be done, naming the image."""
        task, name = self.runner.task, self.runner.model_name
        values = parameters.read(call.parameters, task, name)
        request = parameters.request_of(values, self.runner.settings)
        self._check_explanations(call)
        with self.gate.hold(images=len(call.images)):
            prepared = await self._read_all(call.images)
            answers: list[Answer] = await self.batcher.submit(prepared, request)
            for image, answer in zip(call.images, answers, strict=True):
                if image.explain is not None:
                    answer.said.update(await self._explain(image))
        self.answered += len(answers)
        self.measures.images.inc(len(answers))
        return answers

    # --- Reading -----------------------------------------------------------------------------------------------------

    async def _read_all(self, images: Sequence[Image]) -> list[Any]:
        loop = asyncio.get_running_loop()
        self._reading += len(images)
        try:
            return await asyncio.gather(
                *(
                    loop.run_in_executor(self._readers, self._read, image.content, place(at, len(images)))
                    for at, image in enumerate(images)
                )
            )
        finally:
            self._reading -= len(images)
            await self.batcher.nudge()

    def _read(self, content: bytes, name: str) -> Any:
        try:
            self._check_pixels(content, name)
            return self.runner.read(content)
        except DataError as error:
            sentence = error.sentence
            if sentence.lower().startswith("the image"):
                sentence = name + sentence[len("the image") :]
            raise bad("image_unreadable", f"{sentence.rstrip('. ')}.", error.way_out or pictures.WAY_OUT) from error

    def _check_pixels(self, content: bytes, name: str) -> None:
        """Before anything is decoded, so that a small file cannot become a large picture."""
        try:
            width, height = pictures.size_of(content)
        except pictures.TooManyPixels:
            raise self._too_many_pixels(f"{name} has more pixels than any server should decode") from None
        if width * height > self.limits.pixels:
            raise self._too_many_pixels(f"{name} has {width} × {height} pixels")

    def _too_many_pixels(self, what: str) -> Refusal:
        return too_large(
            "too_many_pixels", f"{what}; at most {self.limits.max_megapixels:g} million are taken.", "Send it smaller."
        )

    # --- Computing ---------------------------------------------------------------------------------------------------

    def _predict(self, prepared: list[Any], request: Any) -> Sequence[Answer]:
        begin = time.monotonic()
        answers = self.runner.predict(prepared, request)
        self.measures.batch.observe(len(prepared))
        self.measures.inference.observe(time.monotonic() - begin)
        return answers

    def _check_explanations(self, call: Call) -> None:
        if not any(image.explain is not None for image in call.images):
            return
        if self.runner.task not in tasks.CLASSIFIES:
            raise bad(
                "explanations",
                f"model_explainability was asked for, but {self.runner.task} has no explanations.",
                "Classification models have them; leave model_explainability out here.",
            )
        if self.explain is None:
            raise bad(
                "explanations",
                "This server answers without torch, which explanations need.",
                "Leave model_explainability out, or serve the model with python -m automl.vision serve where torch is "
                "installed.",
            )

    async def _explain(self, image: Image) -> dict[str, Any]:
        assert self.explain is not None and image.explain is not None  # noqa: S101  checked at the door
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._explainer, self.explain, image.content, image.explain)
        except UsageError as error:
            raise bad("explanations", error.sentence, error.way_out) from error
