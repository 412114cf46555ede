"""The four JSON-lines schemas of parity B.3.3: one image a line, coordinates as shares of its sides."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

from automl.vision.errors import DataError
from automl.vision.spec import tasks

from . import json_lines
from .fields import Fields, Refused, shown
from .locate import Unreachable, locate
from .records import Example, LabelFile, Problems

InvalidLines = Literal["error", "drop"]
LABEL: Final = "label"


def read(
    path: Path, task: str, *, root: Path | None = None, column: str = LABEL, invalid_lines: InvalidLines = "error"
) -> LabelFile:
    """Reads a label file. Images are looked for under `root`, by default the file's folder; they are not opened.

    Lines that cannot be used raise one DataError that lists them; with `invalid_lines="drop"` they are left out and
    counted in the warnings.
    """
    problems = Problems(path)
    examples: list[Example] = []
    for line, fields in json_lines.objects(path, problems):
        example = _example(line, fields, task, root or path.parent, column, problems)
        if example:
            examples.append(example)
    if invalid_lines == "error":
        problems.raise_if_any()
    warnings = problems.warnings()
    if problems.refused:
        warnings += [f"{path.name}: left out {problem}" for problem in problems.refused]
    if not examples:
        raise DataError(f"{path} holds no example.", "Expected one JSON object a line, with image_url and label.")
    return LabelFile(task, examples, warnings)


def _example(
    line: int, fields: dict[str, Any], task: str, root: Path, column: str, problems: Problems
) -> Example | None:
    reader = Fields(line, problems)
    try:
        url = fields.get("image_url")
        if not isinstance(url, str) or not url.strip():
            raise Refused("image_url", f"expected the address of an image, found {shown(url)}")
        if column not in fields:
            raise Refused(column, f"is missing; the line has {', '.join(sorted(fields)) or 'nothing'}")
        reader.details(fields.get("image_details"))
        frame = fields.get("frame", 0)
        if isinstance(frame, bool) or not isinstance(frame, int) or frame < 0:
            raise Refused("frame", f"expected a whole number from 0, found {shown(frame)}")
        place = _place(url.strip(), root)
        if task in tasks.CLASSIFIES:
            return Example(url.strip(), place, line, frame, labels=reader.labels(task, fields[column]))
        return Example(url.strip(), place, line, frame, objects=reader.objects(task, fields[column]))
    except Refused as refused:
        problems.refuse(line, refused.name, refused.message)
    return None


def _place(url: str, root: Path) -> Path:
    try:
        return locate(url, root)
    except Unreachable as error:
        raise Refused("image_url", str(error)) from error


def as_lines(task: str, examples: Iterable[Example]) -> Iterable[dict[str, Any]]:
    """The objects that `read` takes, for examples of any source."""
    for example in examples:
        label: Any
        if task == tasks.CLASSIFICATION:
            label = example.labels[0]
        elif task == tasks.MULTILABEL:
            label = list(example.labels)
        elif task == tasks.DETECTION:
            label = [
                {"label": one.label, **dict(zip(("topX", "topY", "bottomX", "bottomY"), one.box, strict=True))}
                | {"isCrowd": int(one.is_crowd)}
                for one in example.objects
            ]
        else:
            label = [
                {"label": one.label, "isCrowd": int(one.is_crowd), "polygon": [list(part) for part in one.polygons]}
                for one in example.objects
            ]
        extra = {"frame": example.frame} if example.frame else {}
        yield {"image_url": example.url, **extra, LABEL: label}
