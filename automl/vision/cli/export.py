"""Write a trained model as ONNX, for prediction without torch.

  python -m automl.vision export --model out/
  python -m automl.vision export --model out/ --batch-size 4
  python -m automl.vision export --model out/ --output somewhere/ --box-score-threshold 0.5
  python -m automl.vision export --model out/ --output out-int8/ --precision int8 --images photos/

Written are model.onnx (for Faster and Mask R-CNN also heads.onnx), labels.json and settings.json: by default into
train_artifacts of the model's folder, with --output into a folder of their own. The graph takes batches of any size;
--batch-size writes one for a single size, model_<batch>.onnx, by default into outputs. Every graph is compared with
torch before it is put in its place. Settings may be given anew with --output or --batch-size.

--precision int8 (classification) computes in integers of 8 bits: ResNets about twice as fast on a CPU, nearly always
the same class. It looks at --images like those that the model will see, says how many answers stayed the same, and
writes nothing where fewer than 95 % did. `serve` takes the folder as it is, `package --export` makes a bundle of it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from automl.vision import description
from automl.vision.engines import FP32, INT8
from automl.vision.errors import UsageError

from . import settings
from .files import existing_images
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
    parser.add_argument("--precision", choices=(FP32, INT8), default=FP32, help="the numbers of the graph (fp32)")
    parser.add_argument(
        "--images", type=Path, nargs="+", metavar="PATH", help="with --precision int8: example images, or their folders"
    )
    settings.add(parser, SETTINGS)


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    given = settings.given(arguments)
    if given and arguments.output is None and arguments.batch_size is None:
        raise UsageError(
            "The settings beside the training's own model.onnx stay as they are.",
            "Add --output FOLDER for a model with other settings.",
        )
    if arguments.precision == INT8:
        return _run_int8(arguments, given, output)
    if arguments.images:
        raise UsageError("--images are for --precision int8.", "Leave them out, or add it.")
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


def _run_int8(arguments: argparse.Namespace, given: dict[str, Any], output: Output) -> dict[str, Any]:
    if arguments.output is None or not arguments.images:
        raise UsageError(
            "--precision int8 needs --output and --images.",
            "Name a folder for it (the training keeps its own graph), and images like those that the model will see.",
        )
    if arguments.batch_size is not None:
        raise UsageError("A graph in int8 takes batches of any size.", "Leave --batch-size out.")
    images = existing_images(arguments.images)
    import torch

    from automl.vision.export import export_int8
    from automl.vision.train.restoring import restore

    trained = restore(arguments.model, torch.device("cpu"), changes=given)
    begin = time.monotonic()
    made = export_int8(trained.model, trained.classes, trained.settings, arguments.output, images)
    seconds = time.monotonic() - begin
    for one in made.left_out:
        output.say(f"Left out: {one}")
    output.show(f"{made.file} ({made.file.stat().st_size / 1e6:.1f} MB)")
    output.show(
        f"{made.same:.1%} of {made.checked} answers are those of fp32; ONNX Runtime took {made.int8_seconds:.1f} s for "
        f"them instead of {made.fp32_seconds:.1f} s."
    )
    return {
        "task": trained.task,
        "model_name": trained.model_name,
        "precision": INT8,
        "files": [str(made.file)],
        "calibrated_on": made.calibrated_on,
        "answers_checked": made.checked,
        "same_answers": made.same,
        "fp32_seconds": round(made.fp32_seconds, 3),
        "int8_seconds": round(made.int8_seconds, 3),
        "left_out": len(made.left_out),
        "seconds": round(seconds, 3),
        "output": str(arguments.output),
    }
