"""Scans a dataset version: lists its files, looks into each, writes one item row per file.

A scan is resumable: every batch of rows is committed together with the path it reached, under the claim of the job
that scans. A worker that was killed, or took over, goes on behind that path.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from urllib.parse import quote_from_bytes, unquote_to_bytes

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Collate
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling_site.core import errors, events, jobs
from labeling_site.core.jobs import Claim
from labeling_site.core.models import Job
from projects.models import Dataset, DatasetVersion, Item, Upload
from projects.services import datastores, inspecting
from projects.services.datasets import extension, topic
from projects.services.folders import FileFacts
from projects.services.inspecting import Candidate, Finding

BATCH = 500
FEW_FILES = 200  # so few are looked at in this process, sooner than others would start
BATCH_SECONDS = 2.0
UPLOADS_PAGE = 20_000
WAIT_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 0.2


class _TakenOver(Exception):
    """Another job scans this version now."""


def scan_version(version: DatasetVersion, claim: Claim) -> None:
    """Reads every file of the version's dataset into item rows, and leaves the version READY.

    Only one job scans a version at a time; a second one waits and shares the result. Files that cannot be labeled
    become refused items with their reason; beyond MAX_ITEMS_PER_PROJECT files are only counted, by extension. Raises
    AppError when the dataset cannot be read at all (the version is FAILED then, with the sentence), and what a claim
    raises when the worker has to stop.
    """
    while not _take(version, claim):
        if version.state == DatasetVersion.State.READY:
            return
        claim.progress(version.item_count + version.refused_count, message=_("Files are being read by another job"))
        time.sleep(WAIT_SECONDS)
    try:
        _scan(version, claim)
    except _TakenOver:
        scan_version(version, claim)
    except errors.AppError as error:
        with claim.publishing():
            _mine(version, claim).update(state=DatasetVersion.State.FAILED, error=str(error))
            events.publish(topic(version.dataset_id))
        raise


def _take(version: DatasetVersion, claim: Claim) -> bool:
    """Makes this job the one that scans, unless it is done or another live one does. Refreshes `version`."""
    with claim.publishing():
        DatasetVersion.objects.select_for_update().get(pk=version.pk)
        version.refresh_from_db()
        if version.state == DatasetVersion.State.READY:
            return False
        if version.job_id != claim.job.pk:
            alive = timezone.now() - timedelta(seconds=jobs.STALE_SECONDS)
            working = Q(state=Job.State.RUNNING, heartbeat_at__gt=alive)
            if version.job_id and Job.objects.filter(working, pk=version.job_id).exists():
                return False
        version.job, version.state, version.error = claim.job, DatasetVersion.State.SCANNING, ""
        version.save(update_fields=["job", "state", "error", "updated_at"])
        events.publish(topic(version.dataset_id))
    return True


def _mine(version: DatasetVersion, claim: Claim) -> QuerySet[DatasetVersion]:
    return DatasetVersion.objects.filter(pk=version.pk, job=claim.job, state=DatasetVersion.State.SCANNING)


class _Scan:
    """The counts of a scan under way; what is committed of them stands in the version's row."""

    def __init__(self, version: DatasetVersion, claim: Claim) -> None:
        self.version, self.claim = version, claim
        self.items, self.refused = version.item_count, version.refused_count
        self.left_out: Counter[str] = Counter(version.left_out)
        self.cursor = unquote_to_bytes(version.cursor)
        self.total = 0
        self.rows: list[Item] = []
        self.since = time.monotonic()

    @property
    def seen(self) -> int:
        return self.items + self.refused + self.left_out.total()

    @property
    def is_full(self) -> bool:
        return self.items >= settings.MAX_ITEMS_PER_PROJECT

    def add(self, finding: Finding) -> None:
        self.cursor = finding.candidate.facts.order
        if self.is_full or (finding.reason and self.refused >= settings.MAX_ITEMS_PER_PROJECT):
            self.left_out[extension(finding.candidate.path)] += 1
        elif finding.reason:
            self.refused += 1
            self.rows.append(_row(self.version, finding))
        else:
            self.items += 1
            self.rows.append(_row(self.version, finding))

    def is_due(self) -> bool:
        return len(self.rows) >= BATCH or time.monotonic() - self.since > BATCH_SECONDS

    def commit(self) -> None:
        """Writes the rows and how far they reach, in one short transaction, and leaves others time to write theirs."""
        began = time.monotonic()
        with self.claim.publishing():
            # Two names may come to one path, where a name was no UTF-8: the first keeps it.
            Item.objects.bulk_create(self.rows, ignore_conflicts=True)
            updated = _mine(self.version, self.claim).update(
                cursor=quote_from_bytes(self.cursor, safe=b"/ "),
                file_count=self.seen,
                item_count=self.items,
                refused_count=self.refused,
                left_out=dict(self.left_out),
                updated_at=timezone.now(),
            )
            if not updated:
                raise _TakenOver
            events.publish(topic(self.version.dataset_id))
        took = time.monotonic() - began
        self.rows = []
        self.claim.progress(self.seen, max(self.total, self.seen), _("Reading files"))
        if settings.USES_SQLITE:
            time.sleep(min(took, LONGEST_PAUSE_SECONDS))
        self.since = time.monotonic()


