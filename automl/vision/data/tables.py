"""What a job names as its data: a JSON-lines file, a COCO file or an MLTable folder."""

from __future__ import annotations

from pathlib import Path

from automl.vision.errors import DataError

from . import coco, jsonl
from .jsonl import InvalidLines
from .records import LabelFile


def read(
    path: Path, task: str, *, root: Path | None = None, column: str = "label", invalid_lines: InvalidLines = "error"
) -> LabelFile:
    """Reads labels of `task` from a file or an MLTable folder. Images are looked for under `root`, by default beside
    the file. DataError where it cannot be read, or holds lines that cannot be used."""
    if not path.exists():
        raise DataError(f"{path} does not exist.")
    if root is not None and not root.is_dir():
        raise DataError(f"There is no folder {root}.", "Name the folder that holds the images with --data-root.")
    if path.is_dir() or path.name == "MLTable":
        return _read_mltable(path if path.is_dir() else path.parent, task, root, column)
    if coco.looks_like_coco(path):
        return coco.read(path, task, root=root, invalid_lines=invalid_lines)
    return jsonl.read(path, task, root=root, column=column, invalid_lines=invalid_lines)


def _read_mltable(folder: Path, task: str, root: Path | None, column: str) -> LabelFile:
    import yaml

    description = folder / "MLTable"
    if not description.exists():
        raise DataError(f"{folder} is a folder without an MLTable file.", "Name a JSON-lines or COCO file.")
    try:
        table = yaml.safe_load(description.read_text(encoding="utf-8"))
        files = [str(each["file"]) for each in table["paths"]]
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise DataError(f"{description} cannot be understood: expected `paths` with a `file` each.") from error
    invalid: InvalidLines = "error"
    for step in table.get("transformations") or ():
        reading = step.get("read_json_lines") if isinstance(step, dict) else None
        if isinstance(reading, dict) and reading.get("invalid_lines") in ("drop", "ignore"):
            invalid = "drop"
    whole = LabelFile(task, [])
    for name in files:
        part = read(folder / name, task, root=root or folder, column=column, invalid_lines=invalid)
        whole.examples += part.examples
        whole.warnings += part.warnings
    return whole
