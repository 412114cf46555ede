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

from automl.vision import tiling
from automl.vision.data import images
from automl.vision.errors import DataError
from automl.vision.metrics.classification import POSITIVE_FROM
from automl.vision.models.base import Thresholds, VisionModel
from automl.vision.models.catalogue import CLASSIFICATION, MULTI_LABEL
from automl.vision.polygons import MAX_POINTS, mask_to_polygons
from automl.vision.transforms.classification import centre_crop

Source = Path | bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What may be asked differently for each request; None: as in training. `tiles` replaces the training's tiling."""

    thresholds: Thresholds = Thresholds()  # noqa: RUF009  frozen
    tiles: tiling.Grid | None = None
    max_polygon_points: int | None = None


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
            answers = iter(self.answers(tensors, asked))
            for source, one in zip(chunk, read, strict=True):
                yield (source, next(answers)) if isinstance(one, Tensor) else one

    def answers(self, tensors: Sequence[Tensor], request: Request) -> list[dict[str, Any]]:
        """Answers for images that are tensors already, (3, H, W) of 0..1, cropped where the task wants crops."""
        if not tensors:
            return []
        on_device = [tensor.to(self.model.device) for tensor in tensors]
        if self.model.task in CLASSIFICATION:
            logits = torch.stack([row["logits"] for row in self.model.predict_step(on_device)])
            scores = logits.sigmoid() if self.model.task == MULTI_LABEL else logits.softmax(dim=1)
            return [{"probs": row, "labels": self.classes} for row in scores.cpu().tolist()]
        grid = request.tiles or self.grid
        if grid is not None:
            found = [tiling.predict(self.model, one, grid, request.thresholds, self.batch_size) for one in on_device]
        else:
            found = self.model.predict_step(on_device, request.thresholds)
        points = request.max_polygon_points or self.settings.get("max_number_of_polygon_points") or MAX_POINTS
        sizes = [tuple(one.shape[-2:]) for one in tensors]
        return [self._boxes(one, size, int(points)) for one, size in zip(found, sizes, strict=True)]

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
                    waiting.append((chunk, [pool.submit(self._read, source) for source in chunk]))
                if not waiting:
                    return
                chunk, reading = waiting.popleft()
                yield chunk, [each.result() for each in reading]

    def _read(self, source: Source) -> Tensor | Failure:
        try:
            pixels = images.read(source, resize=self.rule).pixels
        except DataError as error:
            return Failure(source, str(error))
        if self.model.task in CLASSIFICATION:
            sizes = self.model.input_spec.sizes
            pixels = centre_crop(pixels, sizes["validation_resize"], sizes["validation_crop"])
        return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255

    def _boxes(self, found: Mapping[str, Tensor], size: tuple[int, ...], points: int) -> dict[str, Any]:
        height, width = size
        scale = np.array([width, height, width, height])
        boxes = (found["boxes"].cpu().numpy() / scale).clip(0, 1).tolist()
        scores, labels = found["scores"].cpu().tolist(), found["labels"].cpu().tolist()
        masks = found["masks"].cpu().numpy() if "masks" in found else None
        answers = []
        for i, (box, score, label) in enumerate(zip(boxes, scores, labels, strict=True)):
            corners = dict(zip(("topX", "topY", "bottomX", "bottomY"), box, strict=True))
            answer: dict[str, Any] = {"box": corners, "label": self.classes[label], "score": score}
            if masks is not None:
                rings = mask_to_polygons(masks[i], points)
                answer["polygon"] = [(np.reshape(ring, (-1, 2)) / scale[:2]).ravel().tolist() for ring in rings]
            answers.append(answer)
        return {"boxes": answers}


def said(answer: Mapping[str, Any], task: str) -> list[str]:
    """The classes that a classification answer stands for: the best one, or all from 0.5 on for multi-label."""
    pairs = list(zip(answer["probs"], answer["labels"], strict=True))
    if task == MULTI_LABEL:
        return [label for probability, label in pairs if probability >= POSITIVE_FROM]
    return [max(pairs)[1]]
