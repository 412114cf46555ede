"""What a bundle tells about its model, read from the folder of its training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.vision.errors import DataError
from automl.vision.spec import tasks

PREDICTIONS = "validation_predictions.jsonl"


@dataclass(frozen=True)
class Facts:
    """`run` is run.json; `metrics` are those of the best epoch and their intervals, as pairs under NAME_interval."""

    task: str
    model_name: str
    classes: list[str]
    start: str
    run: dict[str, Any]
    metrics: dict[str, Any]

    @property
    def primary_metric(self) -> str:
        return tasks.primary_metric(self.task)


def gather(training: Path) -> Facts:
    """DataError where the folder holds no finished training."""
    try:
        run = json.loads((training / "run.json").read_text(encoding="utf-8"))
        task, name, classes, start = (run[key] for key in ("task", "model_name", "classes", "start"))
    except FileNotFoundError as error:
        raise DataError(
            f"{training} holds no finished training.", "Name the folder that was given to train as --output."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{training / 'run.json'} is damaged.") from error
    metrics = {**run.get("metrics", {}), **_intervals(training, run)}
    return Facts(task, name, list(classes), start, run, metrics)


def _intervals(training: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """Bootstrap intervals, computed again from the stored predictions of the validation images."""
    path = training / "train_artifacts" / PREDICTIONS
    if not path.exists():
        return {}
    from automl.vision import predictions
    from automl.vision.metrics import evaluate

    _names, said, targets = predictions.read(path)
    found = evaluate(run["task"], said, targets, classes=run["classes"], settings=run["effective"])
    return {name: value for name, value in found.items() if name.endswith("_interval") and value is not None}
