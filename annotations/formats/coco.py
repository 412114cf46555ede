"""COCO object annotations, as pycocotools reads them; optionally with the normalized numbers of older exports.

By default a true COCO file: boxes `[left, top, width, height]`, outlines and areas in pixels of the image as a person
sees it, `iscrowd`, true image sizes. An object with holes is a mask of run lengths, since COCO outlines have none; a
box has an empty `segmentation`. An image class is an annotation without a box. Images without objects are listed.

With `normalized`, numbers are shares of the image size, `area` is 0.0 and there is no `iscrowd` unless it is set.

Extra keys, which readers skip: `coco_url` (address in the datastore), `absolute_url`, `frame` of an image;
`score` of an annotation whose confidence is not 1, and the labeler details where asked for.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
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
    iso,
    labeler_details,
)
from annotations.formats.report import FidelityReport, Loss
from annotations.formats.shapes import Scale, run_lengths
from annotations.geometry import Box, Geometry, Polygon

_SPOOL_IN_MEMORY = 4 * 1024 * 1024


def write_coco(
    images: Iterable[ExportedImage],
    *,
    classes: Sequence[ExportedClass],
    task: Task,
    options: ExportOptions,
    out: BinaryIO,
    report: FidelityReport,
) -> ExportCounts:
    """See `model.Writer`. Images go out as they come; annotations wait in a temporary file until the last image."""
    known = frozenset(label_class.id for label_class in classes)
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY) as spool:
        image_list, annotation_list = _List(out), _List(spool)  # type: ignore[arg-type]
        if options.normalized:
            out.write(b'{"images": [')
        else:
            info = {"version": "1.0", "coordinates": "pixels of the image as seen, origin top left"}
            out.write(b'{"info": %s, "licenses": [], "images": [' % json.dumps(info).encode())
        for image in images:
            image_list.add(_image(image, options))
            for annotation in checked(image, known):
                row = _annotation(annotation, image, task, options, report)
                if row is not None:
                    annotation_list.add(row)
        out.write(b'\n],\n"annotations": [')
        spool.seek(0)
        shutil.copyfileobj(spool, out)
    out.write(b'\n],\n"categories": [')
    category_list = _List(out)
    for label_class in classes:
        category: dict[str, Any] = {"id": label_class.id, "name": label_class.path}
        if not options.normalized:
            category["supercategory"] = label_class.supercategory
        category_list.add(category)
    out.write(b"\n]}\n")
    return ExportCounts(images=image_list.count, annotations=annotation_list.count)


class _List:
    """Elements of a JSON list, one a line, so that a person can search the file."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.count = 0

    def add(self, row: dict[str, Any]) -> None:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False)
        self._out.write((",\n" if self.count else "\n").encode() + text.encode())
        self.count += 1


def _image(image: ExportedImage, options: ExportOptions) -> dict[str, Any]:
    number = float if options.normalized else int
    row: dict[str, Any] = {
        "id": image.id,
        "width": number(image.width),
        "height": number(image.height),
        "file_name": image.path,
        "coco_url": image.url,
    }
    if image.absolute_url:
        row["absolute_url"] = image.absolute_url
    if image.captured_at is not None:
        row["date_captured"] = iso(image.captured_at)
    if image.frame is not None:
        row["frame"] = image.frame
    return row


def _annotation(
    annotation: ExportedAnnotation, image: ExportedImage, task: Task, options: ExportOptions, report: FidelityReport
) -> dict[str, Any] | None:
    row: dict[str, Any] = {"id": annotation.id, "category_id": annotation.class_id, "image_id": image.id}
    if task not in CLASSIFICATION:
        scale = Scale(image, normalized=options.normalized)
        if annotation.geometry is None or not scale.possible:
            report.lost(Loss.NO_SHAPE if annotation.geometry is None else Loss.SIZE_UNKNOWN, image, annotation)
            return None
        write_shape = _normalized_shape if options.normalized else _shape
        row |= write_shape(annotation.geometry, annotation, image, scale, report)
    if annotation.confidence != 1.0:
        row["score"] = annotation.confidence
    if options.include_labeler_details:
        row |= labeler_details(annotation)
    return row


def _shape(
    shape: Geometry, annotation: ExportedAnnotation, image: ExportedImage, scale: Scale, report: FidelityReport
) -> dict[str, Any]:
    segmentation: Any = []
    area = shape.area
    if isinstance(shape, Polygon):
        segmentation = scale.outlines(shape)
        if shape.has_holes:
            mask, pixels = run_lengths(shape, width=image.width, height=image.height)
            # No pixels: the shape is smaller than one, or the size of the image is not known.
            if pixels:
                segmentation, area = mask, pixels
            report.lost(Loss.HOLES_AS_MASK if pixels else Loss.HOLES_DROPPED, image, annotation)
    return {
        "area": round(float(area), 4),
        "bbox": scale.size(shape.bounds),
        "segmentation": segmentation,
        "iscrowd": annotation.is_crowd,
    }


def _normalized_shape(
    shape: Geometry, annotation: ExportedAnnotation, image: ExportedImage, scale: Scale, report: FidelityReport
) -> dict[str, Any]:
    row: dict[str, Any] = {"area": 0.0, "bbox": scale.size(shape.bounds)}
    if not isinstance(shape, Box):
        row["segmentation"] = scale.outlines(shape)
        if shape.has_holes:
            report.lost(Loss.HOLES_DROPPED, image, annotation)
    if annotation.is_crowd:
        row["iscrowd"] = annotation.is_crowd
    return row
