"""The first look and the first model: a linear head on frozen features, measured before any fine-tuning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from automl.vision import metrics
from automl.vision.spec import tasks
from automl.vision.train import first_model
from automl.vision.train.progress import Progress
from tests.vision import pictures, tiny
from tests.vision.training import run


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures.colours(tmp_path_factory.mktemp("colours"))


def test_frozen_features_give_a_measured_model_first(colours: Path, tmp_path: Path) -> None:
    def pretrained(model: tiny.TinyClassifier) -> None:
        model.start = "imagenet"

    reports: list[Progress] = []
    calm = {"learning_rate": 0.0, "frozen_features_first": True, "number_of_epochs": 1}
    made = run(tasks.CLASSIFICATION, colours, tmp_path / "a", prepare=pretrained, report=reports.append, **calm)
    stage = made.result.stages[0]
    assert (stage["name"], stage["value"]) == ("frozen_features", 1.0)
    assert [each.stage for each in reports].index("frozen_features") < [each.stage for each in reports].index(
        "training"
    )
    # With a learning rate of 0 the head that training began with is the head it ends with.
    assert made.result.value == 1.0
    cold = run(tasks.CLASSIFICATION, colours, tmp_path / "b", **calm)
    assert cold.result.stages[0]["value"] == 1.0
    assert cold.result.value < 1.0  # a cold network is measured, but does not start from that head


@pytest.mark.parametrize("task", [tasks.CLASSIFICATION, tasks.MULTILABEL])
def test_a_slow_network_is_looked_at_early(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_model, "EARLY", 0.0)
    labels = pictures.colours(tmp_path / "data", multi=task == tasks.MULTILABEL)
    reports: list[Progress] = []
    chosen = {"frozen_features_first": True, "number_of_epochs": 1}
    made = run(task, labels, tmp_path / "out", report=reports.append, evaluate=metrics.evaluate, **chosen)
    (stage,) = made.result.stages
    early = stage["early"]
    assert (early["training_images"], early["validation_images"]) == (16, made.record["validation_images"])
    assert early["value"] > 0.5
    assert early["seconds"] <= stage["seconds"]
    first, last = (each.message for each in reports if each.stage == "frozen_features" and each.message)
    assert re.search(r"First look after .* s, with 16 of \d+ training images, at \d of \d validation images: ", first)
    assert last.startswith("First model after ")


def test_a_quick_network_is_measured_once(colours: Path, tmp_path: Path) -> None:
    made = run(tasks.CLASSIFICATION, colours, tmp_path, frozen_features_first=True, number_of_epochs=1)
    assert made.result.stages[0]["early"] is None
