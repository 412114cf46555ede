"""Killed with SIGKILL again and again, a run of each family ends with the weights and metrics of an unbroken one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from automl.vision.train import checkpoints
from tests.support import running
from tests.vision import pictures

pytestmark = pytest.mark.long

CROPS = ["--train-crop-size", "32", "--valid-crop-size", "32", "--validation-resize-size", "36"]
SIDES = ["--min-size", "64", "--max-size", "96"]
FAMILIES = {
    "vits16r224": ("image-classification", CROPS),
    "yolov5": ("image-object-detection", ["--model-size", "small", "--image-size", "64", "--learning-rate", "0.001"]),
    "retinanet_resnet50_fpn": ("image-object-detection", [*SIDES, "--learning-rate", "0.0001"]),
    "maskrcnn_resnet18_fpn": ("image-instance-segmentation", [*SIDES, "--learning-rate", "0.0001"]),
}
PATIENCE = 300


@pytest.mark.parametrize("name", FAMILIES)
def test_a_run_that_is_killed_each_epoch_ends_the_same(tmp_path: Path, name: str) -> None:
    task, sizes = FAMILIES[name]
    if task == "image-classification":
        labels = pictures.colours(tmp_path / "data", each=6)
    else:
        labels = pictures.squares(tmp_path / "data", polygons=task == "image-instance-segmentation")
    command = [sys.executable, "-m", "automl.vision", "train", "--task", task, "--model-name", name, *sizes]
    command += ["--training-data", str(labels), "--number-of-epochs", "4", "--training-batch-size", "4", "--quiet"]
    command += ["--random-seed", "5", "--device", "cpu", "--memory-format", "channels_first", "--resume"]
    assert start(command, tmp_path / "whole").wait(PATIENCE) == 0
    kills = 0
    while not (tmp_path / "killed" / "run.json").exists() and kills < 6:
        child = start(command, tmp_path / "killed")
        last = tmp_path / "killed" / "checkpoints" / "last.pt"
        before = written(last)
        running.wait_until(
            lambda child=child, last=last, before=before: child.poll() is not None or written(last) != before,  # type: ignore[misc]
            seconds=PATIENCE,
            what="the end of an epoch, or of the run",
            every=0.005,
        )
        child.send_signal(signal.SIGKILL)
        kills += child.wait(PATIENCE) == -signal.SIGKILL
    if not (tmp_path / "killed" / "run.json").exists():
        assert start(command, tmp_path / "killed").wait(PATIENCE) == 0
    assert kills >= 2
    whole, killed = (record(tmp_path / each) for each in ("whole", "killed"))
    assert whole["metrics"] == killed["metrics"]
    assert [epoch["loss"] for epoch in whole["history"]] == [epoch["loss"] for epoch in killed["history"]]
    one, other = (checkpoints.load(tmp_path / each / "outputs" / "model.pt") for each in ("whole", "killed"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def start(command: list[str], output: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*command, "--output", str(output)],
        cwd=running.ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def written(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def record(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "run.json").read_text(encoding="utf-8")))
