"""Small trainings with the networks of tiny.py: fast settings, and what tests ask of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from automl.vision.spec import tasks
from automl.vision.train import TrainJob, TrainResult, train
from automl.vision.train.progress import Report, silent
from tests.vision import tiny

FAST: dict[str, Any] = {
    "number_of_epochs": 2,
    "random_seed": 3,
    "number_of_workers": 0,
    "memory_format": "channels_first",
    "precision": "fp32",  # the same numbers on every machine
}
SMALL = {
    "training_crop_size": 24,
    "validation_crop_size": 24,
    "validation_resize_size": 28,
    "training_batch_size": 8,
    "frozen_features_first": False,
}


class Made:
    """A run and the network it trained."""

    def __init__(self, result: TrainResult, model: Any, output: Path) -> None:
        self.result, self.model, self.output = result, model, output

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.output / "run.json").read_text(encoding="utf-8")))

    @property
    def rates(self) -> list[float]:
        return [epoch["learning_rate"] for epoch in self.record["history"]]


def run(
    task: str,
    labels: Path,
    output: Path,
    *,
    report: Report = silent,
    prepare: Callable[[Any], None] = lambda model: None,
    evaluate: Any = tiny.evaluate,
    job: dict[str, Any] | None = None,
    **settings: Any,
) -> Made:
    """Trains a tiny network; `prepare` may change it before, `job` are fields of TrainJob."""
    made: list[nn.Module] = []

    def build(name: str, **facts: Any) -> nn.Module:
        model = tiny.build(name, **facts)
        prepare(model)
        made.append(model)
        return model

    base = FAST | (SMALL if task in tasks.CLASSIFIES else {})
    # The tiny networks have no graph of theirs.
    fields = {"model_name": "resnet18" if task in tasks.CLASSIFIES else None, "onnx": False, **(job or {})}
    result = train(
        TrainJob(task, labels, output, settings={**base, **settings}, **fields),
        report,
        build=build,  # type: ignore[arg-type]
        evaluate=evaluate,
    )
    return Made(result, made[-1], output)
