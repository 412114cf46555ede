"""Moves an entry to another status and keeps the counts that follow from it. All callers hold the entry's lock."""

from __future__ import annotations

from collections import Counter as Tally

from django.utils import timezone

from annotations.models import Annotation, QueueEntry, Response

Status = QueueEntry.Status


def class_counts(response_ids: list[int]) -> dict[int, Tally[int]]:
    """How often each class stands in each of these responses."""
    found: dict[int, Tally[int]] = {pk: Tally() for pk in response_ids}
    for response_id, class_id in Annotation.objects.filter(response_id__in=response_ids).values_list(
        "response_id", "label_class_id"
    ):
        found[response_id][class_id] += 1
    return found


def _weights(entry: QueueEntry, response: Response | None, classes: Tally[int], sign: int) -> Tally[str]:
    """What an entry adds to the counts as it stands (sign 1), or takes away when it leaves that state (sign -1)."""
    weights: Tally[str] = Tally({entry.status: sign})
    if entry.approved:
        weights["approved"] += sign
    if entry.status == Status.UNLABELED and entry.open_slots > 0:
        weights[entry.queue] += sign
    if response is not None and entry.status == Status.LABELED:
        for class_id, count in classes.items():
            weights[f"class:{class_id}"] += sign * count
    if response is not None and response.author_id and entry.status in (Status.LABELED, Status.SKIPPED):
        weights[f"labeler:{response.author_id}"] += sign
    return weights


def finalize(entry: QueueEntry, response: Response, classes: Tally[int], old_classes: Tally[int]) -> Tally[str]:
    """Makes `response` the one that counts. Returns the change of the counts; the entry is changed, not saved."""
    change = _weights(entry, entry.final_response, old_classes, -1)
    entry.final_response = response
    entry.status = Status.LABELED if response.outcome == Response.Outcome.LABELED else Status.SKIPPED
    entry.open_slots = 0
    entry.approved = False
    entry.labeled_at = timezone.now()
    change.update(_weights(entry, response, classes, 1))
    return change


def reopen(entry: QueueEntry, old_classes: Tally[int]) -> Tally[str]:
    """Sends an answered entry back to the queue in a new round; its old responses stay in its history."""
    change = _weights(entry, entry.final_response, old_classes, -1)
    entry.final_response = None
    entry.status = Status.UNLABELED
    entry.round += 1
    entry.open_slots = entry.slots
    entry.approved = False
    entry.labeled_at = None
    change.update(_weights(entry, None, Tally(), 1))
    return change


def set_flags(
    entry: QueueEntry, old_classes: Tally[int], *, approved: bool | None = None, removed: bool = False
) -> Tally[str]:
    """Approves, withdraws approval, or removes from the project. Returns the change of the counts."""
    change = _weights(entry, entry.final_response, old_classes, -1)
    if approved is not None:
        entry.approved = approved
    if removed:
        entry.status, entry.open_slots, entry.approved = Status.REMOVED, 0, False
    change.update(_weights(entry, entry.final_response, old_classes, 1))
    return change


FIELDS = ["final_response", "status", "open_slots", "approved", "labeled_at", "round"]
