"""The fidelity report: what a format could not hold, object by object, in a file beside the export.

JSON lines. Each line names the image, the object where it is about one, a code and a sentence; the last line is a
summary, also when nothing was lost:

    {"image": "a/b.jpg", "image_id": 3, "annotation_id": 17, "code": "holes_dropped", "what": "…"}
    {"summary": {"holes_dropped": 1}, "total": 1}
"""

from __future__ import annotations

import json
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from annotations.formats.model import ExportedAnnotation, ExportedClass, ExportedImage


class Loss(StrEnum):
    HOLES_AS_MASK = "holes_as_mask"
    HOLES_DROPPED = "holes_dropped"
    POLYGON_AS_BOX = "polygon_as_box"
    NO_SHAPE = "no_shape"
    SIZE_UNKNOWN = "size_unknown"
    NO_OBJECTS = "no_objects"
    NO_CLASS = "no_class"
    SEVERAL_CLASSES = "several_classes"
    FRAME = "frame"
    FORMULA = "formula"
    SEPARATOR = "separator"


SENTENCES = {
    Loss.HOLES_AS_MASK: "The object has holes, which COCO outlines cannot hold: it was written as a mask of whole "
    "pixels (run-length counts), so its corner points are not kept.",
    Loss.HOLES_DROPPED: "The object has holes, which this format cannot hold: only the outer outlines were written.",
    Loss.POLYGON_AS_BOX: "The object is an outline, the format holds boxes: the box around it was written.",
    Loss.NO_SHAPE: "The object has no shape, the format needs one: it was left out.",
    Loss.SIZE_UNKNOWN: "The size of the image is not known, so coordinates cannot be given as shares of it: "
    "the object was left out.",
    Loss.NO_OBJECTS: "The image was labeled as having no objects; a table of objects has no row for it.",
    Loss.NO_CLASS: "The image has no class, the format needs one: it was left out.",
    Loss.SEVERAL_CLASSES: "The image has several classes, the format holds one: this one was left out.",
    Loss.FRAME: "The file has several frames, the table has no column for them: the row does not say which it means.",
    Loss.FORMULA: "The class name begins with a sign that spreadsheets take for a formula. It was written as it is, so "
    "that it reads back the same: open the file as text columns.",
    Loss.SEPARATOR: "The class name contains a semicolon, which separates the labels of an image: readers split it.",
}


class FidelityReport:
    """Writes to `out` as it goes and keeps only counts. Close it to get the summary line."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.counts: Counter[Loss] = Counter()

    @property
    def total(self) -> int:
        return self.counts.total()

    def lost(self, loss: Loss, image: ExportedImage, annotation: ExportedAnnotation | None = None) -> None:
        """Something about an image, or about one object on it."""
        line: dict[str, Any] = {"image": image.path, "image_id": image.id}
        if image.frame is not None:
            line["frame"] = image.frame
        if annotation is not None:
            line |= {"annotation_id": annotation.id, "label": annotation.class_path}
        self._add(loss, line)

    def lost_of_class(self, loss: Loss, label_class: ExportedClass) -> None:
        """Something about the name of a class, said once and not for each of its objects."""
        self._add(loss, {"label": label_class.path})

    def close(self) -> None:
        """Writes the summary. Leaves the file handle open: it belongs to the caller."""
        self._write({"summary": {str(loss): n for loss, n in sorted(self.counts.items())}, "total": self.total})

    def _add(self, loss: Loss, line: dict[str, Any]) -> None:
        self.counts[loss] += 1
        self._write({**line, "code": str(loss), "what": SENTENCES[loss]})

    def _write(self, line: dict[str, Any]) -> None:
        self._out.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
