"""The unsent answer of an assignment: how edits change it, who wrote last, and when it ends.

Locks are taken in one order everywhere: entries, assignments, drafts.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from annotations.models import Annotation, Assignment, Draft, Operation, Prelabel, QueueEntry
from projects.models import User

Objects = list[dict[str, Any]]
OVER = (Assignment.State.EXPIRED, Assignment.State.RELEASED)
KEEP_OPERATIONS = timedelta(days=30)
FORGET_TOGETHER = 1000


@dataclass(frozen=True)
class Change:
    """One annotation of an edit: what it is afterwards (None: gone), and its place in the drawing order."""

    object_id: str
    after: dict[str, Any] | None
    at: int


def apply(objects: Objects, changes: Sequence[Change]) -> Objects:
    """The annotations after an edit, in drawing order.

    Says what things are afterwards, not how they come to be: an object that is there is replaced, one that is not is
    put at its place, one that is gone stays gone. So edits applied again, in order, end where they ended before. One
    that is taken out and put in within the same edit moves to its new place.
    """
    out = {one.object_id for one in changes if one.after is None}
    new = {one.object_id: one.after for one in changes if one.after is not None}
    place = {one.object_id: one.at for one in changes if one.after is not None}
    found = []
    for one in objects:
        if one["id"] not in out:
            found.append(new.pop(one["id"], one))
    for name in sorted(new, key=lambda name: place[name]):
        found.insert(min(max(place[name], 0), len(found)), new[name])
    return found


def as_object(one: Annotation | Prelabel) -> dict[str, Any]:
    """A stored annotation as a draft holds it."""
    name = one.key if isinstance(one, Prelabel) else one.client_id
    found: dict[str, Any] = {"id": str(name), "label_class": one.label_class_id, "frame": one.frame}
    if one.polygon:
        found["polygon"] = one.polygon
    elif one.width is not None:
        found["box"] = {"x": one.x, "y": one.y, "width": one.width, "height": one.height}
    return found


def as_suggestion(one: Prelabel) -> dict[str, Any]:
    """A prelabel as a draft holds it while nobody has touched it."""
    return as_object(one) | {"suggested": True, "confidence": one.confidence}


def touched_elsewhere(draft: Draft | None, client: uuid.UUID, base: int) -> set[str]:
    """Ids of annotations that another browser changed after revision `base` of the draft."""
    if draft is None or (draft.client in (client, None) and draft.client_since <= base + 1):
        return set()
    others = Operation.objects.filter(assignment_id=draft.assignment_id, revision__gt=base).exclude(client=client)
    return {name for names in others.values_list("objects_touched", flat=True) for name in names}


def locked(assignment_ids: Collection[int]) -> dict[int, Draft]:
    """The drafts of these assignments, locked in order; missing ones are made."""
    Draft.objects.bulk_create([Draft(assignment_id=pk) for pk in sorted(assignment_ids)], ignore_conflicts=True)
    rows = Draft.objects.filter(assignment_id__in=assignment_ids).order_by("assignment_id").select_for_update()
    return {row.assignment_id: row for row in rows}


def close(assignment_ids: Sequence[int]) -> None:
    """What was submitted is no draft any more."""
    Draft.objects.filter(assignment_id__in=assignment_ids, is_open=True).update(
        annotations=[], is_open=False, revision=F("revision") + 1, updated_at=timezone.now()
    )


def remember(assignment_id: int, client: uuid.UUID | None, operation_ids: Iterable[uuid.UUID]) -> list[Operation]:
    """Unsaved rows for edits that a submit contained: should they still arrive alone, they are known."""
    return [Operation(assignment_id=assignment_id, client=client, operation_id=one) for one in set(operation_ids)]


def bring_back(actor: User, assignments: Sequence[Assignment], entries: Sequence[QueueEntry]) -> None:
    """What this person did on an earlier lease of the same item, in the same round, comes along to the new one."""
    old = Draft.objects.filter(
        is_open=True, assignment__labeler=actor, assignment__entry__in=entries, assignment__state__in=OVER
    )
    by_entry = {row.entry_id: row for row in assignments}
    for draft in old.select_related("assignment").order_by("updated_at"):
        row = by_entry[draft.assignment.entry_id]
        if row.round != draft.assignment.round:
            continue
        Draft.objects.filter(assignment=row).delete()  # an older one of the same item, brought a moment ago
        Draft.objects.filter(pk=draft.pk).update(assignment=row)


def forget_operations() -> int:
    """Deletes edits that are older than KEEP_OPERATIONS and whose page nobody works on; returns how many.

    They tell an edit that is sent again, and what another browser has not seen: a browser that was away for longer and
    still sends one of a submitted page is told that the page was submitted, and keeps what it has. Edits of live leases
    and of drafts that are not submitted stay, however old.
    """
    before = timezone.now() - KEEP_OPERATIONS
    worked_on = Draft.objects.filter(assignment=OuterRef("assignment"), is_open=True)
    gone, last = 0, 0
    # In order of their numbers, which is that of their times: no index of times has to be kept with every edit.
    while chunk := list(
        Operation.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "applied_at")[:FORGET_TOGETHER]
    ):
        last = chunk[-1][0]
        old = [pk for pk, at in chunk if at < before]
        rows = Operation.objects.filter(pk__in=old).exclude(assignment__state=Assignment.State.LIVE)
        gone += rows.exclude(Exists(worked_on)).delete()[0]
        if len(old) < len(chunk):
            break
    return gone
