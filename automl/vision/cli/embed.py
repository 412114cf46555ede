"""Turn images into features: one row of numbers an image, for searching, clustering and classifiers of one's own.

  python -m automl.vision embed --model out/ --images photos/ --output features.npy
  python -m automl.vision embed --model-name resnet18 --weights weights/ --images photos/ --output features.npz

The features are what the network's last layer sees; with --model-name they are those of published weights, without any
training. A .npy file holds the matrix (images × features, float32), a .npz file the matrix `features` and the names
`filenames`. Beside it, NAME.index.jsonl has a line per image: filename and row, or filename and the error of an image
that could not be read.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from automl.vision.errors import DataError, UsageError
from automl.vision.train.progress import Progress

from . import settings
from .files import existing_images, writable
from .output import Output

if TYPE_CHECKING:
    from automl.vision.predict import Predictor

SUFFIXES: Final = (".npy", ".npz")
SETTINGS = ("validation_batch_size", "model_size", *settings.SIZES)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="the output folder of train")
    parser.add_argument(
        "--model-name", "--model_name", metavar="NAME", help="instead: an untrained network (list-models)"
    )
    parser.add_argument("--task", help="with --model-name, of a detector: its task")
    parser.add_argument("--weights", type=Path, metavar="FOLDER", help="with --model-name: pretrained weights")
    parser.add_argument("--allow-download", action="store_true", help="fetch pretrained weights that are missing")
    parser.add_argument("--images", type=Path, required=True, nargs="+", metavar="PATH", help="image files or folders")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the .npy or .npz file to write")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    settings.add(parser, SETTINGS)


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    target: Path = arguments.output
    if target.suffix not in SUFFIXES:
        raise UsageError(f"{target} is neither a .npy nor a .npz file.", "Name the output so.")
    files = existing_images(arguments.images)
    writable(target)
    predictor, described, warnings = _predictor(arguments)
    for warning in warnings:
        output.say(f"Warning: {warning}")
    begin = time.monotonic()
    index = target.with_name(f"{target.stem}.index.jsonl")
    rows, width, failed = _write(predictor, files, target, index, output)
    seconds = time.monotonic() - begin
    output.show(f"{rows} images, {width} features each; {failed} left out. Written to {target} and {index}.")
    return {
        **described,
        "images": rows,
        "features": width,
        "left_out": failed,
        "seconds": round(seconds, 3),
        "images_per_second": round(len(files) / seconds, 2),
        "output": str(target),
        "index": str(index),
        "warnings": warnings,
    }


def _predictor(arguments: argparse.Namespace) -> tuple[Predictor, dict[str, Any], list[str]]:
    """(model with its settings, what it is, what to tell): a trained one, or a network by its name."""
    from automl.vision.predict import Predictor
    from automl.vision.train.distributed import World
    from automl.vision.train.restoring import restore
    from automl.vision.train.run import pick_device

    if bool(arguments.model) == bool(arguments.model_name):
        raise UsageError("Name a trained model or a network.", "Give one of --model FOLDER and --model-name NAME.")
    device = pick_device(arguments.device, World())
    if arguments.model:
        trained = restore(arguments.model, device, changes=settings.given(arguments))
        described = {"task": trained.task, "model_name": trained.model_name, "start": trained.start}
        return Predictor(trained.model, trained.classes, trained.settings), described, []
    model, effective = _network(arguments)
    warnings = []
    if model.start == "cold":
        warnings.append(
            f"There are no pretrained weights for {model.name}: these are features of random numbers. Name a folder "
            "with --weights, or allow a download with --allow-download."
        )
    described = {"task": model.task, "model_name": model.name, "start": model.start}
    return Predictor(model.to(device), ["unnamed"], effective), described, warnings


def _network(arguments: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """A network that was not trained here, and its settings."""
    import torch

    from automl.vision.spec import resolve, tasks
    from automl.vision.train.job import TrainJob, default_build

    entry = tasks.MODELS.get(arguments.model_name)
    task = arguments.task or (entry.tasks[0] if entry else tasks.CLASSIFICATION)
    resolved = resolve(task, arguments.model_name, settings.given(arguments))
    job = TrainJob(resolved.task, Path(), Path(), weights=arguments.weights, allow_download=arguments.allow_download)
    torch.manual_seed(0)  # so that even a cold network gives the same features each time
    build = default_build(job, has_checkpoint=False)
    return build(
        resolved.model.name, task=resolved.task, num_classes=1, settings=resolved.effective
    ), resolved.effective


def _write(predictor: Predictor, files: list[Path], target: Path, index: Path, output: Output) -> tuple[int, int, int]:
    """Writes matrix and index, both whole or not at all; (rows, features, images left out). DataError where no image
    can be read."""
    import numpy as np

    drafts = [path.with_name(f".{path.name}.draft") for path in (target, index)]
    rows = target.with_name(f".{target.name}.rows")
    try:
        with rows.open("wb") as matrix, drafts[1].open("w", encoding="utf-8") as lines:
            count, width, failed = _features(predictor, files, matrix, lines, output)
        if not count:
            raise DataError(f"None of {len(files)} images can be read.")
        features = np.memmap(rows, dtype="<f4", mode="r", shape=(count, width))
        with drafts[0].open("wb") as file:
            if target.suffix == ".npy":
                np.save(file, features)
            else:
                np.savez(file, features=features, filenames=np.array(list(_named(drafts[1]))))
        for draft, path in zip(drafts, (target, index), strict=True):
            draft.replace(path)
    finally:
        for path in (*drafts, rows):
            path.unlink(missing_ok=True)
    return count, width, failed


def _features(
    predictor: Predictor, files: list[Path], matrix: IO[bytes], lines: IO[str], output: Output
) -> tuple[int, int, int]:
    from automl.vision.predict import Failure

    count = width = failed = 0
    for done, found in enumerate(predictor.embeddings(files), start=1):
        if isinstance(found, Failure):
            failed += 1
            line: dict[str, Any] = {"filename": str(found.source), "error": found.sentence}
            output.say(f"Left out: {found.sentence}")
        else:
            source, row = found
            line = {"filename": str(source), "row": count}
            matrix.write(row.astype("<f4").tobytes())
            count, width = count + 1, len(row)
        lines.write(json.dumps(line, ensure_ascii=False) + "\n")
        output.report(Progress("features", done, len(files)))
    return count, width, failed


def _named(index: Path) -> Iterable[str]:
    """The file of each row."""
    with index.open(encoding="utf-8") as lines:
        for line in lines:
            found = json.loads(line)
            if "row" in found:
                yield found["filename"]
