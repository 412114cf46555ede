"""Write a trained model as ONNX, for prediction without torch.

  python -m automl.vision export --model out/
  python -m automl.vision export --model out/ --batch-size 4
  python -m automl.vision export --model out/ --output somewhere/ --box-score-threshold 0.5

Written are model.onnx (for Faster and Mask R-CNN also heads.onnx), labels.json and settings.json: by default into
train_artifacts of the model's folder, with --output into a folder of their own. The graph takes batches of any size;
--batch-size writes one for a single size, model_<batch>.onnx, by default into outputs. Every graph is compared with
torch before it is put in its place. Settings may be given anew with --output or --batch-size.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from automl.vision import description
from automl.vision.errors import UsageError

from . import settings
from .output import Output

SETTINGS = (
    *("enable_onnx_normalization", "validation_batch_size", "max_number_of_polygon_points"),
    *settings.SIZES,
    *settings.FINDINGS,
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="the output folder of train")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where the files go (MODEL/train_artifacts)")
    parser.add_argument("--batch-size", "--batch_size", type=int, metavar="N", help="a graph for batches of N alone")
    settings.add(parser, SETTINGS)


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    given = settings.given(arguments)
    if given and arguments.output is None and arguments.batch_size is None:
        raise UsageError(
            "The settings beside the training's own model.onnx stay as they are.",
            "Add --output FOLDER for a model with other settings.",
        )
    import torch

    from automl.vision.export import export
    from automl.vision.train.restoring import restore

    trained = restore(arguments.model, torch.device("cpu"), changes=given)
    default = arguments.model / ("outputs" if arguments.batch_size is not None else description.ARTIFACTS)
    folder = arguments.output or default
    begin = time.monotonic()
    written = export(trained.model, trained.classes, trained.settings, folder, arguments.batch_size)
    if folder != arguments.model / description.ARTIFACTS:
        described = description.Description(
            trained.task, trained.model_name, trained.classes, trained.settings, trained.start
        )
        description.write(folder, described)
    seconds = time.monotonic() - begin
    for path in written.files:
        output.show(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    output.show(f"Largest difference from torch: {written.largest:.1e}.")
    return {
        "task": trained.task,
        "model_name": trained.model_name,
        "files": [str(path) for path in written.files],
        "largest_difference": written.largest,
        "differences": written.differences,
        "batch_size": written.batch_size,
        "normalization": written.normalization,
        "seconds": round(seconds, 3),
        "output": str(folder),
    }
