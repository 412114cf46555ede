"""The first model of a run (classification): a linear layer on features of the untouched network, measured before any
fine-tuning. Where features of all images take long, a part of them is looked at first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import Tensor, nn

from automl.vision.data.loader import Loader, Sampler
from automl.vision.spec import tasks
from automl.vision.transforms import Batch, Pipeline

from . import frozen
from .datasets import ImageSet, workers_for
from .loop import Trainer, numbers
from .progress import Progress

if TYPE_CHECKING:
    from automl.vision.models.classifiers import Classifier

EARLY: Final = 20.0
"""Seconds of computing features after which, where as many are still to come, a first look is taken."""
_CPU_BATCH: Final = 16  # so that the time is looked at every few seconds; a CPU is no faster with larger ones


def measure(trainer: Trainer) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """([the stage as run.json has it], metrics that fine-tuning has to beat): both empty where it is not asked for, the
    metrics None for a cold start, which does not begin from this head.

    `early` of the stage is None, or what a first look at a part of the images said, chosen at random by the run's seed:
    how many were fitted and measured depends on the machine, and nothing else in a run depends on it.
    """
    if not trainer.settings.get("frozen_features_first"):
        return [], None
    begin = time.monotonic()
    model, data = cast("Classifier", trainer.model), trainer.data
    head = model.classifier()
    untrained = {name: value.clone() for name, value in head.state_dict().items()}
    seen, early = _Features(), None
    for batch in _features(trainer, data.training):
        seen.add(*batch)
        trainer.report(Progress("frozen_features", len(seen), len(data.training)))
        passed = time.monotonic() - begin
        to_come = passed / len(seen) * (len(data.training) + len(data.validation) - len(seen))
        if early is None and passed >= EARLY and to_come > EARLY:
            early = _look(trainer, seen, begin)
    strength = frozen.fit_head(head, seen.inputs, seen.targets, trainer.task)
    metrics, trainer.predictions = trainer.validator.run(trainer.model, lambda done, total: None)
    seconds = time.monotonic() - begin
    primary = tasks.primary_metric(trainer.task)
    _say(trainer, len(seen), metrics, f"First model after {seconds:.1f} s: {primary} {metrics[primary]:.4f}")
    stage = {
        "name": "frozen_features",
        "primary_metric": primary,
        "value": metrics[primary],
        "metrics": numbers(metrics),
        "l2": strength,
        "seconds": round(seconds, 3),
        "images_per_second": round((len(seen) + len(data.validation)) / seconds, 2),
        "early": early,
    }
    if model.start == "cold":
        # Untrained batch norms compute other features in training than those that were measured: a head made for
        # these would be worse than none.
        head.load_state_dict(untrained)
        trainer.predictions = {}
        return [stage], None
    return [stage], metrics


def _look(trainer: Trainer, seen: _Features, begin: float) -> dict[str, Any]:
    """Fits another head on what was seen so far and measures it, on as many images as half of EARLY allows."""
    data, task = trainer.data, trainer.task
    held, mark = _Features(), time.monotonic()
    for batch in _features(trainer, data.validation):
        held.add(*batch)
        if time.monotonic() - mark >= EARLY / 2:
            break
    head = nn.Linear(seen.inputs.shape[1], len(data.classes), device=trainer.device)
    frozen.fit_head(head, seen.inputs, seen.targets, task)
    with torch.no_grad():
        logits = head(held.inputs)
    scores = (logits.sigmoid() if task == tasks.MULTILABEL else logits.softmax(1)).cpu()
    metrics = trainer.validator.evaluate(
        task, scores, held.targets.cpu(), classes=data.classes, settings=trainer.settings
    )
    primary = tasks.primary_metric(task)
    seconds = time.monotonic() - begin
    _say(
        trainer,
        len(seen),
        metrics,
        f"First look after {seconds:.1f} s, with {len(seen)} of {len(data.training)} training images, at {len(held)} "
        f"of {len(data.validation)} validation images: {primary} {metrics[primary]:.4f}",
    )
    return {
        "value": metrics[primary],
        "seconds": round(seconds, 3),
        "training_images": len(seen),
        "validation_images": len(held),
    }


def _say(trainer: Trainer, done: int, metrics: Mapping[str, Any], message: str) -> None:
    total = len(trainer.data.training)
    trainer.report(Progress("frozen_features", done, total, metrics=numbers(metrics), message=message))


class _Features:
    """Features `[N,D]` and targets (int64 `[N]` or multi-hot `[N,C]`) that grow batch by batch."""

    def __init__(self) -> None:
        self._rows: list[Tensor] = []
        self._targets: list[Tensor] = []

    def add(self, rows: Tensor, targets: Tensor) -> None:
        self._rows.append(rows)
        self._targets.append(targets)

    def __len__(self) -> int:
        return sum(len(each) for each in self._rows)

    @property
    def inputs(self) -> Tensor:
        return torch.cat(self._rows)

    @property
    def targets(self) -> Tensor:
        return torch.cat(self._targets)


def _features(trainer: Trainer, data: ImageSet) -> Iterator[tuple[Tensor, Tensor]]:
    """Features of batch after batch as validation sees the images, and their targets; in random order, so that a part
    stands for the whole."""
    settings, size = trainer.settings, trainer.settings["validation_batch_size"]
    pipeline = Pipeline(data.task, settings, data.look, len(data), training=False)
    sampler = Sampler(
        len(data), min(size, _CPU_BATCH) if trainer.device.type == "cpu" else size, shuffle=True, seed=trainer.seed
    )
    loader: Loader[Batch] = Loader(sampler, pipeline.prepare, pipeline.collate, workers=workers_for(settings))
    trainer.model.eval()
    for batch in loader.epoch(0):
        images, wanted = batch.to(trainer.device)
        with torch.no_grad(), trainer.autocast():
            rows = trainer.model.embed(images).float()
        yield rows, wanted
