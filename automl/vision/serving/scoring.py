"""A model without a server: what score.py of a bundle and its MLflow loader call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl.vision.errors import DataError, UsageError
from automl.vision.spec import tasks

from . import calls, parameters
from .calls import Image
from .limits import Limits
from .refusals import Refusal

NO_EXPLANATIONS = "Explanations need torch, without which this model runs."


class Scorer:
    """Scores single images, the old product's JSON, and mini-batches of files."""

    def __init__(self, runner: Any, batch_size: int = 1) -> None:
        if batch_size < 1:
            raise UsageError(f"batch_size cannot be {batch_size}.", "Allowed: 1 or more.")
        self.runner, self.batch_size = runner, batch_size
        self.limits = Limits()

    def score_bytes(self, content: bytes, filename: str = "image") -> dict[str, Any]:
        """v1: one object with its filename. DataError for what is no image."""
        (answer,) = self._answers([content])
        return {"filename": filename, **answer}

    def score_json(self, text: str | bytes) -> list[dict[str, Any]]:
        """v2: a list with one object per image. DataError names what is wrong."""
        try:
            call = calls.of_json(text.encode() if isinstance(text, str) else text, self.limits)
            asked = parameters.read(call.parameters, self.runner.task, self.runner.model_name)
        except Refusal as refusal:
            raise DataError(refusal.sentence, refusal.way_out) from refusal
        if any(image.explain is not None for image in call.images):
            raise DataError(NO_EXPLANATIONS, "Leave model_explainability out.")
        return self._answers([image.content for image in call.images], asked)

    def score_files(self, paths: Iterable[str | Path]) -> list[dict[str, Any]]:
        """Batch scoring: one object per file with its filename, or with `error` where it cannot be read."""
        names = [Path(path) for path in paths]
        found: list[dict[str, Any]] = []
        for start in range(0, len(names), self.batch_size):
            found += self._batch(names[start : start + self.batch_size])
        return found

    def score_values(self, values: Iterable[Any]) -> list[dict[str, Any]]:
        """A column of a table: bytes, or base64 text."""
        images = [Image(bytes(one)) if isinstance(one, bytes | bytearray | memoryview) else one for one in values]
        try:
            contents = [
                one.content if isinstance(one, Image) else calls.from_base64(one, f"row {at}", self.limits)
                for at, one in enumerate(images)
            ]
        except Refusal as refusal:
            raise DataError(refusal.sentence, refusal.way_out) from refusal
        return self._answers(contents)

    def _answers(self, contents: Sequence[bytes], asked: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        request = parameters.request_of(asked or {}, self.runner.settings)
        found: list[dict[str, Any]] = []
        for start in range(0, len(contents), self.batch_size):
            prepared = [self.runner.read(content) for content in contents[start : start + self.batch_size]]
            found += [answer.said for answer in self.runner.predict(prepared, request)]
        return found

    def _batch(self, paths: Sequence[Path]) -> list[dict[str, Any]]:
        read: list[Any] = []
        for path in paths:
            try:
                read.append((path, self.runner.read(path), ""))
            except DataError as error:
                read.append((path, None, str(error)))
        good = [prepared for _path, prepared, _error in read if prepared is not None]
        answers = iter(self.runner.predict(good) if good else [])
        return [
            {"filename": str(path), **({"error": error} if prepared is None else next(answers).said)}
            for path, prepared, error in read
        ]


def load_model(task: str, folder: str | Path, batch_size: int = 1, **settings: Any) -> Scorer:
    """The scorer of the model in `folder` (of model.onnx); `settings` replace its own. UsageError where the task is
    another one, or a setting is not known."""
    from automl.vision.runtime import Runner

    runner = Runner.open(Path(folder), changes=settings)
    if tasks.canonical(task) != runner.task:
        raise UsageError(f"This model is for {runner.task}, not for {task}.", "Correct TASK_TYPE.")
    return Scorer(runner, batch_size)


def run(scorer: Scorer, data: Any) -> Any:
    """What `run` of a scoring script answers: for bytes (or a request that gives bytes) the JSON text of one object,
    for JSON text that of a list, for a mini-batch of paths a list of JSON texts, one per image."""
    if hasattr(data, "get_data"):
        data = data.get_data(cache=False)
    if isinstance(data, bytes | bytearray):
        return json.dumps(scorer.score_bytes(bytes(data)), ensure_ascii=False)
    if isinstance(data, str):
        return json.dumps(scorer.score_json(data), ensure_ascii=False)
    return [json.dumps(one, ensure_ascii=False) for one in scorer.score_files(data)]
