"""A trained model on a label file of its own: metrics and predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from automl.vision.data import read_labels, resize_rule
from automl.vision.data.cache import PixelCache
from automl.vision.data.jsonl import InvalidLines
from automl.vision.errors import DataError

from . import speed
from .datasets import ImageSet, workers_for
from .distributed import World
from .job import Builder, Evaluator, default_evaluate
from .progress import Progress, Report, silent
from .restoring import Trained, restore
from .run import pick_device
from .validating import Validator


@dataclass
class Evaluation:
    trained: Trained
    metrics: dict[str, Any]
    predictions: dict[str, Any]
    images: int
    warnings: list[str]


def evaluate_run(
    folder: Path,
    data: Path,
    *,
    data_root: Path | None = None,
    column: str = "label",
    invalid_lines: InvalidLines = "error",
    cache: Path | None = None,
    device: str = "auto",
    changes: Mapping[str, Any] | None = None,
    report: Report = silent,
    build: Builder | None = None,
    evaluate: Evaluator | None = None,
) -> Evaluation:
    """Measures the model of a run's `folder` on the labels in `data`. Objects of classes that the model does not know
    are left out, and images of such a class in classification; the warnings say so. Raises VisionError."""
    world, place = World(), pick_device(device, World())
    trained = restore(folder, place, changes=changes, build=build)
    labels = read_labels(data, trained.task, root=data_root, column=column, invalid_lines=invalid_lines)
    warnings = list(labels.warnings)
    known = set(trained.classes)
    strange = sorted(set(labels.classes()) - known)
    examples = labels.examples
    if strange:
        warnings.append(f"The model does not know these classes, which were left out: {', '.join(strange)}.")
        examples = [e for e in examples if not e.labels or any(name in known for name in e.labels)]
    if not examples:
        raise DataError(
            f"{data} has no image of a class that the model knows.", f"Its classes are {', '.join(trained.classes)}."
        )
    store = PixelCache(cache or folder / "cache", resize_rule(trained.task, trained.settings))
    keys, reasons = store.add(
        examples,
        workers=workers_for(trained.settings),
        advance=lambda done: report(Progress("reading", done, len(examples))),
    )
    if reasons:
        warnings.append(f"{len(reasons)} images were left out: {'; '.join(reasons[:20])}")
    usable = [(example, key) for example, key in zip(examples, keys, strict=True) if key is not None]
    if not usable:
        raise DataError(f"{data} has no image that can be read.")
    images = ImageSet(trained.task, [e for e, _key in usable], [key for _e, key in usable], store, trained.classes)
    precision = speed.precision_for(trained.settings["precision"], place)
    validator = Validator(
        images,
        trained.classes,
        trained.settings,
        evaluate or default_evaluate(),
        place,
        lambda: torch.autocast(place.type, dtype=precision.dtype, enabled=precision.dtype is not None),
        world,
    )
    metrics, predictions = validator.run(trained.model, lambda done, total: report(Progress("validation", done, total)))
    return Evaluation(trained, metrics, predictions, len(images), warnings)
