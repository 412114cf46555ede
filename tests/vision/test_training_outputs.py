"""What a training leaves for a bundle: the old product's files, hashes of its data, where its weights come from."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from automl.vision.errors import UsageError
from automl.vision.packaging import requirements
from automl.vision.spec import tasks
from tests.vision import pictures, training

OUTPUTS = {"model.pt", "scoring_file_v_1_0_0.py", "conda_env_v_1_0_0.yml"}


def test_the_scoring_script_and_its_environment_lie_beside_the_weights(tmp_path: Path) -> None:
    labels = pictures.squares(tmp_path / "data")
    made = training.run(tasks.DETECTION, labels, tmp_path / "out", box_score_threshold=0.4)
    assert {path.name for path in (tmp_path / "out" / "outputs").iterdir()} == OUTPUTS
    script = (tmp_path / "out" / "outputs" / "scoring_file_v_1_0_0.py").read_text()
    assert "TASK_TYPE = 'image-object-detection'" in script
    assert "'box_score_threshold': 0.4" in script
    assert made.record["start_weights"] == {"tag": "", "licence": ""}


def test_a_training_stands_where_these_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise UsageError("The package starlette is not installed.")

    monkeypatch.setattr(requirements, "pins", missing)
    made = training.run(tasks.CLASSIFICATION, pictures.colours(tmp_path / "data", each=5), tmp_path / "out")
    assert made.record["value"] is not None
    assert any("The package starlette is not installed." in one for one in made.record["warnings"])


def test_the_hash_of_the_data_knows_images_and_labels_but_not_their_order(tmp_path: Path) -> None:
    labels = pictures.colours(tmp_path / "data", each=5)
    first = training.run(tasks.CLASSIFICATION, labels, tmp_path / "a", job={"validation_data": labels}).record[
        "data_sha256"
    ]
    lines = labels.read_text().splitlines()
    random.Random(1).shuffle(lines)
    other = labels.with_name("other.jsonl")
    other.write_text("\n".join(lines) + "\n")
    shuffled = training.run(tasks.CLASSIFICATION, other, tmp_path / "b", job={"validation_data": other})
    assert shuffled.record["data_sha256"] == first
    changed = json.loads(lines[0])
    changed["label"] = "blue" if changed["label"] != "blue" else "red"
    other.write_text("\n".join([json.dumps(changed), *lines[1:]]) + "\n")
    said = training.run(tasks.CLASSIFICATION, other, tmp_path / "c", job={"validation_data": other})
    assert said.record["data_sha256"]["training"] != first["training"]


def test_a_run_from_a_checkpoint_carries_the_licence_of_its_first_weights(tmp_path: Path) -> None:
    labels = pictures.colours(tmp_path / "data", each=5)
    training.run(tasks.CLASSIFICATION, labels, tmp_path / "a")
    record = json.loads((tmp_path / "a" / "run.json").read_text())
    record["start_weights"] = {"tag": "x", "licence": "bsd-3-clause"}
    (tmp_path / "a" / "run.json").write_text(json.dumps(record))
    made = training.run(tasks.CLASSIFICATION, labels, tmp_path / "b", checkpoint_run_id=str(tmp_path / "a"))
    assert made.record["start_weights"] == {"tag": "model.pt", "licence": "bsd-3-clause"}
