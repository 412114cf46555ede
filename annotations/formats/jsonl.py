"""JSON lines: one image a line, ready for training.

    {"image_url": "AmlDatastore://store/a.jpg", "label": …, "label_confidence": …,
     "image_width": 640, "image_height": 480}

`label` is a string (multi-class), a list of strings (multi-label), a list of `{label, topX, topY, bottomX, bottomY,
isCrowd}` (boxes) or of `{label, isCrowd, polygon: [[x1, y1, …], …]}` (polygons, one inner list a part). Coordinates are
shares of the image size. `label_confidence` is a number, or a list as long as `label`. An image without objects has
an empty list. `frame` is there where the file has several; labeler details, where asked for, run along with `label`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from annotations.formats.model import (
    ExportCounts,
    ExportedAnnotation,
    ExportedClass,
    ExportedImage,
    ExportOptions,
    Task,
    checked,
    labeler_details,
)
from annotations.formats.report import FidelityReport, Loss
from annotations.formats.shapes import Scale
from annotations.geometry import Polygon


def write_jsonl(
    images: Iterable[ExportedImage],
    *,
    classes: Sequence[ExportedClass],
    task: Task,
    options: ExportOptions,
    out: BinaryIO,
    report: FidelityReport,
) -> ExportCounts:
    """See `model.Writer`. Coordinates are always shares of the image size, whatever `options.normalized` says."""
    known = frozenset(label_class.id for label_class in classes)
    image_count = annotation_count = 0
    for image in images:
        kept, labels = _labels(image, checked(image, known), task, report)
        if task is Task.MULTI_CLASS and not kept:
            continue
        details = [labeler_details(annotation) for annotation in kept] if options.include_labeler_details else []
        columns: dict[str, list[Any]] = {
            "label": labels,
            "label_confidence": [annotation.confidence for annotation in kept],
        }
        for key in details[0] if details else ():
            columns[key] = [one[key] for one in details]
        row: dict[str, Any] = {"image_url": image.url}
        row |= {key: values[0] for key, values in columns.items()} if task is Task.MULTI_CLASS else columns
        row |= {"image_width": image.width, "image_height": image.height}
        if image.frame is not None:
            row["frame"] = image.frame
        out.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        image_count += 1
        annotation_count += len(kept)
    return ExportCounts(images=image_count, annotations=annotation_count)


def _labels(
    image: ExportedImage, annotations: Sequence[ExportedAnnotation], task: Task, report: FidelityReport
) -> tuple[list[ExportedAnnotation], list[Any]]:
    """The annotations that the format can hold, and the value of `label` for each."""
    if task is Task.MULTI_CLASS:
        for extra in annotations[1:]:
            report.lost(Loss.SEVERAL_CLASSES, image, extra)
        if not annotations:
            report.lost(Loss.NO_CLASS, image)
        annotations = annotations[:1]
    if task in {Task.MULTI_CLASS, Task.MULTI_LABEL}:
        return list(annotations), [annotation.class_path for annotation in annotations]
    scale = Scale(image, normalized=True)
    kept, labels = [], []
    for annotation in annotations:
        shape = annotation.geometry
        if shape is None or not scale.possible:
            report.lost(Loss.NO_SHAPE if shape is None else Loss.SIZE_UNKNOWN, image, annotation)
            continue
        label: dict[str, Any] = {"label": annotation.class_path}
        if task is Task.BOX:
            if isinstance(shape, Polygon):
                report.lost(Loss.POLYGON_AS_BOX, image, annotation)
            corners = scale.corners(shape.bounds)
            label |= dict(zip(("topX", "topY", "bottomX", "bottomY"), corners, strict=True))
            label["isCrowd"] = annotation.is_crowd
        else:
            outline = shape.as_polygon()
            if outline.has_holes:
                report.lost(Loss.HOLES_DROPPED, image, annotation)
            label |= {"isCrowd": annotation.is_crowd, "polygon": scale.outlines(outline)}
        kept.append(annotation)
        labels.append(label)
    return kept, labels
