"""What reviewers decide: approve, reject, return, remove, correct."""

from __future__ import annotations

import uuid
from collections import Counter as Tally
from collections.abc import Callable, Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from annotations.models import Annotation, QueueEntry, Response, Review
from annotations.services import answers as checking
from annotations.services import finalizing
from annotations.services.answers import AnswerAnnotation
from labeling_site.core import errors, events
from projects import access
from projects.access import Capability
from projects.models import Project, User
from projects.services import counters

Status = QueueEntry.Status
MAX_ENTRIES = 500


def approve(*, actor: User, project: Project, entry_ids: Sequence[int], comment: str = "") -> int:
    """Marks labeled items as approved; returns how many changed. Approved answers can no longer be corrected."""

    def decide(entry: QueueEntry, classes: Tally[int]) -> Tally[str] | None:
        if entry.status != Status.LABELED:
            raise _wrong_status(entry, _("Only labeled items can be approved."))
        return None if entry.approved else finalizing.set_flags(entry, classes, approved=True)

    return _review(actor, project, entry_ids, Capability.APPROVE, Review.Action.APPROVE, comment, decide)


def unapprove(*, actor: User, project: Project, entry_ids: Sequence[int], comment: str = "") -> int:
    """Withdraws approval; returns how many changed."""

    def decide(entry: QueueEntry, classes: Tally[int]) -> Tally[str] | None:
        return finalizing.set_flags(entry, classes, approved=False) if entry.approved else None

    return _review(actor, project, entry_ids, Capability.APPROVE, Review.Action.UNAPPROVE, comment, decide)


def reject(*, actor: User, project: Project, entry_ids: Sequence[int], comment: str = "") -> int:
    """Sends labeled items back to the queue in a new round; the labels stay in their history. Returns how many."""

    def decide(entry: QueueEntry, classes: Tally[int]) -> Tally[str] | None:
        if entry.status not in (Status.LABELED, Status.NEEDS_REVIEW):
            raise _wrong_status(entry, _("Only labeled items can be rejected."))
        return finalizing.reopen(entry, classes)

    return _review(actor, project, entry_ids, Capability.REJECT, Review.Action.REJECT, comment, decide)


def return_skipped(*, actor: User, project: Project, entry_ids: Sequence[int], comment: str = "") -> int:
    """Sends skipped items back to the queue. Returns how many."""

    def decide(entry: QueueEntry, classes: Tally[int]) -> Tally[str] | None:
        if entry.status != Status.SKIPPED:
            raise _wrong_status(entry, _("Only skipped items can be returned."))
        return finalizing.reopen(entry, classes)

    return _review(actor, project, entry_ids, Capability.REJECT, Review.Action.RETURN, comment, decide)


def remove_skipped(*, actor: User, project: Project, entry_ids: Sequence[int], comment: str = "") -> int:
    """Accepts that skipped items cannot be labeled: they leave the project. Returns how many."""

    def decide(entry: QueueEntry, classes: Tally[int]) -> Tally[str] | None:
        if entry.status != Status.SKIPPED:
            raise _wrong_status(entry, _("Only skipped items can be removed."))
        return finalizing.set_flags(entry, classes, removed=True)

    return _review(actor, project, entry_ids, Capability.APPROVE, Review.Action.REMOVE, comment, decide)


def correct(
    *,
    actor: User,
    entry: QueueEntry,
    annotations: Sequence[AnswerAnnotation],
    operation_id: uuid.UUID | None = None,
    comment: str = "",
) -> Response:
    """Puts a reviewer's answer in place of the one that counts; the old one stays in the history.

    Repeating an operation_id changes nothing.
    """
    project = entry.project
    access.require(actor, Capability.UPDATE_LABELS, project.workspace_id)
    operation_id = operation_id or uuid.uuid4()
    fitting = checking.check_annotations(project, entry.item, annotations, "annotations")
    checking.check_classes(project, fitting)
    with transaction.atomic():
        entry = _locked([entry.pk], project)[0]
        done = Response.objects.filter(entry=entry, operation_id=operation_id).first()
        if done is not None:
            return done
        if entry.status not in (Status.LABELED, Status.SKIPPED, Status.NEEDS_REVIEW):
            raise _wrong_status(entry, _("Only answered items can be corrected."))
        old = _classes([entry])
        response = Response.objects.create(
            entry=entry,
            author=actor,
            kind=Response.Kind.REVIEW,
            round=entry.round,
            replaces=entry.final_response,
            operation_id=operation_id,
        )
        Annotation.objects.bulk_create(checking.rows(response, fitting))
        classes = Tally(one.label_class_id for one in fitting)
        change = finalizing.finalize(entry, response, classes, old.get(response.replaces_id or 0, Tally()))
        entry.save(update_fields=finalizing.FIELDS)
        Review.objects.create(
            entry=entry, response=response, reviewer=actor, action=Review.Action.CORRECT, comment=comment.strip()[:1000]
        )
        counters.add(project.pk, change)
        events.publish(project.topic)
    return response


def _review(
    actor: User,
    project: Project,
    entry_ids: Sequence[int],
    capability: Capability,
    action: str,
    comment: str,
    decide: Callable[[QueueEntry, Tally[int]], Tally[str] | None],
) -> int:
    """Applies one decision to all entries or to none; unchanged ones leave no trace."""
    access.require(actor, capability, project.workspace_id)
    wanted = sorted(set(entry_ids))
    if not 0 < len(wanted) <= MAX_ENTRIES:
        raise errors.Invalid(_("Choose 1 to %d items.") % MAX_ENTRIES, fields={"entries": ["?"]})
    with transaction.atomic():
        entries = _locked(wanted, project)
        old = _classes(entries)
        change: Tally[str] = Tally()
        changed: list[QueueEntry] = []
        reviews: list[Review] = []
        for entry in entries:
            judged = entry.final_response
            delta = decide(entry, old.get(entry.final_response_id or 0, Tally()))
            if delta is None:
                continue
            change.update(delta)
            changed.append(entry)
            reviews.append(
                Review(entry=entry, response=judged, reviewer=actor, action=action, comment=comment.strip()[:1000])
            )
        QueueEntry.objects.bulk_update(changed, finalizing.FIELDS)
        Review.objects.bulk_create(reviews)
        if changed:
            counters.add(project.pk, change)
            events.publish(project.topic)
    return len(changed)


def _locked(entry_ids: Sequence[int], project: Project) -> list[QueueEntry]:
    rows = QueueEntry.objects.filter(pk__in=entry_ids, project=project).order_by("id").select_for_update(of=("self",))
    entries = list(rows.select_related("final_response", "item"))
    if len(entries) != len(entry_ids):
        raise errors.NotFound(_("Some of these items are not in this project."))
    return entries


def _classes(entries: Sequence[QueueEntry]) -> dict[int, Tally[int]]:
    return finalizing.class_counts([entry.final_response_id for entry in entries if entry.final_response_id])


def _wrong_status(entry: QueueEntry, rule: str) -> errors.Conflict:
    return errors.Conflict(
        _("%(path)s is %(status)s.") % {"path": entry.item.path, "status": entry.get_status_display().lower()},
        way_out=rule,
    )
