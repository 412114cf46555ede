"""What an exporter is given: plain facts, one image at a time, read from wherever the caller keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import BinaryIO, Protocol

from annotations.formats.report import FidelityReport
from annotations.geometry import Geometry


class Task(StrEnum):
    """The task types of a project, under the values that projects store."""

    MULTI_CLASS = "multi_class"
    MULTI_LABEL = "multi_label"
    BOX = "object_detection"
    POLYGON = "instance_segmentation"


CLASSIFICATION = frozenset({Task.MULTI_CLASS, Task.MULTI_LABEL})


@dataclass(frozen=True, slots=True)
class ExportedClass:
    """A label class. `id` counts from 1 and is the same in every export of a project; `path` joins levels with `/`."""

    id: int
    path: str
    supercategory: str = ""


@dataclass(frozen=True, slots=True)
class ExportedAnnotation:
    """One class or object of the answer that stands. `class_id` is that of an `ExportedClass`.

    `id` counts from 1 and is the same in every export of a project. `labeled_seconds` is active time on the image.
    """

    id: int
    class_id: int
    class_path: str
    geometry: Geometry | None = None
    confidence: float = 1.0
    is_crowd: int = 0
    labeler: str = ""
    approver: str = ""
    labeled_seconds: float | None = None
    submitted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExportedImage:
    """A labeled image, or one labeled frame of a file with several.

    `id` counts from 1 and is the same in every export of a project; each frame has its own. Width and height are
    pixels as a person sees them, 0 where unknown. `frame` counts from 0 and is None for a file with one frame.
    """

    id: int
    path: str
    datastore: str
    width: int
    height: int
    absolute_url: str | None = None
    captured_at: datetime | None = None
    frame: int | None = None
    annotations: Sequence[ExportedAnnotation] = field(default=())

    @property
    def url(self) -> str:
        """The address that training reads: `AmlDatastore://<datastore>/<path>`."""
        return f"AmlDatastore://{self.datastore}/{self.path}"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """`normalized`: coordinates as shares of the image size (JSON lines always are). `frames`: some of the images are
    frames, so a table needs a column for them."""

    normalized: bool = False
    include_labeler_details: bool = False
    frames: bool = False


@dataclass(frozen=True, slots=True)
class ExportCounts:
    """What was written. An image left out is not counted; the fidelity report names it."""

    images: int
    annotations: int


class Writer(Protocol):
    """Writes an export in constant memory, taking one image at a time from `images`.

    What the format cannot hold goes to `report`. Raises ValueError for an id below 1 and for a class that is not among
    `classes`: both are mistakes of the caller.
    """

    def __call__(
        self,
        images: Iterable[ExportedImage],
        *,
        classes: Sequence[ExportedClass],
        task: Task,
        options: ExportOptions,
        out: BinaryIO,
        report: FidelityReport,
    ) -> ExportCounts: ...


def iso(moment: datetime | None) -> str | None:
    """UTC with a Z, to the microsecond; a moment without a zone is taken as UTC."""
    if moment is None:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")


def labeler_details(annotation: ExportedAnnotation) -> dict[str, str | float | None]:
    """Who labeled, who approved, how long it took and when; the optional extra keys of every format."""
    return {
        "labeler": annotation.labeler,
        "approver": annotation.approver,
        "labeled_seconds": None if annotation.labeled_seconds is None else round(annotation.labeled_seconds, 2),
        "submitted_at": iso(annotation.submitted_at),
    }


def checked(image: ExportedImage, known_classes: frozenset[int]) -> Sequence[ExportedAnnotation]:
    """The image's annotations, after the ids that readers of the file rely on were looked at."""
    if image.id < 1:
        raise ValueError(f"{image.path}: image ids count from 1, not {image.id}")
    for annotation in image.annotations:
        if annotation.id < 1:
            raise ValueError(f"{image.path}: annotation ids count from 1, not {annotation.id}")
        if annotation.class_id not in known_classes:
            raise ValueError(f"{image.path}: annotation {annotation.id} has class {annotation.class_id}, not exported")
    return image.annotations
