"""Remarks on an item: written, answered, settled. Who sees them is decided by `visible_threads`."""

from __future__ import annotations

import math

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotations.models import Assignment, Comment, QueueEntry
from labeling_site.core import errors, events
from projects import access
from projects.access import Capability
from projects.models import User
from projects.services import counters
from projects.services.names import clean_text

MAX_COMMENTS = 200
MAX_TEXT = 2000
QUESTIONS = "questions"
"""The count of open threads that ask the lead, on the dashboard."""


def visible_threads(user: User, entry: QueueEntry) -> QuerySet[Comment]:
    """The threads about an item that this user may read, oldest first, with their answers.

    Who may see submitted labels sees all. A labeler who was handed the item sees them too, save where several people
    answer it independently: there only the threads one began oneself. Raises Forbidden for everybody else.
    """
    held = access.capabilities(user, entry.project.workspace_id)
    answers = Comment.objects.select_related("author").order_by("id")
    rows = Comment.objects.filter(entry=entry, thread=None).select_related("author", "resolved_by").order_by("id")
    rows = rows.prefetch_related(Prefetch("replies", answers))
    if Capability.READ_LABELS in held or access.is_administrator(user):
        return rows
    if not Assignment.objects.filter(entry=entry, labeler=user).exists():
        access.require(user, Capability.READ_LABELS, entry.project.workspace_id)
    return rows.filter(author=user) if entry.slots > 1 else rows


def comment(
    *,
    actor: User,
    entry: QueueEntry,
    text: str,
    point: tuple[float, float] | None = None,
    frame: int = 0,
    asks_lead: bool = False,
) -> Comment:
    """Begins a thread about an item, or about a point of its image; `asks_lead` puts it on the reviewers' list.

    Raises Invalid for a point outside the image, Conflict when the item has too many comments.
    """
    _may_write(actor, entry)
    text = _clean(text)
    _check_place(entry, point, frame)
    with transaction.atomic():
        _locked(entry)
        x, y = point or (None, None)
        made = Comment.objects.create(entry=entry, author=actor, text=text, frame=frame, x=x, y=y, asks_lead=asks_lead)
        _tell(entry, 1 if asks_lead else 0)
    return made


def reply(*, actor: User, thread: Comment, text: str) -> Comment:
    """Answers in a thread that one may read. Whoever answers a settled question does not open it again."""
    _may_write(actor, thread.entry)
    _readable(actor, thread)
    text = _clean(text)
    with transaction.atomic():
        _locked(thread.entry)
        made = Comment.objects.create(entry=thread.entry, author=actor, thread=thread, text=text, frame=thread.frame)
        _tell(thread.entry, 0)
    return made


def resolve(*, actor: User, thread: Comment) -> Comment:
    """Settles a thread: its author may, and everybody who reviews labels. Settling twice changes nothing."""
    return _settle(actor, thread, True)


def reopen(*, actor: User, thread: Comment) -> Comment:
    """Takes `resolve` back."""
    return _settle(actor, thread, False)


def _settle(actor: User, thread: Comment, is_settled: bool) -> Comment:
    _may_write(actor, thread.entry)
    _readable(actor, thread)
    if thread.author_id != actor.pk:
        access.require(actor, Capability.READ_LABELS, thread.entry.project.workspace_id)
    with transaction.atomic():
        row = Comment.objects.select_for_update(of=("self",)).get(pk=thread.pk)
        if (row.resolved_at is not None) == is_settled:
            return row
        row.resolved_at = timezone.now() if is_settled else None
        row.resolved_by = actor if is_settled else None
        row.save(update_fields=["resolved_at", "resolved_by"])
        change = 0
        if row.asks_lead:
            change = -1 if is_settled else 1
        _tell(thread.entry, change)
    return row


# --- Pieces ----------------------------------------------------------------------------------------------------------


def _may_write(actor: User, entry: QueueEntry) -> None:
    access.require(actor, Capability.COMMENT, entry.project.workspace_id)
    visible_threads(actor, entry)


def _readable(actor: User, thread: Comment) -> None:
    """Raises NotFound for an answer, and for a thread that is not shown to this person."""
    if not visible_threads(actor, thread.entry).filter(pk=thread.pk).exists():
        raise errors.NotFound(_("There is no such thread here, or it is not yours to see."))


def _clean(text: str) -> str:
    text = clean_text(text, field="text", limit=MAX_TEXT)
    if not text:
        sentence = _("A comment needs some words.")
        raise errors.Invalid(sentence, fields={"text": [sentence]})
    return text


def _check_place(entry: QueueEntry, point: tuple[float, float] | None, frame: int) -> None:
    item = entry.item
    if not 0 <= frame < max(item.frames, 1):
        raise errors.Invalid(_("This file has %d frames, counted from 0.") % item.frames, fields={"frame": ["?"]})
    if point is None:
        return
    x, y = point
    if not (math.isfinite(x) and math.isfinite(y) and 0 <= x <= item.width and 0 <= y <= item.height):
        raise errors.Invalid(_("This point lies outside the image."), fields={"point": ["?"]})


def _locked(entry: QueueEntry) -> None:
    QueueEntry.objects.select_for_update(of=("self",)).get(pk=entry.pk)
    if Comment.objects.filter(entry=entry).count() >= MAX_COMMENTS:
        raise errors.Conflict(
            _("This item has %d comments; no more are kept.") % MAX_COMMENTS, way_out=_("Settle it in person.")
        )


def _tell(entry: QueueEntry, change: int) -> None:
    counters.add(entry.project_id, {QUESTIONS: change})
    events.publish(entry.project.topic)
