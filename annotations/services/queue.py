"""The one hand-out function, and everything else that moves a lease."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotations.models import PAGE_SIZES, Assignment, Draft, QueueEntry, Task
from annotations.services import drafts
from labeling_site.core import errors, events
from projects import access
from projects.access import Capability
from projects.models import Project, User
from projects.services import counters

HOLDING = (Assignment.State.LIVE, Assignment.State.DONE)
END_BATCH = 500
MAX_OPEN = 12
"""Pages that one person may hold at once in a project."""


@dataclass(frozen=True)
class HandOut:
    """What a labeler gets: a task, or the reason there is none. `remaining` counts items without a final answer."""

    task: Task | None
    remaining: int
    reason: str = ""


@dataclass(frozen=True)
class Kept:
    """What became of leases: tasks whose lease has ended, and whether those taken ahead have to be given back."""

    lost: list[int]
    is_scarce: bool


def next_task(
    *, actor: User, project: Project, page_size: int = 1, holding: Collection[int] = (), ahead: bool = False
) -> HandOut:
    """An open task of this labeler, with its leases renewed, or a new one of up to `page_size` items.

    The tasks in `holding` are those that the caller has already: it gets another one. `ahead` asks for a page that is
    not looked at yet; while fewer items are free than the people at work need, there is none.

    No item is ever held by two people in the same slot: free entries are locked while they are claimed, and two
    database constraints stand behind that. Reasons for no task: "paused", "empty" (nothing is left), "waiting" (others
    hold all that is left), "scarce" (nothing to take ahead), "enough" (this person holds MAX_OPEN pages). Raises
    Forbidden without the right to label.
    """
    access.require(actor, Capability.LABEL, project.workspace_id)
    if page_size not in PAGE_SIZES:
        sizes = ", ".join(map(str, PAGE_SIZES))
        raise errors.Invalid(_("A page holds %s images.") % sizes, fields={"page_size": [_("Use one of %s.") % sizes]})
    if not project.kind.is_classification:
        page_size = 1
    if project.state != Project.State.RUNNING:
        return HandOut(None, remaining(project), "paused")
    held = _open_tasks(actor, project)
    task = next((one for one in held if one.pk not in holding), None)
    if task is not None:
        return HandOut(renew(task), remaining(project))
    if len(held) >= MAX_OPEN:
        return HandOut(None, remaining(project), "enough")
    if ahead and free_beyond_need(project, page_size) < page_size:
        return HandOut(None, remaining(project), "scarce")
    with transaction.atomic():
        now = timezone.now()
        freed = _expire(project, now)
        entries = _claimable(actor, project, page_size)
        task = _lease(actor, project, entries, page_size, now) if entries else None
        change = Tally(freed)
        change.subtract(_unassigned(entries))
        if task or freed:
            counters.add(project.pk, change)
            events.publish(project.topic)
    if task is not None:
        return HandOut(task, remaining(project))
    left = remaining(project)
    return HandOut(None, left, "waiting" if left else "empty")


def remaining(project: Project) -> int:
    """Items of the project that still wait for an answer, held ones included."""
    return counters.read(project.pk, "unlabeled").get("unlabeled", 0)


def free_beyond_need(project: Project, page_size: int) -> int:
    """Items free beyond one page for each person at work; below 0 nobody keeps pages taken ahead."""
    counts = counters.read(project.pk)
    free = sum(counts.get(name, 0) for name in QueueEntry.Queue.values)
    live = Assignment.objects.filter(project=project, state=Assignment.State.LIVE, expires_at__gt=timezone.now())
    return free - max(live.values("labeler").distinct().count(), 1) * page_size


def _open_tasks(actor: User, project: Project) -> list[Task]:
    """Those with work on them first, then the oldest: the page that was looked at before those taken ahead."""
    live = Assignment.objects.filter(task=OuterRef("pk"), state=Assignment.State.LIVE, expires_at__gt=timezone.now())
    rows = Task.objects.filter(Exists(live), project=project, labeler=actor, state=Task.State.OPEN)
    worked_on = Draft.objects.filter(assignment__task=OuterRef("pk"), is_open=True)
    return list(rows.order_by(Exists(worked_on).desc(), "id")[:MAX_OPEN])


def _claimable(actor: User, project: Project, count: int) -> list[QueueEntry]:
    """Locks up to `count` free entries in rank order; entries that another transaction is claiming are passed over."""
    free = QueueEntry.objects.filter(project=project, status=QueueEntry.Status.UNLABELED, open_slots__gt=0)
    if project.quality.get("max_labelers", 1) > 1:
        # With several answers an item, nobody answers the same item twice in a round.
        mine = Assignment.objects.filter(
            entry=OuterRef("pk"), round=OuterRef("round"), labeler=actor, state__in=HOLDING
        )
        free = free.exclude(Exists(mine))
    return list(free.order_by("rank").select_for_update(skip_locked=True)[:count])


def _lease(actor: User, project: Project, entries: list[QueueEntry], page_size: int, now: datetime) -> Task:
    task = Task.objects.create(project=project, labeler=actor, page_size=page_size)
    taken: dict[int, set[int]] = {}
    if any(entry.slots > 1 for entry in entries):
        held = Assignment.objects.filter(entry__in=entries, round=F("entry__round"), state__in=HOLDING)
        for entry_id, slot in held.values_list("entry_id", "slot"):
            taken.setdefault(entry_id, set()).add(slot)
    made = Assignment.objects.bulk_create(
        Assignment(
            task=task,
            entry=entry,
            project=project,
            labeler=actor,
            slot=next(slot for slot in range(1, entry.slots + 2) if slot not in taken.get(entry.pk, ())),
            round=entry.round,
            position=position,
            expires_at=now + settings.LEASE,
        )
        for position, entry in enumerate(entries)
    )
    QueueEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(open_slots=F("open_slots") - 1)
    drafts.bring_back(actor, made, entries)
    return task


def _unassigned(entries: Iterable[QueueEntry]) -> dict[str, int]:
    """Entries by the name of their queue: what the dashboard's task queue counts."""
    return dict(Tally(entry.queue for entry in entries))


