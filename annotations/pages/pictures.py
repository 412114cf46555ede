"""An answered item as templates draw it: its image, and its labels as SVG over it.

Numbers are strings with a full stop, because an SVG attribute must not follow the reader's locale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from annotations.models import Annotation, QueueEntry
from projects.models import LabelClass
from projects.pages.media import item_image_url


@dataclass(frozen=True)
class Shape:
    """A box (x, y, width, height) or a polygon (path, in SVG's language), with its class."""

    pk: int
    label_class: LabelClass
    x: str = ""
    y: str = ""
    width: str = ""
    height: str = ""
    path: str = ""
    frame: int = 0


@dataclass(frozen=True)
class ClassChip:
    """A class of an item, and how many of its objects are in it."""

    label_class: LabelClass
    count: int


@dataclass
class Picture:
    """What a tile, a line or the single view shows of an entry."""

    entry: QueueEntry
    image_url: str
    frame: int
    shapes: list[Shape] = field(default_factory=list)
    chips: list[ClassChip] = field(default_factory=list)


def number(value: float) -> str:
    """A coordinate to a hundredth of a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def picture(
    entry: QueueEntry, annotations: Sequence[Annotation], *, max_side: int, frame: int | None = None
) -> Picture:
    """An entry with its annotations. Without `frame` the first labeled frame is shown, with the objects on it."""
    if frame is None:
        frame = min((one.frame for one in annotations), default=0)
    made = Picture(entry=entry, image_url=item_image_url(entry.item, max_side=max_side, frame=frame), frame=frame)
    counts: dict[int, int] = {}
    classes: dict[int, LabelClass] = {}
    for one in annotations:
        classes[one.label_class_id] = one.label_class
        counts[one.label_class_id] = counts.get(one.label_class_id, 0) + 1
        if one.frame == frame and one.width is not None:
            made.shapes.append(shape(one))
    made.chips = [ClassChip(classes[pk], count) for pk, count in counts.items()]
    return made


def shape(one: Annotation) -> Shape:
    """One object for SVG; its bounds are given for polygons too."""
    return Shape(
        pk=one.pk,
        label_class=one.label_class,
        x=number(one.x or 0),
        y=number(one.y or 0),
        width=number(one.width or 0),
        height=number(one.height or 0),
        path=_path(one.polygon) if one.polygon else "",
        frame=one.frame,
    )


def _path(polygon: dict[str, Any]) -> str:
    """Parts and holes as one path; filled by the even-odd rule, holes stay open."""
    rings = [ring for part in polygon["parts"] for ring in (part["outer"], *part.get("holes", ()))]
    return " ".join("M" + "L".join(f"{number(x)},{number(y)}" for x, y in ring) + "Z" for ring in rings)
