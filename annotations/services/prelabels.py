"""Suggestions of models: stored in bulk, cleared, and what people made of them."""

from __future__ import annotations

import uuid
from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from annotations.models import Annotation, Prelabel, PrelabelDecision, QueueEntry, Response
from annotations.services import answers as checking
from annotations.services.answers import AnswerAnnotation
from labeling_site.core import errors, events
from projects import access
from projects.access import Capability
from projects.models import Project, User
from projects.services import counters
from projects.services.names import clean_name

MAX_ENTRIES = 1_000
MAX_PRELABELS = 10_000
Queue, Status = QueueEntry.Queue, QueueEntry.Status
Decision, Origin = PrelabelDecision.Decision, Annotation.Origin


@dataclass(frozen=True)
class Suggestion:
    """One class or object that a model proposes for one entry, and how sure it is, from 0 to 1."""

    entry_id: int
    annotation: AnswerAnnotation
    confidence: float


@dataclass(frozen=True)
class Stored:
    """How many prelabels were stored for how many entries; `answered` are those that people had answered before."""

    prelabels: int
    entries: int
    answered: list[int]


# --- Writing ---------------------------------------------------------------------------------------------------------


def store(*, actor: User, project: Project, produced_by: str, suggestions: Sequence[Suggestion]) -> Stored:
    """Makes these the prelabels of the entries they name, in place of earlier ones, whoever made those.

    Shapes are clipped to their image. Entries that are answered by now are left as they are and listed. Open ones join
    the prelabeled queue. Raises Invalid for suggestions that do not fit the task type (one class for a multi-class
    image, say), NotFound for entries of other projects. All or nothing.
    """
    access.require(actor, Capability.PRELABEL, project.workspace_id)
    produced_by = clean_name(produced_by, field="produced_by", limit=200, slash=True)
    checked = _check(project, suggestions)
    with transaction.atomic():
        rows = QueueEntry.objects.filter(pk__in=checked, project=project).order_by("id").select_for_update()
        entries = [entry for entry in rows if entry.status == Status.UNLABELED]
        Prelabel.objects.filter(entry__in=entries).delete()
        made = [_row(entry, one, produced_by) for entry in entries for one in checked[entry.pk]]
        Prelabel.objects.bulk_create(made, batch_size=500)
        counters.add(project.pk, _move(entries, Queue.PRELABELED))
        events.publish(project.topic)
    taken = {entry.pk for entry in entries}
    return Stored(len(made), len(entries), sorted(pk for pk in checked if pk not in taken))


def _check(project: Project, suggestions: Sequence[Suggestion]) -> dict[int, list[Suggestion]]:
    """Entry id → its suggestions, clipped; everything that can be judged without a lock."""
    found: dict[int, list[Suggestion]] = {}
    for index, one in enumerate(suggestions):
        if not 0 <= one.confidence <= 1:  # false for NaN, too
            raise errors.Invalid(
                _("A confidence lies between 0 and 1."), fields={f"prelabels[{index}].confidence": ["0–1"]}
            )
        found.setdefault(one.entry_id, []).append(one)
    if not 0 < len(found) <= MAX_ENTRIES or len(suggestions) > MAX_PRELABELS:
        raise errors.Invalid(
            _("Send 1 to %(prelabels)d prelabels for at most %(entries)d items at a time.")
            % {"prelabels": MAX_PRELABELS, "entries": MAX_ENTRIES},
            fields={"prelabels": ["?"]},
        )
    entries = QueueEntry.objects.filter(project=project).select_related("item").in_bulk(list(found))
    for pk, wanted in found.items():
        if pk not in entries:
            raise errors.NotFound(_("Item %d is not in this project.") % pk, fields={"prelabels": [str(pk)]})
        said = [one.annotation for one in wanted]
        clipped = checking.check_annotations(project, entries[pk].item, said, _("item %d") % pk)
        found[pk] = [Suggestion(pk, fit, one.confidence) for one, fit in zip(wanted, clipped, strict=True)]
    checking.check_classes(project, [one.annotation for wanted in found.values() for one in wanted])
    return found


def _row(entry: QueueEntry, suggestion: Suggestion, produced_by: str) -> Prelabel:
    one = suggestion.annotation
    bounds = one.box or (one.polygon.bounds if one.polygon else None)
    return Prelabel(
        entry=entry,
        label_class_id=one.label_class_id,
        key=one.client_id,
        frame=one.frame,
        x=bounds.x if bounds else None,
        y=bounds.y if bounds else None,
        width=bounds.width if bounds else None,
        height=bounds.height if bounds else None,
        polygon=one.polygon.to_json() if one.polygon else None,
        confidence=suggestion.confidence,
        produced_by=produced_by,
    )


