"""What is really on the sample images, and how well something drawn agrees with it. Needs the sample data."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image
from pycocotools import mask as masks

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # x, y, width, height in pixels of the image as seen

CARDS = ["ace", "king", "queen", "jack", "ten", "nine", "waterfall", "table"]
# The same landscape however its file is turned: 1800 × 1200 as a person sees it, with a waterfall on the right.
WATERFALL = (1120.0, 80.0, 390.0, 1060.0)
TURNED = ["Landscape_3.jpg", "Landscape_6.jpg", "Landscape_8.jpg"]
# The table below the patient in a CT slice of 128 × 128.
TABLE = (20.0, 80.0, 88.0, 30.0)


def clothing(data: Path, each: int) -> dict[str, Path]:
    """So many pictures of each kind of clothing, by a name that tells the kind: "hat-1.jpg"."""
    found = {}
    for folder in sorted((data / "clothing10-cls" / "train").iterdir()):
        for number, path in enumerate(sorted(folder.glob("*.jpg"))[:each], start=1):
            found[f"{folder.name}_{number}{path.suffix}"] = path
    return found


def lay_out_cards(data: Path, folder: Path, count: int) -> dict[str, list[tuple[str, Box]]]:
    """Puts card photos, turned photos and a scan into `folder`; returns the objects of each path."""
    wanted: dict[str, list[tuple[str, Box]]] = {}
    (folder / "table").mkdir(parents=True)
    for path in sorted((data / "cards-det-mlabel" / "images" / "test").glob("*.JPG"))[:count]:
        shutil.copy(path, folder / "table" / path.name)
        root = ElementTree.parse(path.with_suffix(".xml")).getroot()  # noqa: S314  our own sample data
        wanted[f"table/{path.name}"] = [_voc(one) for one in root.iter("object")]
    (folder / "turned").mkdir()
    for name in TURNED:
        shutil.copy(data / "awkward-images" / "orientation" / name, folder / "turned" / name)
        wanted[f"turned/{name}"] = [("waterfall", WATERFALL)]
    (folder / "scans").mkdir()
    shutil.copy(data / "dicom-mix" / "single_frame" / "CT_small.dcm", folder / "scans" / "CT_small.dcm")
    wanted["scans/CT_small.dcm"] = [("table", TABLE)]
    return wanted


def _voc(node: ElementTree.Element) -> tuple[str, Box]:
    left, top, right, bottom = (
        float(node.findtext(f"bndbox/{side}") or 0) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    return node.findtext("name") or "", (left, top, right - left, bottom - top)


def lay_out_nuclei(data: Path, folder: Path, count: int) -> dict[str, list[list[Point]]]:
    """Puts the `count` pictures with the fewest nuclei into `folder`; returns outlines of about twelve points each."""
    folders = sorted((data / "nuclei-seg" / "stage1_train").iterdir(), key=lambda one: len(list(one.glob("masks/*"))))
    wanted: dict[str, list[list[Point]]] = {}
    folder.mkdir(parents=True)
    for one in folders[:count]:
        picture = next(one.glob("images/*.png"))
        shutil.copy(picture, folder / f"{picture.stem[:8]}.png")
        outlines = [outline(np.asarray(Image.open(path).convert("L")) > 0) for path in sorted(one.glob("masks/*.png"))]
        wanted[f"{picture.stem[:8]}.png"] = [found for found in outlines if area(found) > 60]
    return wanted


def outline(mask: np.ndarray[Any, Any], most: int = 12) -> list[Point]:
    """The hull of a mask, thinned to `most` corners: again and again the one goes whose loss changes the area least."""
    rows, columns = np.nonzero(mask)
    corners = {
        (float(x + dx), float(y + dy)) for x, y in zip(columns, rows, strict=True) for dx in (0, 1) for dy in (0, 1)
    }
    points = _hull(sorted(corners))
    while len(points) > most:
        losses = [area([points[at - 1], points[at], points[(at + 1) % len(points)]]) for at in range(len(points))]
        points.pop(losses.index(min(losses)))
    return points


def _hull(points: list[Point]) -> list[Point]:
    """Andrew's monotone chain."""

    def half(ordered: list[Point]) -> list[Point]:
        chain: list[Point] = []
        for x, y in ordered:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2], chain[-1]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    return half(points) + half(points[::-1])


def area(points: list[Point]) -> float:
    """The shoelace formula, without sign."""
    doubled = sum(points[at - 1][0] * points[at][1] - points[at][0] * points[at - 1][1] for at in range(len(points)))
    return abs(doubled) / 2


def box_iou(one: Box, other: Box) -> float:
    return float(masks.iou([list(one)], [list(other)], [0])[0][0])


def polygon_iou(one: list[Point], other: list[Point], width: int, height: int) -> float:
    """On a grid four times as fine as the pixels, so that a rounded corner costs little."""
    rings = [[[4 * value for point in points for value in point]] for points in (one, other)]
    made = [masks.merge(masks.frPyObjects(ring, 4 * height, 4 * width)) for ring in rings]
    return float(masks.iou([made[0]], [made[1]], [0])[0][0])


def pairs(flat: list[float]) -> list[Point]:
    return list(zip(flat[::2], flat[1::2], strict=True))
