"""Takes a page's answers: idempotent, complete, and never losing an answer that can still be taken."""

from __future__ import annotations

import uuid
from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotations.models import (
    Annotation,
    Assignment,
    Comment,
    Draft,
    Operation,
    PrelabelDecision,
    QueueEntry,
    Response,
    Task,
)
from annotations.services import answers as checking
from annotations.services import comments, drafts, finalizing, prelabels
from annotations.services.answers import Answer
from labeling_site.core import errors, events
from projects import access
from projects.access import Capability
from projects.models import Project, User
from projects.services import counters

LOST = "lease_lost"


@dataclass(frozen=True)
class Refusal:
    """An answer that could not be taken, while the rest of its page was."""

    assignment_id: int
    code: str
    detail: str


@dataclass(frozen=True)
class Submitted:
    task: Task
    refused: list[Refusal]


def submit_task(
    *,
    actor: User,
    task: Task,
    operation_id: uuid.UUID,
    answers: Sequence[Answer],
    client: uuid.UUID | None = None,
    correction: bool | None = None,
    opinion: bool = False,
) -> Submitted:
    """Stores the answers of one's own page and moves its items on.

    The same `operation_id` sent again changes nothing and gets the same reply. A new one for a page that was already
    submitted is a correction, possible until an item is approved or rejected. An answer whose lease ran out is still
    taken while nobody else holds the item. A `client` that says who it is does not overwrite what another browser of
    the same person did since it looked; one that says whether this is a `correction` does not replace an answer it does
    not know of. With `opinion` an answer that comes after its image went to somebody else is kept as a second opinion,
    for reviewers to see, and changes nothing that counts. Raises Invalid for an incomplete page or an answer that does
    not fit the task type, and Conflict when nothing of the page can be taken.
    """
    project = task.project
    access.require(actor, Capability.LABEL, project.workspace_id)
    if task.labeler_id != actor.pk:
        raise errors.NotFound(_("There is no such page of yours."))
    held = {row.pk: row for row in task.assignments.select_related("entry__item")}
    if (replay := _replay(task, held, operation_id, answers)) is not None:
        return replay
    checked = _check(project, task, held, answers)
    with transaction.atomic():
        # Both copies of a request sent twice at once may have come this far; the entries' lock lets one pass first.
        rows = QueueEntry.objects.filter(pk__in=[row.entry_id for row, _answer in checked]).order_by("id")
        entries = list(rows.select_for_update(of=("self",)).select_related("final_response"))
        if (replay := _replay(task, held, operation_id, answers)) is not None:
            return replay
        refused = _store(actor, project, entries, operation_id, checked, client, correction, opinion)
        if len(refused) == len(checked):
            raise errors.Conflict(
                refused[0].detail,
                way_out=_("What you drew is kept in this browser. Open the next page."),
                code=refused[0].code,
            )
        task.state, task.submitted_at = Task.State.SUBMITTED, timezone.now()
        Task.objects.filter(pk=task.pk).update(state=task.state, submitted_at=task.submitted_at)
        events.publish(project.topic)
    return Submitted(task, refused)


def _replay(
    task: Task, held: dict[int, Assignment], operation_id: uuid.UUID, answers: Sequence[Answer]
) -> Submitted | None:
    """The reply to an operation that was carried out before, or None."""
    entry_ids = [row.entry_id for row in held.values()]
    stored = set(
        Response.objects.filter(entry__in=entry_ids, operation_id=operation_id).values_list("assignment_id", flat=True)
    )
    if not stored:
        return None
    task.refresh_from_db()
    missed = [answer.assignment_id for answer in answers if answer.assignment_id not in stored]
    return Submitted(task, [Refusal(pk, "lease_lost", _("This answer was refused before.")) for pk in missed])


def _check(
    project: Project, task: Task, held: dict[int, Assignment], answers: Sequence[Answer]
) -> list[tuple[Assignment, Answer]]:
    """Everything that can be judged without a lock."""
    given = [answer.assignment_id for answer in answers]
    if not answers or len(set(given)) != len(given):
        raise errors.Invalid(_("Answer each item of the page once."), fields={"answers": ["?"]})
    for pk in given:
        if pk not in held:
            raise errors.Invalid(_("Assignment %d is not on this page.") % pk, fields={"answers": [str(pk)]})
    open_ids = {pk for pk, row in held.items() if row.state == Assignment.State.LIVE}
    if open_ids - set(given):
        raise errors.Invalid(
            _("%d images of this page have no answer yet.") % len(open_ids - set(given)), code="incomplete"
        )
    checked = []
    for index, answer in enumerate(answers):
        where = f"answers[{index}].annotations"
        if answer.outcome == Response.Outcome.LABELED:
            item = held[answer.assignment_id].entry.item
            fitting = checking.check_annotations(project, item, answer.annotations, where)
            answer = replace(answer, annotations=tuple(fitting))
        elif answer.outcome == Response.Outcome.SKIPPED:
            answer = replace(answer, annotations=())
        else:
            raise errors.Invalid(
                _("An outcome is “labeled” or “skipped”."), fields={f"answers[{index}].outcome": ["?"]}
            )
        checked.append((held[answer.assignment_id], answer))
    checking.check_classes(project, [one for _row, answer in checked for one in answer.annotations])
    return checked


