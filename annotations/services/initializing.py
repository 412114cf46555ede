"""Fills a new project's queue: one entry per readable item, in random order."""

from __future__ import annotations

import random
import time

from django.conf import settings
from django.utils.translation import gettext as _

from annotations.models import QueueEntry
from labeling_site.core import errors
from labeling_site.core.jobs import Claim
from projects.models import DatasetVersion, Item, Project
from projects.services import counters, ingest
from projects.services.projects import mark_failed, mark_initialized, mark_initializing, mark_started

BATCH = 1000
RANKS = 2**62
_shuffle = random.SystemRandom()


def initialize_project(claim: Claim, project_id: int) -> dict[str, int]:
    """Scans the project's dataset version if nobody has yet, queues its items, and starts the project.

    Goes on where a killed worker stopped: each batch is one transaction, and the last queued item says how far it came.
    A refusal (no readable item, say) ends in the project's state with its reason.
    """
    with claim.publishing():
        project = mark_initializing(Project.objects.get(pk=project_id), claim.job)
    if project.state == Project.State.INITIALIZING:
        try:
            _fill(project, claim)
        except errors.AppError as error:
            with claim.publishing():
                mark_failed(project, str(error))
            raise
        with claim.publishing():
            mark_initialized(project)
    with claim.publishing():
        mark_started(project)
    return {"items": counters.read(project.pk, "total").get("total", 0)}


def _fill(project: Project, claim: Claim) -> None:
    version = project.dataset_version
    if version.state != DatasetVersion.State.READY:
        ingest.scan_version(version, claim)
        version.refresh_from_db()
    if not fill_queue(project, version, claim):
        raise errors.Invalid(
            _("The dataset has no file that can be labeled."),
            way_out=_("Its page lists every file with the reason."),
        )


def fill_queue(project: Project, version: DatasetVersion, claim: Claim) -> int:
    """Adds entries for the items of `version` that have none yet; returns how many entries the project then has."""

    last = (
        QueueEntry.objects.filter(project=project).order_by("-item_id").values_list("item_id", flat=True).first() or 0
    )
    done = QueueEntry.objects.filter(project=project).count()
    ready = Item.objects.filter(dataset_version=version, state=Item.State.OK).order_by("id")
    while True:
        ids = list(ready.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH])
        if not ids:
            return done
        began = time.monotonic()
        with claim.publishing():
            QueueEntry.objects.bulk_create(
                QueueEntry(project=project, item_id=pk, rank=_shuffle.randrange(RANKS)) for pk in ids
            )
            counters.add(project.pk, {"total": len(ids), "unlabeled": len(ids), "manual": len(ids)})
        last, done = ids[-1], done + len(ids)
        claim.progress(done, version.item_count, _("Queueing items"))
        if settings.USES_SQLITE:
            # One writer at a time: leave people as much time as we took (docs/performance.md).
            time.sleep(min(time.monotonic() - began, 0.2))
