"""CSV tables, UTF-8, RFC 4180.

Classification, one row an image, several labels and their confidences joined with `;`:
    image_url,label,label_confidence
Boxes, one row an object:
    image_url,label,topX,topY,bottomX,bottomY,isCrowd,label_confidence
Polygons, the same with the box around the object, and a JSON list with one flat list of coordinates for each part:
    image_url,label,topX,topY,bottomX,bottomY,isCrowd,label_confidence,polygon

Coordinates are pixels, or shares of the image size with `normalized`. A column `frame` follows where some files have
several frames, then the labeler details where asked for.

A class name that begins with `=`, `+`, `-` or `@` is taken for a formula by spreadsheets. It is written as it is, in
quotes, because a sign put before it would not read back as the same class; the fidelity report warns of it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from annotations.formats.model import (
    CLASSIFICATION,
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

DETAILS = ("labeler", "approver", "labeled_seconds", "submitted_at")
_BOX = ("image_url", "label", "topX", "topY", "bottomX", "bottomY", "isCrowd", "label_confidence")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def header(task: Task, options: ExportOptions) -> list[str]:
    """The columns of a table."""
    if task in CLASSIFICATION:
        columns = ["image_url", "label", "label_confidence"]
    else:
        columns = [*_BOX, "polygon"] if task is Task.POLYGON else [*_BOX]
    return columns + ["frame"] * options.frames + [*DETAILS] * options.include_labeler_details


def write_csv(
    images: Iterable[ExportedImage],
    *,
    classes: Sequence[ExportedClass],
    task: Task,
    options: ExportOptions,
    out: BinaryIO,
    report: FidelityReport,
) -> ExportCounts:
    """See `model.Writer`."""
    known = frozenset(label_class.id for label_class in classes)
    for label_class in classes:
        if label_class.path.startswith(_FORMULA):
            report.lost_of_class(Loss.FORMULA, label_class)
        if task is Task.MULTI_LABEL and ";" in label_class.path:
            report.lost_of_class(Loss.SEPARATOR, label_class)
    rows_of = _classification_rows if task in CLASSIFICATION else _object_rows
    image_count = annotation_count = 0
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    try:
        csv.writer(text).writerow(header(task, options))
        table = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
        for image in images:
            checked(image, known)
            count = _write(image, rows_of(image, task, options, report), options, report, table.writerow)
            image_count += count >= 0
            annotation_count += max(count, 0)
    finally:
        text.detach()
    return ExportCounts(images=image_count, annotations=annotation_count)


Row = tuple[list[ExportedAnnotation], list[Any]]
"""The annotations a row speaks of, and its cells up to the optional columns."""


def _write(
    image: ExportedImage,
    rows: Iterator[Row],
    options: ExportOptions,
    report: FidelityReport,
    put: Callable[[list[Any]], Any],
) -> int:
    """Writes the rows of an image. The number of annotations in them, -1 when there was no row."""
    count = -1
    for covered, cells in rows:
        if options.frames:
            cells.append("" if image.frame is None else image.frame)
        elif image.frame is not None:
            report.lost(Loss.FRAME, image, covered[0] if len(covered) == 1 else None)
        if options.include_labeler_details:
            details = [labeler_details(annotation) for annotation in covered]
            # The labels of an image come from one answer, so a value is there once unless they differ.
            cells += [_joined(dict.fromkeys(one[key] for one in details)) for key in DETAILS]
        put(cells)
        count = max(count, 0) + len(covered)
    return count


def _classification_rows(
    image: ExportedImage, task: Task, options: ExportOptions, report: FidelityReport
) -> Iterator[Row]:
    annotations = list(image.annotations)
    if task is Task.MULTI_CLASS:
        for extra in annotations[1:]:
            report.lost(Loss.SEVERAL_CLASSES, image, extra)
        if not annotations:
            report.lost(Loss.NO_CLASS, image)
            return
        annotations = annotations[:1]
    labels = ";".join(annotation.class_path for annotation in annotations)
    yield annotations, [image.url, labels, _joined(annotation.confidence for annotation in annotations)]


def _object_rows(image: ExportedImage, task: Task, options: ExportOptions, report: FidelityReport) -> Iterator[Row]:
    if not image.annotations:
        report.lost(Loss.NO_OBJECTS, image)
    scale = Scale(image, normalized=options.normalized)
    for annotation in image.annotations:
        shape = annotation.geometry
        if shape is None or not scale.possible:
            report.lost(Loss.NO_SHAPE if shape is None else Loss.SIZE_UNKNOWN, image, annotation)
            continue
        cells = [image.url, annotation.class_path, *scale.corners(shape.bounds)]
        cells += [annotation.is_crowd, annotation.confidence]
        if task is Task.POLYGON:
            outline = shape.as_polygon()
            if outline.has_holes:
                report.lost(Loss.HOLES_DROPPED, image, annotation)
            cells.append(json.dumps(scale.outlines(outline)))
        elif isinstance(shape, Polygon):
            report.lost(Loss.POLYGON_AS_BOX, image, annotation)
        yield [annotation], cells


def _joined(values: Iterable[Any]) -> Any:
    """One value as it is, so that a number stays a number; several as text with semicolons."""
    shown = ["" if value is None else value for value in values]
    return shown[0] if len(shown) == 1 else ";".join(str(value) for value in shown)
