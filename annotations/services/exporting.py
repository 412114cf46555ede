"""Exports: a row, a job, a streamed file, and a link that ends."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from django.core import signing
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotations.formats import (
    FORMATS,
    ExportCounts,
    ExportedAnnotation,
    ExportedClass,
    ExportedImage,
    ExportOptions,
    FidelityReport,
    Format,
    export_key,
)
from annotations.formats import Task as FormatTask
from annotations.geometry import Box, Geometry, Polygon
from annotations.models import Annotation, QueueEntry, Review, Transfer
from labeling_site.core import errors, events, jobs, throttle
from labeling_site.core.jobs import Claim
from labeling_site.core.models import Job
from labeling_site.core.parsing import moment
from projects import access
from projects.access import Capability
from projects.models import LabelClass, Project, User, Workspace
from projects.services import api_keys

CHUNK = 500
LINK_SECONDS = 3600
EXPORTS_PER_HOUR = 20  # of one person
SALT = "annotations.export"
REPORT_ENDING = ".report.jsonl"
# Frames of one file are images of their own; the step keeps their numbers apart from those of other files.
FRAME_STEP = 1_000_000


@dataclass(frozen=True)
class Wanted:
    """Options of an export, checked. Times are inclusive."""

    normalized: bool = False
    labeler_details: bool = False
    only_approved: bool = False
    submitted_from: datetime | None = None
    submitted_until: datetime | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Wanted:
        known = {"coordinates", "labeler_details", "only_approved", "submitted_from", "submitted_until"}
        if unknown := set(data) - known:
            raise errors.Invalid(
                _("There is no export option %s.") % ", ".join(sorted(unknown)),
                way_out=_("Options: %s.") % ", ".join(sorted(known)),
            )
        coordinates = data.get("coordinates") or "absolute"
        if coordinates not in ("absolute", "normalized"):
            raise errors.Invalid(_("Coordinates are “absolute” or “normalized”."), fields={"coordinates": ["?"]})
        return cls(
            normalized=coordinates == "normalized",
            labeler_details=_yes_or_no(data, "labeler_details"),
            only_approved=_yes_or_no(data, "only_approved"),
            submitted_from=moment(data, "submitted_from"),
            submitted_until=moment(data, "submitted_until"),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "coordinates": "normalized" if self.normalized else "absolute",
            "labeler_details": self.labeler_details,
            "only_approved": self.only_approved,
            "submitted_from": self.submitted_from and self.submitted_from.isoformat(),
            "submitted_until": self.submitted_until and self.submitted_until.isoformat(),
        }


def _yes_or_no(data: Mapping[str, Any], name: str) -> bool:
    """False unless told otherwise. Words are refused: "no" must not mean yes."""
    value = data.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise errors.Invalid(_("%s is true or false.") % name, fields={name: ["?"]})


def start_export(*, actor: User, project: Project, format: str, options: Mapping[str, Any]) -> Transfer:
    """Queues an export of the labeled items; allowed while the project is paused.

    Raises TooMany beyond EXPORTS_PER_HOUR exports of one person within an hour.
    """
    access.require(actor, Capability.EXPORT, project.workspace_id)
    if format not in Transfer.Format.values:
        raise errors.Invalid(
            _("There is no export format %s.") % format, way_out=_("Use coco, csv or jsonl."), fields={"format": ["?"]}
        )
    wanted = Wanted.from_json(options)
    throttle.count(
        f"export|{actor.pk}",
        limit=EXPORTS_PER_HOUR,
        seconds=3600,
        detail=_("You have started %d exports within an hour.") % EXPORTS_PER_HOUR,
        way_out=_("Use one of them, or try again later."),
    )
    with transaction.atomic():
        job = jobs.enqueue(
            kind="annotations.export",
            args={},
            tenant_id=project.workspace_id,
            subject=project.topic,
            requested_by_id=actor.pk,
        )
        transfer = Transfer.objects.create(
            project=project, format=format, options=wanted.to_json(), job=job, requested_by=actor
        )
        events.publish(project.topic)
    return transfer


def cancel_export(*, actor: User, transfer: Transfer) -> None:
    """Stops an export that has not ended."""
    access.require(actor, Capability.EXPORT, transfer.project.workspace_id)
    jobs.cancel(transfer.job)


def delete_export(*, actor: User, transfer: Transfer) -> None:
    """Removes the file and its row. Raises Conflict while it is still being written."""
    access.require(actor, Capability.EXPORT, transfer.project.workspace_id)
    if not transfer.job.has_ended:
        raise errors.Conflict(_("This export is still running."), way_out=_("Cancel it first."))
    with transaction.atomic():
        key, job, topic = transfer.storage_key, transfer.job, transfer.project.topic
        transfer.delete()
        job.delete()
        events.publish(topic)
        if key:
            transaction.on_commit(lambda: _discard([key, key + REPORT_ENDING]))


def _discard(names: list[str]) -> None:
    for name in names:
        default_storage.delete(name)


def download_token(*, actor: User, transfer: Transfer) -> str:
    """A token that opens this file for an hour, to anyone who holds it, as long as the actor may export.

    Raises Conflict before the file is ready.
    """
    access.require(actor, Capability.EXPORT, transfer.project.workspace_id)
    if transfer.job.state != Job.State.SUCCEEDED:
        raise errors.Conflict(_("This export is not ready."), way_out=_("Wait until it has succeeded."))
    key = getattr(actor, "api_key", None)
    return signing.dumps([transfer.pk, actor.pk, key.pk if key else None], salt=SALT)


def open_download(token: str, *, report: bool = False) -> tuple[Transfer, IO[bytes]]:
    """The file behind a download token, or the fidelity report beside it.

    Raises Gone when the token ran out, or with it the right of whoever asked for it; NotFound when it is none of ours.
    """
    try:
        pk, actor_id, key_id = signing.loads(token, salt=SALT, max_age=LINK_SECONDS)
    except signing.SignatureExpired:
        raise errors.Gone(
            _("This download link has run out."), way_out=_("Ask for a new one on the exports page.")
        ) from None
    except (signing.BadSignature, ValueError, TypeError):
        raise errors.NotFound(_("This is no download link of this site.")) from None
    transfer = Transfer.objects.filter(pk=pk, project__deleted_at=None).select_related("project__workspace").first()
    if transfer is None or not transfer.storage_key or not default_storage.exists(transfer.storage_key):
        raise errors.Gone(_("This export has been deleted."))
    actor = api_keys.actor_again(actor_id, key_id)
    workspace = transfer.project.workspace
    if actor is None or workspace.deleted_at or not _may_export(actor, workspace):
        raise errors.Gone(_("This download link has run out."), way_out=_("Ask for a new one on the exports page."))
    return transfer, default_storage.open(transfer.storage_key + (REPORT_ENDING if report else ""), "rb")


def _may_export(actor: User, workspace: Workspace) -> bool:
    return access.is_administrator(actor) or access.may(actor, Capability.EXPORT, workspace)


def write_export(claim: Claim) -> dict[str, Any]:
    """The job: streams the labels to a temporary file, stores it, and publishes it if the job is still ours."""
    transfer = Transfer.objects.select_related("project__dataset_version__dataset__datastore").get(job=claim.job)
    project, wanted = transfer.project, Wanted.from_json(transfer.options)
    entries = exported_entries(project, wanted)
    total = entries.count()
    claim.progress(0, total, _("Writing"))
    classes, by_pk = _classes(project)
    reader = _Reader(project, wanted, by_pk, lambda done: claim.progress(done, total))
    form = FORMATS[transfer.format]
    # A second attempt gets a folder of its own: a worker that lost the job cannot overwrite its successor's file.
    number = str(transfer.pk) if claim.job.attempts == 1 else f"{transfer.pk}.{claim.job.attempts}"
    key = export_key(form, export_id=number, project=project.name, when=timezone.now())
    stored: list[str] = []
    try:
        counts, size, losses = _write_files(form, reader, entries, classes, project, wanted, key, stored)
        with claim.publishing():
            Transfer.objects.filter(pk=transfer.pk).update(
                storage_key=stored[0],
                file_name=key.rpartition("/")[2],
                size=size,
                item_count=reader.item_count,
                annotation_count=counts.annotations,
                report=losses,
            )
    except BaseException:  # whatever ended it, a cancelled or lost job included, leaves no file behind
        _discard(stored)
        raise
    return {"items": reader.item_count, "annotations": counts.annotations, "size": size}


def _write_files(
    form: Format,
    reader: _Reader,
    entries: QuerySet[QueueEntry],
    classes: list[ExportedClass],
    project: Project,
    wanted: Wanted,
    key: str,
    stored: list[str],
) -> tuple[ExportCounts, int, dict[str, int]]:
    """Writes labels and fidelity report to temporary files and stores both; `stored` gets their keys as they land."""
    has_frames = (
        not project.kind.is_classification
        and QueueEntry.objects.filter(project=project, item__frames__gt=1, status=QueueEntry.Status.LABELED).exists()
    )
    options = ExportOptions(
        normalized=wanted.normalized, include_labeler_details=wanted.labeler_details, frames=has_frames
    )
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as report_out:
        report = FidelityReport(report_out)
        counts = form.write(
            reader.images(entries),
            classes=classes,
            task=FormatTask(project.task_type),
            options=options,
            out=out,
            report=report,
        )
        report.close()
        size = out.tell()
        for name, handle in ((key, out), (key + REPORT_ENDING, report_out)):
            handle.seek(0)
            stored.append(default_storage.save(name, File(handle)))
        return counts, size, {str(loss): number for loss, number in report.counts.items()}


def exported_entries(project: Project, wanted: Wanted) -> QuerySet[QueueEntry]:
    """Labeled entries that the options ask for, in the order of the files."""
    rows = QueueEntry.objects.filter(
        project=project, status=QueueEntry.Status.LABELED, final_response__isnull=False
    ).order_by("id")
    if wanted.only_approved:
        rows = rows.filter(approved=True)
    if wanted.submitted_from:
        rows = rows.filter(final_response__submitted_at__gte=wanted.submitted_from)
    if wanted.submitted_until:
        rows = rows.filter(final_response__submitted_at__lte=wanted.submitted_until)
    return rows


def _classes(project: Project) -> tuple[list[ExportedClass], dict[int, ExportedClass]]:
    """Categories numbered from 1 in order of creation; a class keeps its number for ever since none is ever deleted."""
    rows = list(LabelClass.objects.filter(project=project).order_by("id").select_related("parent"))
    classes = [
        ExportedClass(id=number, path=row.path, supercategory=row.parent.path if row.parent else "")
        for number, row in enumerate(rows, 1)
    ]
    return classes, {row.pk: one for row, one in zip(rows, classes, strict=True)}


class _Reader:
    """Reads entries chunk by chunk as ExportedImages; memory does not grow with the project."""

    def __init__(
        self, project: Project, wanted: Wanted, classes: dict[int, ExportedClass], progress: Callable[[int], None]
    ) -> None:
        self.project, self.wanted, self.classes, self.progress = project, wanted, classes, progress
        self.datastore = project.dataset_version.dataset.datastore.name
        self.item_count = 0
        self.approvers: dict[int, str] = {}
        first = Annotation.objects.filter(response__entry__project=project).order_by("id").values_list("id", flat=True)
        # Annotations are never deleted, so ids counted from the project's first one stay the same in all its exports.
        self.first_annotation = (first.first() or 1) - 1

    def images(self, entries: QuerySet[QueueEntry]) -> Iterator[ExportedImage]:
        """Numbers images by their place among all of the project's files: the same number in every export."""
        last, number = 0, 0
        fields = ("item", "final_response__author")
        while True:
            chunk = list(entries.filter(pk__gt=last).select_related(*fields)[:CHUNK])
            if not chunk:
                return
            between = QueueEntry.objects.filter(project=self.project, pk__gt=last, pk__lte=chunk[-1].pk)
            place = {pk: number + at for at, pk in enumerate(between.order_by("id").values_list("pk", flat=True), 1)}
            number += len(place)
            annotations = self._annotations(chunk)
            self.approvers = self._approvers(chunk) if self.wanted.labeler_details else {}
            for entry in chunk:
                self.item_count += 1
                yield from self._frames(entry, place[entry.pk], annotations.get(entry.final_response_id or 0, []))
            last = chunk[-1].pk
            self.progress(self.item_count)

    def _annotations(self, chunk: list[QueueEntry]) -> dict[int, list[Annotation]]:
        found: dict[int, list[Annotation]] = {}
        ids = [entry.final_response_id for entry in chunk if entry.final_response_id is not None]
        for row in Annotation.objects.filter(response_id__in=ids).order_by("response_id", "position", "id"):
            found.setdefault(row.response_id, []).append(row)
        return found

    def _frames(self, entry: QueueEntry, number: int, rows: list[Annotation]) -> Iterator[ExportedImage]:
        """One image per file; for a file of several frames one per labeled frame (the first one if none is)."""
        item = entry.item
        frames: list[int | None] = [None]
        if item.frames > 1 and not self.project.kind.is_classification:
            frames = sorted({row.frame for row in rows}) or [0]  # type: ignore[assignment]
        for frame in frames:
            mine = [self._annotation(entry, row) for row in rows if frame is None or row.frame == frame]
            yield ExportedImage(
                id=number if not frame else number + frame * FRAME_STEP,
                path=item.path,
                datastore=self.datastore,
                width=item.width,
                height=item.height,
                captured_at=item.captured_at,
                frame=frame,
                annotations=mine,
            )

    def _annotation(self, entry: QueueEntry, row: Annotation) -> ExportedAnnotation:
        geometry: Geometry | None = None
        if row.polygon:
            geometry = Polygon.from_json(row.polygon)
        elif row.width is not None:
            geometry = Box(row.x or 0.0, row.y or 0.0, row.width, row.height or 0.0)
        response = entry.final_response
        if response is None:  # exported_entries asks for entries that have one
            raise ValueError(f"entry {entry.pk} has no final response")
        return ExportedAnnotation(
            id=row.pk - self.first_annotation,
            class_id=self.classes[row.label_class_id].id,
            class_path=self.classes[row.label_class_id].path,
            geometry=geometry,
            labeler=str(response.author or "") if self.wanted.labeler_details else "",
            approver=self.approvers.get(entry.pk, ""),
            labeled_seconds=response.active_seconds if self.wanted.labeler_details else None,
            submitted_at=response.submitted_at if self.wanted.labeler_details else None,
        )

    def _approvers(self, chunk: list[QueueEntry]) -> dict[int, str]:
        """Who approved each approved entry last, by entry id."""
        approved = [entry.pk for entry in chunk if entry.approved]
        reviews = Review.objects.filter(entry_id__in=approved, action=Review.Action.APPROVE).order_by("id")
        return {one.entry_id: str(one.reviewer or "") for one in reviews.select_related("reviewer")}
