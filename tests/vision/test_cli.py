"""The command line: what it prints, its exit codes, the job file, and the last line of --json."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from automl.vision import cli
from automl.vision.cli import job_file
from automl.vision.cli.output import duration, line
from automl.vision.errors import UsageError
from automl.vision.runtime import Runner
from automl.vision.train.progress import Progress
from tests.support import running
from tests.vision import pictures

TRAIN = [
    *("train", "--task", "image-classification", "--model-name", "mobilenetv2", "--number-of-epochs", "1"),
    *("--training_batch_size", "8", "--train_crop_size", "32", "--valid-crop-size", "32"),
    *("--validation-resize-size", "36", "--random-seed", "1", "--memory-format", "channels_first", "--quiet"),
]


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    """(exit code, last line as JSON, what went to standard error)."""
    code = cli.main([*arguments, "--json"])
    printed = capsys.readouterr()
    lines = printed.out.strip().splitlines()
    return code, json.loads(lines[-1]) if lines else {}, printed.err


def test_train_evaluate_predict_with_a_real_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = pictures.colours(tmp_path / "data", each=6)
    out = tmp_path / "out"
    code, said, _ = call(capsys, *TRAIN, "--training-data", str(labels), "--output", str(out))
    assert code == 0
    wanted = {"task", "model_name", "primary_metric", "value", "metrics", "epochs", "seconds", "images_per_second"}
    assert wanted | {"start", "warnings"} <= set(said)
    assert (said["task"], said["primary_metric"], said["start"]) == ("image-classification", "accuracy", "cold")
    assert {"log_loss", "AUC_macro", "f1_score_macro"} <= set(said["metrics"])
    assert said["stages"][0]["name"] == "frozen_features"
    held = [str(out), "--data", str(labels), "--output", str(tmp_path / "measured"), "--quiet"]
    code, measured, _ = call(capsys, "evaluate", "--model", *held)
    assert (code, measured["images"]) == (0, 18)
    assert json.loads((tmp_path / "measured" / "metrics.json").read_text())["accuracy"] == measured["value"]
    (tmp_path / "data" / "torn.png").write_bytes(b"x")
    target = tmp_path / "answers.jsonl"
    arguments = ["--model", str(out), "--images", str(tmp_path / "data"), "--output", str(target), "--quiet"]
    code, said, _err = call(capsys, "predict", *arguments)
    assert (code, said["images"], said["left_out"]) == (0, 18, 1)
    answers = [json.loads(each) for each in target.read_text().splitlines()]
    assert "torn.png" in next(each["error"] for each in answers if "error" in each)
    first = next(each for each in answers if "probs" in each)
    assert first["labels"] == ["blue", "green", "red"]
    assert sum(first["probs"]) == pytest.approx(1)
    assert_exported(out, tmp_path / "data" / "red0.png", capsys)


def assert_exported(out: Path, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The training ended with a graph that predicts without torch, and `export` writes others."""
    runner = Runner.open(out / "train_artifacts")
    wanted = runner.predict([runner.read(image)])[0].said["probs"]
    before = (out / "train_artifacts" / "settings.json").read_bytes()
    code, said, _err = call(capsys, "export", "--model", str(out), "--batch-size", "2")
    assert (code, said["files"], said["batch_size"]) == (0, [str(out / "outputs" / "model_2.onnx")], 2)
    assert said["largest_difference"] < 1e-4
    other = Runner.open(out / "outputs", file="model_2.onnx")
    assert other.predict([other.read(image)])[0].said["probs"] == pytest.approx(wanted, abs=1e-5)
    changed = ["--enable-onnx-normalization", "false"]
    code, said, _err = call(capsys, "export", "--model", str(out), *changed)
    assert (code, "stay as they are" in said["error"]) == (2, True)
    assert (out / "train_artifacts" / "settings.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train"], 2, "--task is missing."),
        (["export", "--model", "nowhere"], 3, "nowhere is not a folder."),
        (["train", "--task", "image-classification"], 2, "--training-data is missing."),
        (["train", "--task", "x", "--training-data", "y"], 2, "There is no task 'x'."),
        ([*TRAIN, "--training-data", "none.jsonl"], 2, "No folder for the results was named."),
        ([*TRAIN, "--training-data", "none.jsonl", "--output", "{}"], 3, "none.jsonl does not exist."),
        ([*TRAIN, "--training-data", "y", "--output", "{}", "--learning-rate", "7"], 2, "a number from 0 to 1"),
        ([*TRAIN, "--training-data", "y", "--output", "{}", "--min-size", "7"], 2, "min_size has no meaning for"),
        (["evaluate", "--model", "{}/none", "--data", "x"], 3, "is not a folder."),
        (["predict", "--model", "{}", "--images", "none", "--output", "x"], 3, "none does not exist."),
        (["convert", "--from", "coco", "--input", "none", "--output", "x"], 3, "none does not exist."),
        (["list-models", "--task", "x"], 2, "Known are image-classification"),
    ],
)
def test_refusals_have_a_code_and_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    got, said, err = call(capsys, *(each.replace("{}", str(tmp_path)) for each in arguments))
    assert got == said["exit_code"] == code
    assert words in err
    assert words in f"{said['error']} {said['way_out']}"
    assert "Traceback" not in err


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = call(capsys, "list-models")
    assert code == 0
    assert sum(len(models) for models in said["models"].values()) == 12 + 12 + 7 + 5
    assert [m["name"] for m in said["models"]["image-object-detection"] if m["default"]] == ["yolov5"]
    _, said, _ = call(capsys, "list-hyperparameters", "--task", "image-object-detection")
    defaults = {row["name"]: row["default"] for row in said["hyperparameters"]}
    assert (defaults["image_size"], defaults["number_of_epochs"]) == (640, 30)
    assert "min_size" not in defaults


