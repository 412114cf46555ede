"""Every model name, and every size of yolov5, trains an epoch, is measured, predicts and gives features."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from automl.vision.predict import Failure, Predictor
from automl.vision.spec import tasks
from automl.vision.train import TrainJob, train
from automl.vision.train.evaluation import evaluate_run
from automl.vision.train.restoring import restore
from tests.vision import pictures

pytestmark = pytest.mark.long

CROPS = {"training_crop_size": 112, "validation_crop_size": 112, "validation_resize_size": 112}  # of 14 and of 16
SIDES = {"min_size": 96, "max_size": 128}
CALM = {
    "number_of_epochs": 1,
    "training_batch_size": 4,
    "validation_batch_size": 4,
    "random_seed": 1,
    "learning_rate": 1e-4,
    "memory_format": "channels_first",
}
CASES = [
    (task, name, size)
    for task in tasks.TASKS
    for name in (each.name for each in tasks.models_for(task))
    for size in (("small", "medium", "large", "extra_large") if name == "yolov5" else ("",))
    # Multi-label is the same networks with another loss: three of them are enough.
    if task != tasks.MULTILABEL or name in {"mobilenetv2", "resnest50", "vits16r224", "dinov2_vits14"}
]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: the largest networks leave gigabytes of checkpoints."""
    yield tmp_path
    shutil.rmtree(tmp_path / "out", ignore_errors=True)


def settings_for(task: str, name: str, size: str) -> dict[str, Any]:
    if task in tasks.CLASSIFIES:
        return {**CALM, **CROPS}
    if tasks.MODELS[name].has_queries:
        return {**CALM, "image_size": 96}
    return {**CALM, "image_size": 96, "model_size": size} if name == "yolov5" else {**CALM, **SIDES}


@pytest.mark.usefixtures("no_sockets")
@pytest.mark.parametrize(("task", "name", "size"), CASES, ids=lambda value: str(value))
def test_a_name_trains_is_measured_predicts_and_embeds(place: Path, task: str, name: str, size: str) -> None:
    if task in tasks.CLASSIFIES:
        labels = pictures.colours(place / "data", each=5, multi=task == tasks.MULTILABEL)
    else:
        labels = pictures.squares(place / "data", polygons=task == tasks.SEGMENTATION)
    result = train(
        # What becomes of it as ONNX is the matter of test_export.py.
        TrainJob(
            task,
            labels,
            place / "out",
            model_name=name,
            settings=settings_for(task, name, size),
            device="cpu",
            onnx=False,
        )
    )
    assert (result.epochs, result.start, result.model_name) == (1, "cold", name)
    assert not [warning for warning in result.warnings if "model.onnx" in warning]
    assert result.value is not None
    assert np.isfinite(result.value)
    measured = evaluate_run(place / "out", labels, device="cpu")
    assert np.isfinite(measured.metrics[tasks.primary_metric(task)])
    trained = restore(place / "out", torch.device("cpu"))
    predictor = Predictor(trained.model, trained.classes, trained.settings)
    files = sorted((place / "data").glob("*.png"))[:2]
    answers = list(predictor(files))
    assert not any(isinstance(answer, Failure) for answer in answers)
    rows = [np.asarray(row[1]) for row in predictor.embeddings(files) if not isinstance(row, Failure)]
    assert len(rows) == 2
    assert np.isfinite(rows).all()
    assert not np.array_equal(*rows)