def _scan(version: DatasetVersion, claim: Claim) -> None:
    dataset = Dataset.objects.select_related("datastore").get(pk=version.dataset_id)
    scan = _Scan(version, claim)
    if dataset.kind == Dataset.Kind.UPLOAD:
        scan.total = Upload.objects.filter(dataset=dataset).count()
        candidates = _uploaded(dataset, scan.cursor)
    else:
        claim.progress(scan.seen, message=_("Listing files"))
        scan.total = datastores.count_files(dataset.datastore, dataset.path)
        candidates = _in_folder(dataset, scan.cursor)
    # After a lost worker every file is looked at in another process: it may have been a file that killed it.
    apart = scan.total - scan.seen > FEW_FILES or claim.job.attempts > 1
    stream = (replace(one, is_beyond=True) if scan.is_full else one for one in candidates)
    for finding in inspecting.inspect_all(stream, apart=apart):
        scan.add(finding)
        if scan.is_due():
            scan.commit()
    scan.commit()
    with claim.publishing():
        items = Item.objects.filter(dataset_version=version)
        ready = items.filter(state=Item.State.OK).count()
        refused = items.filter(state=Item.State.REFUSED).count()
        _mine(version, claim).update(
            state=DatasetVersion.State.READY, item_count=ready, refused_count=refused, updated_at=timezone.now()
        )
        events.publish(topic(version.dataset_id))
    version.refresh_from_db()


def _in_folder(dataset: Dataset, after: bytes) -> Iterator[Candidate]:
    root = str(datastores.root_of(dataset.datastore))
    for facts in datastores.iterate_files(dataset.datastore, dataset.path, after=after):
        yield inspecting.from_folder(facts, root)


def _uploaded(dataset: Dataset, after: bytes) -> Iterator[Candidate]:
    """Uploads in byte order of their paths. Unfinished and refused ones come with their reason."""
    collation = "BINARY" if connection.vendor == "sqlite" else "C"
    ordered = Upload.objects.filter(dataset=dataset).annotate(place=Collate("path", collation)).order_by("place")
    datastore, root = dataset.datastore, datastores.local_root(dataset.datastore)
    while page := list(ordered.filter(place__gt=after.decode())[:UPLOADS_PAGE]):
        for upload in page:
            reason = upload.reason
            if upload.state == Upload.State.RECEIVING:
                reason = _("The upload of this file was not finished.")
            facts = FileFacts(upload.path, upload.size, f"sha256:{upload.sha256}" if upload.sha256 else "", reason)
            opener = None if root else partial(datastores.open_stored, datastore, upload.storage_key)
            yield Candidate(facts, upload.path, upload.storage_key, root, opener, upload.sha256)
        after = page[-1].path.encode()


def _row(version: DatasetVersion, finding: Finding) -> Item:
    candidate, answer = finding.candidate, finding.answer
    return Item(
        dataset_version=version,
        path=candidate.path,
        storage_key="" if finding.reason else candidate.storage_key,
        state=Item.State.REFUSED if finding.reason else Item.State.OK,
        reason=finding.reason[:300],
        size=candidate.facts.size,
        fingerprint=candidate.facts.fingerprint,
        sha256=answer.get("sha256", ""),
        width=answer.get("width", 0),
        height=answer.get("height", 0),
        orientation=answer.get("orientation", 1),
        frames=answer.get("frames", 1),
        is_dicom=answer.get("is_dicom", False),
        facts=answer.get("facts", {}),
    )
