"""Edits of an open page, one by one: each is applied once, or refused with a reason while the rest goes through."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotations.models import Assignment, Draft, Operation, Prelabel, Response, Task
from annotations.services import answers as checking
from annotations.services import drafts, submission
from annotations.services.answers import AnswerAnnotation, parse_annotation
from annotations.services.drafts import Change
from labeling_site.core import errors
from projects import access
from projects.access import Capability
from projects.models import Item, Project, TaskType, User

MAX_OPERATIONS = 500
MAX_EXTRAS = 10
_OWN_KEYS = {"id", "label_class", "frame", "box", "polygon", "assignment"}
_EXTRA_NAME = re.compile(r"[a-z][a-z_]{0,39}")


@dataclass(frozen=True)
class Edit:
    """One edit of one item. `base` is the revision of the draft that the client had loaded when it was made.

    A change is {"id", "after", "at"}: the annotation afterwards (null: gone) and its place in the drawing order.
    """

    operation_id: uuid.UUID
    assignment_id: int
    changes: Sequence[Mapping[str, Any]]
    base: int = 0


@dataclass(frozen=True)
class Verdict:
    """What became of an edit: `code` is empty for one that is applied, now or before."""

    operation_id: uuid.UUID
    code: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Edited:
    verdicts: list[Verdict]
    revisions: dict[int, int]  # of the draft of each assignment that was named


def apply_operations(
    *, actor: User, task: Task, client: uuid.UUID, edits: Sequence[Edit], correction: bool = False
) -> Edited:
    """Applies edits of one's own page in order, in one transaction, and renews its lease.

    An edit that was applied before is left as it is. One that does not fit (a class or shape that cannot be used, an
    annotation that another browser changed meanwhile, a lease that ended) is refused alone; nothing of it is stored.
    With `correction` they are edits of a page that was submitted already. Raises NotFound for the page of somebody
    else, Forbidden without the right to label, Invalid for too many edits at once.
    """
    project = task.project
    access.require(actor, Capability.LABEL, project.workspace_id)
    if task.labeler_id != actor.pk:
        raise errors.NotFound(_("There is no such page of yours."))
    if len(edits) > MAX_OPERATIONS:
        raise errors.Invalid(_("Send at most %d operations at once.") % MAX_OPERATIONS, fields={"operations": ["?"]})
    rows = {
        row.pk: row
        for row in task.assignments.select_related("project", "entry__item", "entry__final_response").order_by("pk")
    }
    read = _Reader(project, edits)
    checked = [(edit, read.changes(edit, rows.get(edit.assignment_id))) for edit in edits]
    named = sorted({edit.assignment_id for edit in edits} & rows.keys())
    with transaction.atomic():
        _renew(named)
        found = drafts.locked(named)
        return _apply_all(actor, rows, found, client, checked, correction)


def _renew(assignment_ids: Sequence[int]) -> None:
    """An edit is a sign of life; a lease that has most of its time left is not written again."""
    now = timezone.now()
    Assignment.objects.filter(
        pk__in=assignment_ids, state=Assignment.State.LIVE, expires_at__lt=now + settings.LEASE / 2
    ).update(expires_at=now + settings.LEASE)


def _apply_all(
    actor: User,
    rows: dict[int, Assignment],
    found: dict[int, Draft],
    client: uuid.UUID,
    checked: Sequence[tuple[Edit, list[Change] | Verdict]],
    correction: bool,
) -> Edited:
    known = set(
        Operation.objects.filter(
            assignment__in=found, operation_id__in=[edit.operation_id for edit, _changes in checked]
        ).values_list("assignment_id", "operation_id")
    )
    states = dict(Assignment.objects.filter(pk__in=found).values_list("pk", "state"))
    closed = {pk: _closed(actor, rows[pk], states[pk], correction) for pk in found}
    verdicts: list[Verdict] = []
    applied: list[Operation] = []
    foreign: dict[tuple[int, int], set[str]] = {}
    for edit, changes in checked:
        key = (edit.assignment_id, edit.operation_id)
        if key in known:
            verdicts.append(Verdict(edit.operation_id))
            continue
        if isinstance(changes, Verdict):
            verdicts.append(changes)
            continue
        draft = found[edit.assignment_id]
        where = (edit.assignment_id, edit.base)
        if where not in foreign:
            foreign[where] = drafts.touched_elsewhere(draft, client, edit.base)
        refusal = closed[edit.assignment_id] or _clash(foreign[where], changes) or _change(rows, draft, changes)
        verdicts.append(Verdict(edit.operation_id, *(refusal or ())))
        if refusal is None:
            known.add(key)
            applied.append(_row(draft, client, edit, changes))
    Operation.objects.bulk_create(applied)
    for draft in [found[pk] for pk in sorted({row.assignment_id for row in applied})]:
        draft.save()
    return Edited(verdicts, {pk: draft.revision for pk, draft in found.items()})


def _closed(actor: User, row: Assignment, state: str, correction: bool) -> tuple[str, str] | None:
    """Why this item takes no edits now, or None."""
    if state == Assignment.State.LIVE:
        return None
    if state != Assignment.State.DONE:
        return ("lease_lost", _("This image was given back because the page was idle for too long."))
    if not correction:
        return ("submitted", _("This image was submitted meanwhile, in another tab or on another device."))
    row.state = state
    return submission.refusal(actor, row.entry, row)


def _clash(foreign: set[str], changes: Sequence[Change]) -> tuple[str, str] | None:
    if any(one.object_id in foreign for one in changes):
        return ("changed_elsewhere", _("This was changed meanwhile in another browser. Reload the page to see it."))
    return None


def _change(rows: dict[int, Assignment], draft: Draft, changes: Sequence[Change]) -> tuple[str, str] | None:
    """Changes the draft, not yet saved; a reason where it would grow too large."""
    before = draft.annotations if draft.is_open else _submitted(rows[draft.assignment_id])
    after = drafts.apply(before, changes)
    if len(after) > checking.MAX_ANNOTATIONS:
        return ("too_many", _("An item takes at most %d annotations.") % checking.MAX_ANNOTATIONS)
    draft.annotations, draft.is_open = after, True
    return None


def _submitted(row: Assignment) -> drafts.Objects:
    """What edits start from: the last answer given under this assignment, else what models suggest."""
    last = Response.objects.filter(assignment=row).order_by("-id").first()
    if last is None:
        return _suggested(row)
    if last.outcome == Response.Outcome.SKIPPED:
        return [{"id": str(last.operation_id), "skipped": True, "skip_reason": last.skip_reason}]
    return [drafts.as_object(one) for one in last.annotations.order_by("position", "id")]


def _suggested(row: Assignment) -> drafts.Objects:
    """As the page shows it: surest first, and of several classes for an image that has one only the surest."""
    rows = Prelabel.objects.filter(entry_id=row.entry_id).order_by("-confidence", "id")
    is_single = row.project.kind == TaskType.MULTI_CLASS
    return [drafts.as_suggestion(one) for one in (rows[:1] if is_single else rows)]


def _row(draft: Draft, client: uuid.UUID, edit: Edit, changes: Sequence[Change]) -> Operation:
    draft.revision += 1
    if draft.client != client:
        draft.client, draft.client_since = client, draft.revision
    return Operation(
        assignment_id=edit.assignment_id,
        operation_id=edit.operation_id,
        client=client,
        revision=draft.revision,
        objects_touched=sorted({one.object_id for one in changes}),
    )


class _Reader:
    """Checks what can be judged without a lock: shapes, classes, fields."""

    def __init__(self, project: Project, edits: Sequence[Edit]) -> None:
        self.project = project
        self.edits = edits
        self._classes: dict[int, datetime | None] | None = None

    def changes(self, edit: Edit, row: Assignment | None) -> list[Change] | Verdict:
        """The changes of an edit with clipped shapes, or the verdict that refuses it."""
        try:
            if row is None:
                raise errors.Invalid(_("Assignment %d is not on this page.") % edit.assignment_id)
            if not edit.changes:
                raise errors.Invalid(_("An operation needs at least one change."))
            return [self._change(row.entry.item, one, f"changes[{at}]") for at, one in enumerate(edit.changes)]
        except errors.AppError as error:
            return Verdict(edit.operation_id, error.code, str(error))

    def _change(self, item: Item, change: Mapping[str, Any], where: str) -> Change:
        try:
            object_id = str(uuid.UUID(str(change["id"])))
            at = min(max(int(change.get("at") or 0), 0), checking.MAX_ANNOTATIONS)
            after = change["after"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise errors.Invalid(
                _("A change is {“id”: a UUID, “after”: an annotation or null, “at”: its place in the drawing order}."),
                fields={where: [str(error)]},
            ) from None
        if after is None:
            return Change(object_id, None, at)
        if not isinstance(after, Mapping):
            raise errors.Invalid(_("“after” is an annotation or null."), fields={where: ["after"]})
        return Change(object_id, {"id": object_id} | self._annotation(item, dict(after), object_id, where), at)

    def _annotation(self, item: Item, after: dict[str, Any], object_id: str, where: str) -> dict[str, Any]:
        if after.get("skipped") is True:
            return {"skipped": True, "skip_reason": str(after.get("skip_reason") or "").replace("\0", "")[:300]}
        one = parse_annotation(after | {"id": object_id}, where)
        [fitting] = checking.check_annotations(self.project, item, [one], where)
        checking.check_class(fitting.label_class_id, self.classes)
        return _as_json(fitting) | _extras(after, where)

    @property
    def classes(self) -> dict[int, datetime | None]:
        """Of every class that an edit names, in one query."""
        if self._classes is None:
            afters = [change.get("after") for edit in self.edits for change in edit.changes]
            named = [after.get("label_class") for after in afters if isinstance(after, Mapping)]
            wanted = {pk for pk in named if isinstance(pk, int) and 0 <= pk < checking.BIGGEST}
            self._classes = checking.class_states(self.project, wanted)
        return self._classes


def _as_json(one: AnswerAnnotation) -> dict[str, Any]:
    found: dict[str, Any] = {"label_class": one.label_class_id, "frame": one.frame}
    if one.polygon is not None:
        found["polygon"] = one.polygon.to_json()
    if one.box is not None:
        found["box"] = one.box.to_json()
    return found


def _extras(after: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What a page notes beside a class and a shape, as which suggestion it came from; small plain values only."""
    found = {str(name): value for name, value in after.items() if name not in _OWN_KEYS}
    for name, value in found.items():
        if len(found) > MAX_EXTRAS or not _EXTRA_NAME.fullmatch(name) or not _is_plain(value):
            raise errors.Invalid(_("An annotation has no field %s.") % name[:40], fields={where: [name[:40]]})
    return found


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= 300 and "\0" not in value
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < checking.BIGGEST)
