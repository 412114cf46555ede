"""Convert labels of other formats to JSON lines.

  folders     one folder per class                                   (classification)
  csv         a header, then `filename,label1 label2 …`              (multi-label)
  voc         Pascal VOC XML; with --masks also a PNG of instances   (detection, segmentation)
  mask-files  a folder per image with images/ and masks/*.png        (segmentation, one class: --label)
  coco        COCO JSON, absolute or normalized                      (any: --task)

Addresses of images are written relative to --images, which is what --data-root of train has to be.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automl.vision.data import Example, jsonl
from automl.vision.errors import DataError, UsageError
from automl.vision.spec import tasks

from .files import writable
from .output import Output

FORMATS = ("folders", "csv", "voc", "mask-files", "coco")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="format", required=True, choices=FORMATS)
    parser.add_argument("--input", type=Path, required=True, metavar="PATH", help="the file or folder to convert")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the JSON-lines file to write")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="where images lie; the input's folder")
    parser.add_argument("--masks", type=Path, metavar="FOLDER", help="voc: a PNG of instances per XML file")
    parser.add_argument("--label", default="object", help="mask-files: the class of all objects")
    parser.add_argument("--task", help="coco: the task; multi-label or multi-class for csv")


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    if not arguments.input.exists():
        raise DataError(f"{arguments.input} does not exist.", "Name the file or folder to convert as --input.")
    writable(arguments.output)
    task, examples, skipped = _read(arguments)
    if task == tasks.CLASSIFICATION and any(len(example.labels) != 1 for example in examples):
        raise UsageError("Some images have no label or several.", f"Add --task {tasks.MULTILABEL}.")
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in jsonl.as_lines(task, examples))
    draft = arguments.output.with_name(f".{arguments.output.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(arguments.output)
    for each in skipped:
        output.say(f"Left out: {each}")
    output.show(f"{len(examples)} images ({task}) written to {arguments.output}; {len(skipped)} left out.")
    return {"task": task, "images": len(examples), "left_out": skipped, "output": str(arguments.output)}


def _read(arguments: argparse.Namespace) -> tuple[str, list[Example], list[str]]:
    from automl.vision.data import coco, conversions

    place: Path = arguments.input
    root = arguments.images or (place if place.is_dir() else place.parent)
    if arguments.format == "coco":
        if not arguments.task:
            raise UsageError("A COCO file fits several tasks.", "Add --task.")
        task = tasks.canonical(arguments.task)
        labels = coco.read(place, task, root=root, invalid_lines="drop")
        return task, labels.examples, list(labels.warnings)
    readers: dict[str, Callable[[], conversions.Found]] = {
        "folders": lambda: conversions.from_folders(place),
        "csv": lambda: conversions.from_csv(place, root),
        "voc": lambda: conversions.from_voc(place, root, arguments.masks),
        "mask-files": lambda: conversions.from_mask_files(place, arguments.label),
    }
    examples, skipped = readers[arguments.format]()
    task = conversions.task_of(examples)
    if arguments.format == "csv":
        task = tasks.canonical(arguments.task) if arguments.task else tasks.MULTILABEL
    return task, examples, skipped
