"""Folders as a training leaves them, of small networks with random weights, made without training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from automl.vision import description, predictions
from automl.vision.export import export
from automl.vision.spec import tasks
from automl.vision.train import checkpoints
from tests.vision import exporting

CLASSES = exporting.CLASSES


def folder(
    place: Path,
    task: str = tasks.CLASSIFICATION,
    name: str = "resnet18",
    *,
    onnx: bool = True,
    taught: bool = False,
    **given: Any,
) -> Path:
    """The output folder of a training of `name` from a cold start, with predictions of four images; `given` are
    settings. With `taught` the network knows its classes."""
    model, settings = exporting.make(name, task=task, random_seed=3, **given)
    if taught:
        exporting.teach(model)
    checkpoints.save(model.state_dict(), place / "outputs" / "model.pt")
    artifacts = place / description.ARTIFACTS
    description.write(artifacts, description.Description(task, name, CLASSES, settings, "cold"))
    if onnx:
        export(model, CLASSES, settings, artifacts)
    if task == tasks.CLASSIFICATION:
        said = np.eye(3)[[0, 1, 2, 0]] * 0.7 + 0.1
        predictions.write(artifacts / "validation_predictions.jsonl", list("abcd"), said, np.array([0, 1, 2, 1]))
    (place / "run.json").write_text(json.dumps(_record(task, name, settings)))
    return place


def _record(task: str, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    primary = tasks.primary_metric(task)
    return {
        "task": task,
        "model_name": name,
        "primary_metric": primary,
        "value": 0.75,
        "metrics": {primary: 0.75},
        "epochs": 3,
        "best_epoch": 2,
        "start": "cold",
        "start_weights": {"tag": "", "licence": ""},
        "data_sha256": {"training": "1" * 64, "validation": "2" * 64},
        "training_images": 12,
        "validation_images": 4,
        "classes": CLASSES,
        "effective": settings,
        "warnings": ["red has 3 images."],
    }
