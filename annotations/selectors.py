"""Reads that pages and the API share. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.utils.translation import gettext as _

from annotations.models import Annotation, Assignment, Comment, Prelabel, QueueEntry, Response, Review, Task
from annotations.services.comments import QUESTIONS
from labeling_site.core import errors
from labeling_site.core.parsing import moment, searched, whole, yes_or_no
from projects.models import LabelClass, Project, User
from projects.services import counters

Status = QueueEntry.Status


@dataclass(frozen=True)
class ClassCount:
    label_class: LabelClass
    count: int
    percent: float


@dataclass(frozen=True)
class LabelerCount:
    labeler: User
    count: int


@dataclass(frozen=True)
class Dashboard:
    """Every number of the dashboard, from the counters alone: its cost does not grow with the project.

    `total` leaves out removed items; `incomplete` is what is neither labeled, skipped nor waiting for review.
    """

    total: int
    labeled: int
    skipped: int
    needs_review: int
    incomplete: int
    approved: int
    percent: int
    manual: int
    clustered: int
    prelabeled: int
    classes: list[ClassCount]
    label_total: int
    labelers: list[LabelerCount]
    questions: int
    version: int


def dashboard(project: Project) -> Dashboard:
    """The numbers of one project now."""
    counts = counters.read(project.pk)
    total = counts.get("total", 0) - counts.get("removed", 0)
    labeled, skipped, review = (counts.get(key, 0) for key in ("labeled", "skipped", "needs_review"))
    per_class = {int(key[6:]): n for key, n in counts.items() if key.startswith("class:") and n}
    per_labeler = {int(key[8:]): n for key, n in counts.items() if key.startswith("labeler:") and n}
    label_total = sum(per_class.values())
    classes = [
        ClassCount(row, per_class.get(row.pk, 0), 100 * per_class.get(row.pk, 0) / label_total if label_total else 0.0)
        for row in LabelClass.objects.filter(project=project)
        if row.retired_at is None or row.pk in per_class
    ]
    people = User.objects.in_bulk(per_labeler)
    return Dashboard(
        total=total,
        labeled=labeled,
        skipped=skipped,
        needs_review=review,
        incomplete=max(total - labeled - skipped - review, 0),
        approved=counts.get("approved", 0),
        percent=100 * labeled // total if total else 0,
        manual=counts.get("manual", 0),
        clustered=counts.get("clustered", 0),
        prelabeled=counts.get("prelabeled", 0),
        classes=sorted(classes, key=lambda one: (-one.count, one.label_class.position, one.label_class.pk)),
        label_total=label_total,
        labelers=sorted(
            (LabelerCount(people[pk], n) for pk, n in per_labeler.items() if pk in people),
            key=lambda one: (-one.count, one.labeler.pk),
        ),
        questions=max(counts.get(QUESTIONS, 0), 0),
        version=counts.get(counters.VERSION, 0),
    )


@dataclass(frozen=True)
class EntryFilter:
    """What the data tab shows. Every field is a fixed question; none is a lookup path from outside."""

    status: str = ""
    label_class: int | None = None
    labeler: int | None = None
    approved: bool | None = None
    submitted_from: datetime | None = None
    submitted_until: datetime | None = None
    path: str = ""
    questions: bool | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> EntryFilter:
        """From a query string; raises Invalid naming what is not understood."""
        status = query.get("status", "")
        if status and status not in Status.values:
            raise errors.Invalid(_("There is no status %s.") % status, fields={"status": list(Status.values)})
        return cls(
            status=status,
            label_class=whole(query, "label_class"),
            labeler=whole(query, "labeler"),
            approved=yes_or_no(query, "approved"),
            submitted_from=moment(query, "submitted_from"),
            submitted_until=moment(query, "submitted_until"),
            path=searched(query, "path"),
            questions=yes_or_no(query, "questions"),
        )


def entries(project: Project, wanted: EntryFilter) -> QuerySet[QueueEntry]:
    """Entries that match, unordered, with item and final response loaded; order and page them by key, not by offset."""
    rows = QueueEntry.objects.filter(project=project).select_related("item", "final_response__author")
    if wanted.status:
        rows = rows.filter(status=wanted.status)
    if wanted.labeler is not None:
        rows = rows.filter(final_response__author_id=wanted.labeler)
    if wanted.approved is not None:
        rows = rows.filter(approved=wanted.approved)
    if wanted.submitted_from:
        rows = rows.filter(final_response__submitted_at__gte=wanted.submitted_from)
    if wanted.submitted_until:
        rows = rows.filter(final_response__submitted_at__lte=wanted.submitted_until)
    if wanted.path:
        rows = rows.filter(item__path__icontains=wanted.path)
    if wanted.questions is not None:
        asked = Exists(Comment.objects.filter(entry=OuterRef("pk"), asks_lead=True, resolved_at=None))
        rows = rows.filter(asked if wanted.questions else ~asked)
    if wanted.label_class is not None:
        has_class = Annotation.objects.filter(
            response_id=OuterRef("final_response_id"), label_class_id=wanted.label_class
        )
        rows = rows.filter(Exists(has_class))
    return rows


def final_annotations(rows: list[QueueEntry]) -> dict[int, list[Annotation]]:
    """The annotations that count, by entry id, in drawing order, with their classes."""
    by_response = {row.final_response_id: row.pk for row in rows if row.final_response_id}
    found: dict[int, list[Annotation]] = {row.pk: [] for row in rows}
    annotations = Annotation.objects.filter(response_id__in=by_response).select_related("label_class")
    for one in annotations.order_by("position", "id"):
        found[by_response[one.response_id]].append(one)
    return found


def annotations_of(response: Response) -> list[Annotation]:
    """What one answer says, in drawing order, with its classes."""
    return list(response.annotations.select_related("label_class").order_by("position", "id"))


def tasks_of(user: User, project: Project) -> QuerySet[Task]:
    """The pages this user has submitted or holds in a project, newest first, ready to be shown."""
    return with_page(Task.objects.filter(project=project, labeler=user).exclude(state=Task.State.RELEASED)).order_by(
        "-id"
    )


def with_page(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Loads what a task's page needs in a fixed number of queries."""
    latest = Response.objects.order_by("-id").prefetch_related(
        Prefetch("annotations", Annotation.objects.order_by("position", "id"))
    )
    return tasks.select_related("project").prefetch_related(
        Prefetch(
            "assignments",
            Assignment.objects.select_related("entry__item", "draft")
            .order_by("position", "id")
            .prefetch_related(
                Prefetch("responses", latest),
                Prefetch("entry__reviews", Review.objects.order_by("-id")),
                Prefetch("entry__prelabels", Prelabel.objects.order_by("-confidence", "id")),
                Prefetch("entry__comments", Comment.objects.filter(thread=None).order_by("id")),
            ),
        )
    )


def entries_by_path(project: Project, paths: Iterable[str]) -> dict[str, int]:
    """The numbers of a project's entries by the path of their file; paths that it does not have are left out."""
    rows = QueueEntry.objects.filter(project=project, item__path__in=list(paths))
    return dict(rows.values_list("item__path", "pk"))
