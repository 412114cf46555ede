"""One item of the data tab: its image, what is known about it, its history, and a reviewer's correction."""

from __future__ import annotations

import uuid
from collections import Counter as Tally
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotations import selectors
from annotations.geometry import Box, Polygon
from annotations.models import Annotation, QueueEntry, Response
from annotations.pages.browsing import Browse
from annotations.pages.common import back_to, head, in_project
from annotations.pages.data_tab import actions
from annotations.pages.pictures import picture, shape
from annotations.services import comments, reviewing
from annotations.services.answers import AnswerAnnotation
from labeling_site.core import errors
from projects import access
from projects.access import Capability
from projects.models import Project
from projects.selectors import class_list


@dataclass(frozen=True)
class Event:
    """A line of an item's history: an answer or a decision."""

    at: datetime
    who: str
    what: str
    detail: str
    is_current: bool = False
    response: int | None = None


def _entry(project: Project, entry_id: int) -> QueueEntry:
    rows = QueueEntry.objects.filter(project=project).select_related("project", "item", "final_response__author")
    return get_object_or_404(rows, pk=entry_id)


@in_project(Capability.READ_LABELS)
@require_safe
def entry_page(request: HttpRequest, project: Project, entry_id: int) -> HttpResponse:
    """The single view. The filter it was opened with leads to the images before and after."""
    entry = _entry(project, entry_id)
    reader: Any = request.user
    browse = Browse.from_query(project, request.GET)
    asked = _asked(request, entry)
    annotations = selectors.annotations_of(asked) if asked else selectors.final_annotations([entry])[entry.pk]
    frame = _frame(request, entry, annotations)
    before, after = browse.neighbours(entry)
    answered = entry.status in (QueueEntry.Status.LABELED, QueueEntry.Status.SKIPPED, QueueEntry.Status.NEEDS_REVIEW)
    classes = [node for node in class_list(project) if node.label_class.retired_at is None]
    context = {
        "browse": browse,
        "entry": entry,
        "item": entry.item,
        "picture": picture(entry, annotations, max_side=2048, frame=frame),
        "frame": frame,
        "frames": sorted({one.frame for one in annotations} | {frame}) if entry.item.frames > 1 else [],
        "previous": before,
        "next": after,
        "facts": facts(entry),
        "history": history(entry),
        "actions": [one for one in actions(request, project, entry.status) if _fits(one["value"], entry)],
        "objects": [{"shape": shape(one), "annotation": one} for one in annotations if one.width is not None],
        "chosen": {one.label_class_id for one in annotations},
        "classes": classes,
        "may_correct_this": answered,
        "answer": asked,
        "threads": comments.visible_threads(reader, entry),
        "may_comment": access.may(request.user, Capability.COMMENT, project.workspace_id),
    }
    return render(request, "annotations/entry.html", head(request, project, "data") | context)


def _asked(request: HttpRequest, entry: QueueEntry) -> Response | None:
    """The answer of its history that is to be shown in place of the one that counts, or None."""
    asked = request.GET.get("answer", "")
    if not asked.isdecimal() or len(asked) > 18 or int(asked) == entry.final_response_id:
        return None
    return entry.responses.select_related("author").filter(pk=int(asked)).first()


def _fits(action: str, entry: QueueEntry) -> bool:
    """Approve is offered until approved, unapprove from then on."""
    return not (action == "approve" and entry.approved) and not (action == "unapprove" and not entry.approved)


def _frame(request: HttpRequest, entry: QueueEntry, annotations: list[Annotation]) -> int:
    asked = request.GET.get("frame", "")
    if asked.isdecimal() and len(asked) < 9:
        return min(int(asked), max(entry.item.frames - 1, 0))
    return min((one.frame for one in annotations), default=0)


def facts(entry: QueueEntry) -> list[tuple[str, Any]]:
    """What is known about the file, in words."""
    item = entry.item
    found: list[tuple[str, Any]] = [
        (_("Path"), item.path),
        (_("Size in pixels"), f"{item.width} × {item.height}"),
    ]
    if item.frames > 1:
        found.append((_("Frames"), item.frames))
    if item.is_dicom:
        found.append((_("Kind"), "DICOM"))
    if modality := item.facts.get("modality"):
        found.append((_("Modality"), modality))
    if item.captured_at:
        found.append((_("Captured"), item.captured_at))
    if item.sha256:
        found.append(("SHA-256", item.sha256))
    found.append((_("Round"), entry.round))
    return found


