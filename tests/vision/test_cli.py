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

import numpy as np
import pytest
import torch

from automl.vision import cli, models
from automl.vision.cli import job_file
from automl.vision.cli.output import duration, line
from automl.vision.errors import UsageError
from automl.vision.runtime import Runner
from automl.vision.train.progress import Progress
from automl.vision.weights import sha256_of
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


@pytest.mark.long
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
    assert (out / "outputs" / "scoring_file_v_1_0_0.py").is_file()
    assert (out / "outputs" / "mlflow-model" / "artifacts" / "model.onnx").is_file()
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
    listed = [model for models in said["models"].values() for model in models if not model["beyond_parity"]]
    assert len(listed) == 12 + 12 + 7 + 5
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--learning-rat", "0.1"], "train does not understand --learning-rat. Did you mean --learning-rate?"),
        (["train", "--no_such_thing=1"], "train does not understand --no_such_thing."),
        (["predict", "--model", "x"], "The following arguments are required: --images, --output."),
        (["train", "--split", "half"], "invalid choice: 'half'"),
        (["trian"], "invalid choice: 'trian'"),
    ],
)
def test_a_command_that_cannot_be_read_is_answered_in_json_too(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    code, said, err = call(capsys, *arguments)
    assert code == said["exit_code"] == 2
    assert words in err
    assert words in f"{said['error']} {said['way_out']}"
    assert "--help` explains" in said["way_out"]


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
    assert job.notes == ["compute has no effect: this program trains one model, here."]
    assert job.timeout_minutes == 60


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("type: automl", "type: command"), "expected automl"),
        (("task: image_object_detection", "task: regression"), "There is no task 'regression'"),
        (("primary_metric: mean_average_precision", "primary_metric: accuracy"), "primary_metric cannot be accuracy"),
        (("training_data:", "training_dat:"), "unknown key training_dat"),
        (("values: [yolov5]", "values: [yolov5, fasterrcnn_resnet50_fpn]"), "leaves model_name open"),
        (("type: automl", "type: [automl"), "is not YAML"),
        (("timeout_minutes: 60", "timeout_minutes: 0"), "timeout_minutes cannot be 0. Allowed: a number up to 86400"),
        (("timeout_minutes: 60", "timeout: 60"), "limits knows no timeout. Known are timeout_minutes"),
        (
            ("path: data/train,", "path: azureml:train@latest,"),
            "training_data is azureml:train@latest, which is not on",
        ),
        (("{path: data/train, type: mltable}", "{type: mltable}"), "training_data needs a path"),
    ],
)
def test_a_wrong_job_file_names_what_is_wrong(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    path = tmp_path / "job.yml"
    path.write_text(JOB.replace(*change))
    with pytest.raises(UsageError) as refused:
        job_file.read(path)
    assert words in str(refused.value)


FULL_JOB = """
$schema: https://example.org/autoMLJob.schema.json
type: automl
name: colours-1
display_name: Colours
experiment_name: colours
description: Three colours, told apart.
tags: {purpose: test}
compute: azureml:gpu-cluster
log_verbosity: info
task: image_classification
primary_metric: accuracy
target_column_name: label
training_data: {path: data, type: mltable, mode: direct}
validation_data_size: 0.25
limits: {timeout_minutes: 60, max_trials: 1, max_concurrent_trials: 1}
training_parameters:
  model_name: resnet18
  number_of_epochs: 1
  training_batch_size: 4
  train_crop_size: 32
  valid_crop_size: 32
  valid_resize_size: 36
  lr_scheduler: step
  early_stopping: true
  advanced_settings: '{"stream_image_files": false}'
properties: {node_count_per_trial: "1"}
outputs: {best_model: {type: mlflow_model, path: trained}}
"""


def test_a_job_file_trains_an_mltable_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = pictures.colours(tmp_path / "data", each=6)
    lines = [json.loads(line) for line in labels.read_text().splitlines()]
    store = "azureml://subscriptions/1/resourcegroups/2/workspaces/3/datastores/ds/paths/"
    pictures.write_lines(labels, [{**line, "image_url": store + line["image_url"]} for line in lines])
    (tmp_path / "data" / "MLTable").write_text(
        "paths:\n  - file: ./labels.jsonl\ntransformations:\n"
        "  - read_json_lines: {encoding: utf8, invalid_lines: error, include_path_column: false}\n"
        "  - convert_column_types: [{columns: image_url, column_type: stream_info}]\n"
    )
    (tmp_path / "job.yml").write_text(FULL_JOB)
    # An option wins over the file, also under another name of the same setting.
    code, said, err = call(capsys, "train", str(tmp_path / "job.yml"), "--learning-rate-scheduler", "warmup_cosine")
    assert code == 0, err
    record = json.loads((tmp_path / "trained" / "run.json").read_text())
    assert (said["model_name"], record["training_images"], record["validation_images"]) == ("resnet18", 13, 5)
    assert record["effective"]["learning_rate_scheduler"] == "warmup_cosine"
    assert "compute has no effect" in err
    assert "advanced_settings was set" not in err


def test_the_time_limit_of_a_job_file_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures.colours(tmp_path / "data", each=6)
    job = FULL_JOB.replace("timeout_minutes: 60", "timeout_minutes: 0.0001").replace(
        "path: data,", "path: data/labels.jsonl,"
    )
    (tmp_path / "job.yml").write_text(job)
    code, said, _err = call(capsys, "train", str(tmp_path / "job.yml"), "--quiet")
    assert (code, said["error"]) == (130, "The time limit was reached.")
    assert not (tmp_path / "trained" / "run.json").exists()


# --- Features --------------------------------------------------------------------------------------------------------


@pytest.fixture
def trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    labels = pictures.colours(tmp_path / "data", each=4)
    assert call(capsys, *TRAIN, "--training-data", str(labels), "--output", str(tmp_path / "out"))[0] == 0
    return tmp_path / "out"


def test_embed_writes_features_and_an_index(tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = tmp_path / "data"
    (images / "green1.png").write_bytes(b"torn")
    arguments = ["embed", "--model", str(trained), "--images", str(images), "--quiet", "--output"]
    code, said, _err = call(capsys, *arguments, str(tmp_path / "new" / "features.npy"))
    assert (code, said["images"], said["features"], said["left_out"]) == (0, 11, 1280, 1)
    matrix = np.load(said["output"])
    assert (matrix.shape, matrix.dtype) == ((11, 1280), np.float32)
    index = [json.loads(line) for line in Path(said["index"]).read_text().splitlines()]
    assert [line["row"] for line in index if "row" in line] == list(range(11))
    assert "green1.png" in next(line["error"] for line in index if "error" in line)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"features.npy", "features.index.jsonl"}
    code, said, _err = call(capsys, *arguments, str(tmp_path / "features.npz"))
    with np.load(said["output"]) as both:
        assert np.array_equal(both["features"], matrix)
        assert list(both["filenames"]) == [line["filename"] for line in index if "row" in line]


def test_features_of_published_weights_need_no_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = tmp_path / "data"
    pictures.colours(images, each=1)
    small = ["--validation-crop-size", "32", "--validation-resize-size", "36", "--quiet"]
    arguments = ["embed", "--model-name", "resnet18", "--images", str(images), *small]
    code, said, _err = call(capsys, *arguments, "--output", str(tmp_path / "cold.npy"))
    assert (code, said["start"]) == (0, "cold")
    assert "features of random numbers" in said["warnings"][0]
    weights = tmp_path / "weights"
    weights.mkdir()
    torch.manual_seed(1)
    published: Any = models.build("resnet18", task="image-classification", num_classes=9, settings={})
    torch.save(published.network.state_dict(), weights / "own.pth")
    manifest = {
        "tag": "own",
        "fits": ["resnet18"],
        "start": "imagenet",
        "licence": "mit",
        "layout": "whole",
        "file": "own.pth",
        "sha256": sha256_of(weights / "own.pth"),
    }
    (weights / "manifest.json").write_text(json.dumps([manifest]))
    code, said, _err = call(capsys, *arguments, "--weights", str(weights), "--output", str(tmp_path / "warm.npy"))
    assert (code, said["start"], said["warnings"]) == (0, "imagenet", [])
    cold, warm = np.load(tmp_path / "cold.npy"), np.load(tmp_path / "warm.npy")
    assert cold.shape == warm.shape == (3, 512)
    assert not np.allclose(cold, warm)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--model-name", "resnet18", "--output", "{}/a.csv"], 2, "is neither a .npy nor a .npz file."),
        (["--output", "{}/a.npy"], 2, "Name a trained model or a network."),
        (["--model-name", "vgg", "--output", "{}/a.npy"], 2, "has no model 'vgg'"),
        (
            ["--model-name", "resnet18", "--weights", "{}/no", "--output", "{}/a.npy"],
            2,
            "There is no folder of weights",
        ),
        (["--model-name", "resnet18", "--device", "tpu", "--output", "{}/a.npy"], 2, "There is no device 'tpu'"),
        (["--model-name", "resnet18", "--output", "{}"], 2, "neither"),
        (["--model-name", "resnet18", "--output", "{}/data/red0.png/a.npy"], 2, "is a file, not a folder."),
    ],
)
def test_embed_refuses_before_it_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    pictures.colours(tmp_path / "data", each=1)
    filled = [each.replace("{}", str(tmp_path)) for each in arguments]
    got, said, _err = call(capsys, "embed", "--images", str(tmp_path / "data"), *filled)
    assert got == code
    assert words in f"{said['error']} {said['way_out']}"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_progress_is_one_line() -> None:
    shown = line(Progress("training", 5, 10, 2, 15, loss=0.5, images_per_second=31.5, seconds_left=83))
    assert shown == "epoch 2/15 [############            ] 5/10  loss 0.5000  31.5 images/s  1 min 23 s left"
    assert [duration(59.6), duration(3600 * 2 + 300)] == ["1 min 0 s", "2 h 5 min"]


@pytest.mark.long
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
