"""Answers as they come in: checked against the project before any lock is taken."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from annotations.geometry import Box, GeometryError, Polygon
from annotations.models import Annotation, Response
from labeling_site.core import errors
from projects.models import Item, LabelClass, Project, TaskType

MAX_ANNOTATIONS = 10_000
BIGGEST = 2**63  # the database holds no larger whole number


@dataclass(frozen=True)
class AnswerAnnotation:
    """One class or one object. `client_id` is made by the client and stays the object's name."""

    client_id: uuid.UUID
    label_class_id: int
    frame: int = 0
    box: Box | None = None
    polygon: Polygon | None = None


@dataclass(frozen=True)
class Answer:
    """What a labeler says about one leased item.

    `operations` are edits of the client that this answer contains and that it has not sent alone. `base` is the
    revision of the draft that the client saw, None where it has not looked.
    """

    assignment_id: int
    outcome: str = Response.Outcome.LABELED
    skip_reason: str = ""
    annotations: Sequence[AnswerAnnotation] = field(default_factory=tuple)
    active_seconds: float = 0.0
    actions: float = 0.0
    operations: Sequence[uuid.UUID] = field(default_factory=tuple)
    base: int | None = None


def parse_annotation(data: Mapping[str, Any], where: str) -> AnswerAnnotation:
    """A client's JSON as an AnswerAnnotation; raises Invalid naming the field."""
    try:
        client_id = uuid.UUID(str(data["id"])) if "id" in data else uuid.uuid4()
        label_class_id = int(data["label_class"])
        frame = int(data.get("frame") or 0)
        if not (0 <= label_class_id < BIGGEST and 0 <= frame < BIGGEST):
            raise ValueError(_("a number out of range"))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise errors.Invalid(
            _("An annotation needs “label_class”, the number of a class, and may have “id”, a UUID, and “frame”."),
            fields={where: [str(error)]},
        ) from None
    try:
        box = Box.from_json(data["box"]) if data.get("box") is not None else None
        polygon = Polygon.from_json(data["polygon"]) if data.get("polygon") is not None else None
    except GeometryError as error:
        raise errors.Invalid(_("A shape cannot be used: %s") % error, fields={where: [str(error)]}) from None
    return AnswerAnnotation(client_id, label_class_id, frame, box, polygon)


def check_annotations(
    project: Project, item: Item, annotations: Sequence[AnswerAnnotation], where: str
) -> list[AnswerAnnotation]:
    """The annotations with their shapes clipped to the image; raises Invalid where they do not fit the task type.

    Multi-class: exactly one class. Multi-label: at least one, none twice. Boxes and polygons: any number, or none.
    """
    if len(annotations) > MAX_ANNOTATIONS:
        raise errors.Invalid(_("An item takes at most %d annotations.") % MAX_ANNOTATIONS, fields={where: ["?"]})
    if len({one.client_id for one in annotations}) != len(annotations):
        raise errors.Invalid(_("Two annotations carry the same id."), fields={where: ["id"]})
    kind = project.kind
    if kind.is_classification:
        classes = [one.label_class_id for one in annotations]
        if any(one.box or one.polygon for one in annotations):
            raise errors.Invalid(_("This project takes classes, not shapes."), fields={where: ["box"]})
        if kind == TaskType.MULTI_CLASS and len(classes) != 1:
            raise errors.Invalid(_("Choose exactly one class for each image."), fields={where: ["label_class"]})
        if not classes or len(set(classes)) != len(classes):
            raise errors.Invalid(_("Choose at least one class, each once."), fields={where: ["label_class"]})
        return list(annotations)
    return [_clipped(kind, item, one, f"{where}[{index}]") for index, one in enumerate(annotations)]


def _clipped(kind: TaskType, item: Item, one: AnswerAnnotation, where: str) -> AnswerAnnotation:
    if not 0 <= one.frame < item.frames:
        raise errors.Invalid(_("This file has %d frames, counted from 0.") % item.frames, fields={where: ["frame"]})
    try:
        if kind == TaskType.BOX and one.box is not None and one.polygon is None:
            box, polygon = one.box.clip(item.width, item.height), None
        elif kind == TaskType.POLYGON and one.polygon is not None and one.box is None:
            box, polygon = None, one.polygon.clip(item.width, item.height)
        else:
            wanted = _("a box") if kind == TaskType.BOX else _("a polygon")
            raise errors.Invalid(_("Each object of this project has %s.") % wanted, fields={where: ["box/polygon"]})
    except GeometryError as error:
        raise errors.Invalid(_("A shape cannot be used: %s") % error, fields={where: [str(error)]}) from None
    return AnswerAnnotation(one.client_id, one.label_class_id, one.frame, box, polygon)


def class_states(project: Project, wanted: Collection[int]) -> dict[int, datetime | None]:
    """When each of these classes was retired (None: it is in use); what is no class of the project is not in it."""
    return dict(LabelClass.objects.filter(project=project, pk__in=wanted).values_list("pk", "retired_at"))


def check_class(pk: int, known: Mapping[int, datetime | None]) -> None:
    """Raises Invalid for what is no class of the project, Conflict for a retired one."""
    if pk not in known:
        raise errors.Invalid(
            _("Class %d is not a class of this project.") % pk,
            way_out=_("Reload the list of classes."),
            code="unknown_class",
        )
    if known[pk] is not None:
        raise errors.Conflict(
            _("Class %d has been retired.") % pk, way_out=_("Choose another class."), code="retired_class"
        )


def check_classes(project: Project, annotations: Sequence[AnswerAnnotation]) -> None:
    """Raises Invalid naming the first class that is not one of this project's or has been retired."""
    wanted = {one.label_class_id for one in annotations}
    known = class_states(project, wanted)
    for pk in sorted(wanted):
        check_class(pk, known)


def rows(
    response: Response, annotations: Sequence[AnswerAnnotation], origins: Mapping[uuid.UUID, str] | None = None
) -> list[Annotation]:
    """Unsaved Annotation rows of a response, in drawing order; `origins` names those that are not by hand."""
    found = []
    for position, one in enumerate(annotations):
        bounds = one.box or (one.polygon.bounds if one.polygon else None)
        found.append(
            Annotation(
                response=response,
                label_class_id=one.label_class_id,
                client_id=one.client_id,
                frame=one.frame,
                position=position,
                x=bounds.x if bounds else None,
                y=bounds.y if bounds else None,
                width=bounds.width if bounds else None,
                height=bounds.height if bounds else None,
                polygon=one.polygon.to_json() if one.polygon else None,
                origin=(origins or {}).get(one.client_id, Annotation.Origin.MANUAL),
            )
        )
    return found