def test_help_explains(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "--learning-rate" in said
    assert "a number from 0 to 1" in " ".join(said.split())
    assert "exit codes:" in said
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", "--no-such-option"])
    assert ended.value.code == 2


def test_convert_then_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "in" / name).mkdir(parents=True)
        pictures.picture("red", 1).save(tmp_path / "in" / name / "1.png")
    target = tmp_path / "labels.jsonl"
    arguments = ["--from", "folders", "--input", str(tmp_path / "in"), "--output", str(target)]
    assert call(capsys, "convert", *arguments)[1]["images"] == 2
    lines = [json.loads(each) for each in target.read_text().splitlines()]
    assert lines[0] == {"image_url": "cat/1.png", "label": "cat"}


# --- The job file ----------------------------------------------------------------------------------------------------

JOB = """
type: automl
task: image_object_detection
compute: gpu-cluster
primary_metric: mean_average_precision
target_column_name: label
training_data: {path: data/train, type: mltable}
validation_data: {path: data/valid, type: mltable}
limits: {timeout_minutes: 60}
training_parameters: {early_stopping: true, evaluation_frequency: 1}
search_space:
  - model_name: {type: choice, values: [yolov5]}
    model_size: small
outputs: {best_model: {type: mlflow_model, path: ./out}}
"""


def test_a_job_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    path.write_text(JOB)
    job = job_file.read(path)
    assert (job.task, job.model_name) == ("image-object-detection", "yolov5")
    assert (job.training_data, job.output) == (tmp_path / "data/train", tmp_path / "out")
    assert job.settings == {"early_stopping": True, "evaluation_frequency": 1, "model_size": "small"}
    assert job.notes == [
        "compute has no effect: this program trains one model.",
        "limits has no effect: this program trains one model.",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("type: automl", "type: command"), "expected automl"),
        (("task: image_object_detection", "task: regression"), "There is no task 'regression'"),
        (("primary_metric: mean_average_precision", "primary_metric: accuracy"), "primary_metric cannot be accuracy"),
        (("training_data:", "training_dat:"), "unknown key training_dat"),
        (("values: [yolov5]", "values: [yolov5, fasterrcnn_resnet50_fpn]"), "leaves model_name open"),
        (("type: automl", "type: [automl"), "is not YAML"),
    ],
)
def test_a_wrong_job_file_names_what_is_wrong(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    path = tmp_path / "job.yml"
    path.write_text(JOB.replace(*change))
    with pytest.raises(UsageError) as refused:
        job_file.read(path)
    assert words in str(refused.value)


def test_progress_is_one_line() -> None:
    shown = line(Progress("training", 5, 10, 2, 15, loss=0.5, images_per_second=31.5, seconds_left=83))
    assert shown == "epoch 2/15 [############            ] 5/10  loss 0.5000  31.5 images/s  1 min 23 s left"
    assert [duration(59.6), duration(3600 * 2 + 300)] == ["1 min 0 s", "2 h 5 min"]


def test_a_signal_stops_and_resume_gives_the_same_as_without(tmp_path: Path) -> None:
    """Killed with SIGKILL after a checkpoint, and stopped with SIGTERM: the weights are those of an unbroken run."""
    labels = pictures.colours(tmp_path / "data", each=6)
    common = [
        sys.executable,
        "-m",
        "automl.vision",
        *TRAIN,
        "--training-data",
        str(labels),
        "--frozen-features-first",
        "0",
        "--no-onnx",
    ]
    common[common.index("--number-of-epochs") + 1] = "3"
    env = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(folder: Path, *more: str) -> subprocess.Popen[bytes]:
        command = [*common, "--output", str(folder), *more]
        return subprocess.Popen(
            command, cwd=running.ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    assert start(tmp_path / "whole").wait(240) == 0
    for name, number, expected in (("killed", signal.SIGKILL, -9), ("stopped", signal.SIGTERM, 130)):
        child = start(tmp_path / name)
        last = tmp_path / name / "checkpoints" / "last.pt"
        until = time.monotonic() + 240
        while not last.exists() and child.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        child.send_signal(number)
        assert child.wait(240) in (expected, 0)
        if not (tmp_path / name / "outputs" / "model.pt").exists():
            assert start(tmp_path / name, "--resume").wait(240) == 0
    states = [
        torch.load(tmp_path / name / "outputs" / "model.pt", weights_only=True)
        for name in ("whole", "killed", "stopped")
    ]
    for state in states[1:]:
        assert all(torch.equal(state[name], states[0][name]) for name in states[0])
