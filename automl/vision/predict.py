"""What a model says about image files: read, batched, tiled, and put into the words of a scoring answer."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from automl.vision import answers, tiling
from automl.vision.data import images
from automl.vision.data.crops import centre_crop
from automl.vision.errors import DataError
from automl.vision.metrics.classification import POSITIVE_FROM
from automl.vision.models.base import VisionModel
from automl.vision.models.catalogue import CLASSIFICATION, MULTI_LABEL
from automl.vision.polygons import MAX_POINTS
from automl.vision.requests import Request

Source = Path | bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be read, and why."""

    source: Source
    sentence: str


class Predictor:
    """A trained model with what it has to know about images. `settings` are the effective ones of its training."""

    def __init__(self, model: VisionModel, classes: Sequence[str], settings: Mapping[str, Any]) -> None:
        if len(classes) != model.num_classes:
            raise ValueError(f"The model knows {model.num_classes} classes, not {len(classes)}.")
        self.model, self.classes, self.settings = model.eval(), list(classes), dict(settings)
        self.batch_size = int(settings.get("validation_batch_size") or 1)
        given = settings.get("number_of_workers")
        self.workers = max(1, min(8, os.cpu_count() or 1) if given is None else int(given))
        self.rule = images.resize_rule(model.task, settings)
        self.grid = None if model.task in CLASSIFICATION else tiling.Grid.of(settings)

    def __call__(
        self, sources: Iterable[Source], request: Request | None = None
    ) -> Iterator[tuple[Source, dict[str, Any]] | Failure]:
        """One answer per image, in order (parity.md B.15.2): `probs` and `labels`, or `boxes` with coordinates of 0..1,
        and `polygon` for segmentation; or why the image could not be read."""
        asked = request or Request()
        for chunk, read in self._chunks(sources):
            tensors = [one for one in read if isinstance(one, Tensor)]
            said_of = iter(self.answers(tensors, asked))
            for source, one in zip(chunk, read, strict=True):
                yield (source, next(said_of)) if isinstance(one, Tensor) else one

    def answers(self, tensors: Sequence[Tensor], request: Request) -> list[dict[str, Any]]:
        """Answers for images that are tensors already, (3, H, W) of 0..1, cropped where the task wants crops."""
        if not tensors:
            return []
        on_device = [tensor.to(self.model.device) for tensor in tensors]
        if self.model.task in CLASSIFICATION:
            logits = torch.stack([row["logits"] for row in self.model.predict_step(on_device)])
            scores = logits.sigmoid() if self.model.task == MULTI_LABEL else logits.softmax(dim=1)
            return [answers.of_scores(row, self.classes) for row in scores.cpu().tolist()]
        grid = request.tiles or self.grid
        if grid is not None:
            found = [tiling.predict(self.model, one, grid, request.thresholds, self.batch_size) for one in on_device]
        else:
            found = self.model.predict_step(on_device, request.thresholds)
        points = request.max_polygon_points or self.settings.get("max_number_of_polygon_points") or MAX_POINTS
        arrays = [{name: value.cpu().numpy() for name, value in one.items()} for one in found]
        return [
            answers.of_objects(one, tensor.shape[2], tensor.shape[1], self.classes, int(points))
            for one, tensor in zip(arrays, tensors, strict=True)
        ]

    @torch.no_grad()
    def embeddings(self, sources: Iterable[Source]) -> Iterator[tuple[Source, np.ndarray] | Failure]:
        """Features (D,) float32 of the model without its head, one per image, in order; or why it could not be read."""
        for chunk, read in self._chunks(sources):
            tensors = [one.to(self.model.device) for one in read if isinstance(one, Tensor)]
            rows = iter(self.model.embed(tensors).cpu().numpy() if tensors else [])
            for source, one in zip(chunk, read, strict=True):
                yield (source, next(rows)) if isinstance(one, Tensor) else one

    def _chunks(self, sources: Iterable[Source]) -> Iterator[tuple[list[Source], list[Tensor | Failure]]]:
        """Sources and what was read of them, a batch at a time; threads read the next batch while the model works."""
        remaining = iter(sources)
        waiting: deque[tuple[list[Source], list[Future[Tensor | Failure]]]] = deque()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="reader") as pool:
            while True:
                while len(waiting) < 2 and (chunk := list(islice(remaining, self.batch_size))):
                    waiting.append((chunk, [pool.submit(self.read, source) for source in chunk]))
                if not waiting:
                    return
                chunk, reading = waiting.popleft()
                yield chunk, [each.result() for each in reading]

    def read(self, source: Source) -> Tensor | Failure:
        """The image as `answers` takes it, or why it could not be read."""
        try:
            pixels = images.read(source, resize=self.rule).pixels
        except DataError as error:
            return Failure(source, str(error))
        if self.model.task in CLASSIFICATION:
            sizes = self.model.input_spec.sizes
            pixels = centre_crop(pixels, sizes["validation_resize"], sizes["validation_crop"])
        return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255


def said(answer: Mapping[str, Any], task: str) -> list[str]:
    """The classes that a classification answer stands for: the best one, or all from 0.5 on for multi-label."""
    pairs = list(zip(answer["probs"], answer["labels"], strict=True))
    if task == MULTI_LABEL:
        return [label for probability, label in pairs if probability >= POSITIVE_FROM]
    return [max(pairs)[1]]