def _end_leases(rows: QuerySet[Assignment], state: str, *, wait: bool = True) -> dict[str, int]:
    """Ends the live leases among `rows` and puts their items back into the queue.

    Returns how the unassigned counts change. Entries are locked before assignments everywhere, in id order, so that no
    two transactions wait for each other in a circle; with `wait=False` entries in use by others are left for later.
    """
    live = rows.filter(state=Assignment.State.LIVE)
    entry_ids = list(live.values_list("entry_id", flat=True)[:END_BATCH])
    entries = {
        entry.pk: entry
        for entry in QueueEntry.objects.filter(pk__in=entry_ids).order_by("id").select_for_update(skip_locked=not wait)
    }
    held = list(live.filter(entry__in=entries))  # read again: a submit may have ended some while we waited
    Assignment.objects.filter(pk__in=[row.pk for row in held]).update(state=state)
    back = [entries[row.entry_id] for row in held if row.round == entries[row.entry_id].round]
    back = [entry for entry in back if entry.status == QueueEntry.Status.UNLABELED]
    QueueEntry.objects.filter(pk__in=[entry.pk for entry in back]).update(open_slots=F("open_slots") + 1)
    return _unassigned(back)


def _expire(project: Project, now: datetime) -> dict[str, int]:
    overdue = Assignment.objects.filter(project=project, expires_at__lt=now, state=Assignment.State.LIVE)
    return _end_leases(overdue, Assignment.State.EXPIRED, wait=False) if overdue.exists() else {}


def expire_overdue(project: Project) -> int:
    """Puts items whose lease ran out back into the queue; hand-out does the same before it claims."""
    with transaction.atomic():
        freed = _expire(project, timezone.now())
        if freed:
            counters.add(project.pk, freed)
            events.publish(project.topic)
    return sum(freed.values())


def renew(task: Task) -> Task:
    """Moves the end of the task's live leases to a full lease from now."""
    Assignment.objects.filter(task=task, state=Assignment.State.LIVE).update(expires_at=timezone.now() + settings.LEASE)
    return task


def heartbeat(*, actor: User, task: Task) -> Task:
    """Keeps the leases of one's own task alive. Raises Conflict when none of them is live any more."""
    _own(actor, task)
    overdue = Assignment.objects.filter(task=task, state=Assignment.State.LIVE, expires_at__lt=timezone.now())
    if not overdue.exists() and Assignment.objects.filter(task=task, state=Assignment.State.LIVE).exists():
        return renew(task)
    raise errors.Conflict(
        _("This page was given back because it was idle for too long."),
        way_out=_("What you drew is kept in this browser. Open the next page."),
        code="lease_lost",
    )


def heartbeat_tasks(*, actor: User, project: Project, tasks: Collection[int], page_size: int = 1) -> Kept:
    """Keeps the leases of several of one's own pages alive. A page of somebody else counts as lost."""
    access.require(actor, Capability.LABEL, project.workspace_id)
    now = timezone.now()
    mine = Assignment.objects.filter(
        task__in=tasks, task__project=project, task__labeler=actor, state=Assignment.State.LIVE
    )
    ends = dict(mine.values("task").annotate(end=Min("expires_at")).values_list("task", "end"))
    kept = [pk for pk, end in ends.items() if end >= now]
    mine.filter(task__in=kept).update(expires_at=now + settings.LEASE)
    return Kept(sorted(set(tasks) - set(kept)), free_beyond_need(project, page_size) < 0)


def release_task(*, actor: User, task: Task) -> Task:
    """Gives one's own open page back to the queue, unanswered."""
    _own(actor, task)
    with transaction.atomic():
        freed = _end_leases(Assignment.objects.filter(task=task), Assignment.State.RELEASED)
        Task.objects.filter(pk=task.pk, state=Task.State.OPEN).update(state=Task.State.RELEASED)
        _gave_back(task.project, freed)
    task.refresh_from_db()
    return task


def release_assignment(*, actor: User, assignment: Assignment) -> None:
    """Takes one lease away from whoever holds it; for those who may change the project."""
    access.require(actor, Capability.WRITE_PROJECTS, assignment.project.workspace_id)
    with transaction.atomic():
        if not Assignment.objects.filter(pk=assignment.pk, state=Assignment.State.LIVE).exists():
            raise errors.Conflict(_("This lease has already ended."))
        freed = _end_leases(Assignment.objects.filter(pk=assignment.pk), Assignment.State.RELEASED)
        _gave_back(assignment.project, freed)


def _gave_back(project: Project, freed: dict[str, int]) -> None:
    counters.add(project.pk, freed)
    events.publish(project.topic)


def _own(actor: User, task: Task) -> None:
    access.require(actor, Capability.LABEL, task.project.workspace_id)
    if task.labeler_id != actor.pk:
        raise errors.NotFound(_("There is no such page of yours."))
