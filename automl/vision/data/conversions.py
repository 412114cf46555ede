"""Other people's formats to JSON lines (parity B.3.5): folders, CSV, Pascal VOC, VOC with masks, COCO."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from automl.vision.errors import DataError
from automl.vision.spec import tasks

from .outlines import outlines
from .records import Example, Labeled

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".dcm"}
Found = tuple[list[Example], list[str]]  # examples, and what was left out and why


def from_folders(folder: Path) -> Found:
    """One class per sub-folder: the folder's name is the label."""
    examples = []
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            examples.append(Example(path.relative_to(folder).as_posix(), path, labels=(path.parent.name,)))
    if not examples:
        raise DataError(f"{folder} has no images in sub-folders.", "Expected one folder per class.")
    return examples, []


def from_csv(path: Path, root: Path) -> Found:
    """A header line, then `filename,label1 label2 …`; lines without exactly two fields are skipped, and listed."""
    examples, skipped = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = list(csv.reader(text))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV in UTF-8.", "Expected lines of the form filename,label1 label2.") from error
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 2:
            skipped.append(f"line {number}: expected two fields, found {len(row)}")
            continue
        url = row[0].strip()
        examples.append(Example(url, root / url, number, labels=tuple(dict.fromkeys(row[1].split()))))
    if not examples:
        raise DataError(f"{path} has no line of the form filename,label1 label2.")
    return examples, skipped


def from_voc(folder: Path, root: Path, masks: Path | None = None) -> Found:
    """Pascal VOC: one XML file an image, `difficult` becomes isCrowd.

    With `masks`, a PNG of the same name holds the instances: its distinct values, without the least, in the order of
    the objects. Images are looked for under `root`.
    """
    examples, skipped = [], []
    for path in sorted(folder.rglob("*.xml")):
        try:
            examples.append(_voc_example(path, root, masks))
        except (ET.ParseError, DataError, ValueError, OSError) as error:
            skipped.append(f"{path.name}: {error}")
    if not examples:
        raise DataError(
            f"{folder} holds no usable VOC file.", "; ".join(skipped[:5]) or "Expected an XML file an image."
        )
    return examples, skipped


def _voc_example(path: Path, root: Path, masks: Path | None) -> Example:
    text = path.read_bytes()
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise DataError("it declares entities, which no VOC file needs")
    tree = ET.fromstring(text)  # noqa: S314 - entities were refused above
    name = (tree.findtext("filename") or "").strip()
    if not name:
        raise DataError("it names no file")
    width, height = (float(tree.findtext(f"size/{side}") or 0) for side in ("width", "height"))
    found = _beside(path, root, name)
    if width <= 0 or height <= 0:
        with Image.open(found) as image:
            width, height = image.size
    nodes = tree.findall("object")
    drawn = _instances(masks / f"{path.stem}.png") if masks else []
    if masks and len(drawn) != len(nodes):
        raise DataError(f"the mask holds {len(drawn)} instances and the file {len(nodes)} objects")
    objects = []
    for at, node in enumerate(nodes):
        crowd = (node.findtext("difficult") or "0").strip() == "1"
        label = (node.findtext("name") or "").strip()
        corners = [float(node.findtext(f"bndbox/{side}") or "nan") for side in ("xmin", "ymin", "xmax", "ymax")]
        box = tuple(min(1.0, max(0.0, n / (width, height)[i % 2])) for i, n in enumerate(corners))
        if not label or not (box[2] > box[0] and box[3] > box[1]):
            raise DataError(f"object {at + 1} has no name or no area")
        objects.append(Labeled(label, (box[0], box[1], box[2], box[3]), crowd, drawn[at] if drawn else ()))
    return Example(found.relative_to(root).as_posix(), found, objects=tuple(objects))


def _beside(path: Path, root: Path, name: str) -> Path:
    """The image that a VOC file names: beside it, or under the root."""
    for place in (path.parent / name, root / name):
        if place.exists() and root.resolve() in place.resolve().parents:
            return root / place.resolve().relative_to(root.resolve())
    return root / Path(name).name


def _instances(path: Path) -> list[tuple[tuple[float, ...], ...]]:
    with Image.open(path) as image:
        values = np.asarray(image.convert("L") if image.mode not in ("L", "P", "I", "I;16") else image)
    found = []
    for value in np.unique(values)[1:]:
        rings = outlines(values == value)
        height, width = values.shape
        found.append(tuple(tuple(n / (width, height)[i] for p in ring for i, n in enumerate(p)) for ring in rings))
    return found


def from_mask_files(folder: Path, label: str) -> Found:
    """One folder an image: `images/*` and a PNG per object in `masks/`, all of class `label`."""
    examples, skipped = [], []
    for place in sorted(each for each in folder.iterdir() if (each / "masks").is_dir()):
        pictures = sorted(p for p in (place / "images").glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        if not pictures:
            skipped.append(f"{place.name}: no image")
            continue
        objects = []
        for path in sorted((place / "masks").glob("*.png")):
            with Image.open(path) as image:
                mask = np.asarray(image.convert("L")) > 127
            height, width = mask.shape
            rings = outlines(mask)
            if not rings:
                skipped.append(f"{path.name}: the mask is empty")
                continue
            parts = tuple(tuple(n / (width, height)[i] for p in ring for i, n in enumerate(p)) for ring in rings)
            xs, ys = [n for part in parts for n in part[0::2]], [n for part in parts for n in part[1::2]]
            objects.append(Labeled(label, (min(xs), min(ys), max(xs), max(ys)), False, parts))
        examples.append(Example(pictures[0].relative_to(folder).as_posix(), pictures[0], objects=tuple(objects)))
    if not examples:
        raise DataError(f"{folder} has no folders with images/ and masks/.")
    return examples, skipped


def task_of(examples: Iterable[Example]) -> str:
    """The task that examples of a conversion fit."""
    found = list(examples)
    if any(example.objects for example in found):
        return tasks.SEGMENTATION if any(o.polygons for e in found for o in e.objects) else tasks.DETECTION
    return tasks.MULTILABEL if any(len(example.labels) != 1 for example in found) else tasks.CLASSIFICATION