def clear(*, actor: User, project: Project, entry_ids: Sequence[int] | None = None, produced_by: str = "") -> int:
    """Removes prelabels and returns how many: of these entries (None: of all), by this maker ("": by anybody).

    Open entries without a prelabel go back to the manual queue. What people decided about removed ones stays on record.
    """
    access.require(actor, Capability.PRELABEL, project.workspace_id)
    if entry_ids is not None and not 0 < len(set(entry_ids)) <= MAX_ENTRIES:
        raise errors.Invalid(_("Choose 1 to %d items.") % MAX_ENTRIES, fields={"entries": ["?"]})
    wanted = Prelabel.objects.filter(entry__project=project)
    if entry_ids is not None:
        wanted = wanted.filter(entry_id__in=set(entry_ids))
    if produced_by:
        wanted = wanted.filter(produced_by=produced_by)
    removed = 0
    # Batch by batch, so that labelers are never locked out for long.
    while pks := list(wanted.order_by("entry_id").values_list("entry_id", flat=True).distinct()[:MAX_ENTRIES]):
        with transaction.atomic():
            rows = list(QueueEntry.objects.filter(pk__in=pks).order_by("id").select_for_update())
            removed += wanted.filter(entry__in=rows).delete()[0]
            left = Exists(Prelabel.objects.filter(entry=OuterRef("pk")))
            bare = set(
                QueueEntry.objects.filter(~left, pk__in=pks, queue=Queue.PRELABELED).values_list("pk", flat=True)
            )
            counters.add(project.pk, _move([entry for entry in rows if entry.pk in bare], Queue.MANUAL))
            events.publish(project.topic)
    return removed


def _move(entries: Sequence[QueueEntry], queue: str) -> Tally[str]:
    """Puts locked entries into a queue; returns how the counts of unassigned entries change."""
    change: Tally[str] = Tally()
    moved = [entry for entry in entries if entry.queue != queue]
    for entry in moved:
        if entry.status == Status.UNLABELED and entry.open_slots > 0:
            change[entry.queue] -= 1
            change[queue] += 1
    QueueEntry.objects.filter(pk__in=[entry.pk for entry in moved]).update(queue=queue)
    return change


# --- What people made of them ----------------------------------------------------------------------------------------


def of_entries(entry_ids: Sequence[int]) -> dict[int, list[Prelabel]]:
    """The prelabels of these entries, by entry id."""
    found: dict[int, list[Prelabel]] = {pk: [] for pk in entry_ids}
    for one in Prelabel.objects.filter(entry_id__in=entry_ids):
        found[one.entry_id].append(one)
    return found


def judged(
    response: Response, annotations: Sequence[AnswerAnnotation], prelabels: Sequence[Prelabel], shown_until: datetime
) -> tuple[dict[uuid.UUID, str], list[PrelabelDecision]]:
    """Where the annotations of a response come from, by client id, and unsaved rows of what became of each prelabel.

    An annotation that carries a prelabel's key is that prelabel: accepted as it was, or edited. One that nobody took up
    was dismissed, provided it was there when the page was handed out. A skipped image says nothing about its prelabels.
    """
    said = {one.client_id: one for one in annotations}
    origins: dict[uuid.UUID, str] = {}
    decisions: list[PrelabelDecision] = []
    if response.outcome == Response.Outcome.SKIPPED:
        return origins, decisions
    for prelabel in prelabels:
        taken = said.get(prelabel.key)
        if taken is None and prelabel.made_at > shown_until:
            continue
        decision = Decision.DISMISSED
        if taken is not None:
            is_same = _is_same(prelabel, taken)
            decision = Decision.ACCEPTED if is_same else Decision.EDITED
            origins[prelabel.key] = Origin.PRELABEL if is_same else Origin.EDITED
        decisions.append(
            PrelabelDecision(
                response=response,
                key=prelabel.key,
                label_class_id=prelabel.label_class_id,
                confidence=prelabel.confidence,
                produced_by=prelabel.produced_by,
                decision=decision,
            )
        )
    return origins, decisions


def _is_same(prelabel: Prelabel, taken: AnswerAnnotation) -> bool:
    if (prelabel.label_class_id, prelabel.frame) != (taken.label_class_id, taken.frame):
        return False
    if taken.polygon is not None:
        return taken.polygon.to_json() == prelabel.polygon
    if taken.box is None:
        return prelabel.width is None
    box = taken.box
    return (box.x, box.y, box.width, box.height) == (prelabel.x, prelabel.y, prelabel.width, prelabel.height)