def history(entry: QueueEntry) -> list[Event]:
    """All answers and decisions about an item, newest first."""
    events: list[Event] = []
    responses = entry.responses.select_related("author").prefetch_related("annotations__label_class").order_by("-id")
    for one in responses:
        events.append(
            Event(
                at=one.submitted_at,
                who=str(one.author or ""),
                what=_answer_in_words(one),
                detail=_labels_in_words(one),
                is_current=one.pk == entry.final_response_id,
                response=one.pk,
            )
        )
    for review in entry.reviews.select_related("reviewer"):
        if review.action == review.Action.CORRECT:
            if review.comment:
                events.append(Event(review.created_at, str(review.reviewer or ""), _("Comment"), review.comment))
            continue
        events.append(Event(review.created_at, str(review.reviewer or ""), review.get_action_display(), review.comment))
    return sorted(events, key=lambda event: event.at, reverse=True)


def _answer_in_words(response: Response) -> str:
    if response.kind == Response.Kind.REVIEW:
        return _("Corrected")
    if response.kind == Response.Kind.OPINION:
        return _("Second opinion")
    if response.outcome == Response.Outcome.SKIPPED:
        return _("Skipped")
    if response.kind == Response.Kind.LABELER:
        return _("Labeled")
    return str(response.get_kind_display())


def _labels_in_words(response: Response) -> str:
    if response.outcome == Response.Outcome.SKIPPED:
        return response.skip_reason
    tally = Tally(one.label_class.path for one in response.annotations.all())
    if not tally:
        return _("no objects")
    return ", ".join(path if count == 1 else f"{path} × {count}" for path, count in tally.items())


@in_project(Capability.UPDATE_LABELS)
@require_POST
def correct_entry(request: HttpRequest, project: Project, entry_id: int) -> HttpResponse:
    """A reviewer's answer: other classes; shapes without those that were ticked off; or an answer of the history."""
    entry = _entry(project, entry_id)
    if "answer" in request.POST:
        wanted = _from_history(request, entry)
    elif project.kind.is_classification:
        wanted = [_answer(value) for value in request.POST.getlist("classes")]
    else:
        wanted = _remaining(request, entry)
    actor: Any = request.user
    reviewing.correct(actor=actor, entry=entry, annotations=wanted, comment=request.POST.get("comment", ""))
    messages.success(request, _("Corrected. The earlier answer stays in the history."))
    return back_to(request, reverse("project-entry", args=[project.pk, entry.pk]))


def _answer(value: str, **geometry: Any) -> AnswerAnnotation:
    return AnswerAnnotation(uuid.uuid4(), _class_id(value), **geometry)


def _class_id(value: str) -> int:
    if not value.isdecimal() or len(value) > 18:
        raise errors.Invalid(_("Choose a class."), fields={"classes": ["?"]})
    return int(value)


def _from_history(request: HttpRequest, entry: QueueEntry) -> list[AnswerAnnotation]:
    """What an answer of this item's history says, as a new answer."""
    asked = request.POST["answer"]
    known = entry.responses.filter(outcome=Response.Outcome.LABELED)
    answer = get_object_or_404(known, pk=asked if asked.isdecimal() and len(asked) < 19 else 0)
    return [_as_answer(one, one.label_class_id) for one in selectors.annotations_of(answer)]


def _as_answer(one: Annotation, class_id: int) -> AnswerAnnotation:
    polygon = Polygon.from_json(one.polygon) if one.polygon else None
    box = None
    if polygon is None and one.width is not None:
        box = Box(one.x or 0.0, one.y or 0.0, one.width, one.height or 0.0)
    return AnswerAnnotation(one.client_id, class_id, one.frame, box, polygon)


def _remaining(request: HttpRequest, entry: QueueEntry) -> list[AnswerAnnotation]:
    """The objects as they stand, with the class chosen for each, less those to delete."""
    response_id = entry.final_response_id
    if response_id is None or str(response_id) != request.POST.get("response", ""):
        raise errors.Conflict(
            _("Somebody has changed this image since you opened it."), way_out=_("Look at it again, then correct it.")
        )
    deleted = set(request.POST.getlist("delete"))
    found = []
    for one in Annotation.objects.filter(response_id=response_id).order_by("position", "id"):
        if str(one.pk) in deleted:
            continue
        class_id = _class_id(request.POST.get(f"class-{one.pk}", str(one.label_class_id)))
        found.append(_as_answer(one, class_id))
    return found
