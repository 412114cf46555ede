"""One field of a label line: read strictly, with the tolerance that parity B.3 and the decisions ask for."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Final

from automl.vision.spec import tasks

from .records import Labeled, Polygon, Problems

CORNERS: Final = ("topX", "topY", "bottomX", "bottomY")
SLACK: Final = 0.005  # shares just outside the image are rounding; they are clipped
TEXT_NUMBER: Final = "numbers or booleans written as text were read as what they say"


class Refused(Exception):
    """This field cannot be used: its name and what was expected."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name, self.message = name, message


def text_of(value: Any, name: str) -> str:
    """A class name: text that is not empty, or a number or boolean as it would be written."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if not isinstance(value, str) or not value.strip():
        raise Refused(name, f"expected a class name, found {shown(value)}")
    return value.strip()


def _found(value: Any) -> str:
    """What a label is that belongs to another task, else the value itself."""
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, dict):
        return "objects, which are for image-object-detection and image-instance-segmentation"
    if isinstance(value, list):
        return "a list of names, which is for image-classification-multilabel"
    if isinstance(first, str):
        return "a class name, which is for image-classification"
    return shown(value)


def shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


class Fields:
    """Reads the fields of one line; unusual spellings are counted in `problems`."""

    def __init__(self, line: int, problems: Problems) -> None:
        self.line, self.problems = line, problems

    def labels(self, task: str, value: Any) -> tuple[str, ...]:
        """Class names of a classification example."""
        if task == tasks.CLASSIFICATION:
            if isinstance(value, list) and len(value) == 1:
                self.problems.warn(self.line, "a list of one class name was read as that class")
                value = value[0]
            if isinstance(value, list | dict):
                raise Refused("label", f"expected one class name, found {_found(value)}")
            return (text_of(value, "label"),)
        if isinstance(value, str):
            self.problems.warn(self.line, "a single class name was read as a list of one")
            value = [value]
        if not isinstance(value, list) or any(isinstance(each, dict) for each in value):
            raise Refused("label", f"expected a list of class names, found {_found(value)}")
        names = [text_of(each, f"label[{at}]") for at, each in enumerate(value)]
        if len(set(names)) < len(names):
            self.problems.warn(self.line, "class names given twice for an image were counted once")
        return tuple(dict.fromkeys(names))

    def objects(self, task: str, value: Any) -> tuple[Labeled, ...]:
        """Objects of a detection or segmentation example; an empty list is an image without objects."""
        if isinstance(value, dict):
            self.problems.warn(self.line, "a single object was read as a list of one")
            value = [value]
        if not isinstance(value, list) or any(isinstance(each, str) for each in value):
            raise Refused("label", f"expected a list of objects, found {_found(value)}")
        return tuple(self._object(task, each, f"label[{at}]") for at, each in enumerate(value))

    def _object(self, task: str, value: Any, name: str) -> Labeled:
        if not isinstance(value, dict):
            raise Refused(name, f"expected an object with label and coordinates, found {shown(value)}")
        label = text_of(value.get("label"), f"{name}.label")
        crowd = self.truth(value.get("isCrowd", value.get("iscrowd", False)), f"{name}.isCrowd")
        if task == tasks.SEGMENTATION:
            polygons = self._polygons(value.get("polygon"), f"{name}.polygon")
            return Labeled(label, box_around(polygons), crowd, polygons)
        if "topX" not in value and "polygon" in value:
            self.problems.warn(self.line, "objects with polygons were read as the boxes around them")
            return Labeled(label, box_around(self._polygons(value["polygon"], f"{name}.polygon")), crowd)
        return Labeled(label, self._box(value, name), crowd)

    def _box(self, value: dict[str, Any], name: str) -> tuple[float, float, float, float]:
        x1, y1, x2, y2 = (self.share(value.get(corner), f"{name}.{corner}") for corner in CORNERS)
        if x2 <= x1 or y2 <= y1:
            side = "bottomX" if x2 <= x1 else "bottomY"
            other = side.replace("bottom", "top")
            raise Refused(f"{name}.{side}", f"the box has no area: {side} has to be larger than {other}")
        return x1, y1, x2, y2

    def _polygons(self, value: Any, name: str) -> tuple[Polygon, ...]:
        if isinstance(value, list) and value and not isinstance(value[0], list):
            self.problems.warn(self.line, "a flat list of coordinates was read as a polygon of one part")
            value = [value]
        if value is None:
            raise Refused(name, "is missing; boxes without outlines are for image-object-detection")
        if not isinstance(value, list) or not value:
            raise Refused(name, f"expected a list of parts [[x1, y1, x2, y2, …], …], found {shown(value)}")
        parts = tuple(self._part(part, f"{name}[{at}]") for at, part in enumerate(value))
        x1, y1, x2, y2 = box_around(parts)
        if x2 <= x1 or y2 <= y1:
            raise Refused(name, "the polygon has no area")
        return parts

    def _part(self, part: Any, name: str) -> Polygon:
        if not isinstance(part, list) or len(part) < 6 or len(part) % 2:
            size = f"{len(part)} numbers" if isinstance(part, list) else shown(part)
            raise Refused(name, f"expected an even count of at least 6 numbers, found {size}")
        return tuple(self.share(number, f"{name}[{at}]") for at, number in enumerate(part))

    def share(self, value: Any, name: str) -> float:
        """A coordinate as a share of the image's side; a hair outside is clipped."""
        number = self.number(value, name)
        if not -SLACK <= number <= 1 + SLACK:
            hint = " (pixels? divide by the image's width or height)" if number > 1 else ""
            raise Refused(name, f"expected a share from 0 to 1, found {number:g}{hint}")
        if not 0 <= number <= 1:
            self.problems.warn(self.line, "coordinates just outside the image were moved to its border")
        return min(1.0, max(0.0, number))

    def number(self, value: Any, name: str) -> float:
        if isinstance(value, str):
            try:
                number = float(value.strip())
            except ValueError:
                raise Refused(name, f"expected a number, found {shown(value)}") from None
            self.problems.warn(self.line, TEXT_NUMBER)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused(name, f"expected a number, found {shown(value)}")
        else:
            number = float(value)
        if not math.isfinite(number):
            raise Refused(name, f"expected a number, found {shown(value)}")
        return number

    def truth(self, value: Any, name: str) -> bool:
        if isinstance(value, bool) or value in (0, 1):
            return bool(value)
        if isinstance(value, str) and value.strip().lower() in ("0", "1", "true", "false"):
            self.problems.warn(self.line, TEXT_NUMBER)
            return value.strip().lower() in ("1", "true")
        raise Refused(name, f"expected true or false, found {shown(value)}")

    def details(self, value: Any) -> None:
        """`image_details` is only a hint (sizes come from the image): senseless ones are mentioned and ignored."""
        if value is None:
            return
        fine = isinstance(value, dict) and all(
            re.fullmatch(r"\s*\d+(?:\.\d+)?\s*(?:px)?\s*", str(value.get(side, 1))) for side in ("width", "height")
        )
        if not fine:
            self.problems.warn(self.line, "image_details that make no sense were ignored")


def box_around(polygons: tuple[Polygon, ...]) -> tuple[float, float, float, float]:
    """The box around all parts, in their unit."""
    xs = [number for part in polygons for number in part[0::2]]
    ys = [number for part in polygons for number in part[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def suffix_of(url: str) -> str:
    return Path(url).suffix.lower().removeprefix(".")
