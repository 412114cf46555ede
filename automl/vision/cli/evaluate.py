"""Measure a trained model on labeled images.

  python -m automl.vision evaluate --model out/ --data test.jsonl --output evaluation/

The folder gets metrics.json, and predictions.jsonl from which every number can be computed again. Thresholds and sizes
may be given anew; they are those of the training otherwise.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from . import settings
from .files import writable
from .output import Output

SETTINGS = (
    *("validation_batch_size", "validation_metric_type", "validation_iou_threshold", "number_of_workers", "precision"),
    *settings.SIZES,
    *settings.FINDINGS,
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="the output folder of train")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="JSON lines, COCO, or an MLTable folder"
    )
    parser.add_argument("--data-root", type=Path, metavar="FOLDER", help="where images lie; beside the label file")
    parser.add_argument("--target-column-name", metavar="NAME", default="label", help="the key that holds labels")
    parser.add_argument("--invalid-lines", choices=("error", "drop"), default="error")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where metrics.json and predictions.jsonl go")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="decoded images (MODEL/cache)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    settings.add(parser, SETTINGS)


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    from automl.vision.description import write_json
    from automl.vision.spec import tasks
    from automl.vision.train.evaluation import evaluate_run
    from automl.vision.train.loop import numbers
    from automl.vision.train.validating import write_predictions

    if arguments.output:
        writable(arguments.output / "metrics.json")
    begin = time.monotonic()
    found = evaluate_run(
        arguments.model,
        arguments.data,
        data_root=arguments.data_root,
        column=arguments.target_column_name,
        invalid_lines=arguments.invalid_lines,
        cache=arguments.cache,
        device=arguments.device,
        changes=settings.given(arguments),
        report=output.report,
    )
    seconds = time.monotonic() - begin
    for warning in found.warnings:
        output.say(f"Warning: {warning}")
    if arguments.output:
        write_json(arguments.output / "metrics.json", found.metrics)
        write_predictions(arguments.output / "predictions.jsonl", found.predictions)
    primary = tasks.primary_metric(found.trained.task)
    metrics = numbers(found.metrics)
    for name in sorted(metrics):
        output.show(f"{name:<36} {metrics[name]:.4f}")
    return {
        "task": found.trained.task,
        "model_name": found.trained.model_name,
        "primary_metric": primary,
        "value": metrics.get(primary),
        "metrics": metrics,
        "images": found.images,
        "epochs": 0,
        "seconds": round(seconds, 3),
        "images_per_second": round(found.images / seconds, 2),
        "start": found.trained.start,
        "warnings": found.warnings,
    }
