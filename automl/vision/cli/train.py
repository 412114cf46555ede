"""Train a model on labeled images.

Labels are JSON lines (one image a line), a COCO file, or an MLTable folder; without --validation-data a part of them is
held out. A job file in YAML may hold everything; options win over it. For example:

  python -m automl.vision train --task image-object-detection --training-data train.jsonl \\
      --model-name yolov5 --model-size small --number-of-epochs 5 --output out/

The folder gets outputs/model.pt (weights), train_artifacts/ (labels, settings, predictions on the validation data,
model.onnx), run.json (settings asked for and used, metrics of every epoch, warnings) and checkpoints/, from which
--resume goes on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl.vision.errors import UsageError
from automl.vision.spec import resolve, row_named, tasks

from . import job_file, settings
from .job_file import JobFile
from .output import Output, duration


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", type=Path, help="a YAML job file")
    parser.add_argument("--task", help=f"one of {', '.join(tasks.TASKS)}")
    parser.add_argument("--training-data", type=Path, metavar="FILE", help="JSON lines, COCO, or an MLTable folder")
    parser.add_argument("--validation-data", type=Path, metavar="FILE", help="labels to validate on")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where the results go")
    parser.add_argument("--model-name", "--model_name", metavar="NAME", help="see list-models; the task's default")
    parser.add_argument("--data-root", type=Path, metavar="FOLDER", help="where images lie; beside the label file")
    parser.add_argument("--target-column-name", metavar="NAME", help="the key that holds labels (label)")
    parser.add_argument(
        "--invalid-lines", choices=("error", "drop"), default="error", help="refuse the file, or leave such lines out"
    )
    parser.add_argument(
        "--split",
        choices=("stratified", "content"),
        default="stratified",
        help="how the validation part is chosen: at random by class, or by the content of the files, so that an image "
        "once held out stays so",
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="decoded images; may be shared by runs (OUTPUT/cache)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the output folder")
    parser.add_argument("--weights", type=Path, metavar="FOLDER", help="pretrained weights to start from")
    parser.add_argument("--allow-download", action="store_true", help="fetch pretrained weights that are missing")
    parser.add_argument(
        "--no-onnx", dest="onnx", action="store_false", help="do not end with model.onnx; `export` writes it any time"
    )
    settings.add(parser)


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any] | int:
    job = _job(arguments)
    asked = {**_in_v2_names(job.settings), **settings.given(arguments)}
    resolved = resolve(job.task, arguments.model_name or job.model_name, asked)
    if (code := _in_several_processes(resolved.effective)) is not None:
        return code
    from automl.vision.train import TrainJob, train

    target = arguments.output or job.output
    if target is None:
        raise UsageError("No folder for the results was named.", "Add --output FOLDER.")
    if job.timeout_minutes is not None:
        output.deadline = time.monotonic() + 60 * job.timeout_minutes
    for note in job.notes:
        output.say(f"Note: {note}")
    for name in sorted(set(resolved.effective) - {"advanced_settings"}):
        if name in resolved.requested and resolved.requested[name] != resolved.effective[name]:
            output.say(f"Note: {name} was set to {resolved.effective[name]}.")
    result = train(
        TrainJob(
            task=resolved.task,
            training_data=job.training_data,
            validation_data=job.validation_data,
            output=target,
            data_root=arguments.data_root,
            model_name=resolved.model.name,
            settings=resolved.requested,
            target_column=arguments.target_column_name or job.target_column,
            invalid_lines=arguments.invalid_lines,
            split=arguments.split,
            cache=arguments.cache,
            device=arguments.device,
            resume=arguments.resume,
            weights=arguments.weights,
            allow_download=arguments.allow_download,
            onnx=arguments.onnx,
        ),
        output.report,
    )
    for warning in result.warnings:
        output.say(f"Warning: {warning}")
    for note in result.notes:
        output.say(f"Note: {note}")
    output.say(f"Done in {duration(result.seconds)}; results are in {target}.")
    value = "none" if result.value is None else f"{result.value:.4f}"
    output.show(f"{result.model_name}: {result.primary_metric} {value} (epoch {result.best_epoch} of {result.epochs})")
    return result.as_json()


def _job(arguments: argparse.Namespace) -> JobFile:
    """The job of the file, with what options say in its place."""
    if arguments.job:
        job = job_file.read(arguments.job)
        job.task = tasks.canonical(arguments.task) if arguments.task else job.task
        job.training_data = arguments.training_data or job.training_data
        job.validation_data = arguments.validation_data or job.validation_data
        return job
    if not arguments.task or not arguments.training_data:
        missing = "--task" if not arguments.task else "--training-data"
        raise UsageError(f"{missing} is missing.", "Give it, or a YAML job file; `train --help` explains both.")
    return JobFile(tasks.canonical(arguments.task), arguments.training_data, arguments.validation_data)


def _in_v2_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a job file under the names that options have; UsageError for the same one twice."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        row = row_named(name)
        if row.name in found and row.read(found[row.name]) != row.read(value):
            raise UsageError(f"{row.name} is given twice with different values ({found[row.name]} and {value}).")
        found[row.name] = value
    return found


def _in_several_processes(effective: dict[str, Any]) -> int | None:
    """On a machine with several GPUs: the same command in one process per GPU; None where one is enough."""
    import torch

    from automl.vision.train.distributed import processes_wanted

    count = processes_wanted(effective, torch.cuda.device_count(), os.environ)
    if count == 1:
        return None
    starter = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", "-m", "automl.vision"]
    return subprocess.run([sys.executable, *starter, *sys.argv[1:]], check=False).returncode