def _store(
    actor: User,
    project: Project,
    entries: list[QueueEntry],
    operation_id: uuid.UUID,
    checked: list[tuple[Assignment, Answer]],
    client: uuid.UUID | None,
    correction: bool | None,
    opinion: bool,
) -> list[Refusal]:
    by_entry = {row.entry_id: (row.pk, answer) for row, answer in checked}
    rows = Assignment.objects.in_bulk([pk for pk, _answer in by_entry.values()])
    found = {one.assignment_id: one for one in Draft.objects.filter(assignment__in=rows).defer("annotations")}
    contained: list[Operation] = []
    final_ids = [entry.final_response_id for entry in entries if entry.final_response_id]
    old = finalizing.class_counts(final_ids) if final_ids else {}
    refused: list[Refusal] = []
    change: Tally[str] = Tally()
    done: list[int] = []
    beside: list[int] = []
    objects: list[Annotation] = []
    decisions: list[PrelabelDecision] = []
    suggested = prelabels.of_entries([entry.pk for entry in entries])
    for entry in entries:
        assignment_id, answer = by_entry[entry.pk]
        row = rows[assignment_id]
        reason = _elsewhere(found.get(row.pk), client, answer, row, correction) or refusal(actor, entry, row)
        is_opinion = opinion and reason is not None and reason[0] == LOST
        if reason and not is_opinion:
            refused.append(Refusal(assignment_id, *reason))
            continue
        response = Response.objects.create(
            entry=entry,
            assignment=row,
            author=actor,
            kind=Response.Kind.OPINION if is_opinion else Response.Kind.LABELER,
            outcome=answer.outcome,
            skip_reason=answer.skip_reason.strip()[:300],
            round=entry.round,
            replaces=None if is_opinion else entry.final_response,
            operation_id=operation_id,
            active_seconds=min(max(answer.active_seconds, 0.0), 86_400.0),
            actions=min(max(answer.actions, 0.0), 1e6),
        )
        contained += drafts.remember(row.pk, client, answer.operations)
        origins, decided = prelabels.judged(response, answer.annotations, suggested[entry.pk], row.created_at)
        objects += checking.rows(response, answer.annotations, origins)
        classes = Tally(one.label_class_id for one in answer.annotations)
        if is_opinion:
            beside.append(assignment_id)
            change.update(_raise_doubt(entry, response, classes, old))
            continue
        decisions += decided
        change.update(finalizing.finalize(entry, response, classes, old.get(response.replaces_id or 0, Tally())))
        entry.save(update_fields=finalizing.FIELDS)
        done.append(assignment_id)
    Annotation.objects.bulk_create(objects)
    PrelabelDecision.objects.bulk_create(decisions)
    Assignment.objects.filter(pk__in=done).update(state=Assignment.State.DONE)
    Operation.objects.bulk_create(contained, ignore_conflicts=True)
    if found:
        drafts.close(done + beside)
    if change:
        counters.add(project.pk, change)
    return refused


def _raise_doubt(
    entry: QueueEntry, opinion: Response, classes: Tally[int], old: dict[int, Tally[int]]
) -> dict[str, int]:
    """Asks the lead about a second opinion that differs from what counts; returns the change of the counts."""
    counts = entry.final_response
    if counts is None or (counts.outcome, old[counts.pk]) == (opinion.outcome, classes):
        return {}
    text = _("A second opinion, given after the image had gone to somebody else, differs. It is in the history.")
    Comment.objects.create(entry=entry, author=opinion.author, text=text, asks_lead=True)
    return {comments.QUESTIONS: 1}


def _elsewhere(
    draft: Draft | None, client: uuid.UUID | None, answer: Answer, row: Assignment, correction: bool | None
) -> tuple[str, Any] | None:
    """Why this browser's view of the item is too old to be taken, or None."""
    if correction is False and row.state == Assignment.State.DONE:
        return ("submitted", _("This image was submitted meanwhile, in another tab or on another device."))
    if client is not None and answer.base is not None and drafts.touched_elsewhere(draft, client, answer.base):
        return (
            "changed_elsewhere",
            _("This image was changed meanwhile in another browser. Reload the page to see it."),
        )
    return None


def refusal(actor: User, entry: QueueEntry, row: Assignment) -> tuple[str, Any] | None:
    """Why an answer for this item cannot be taken now, or None. Who stores one holds the entry's lock."""
    lost = (LOST, _("Somebody else has this image now: the page was idle for too long."))
    if row.round != entry.round:
        return ("returned", _("This image was sent back to the queue after you answered it."))
    if row.state == Assignment.State.LIVE:
        return None if entry.status == QueueEntry.Status.UNLABELED else lost
    if row.state == Assignment.State.DONE:
        final = entry.final_response
        if entry.approved:
            return ("approved", _("This image has been approved and can no longer be changed."))
        is_own = final is not None and final.author_id == actor.pk and final.kind == Response.Kind.LABELER
        if not is_own or entry.status not in (QueueEntry.Status.LABELED, QueueEntry.Status.SKIPPED):
            return ("reviewed", _("A reviewer has changed this image since."))
        return None
    # The lease ran out or was given back. The answer is welcome while the place is still free.
    return None if entry.status == QueueEntry.Status.UNLABELED and entry.open_slots > 0 else lost
