"""COCO files in: absolute or normalized coordinates, polygons or run lengths (parity B.3.5)."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from automl.vision.errors import DataError
from automl.vision.spec import tasks

from .fields import Fields, Refused, box_around, shown, text_of
from .images import upright_size
from .jsonl import InvalidLines
from .locate import Unreachable, locate
from .outlines import outlines
from .records import Example, Labeled, LabelFile, Polygon, Problems

NORMALIZED_BELOW: Final = 1.5


def looks_like_coco(path: Path) -> bool:
    """Whether a file begins as COCO does: one object with lists, not one object an image."""
    with path.open(encoding="utf-8", errors="replace") as text:
        head = text.read(1 << 16)
    return (
        head.lstrip("\ufeff \t\r\n").startswith("{")
        and any(f'"{key}"' in head for key in ("images", "annotations", "categories", "info", "licenses"))
        and '"image_url"' not in head.partition("}")[0]
    )


def read(path: Path, task: str, *, root: Path | None = None, invalid_lines: InvalidLines = "error") -> LabelFile:
    """Reads a COCO file. Numbers of all boxes below 1.5 mean that the file is normalized; otherwise they are pixels.

    Classification takes the categories of an image's annotations. The "line" in messages is the annotation's id.
    Widths and heights of 0 are looked up in the image. Raises DataError as `jsonl.read` does.
    """
    whole = _whole(path)
    names = _categories(whole, path)
    problems = Problems(path)
    by_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for annotation in whole["annotations"]:
        by_image[annotation.get("image_id")].append(annotation)
    reader = _Reader(task, names, _is_normalized(whole["annotations"]), problems)
    examples = []
    for image in whole["images"]:
        found = reader.example(image, by_image.pop(image.get("id"), []), root or path.parent)
        if found:
            examples.append(found)
    for strays in by_image.values():
        problems.refuse(strays[0].get("id", 0), "image_id", "names an image that the file does not list")
    if invalid_lines == "error":
        problems.raise_if_any()
    warnings = problems.warnings() + [f"{path.name}: left out {problem}" for problem in problems.refused]
    if not examples:
        raise DataError(f"{path} lists no usable image.")
    return LabelFile(task, examples, warnings)


def _whole(path: Path) -> dict[str, Any]:
    try:
        whole = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON: {error}.") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(whole, dict) or not isinstance(whole.get(key), list):
            raise DataError(f"{path} is not a COCO file: it has no list {key!r}.")
        if not all(isinstance(each, dict) for each in whole[key]):
            raise DataError(f"{path} is not a COCO file: {key!r} holds something that is no object.")
    return dict(whole)


def _categories(whole: dict[str, Any], path: Path) -> dict[Any, str]:
    try:
        return {each.get("id"): text_of(each.get("name"), "name") for each in whole["categories"]}
    except Refused as refused:
        raise DataError(f"{path}: categories: {refused.name}: {refused.message}.") from refused


def _is_normalized(annotations: list[dict[str, Any]]) -> bool:
    numbers = [
        number
        for annotation in annotations
        for number in annotation.get("bbox") or ()
        if isinstance(number, int | float)
    ]
    return bool(numbers) and max(numbers) < NORMALIZED_BELOW


class _Reader:
    def __init__(self, task: str, names: dict[Any, str], normalized: bool, problems: Problems) -> None:
        self.task, self.names, self.normalized, self.problems = task, names, normalized, problems

    def example(self, image: dict[str, Any], annotations: list[dict[str, Any]], root: Path) -> Example | None:
        try:
            url = image.get("file_name")
            if not isinstance(url, str) or not url.strip():
                raise Refused("file_name", f"expected the path of an image, found {shown(url)}")
            path = _file(url.strip(), root)
        except Refused as refused:
            self.problems.refuse(image.get("id", 0), refused.name, refused.message)
            return None
        frame = image.get("frame", 0)
        frame = frame if isinstance(frame, int) else 0
        if self.task in tasks.CLASSIFIES:
            found = tuple(dict.fromkeys(n for n in map(self._name, annotations) if n))
            if self.task == tasks.CLASSIFICATION and len(found) != 1:
                self.problems.refuse(image.get("id", 0), "category_id", f"expected one category, found {len(found)}")
                return None
            return Example(url, path, image.get("id", 0), frame, labels=found)
        size = self._size(image, path, frame) if annotations else (1.0, 1.0)
        if size is None:
            return None
        objects = [self._object(annotation, size) for annotation in annotations]
        return Example(url, path, image.get("id", 0), frame, objects=tuple(o for o in objects if o))

    def _name(self, annotation: dict[str, Any]) -> str | None:
        name = self.names.get(annotation.get("category_id"))
        if name is None:
            self.problems.refuse(annotation.get("id", 0), "category_id", "names no category of the file")
        return name

    def _size(self, image: dict[str, Any], path: Path, frame: int) -> tuple[float, float] | None:
        """What to divide by."""
        if self.normalized:
            return 1.0, 1.0
        width, height = image.get("width"), image.get("height")
        if isinstance(width, int | float) and isinstance(height, int | float) and width > 0 and height > 0:
            return float(width), float(height)
        try:
            found = upright_size(path)
        except DataError as error:
            self.problems.refuse(image.get("id", 0), "width", f"is missing, and the image does not tell: {error}")
            return None
        return float(found[0]), float(found[1])

    def _object(self, annotation: dict[str, Any], size: tuple[float, float]) -> Labeled | None:
        line = annotation.get("id", 0)
        name = self._name(annotation)
        if name is None:
            return None
        reader = Fields(line, self.problems)
        try:
            crowd = reader.truth(annotation.get("iscrowd", 0), "iscrowd")
            polygons = self._polygons(annotation.get("segmentation"), reader, size)
            if self.task == tasks.SEGMENTATION:
                if not polygons:
                    raise Refused("segmentation", "expected polygons or run lengths")
                return Labeled(name, box_around(polygons), crowd, polygons)
            return Labeled(name, self._box(annotation, reader, size, polygons), crowd)
        except Refused as refused:
            self.problems.refuse(line, refused.name, refused.message)
            return None

    def _box(
        self, annotation: dict[str, Any], reader: Fields, size: tuple[float, float], polygons: tuple[Polygon, ...]
    ) -> tuple[float, float, float, float]:
        box = annotation.get("bbox")
        if not box and polygons:
            return box_around(polygons)
        if not isinstance(box, list) or len(box) != 4:
            raise Refused("bbox", f"expected [x, y, width, height], found {shown(box)}")
        x, y, width, height = (reader.number(each, f"bbox[{at}]") for at, each in enumerate(box))
        if width <= 0 or height <= 0:
            raise Refused("bbox", f"the box has no area: {width:g} × {height:g}")
        corners = (x / size[0], y / size[1], (x + width) / size[0], (y + height) / size[1])
        x1, y1, x2, y2 = (reader.share(each, "bbox") for each in corners)
        if x2 <= x1 or y2 <= y1:
            raise Refused("bbox", "the box has no area inside the image")
        return x1, y1, x2, y2

    def _polygons(self, value: Any, reader: Fields, size: tuple[float, float]) -> tuple[Polygon, ...]:
        if not value:
            return ()
        if isinstance(value, dict):
            return _from_run_lengths(value)
        parts = []
        for part in value if isinstance(value, list) else ():
            if not isinstance(part, list) or len(part) < 6 or len(part) % 2:
                raise Refused("segmentation", f"expected an even count of at least 6 numbers, found {shown(part)}")
            numbers = [reader.number(each, "segmentation") for each in part]
            parts.append(tuple(reader.share(n / size[at % 2], "segmentation") for at, n in enumerate(numbers)))
        return tuple(parts)


def _from_run_lengths(value: dict[str, Any]) -> tuple[Polygon, ...]:
    """Polygons around the pixels of COCO's run lengths, compressed or not; holes are filled."""
    from faster_coco_eval.core import mask as coder

    counts, size = value.get("counts"), value.get("size")
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(n, int) and 0 < n <= 65_535 for n in size)):
        raise Refused("segmentation.size", f"expected [height, width], found {shown(size)}")
    height, width = size
    if isinstance(counts, list):
        if not all(isinstance(n, int) and n >= 0 for n in counts) or sum(counts) != height * width:
            raise Refused("segmentation.counts", f"the run lengths do not add up to {width} × {height} pixels")
        runs = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        mask = runs.reshape((height, width), order="F")
    elif isinstance(counts, str):
        try:
            mask = np.asarray(coder.decode({"size": size, "counts": counts.encode()}), dtype=bool)
        except (ValueError, TypeError, RuntimeError) as error:
            raise Refused("segmentation.counts", f"cannot be decoded ({error})") from error
    else:
        raise Refused("segmentation.counts", f"expected run lengths, found {shown(counts)}")
    rings = [ring for ring in outlines(mask) if len(ring) >= 3]
    if not rings:
        raise Refused("segmentation", "the mask is empty")
    return tuple(tuple(n / (width, height)[at] for point in ring for at, n in enumerate(point)) for ring in rings)


def _file(url: str, root: Path) -> Path:
    try:
        return locate(url, root)
    except Unreachable as error:
        raise Refused("file_name", str(error)) from error
