"""Adds to and reads the sharded counts of a project."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from django.db import models, transaction
from django.db.models import F, Sum

from labeling_site.core import events
from labeling_site.core.models import Job
from projects.models.counter import SHARDS, Counter
from projects.models.dataset import DatasetVersion, Upload

VERSION = "version"


def add(project_id: int, deltas: Mapping[str, int]) -> None:
    """Adds to some counts, and one to the project's version. Call it last in the transaction.

    One shard is drawn for all keys and its rows are locked in the order of the keys, so that two transactions never
    wait in a circle.
    """
    shard = random.randrange(SHARDS)  # noqa: S311  it spreads load and guards nothing
    changes = {key: delta for key, delta in deltas.items() if delta} | {VERSION: 1}
    with transaction.atomic(savepoint=False):
        known = _lock(project_id, shard, changes)
        if missing := changes.keys() - known:
            # Rows that somebody else inserts at the same moment are a conflict to ignore: the update finds them.
            Counter.objects.bulk_create(
                [Counter(project_id=project_id, key=key, shard=shard) for key in sorted(missing)], ignore_conflicts=True
            )
            _lock(project_id, shard, changes)
        cases = [models.When(key=key, then=F("value") + delta) for key, delta in sorted(changes.items())]
        Counter.objects.filter(project_id=project_id, shard=shard, key__in=sorted(changes)).update(
            value=models.Case(*cases, default=F("value"), output_field=models.BigIntegerField())
        )


def _lock(project_id: int, shard: int, keys: Iterable[str]) -> set[str]:
    """Locks those of the rows that are there, in the order of their keys, and returns the keys.

    An UPDATE locks rows in the order in which it happens to find them, a sorted SELECT does not.
    """
    rows = Counter.objects.filter(project_id=project_id, shard=shard, key__in=sorted(keys))
    return set(rows.order_by("key").select_for_update().values_list("key", flat=True))


def read(project_id: int, prefix: str = "") -> dict[str, int]:
    """All counts of a project whose key begins with `prefix`, summed over their shards."""
    rows = Counter.objects.filter(project_id=project_id)
    if prefix:
        rows = rows.filter(key__startswith=prefix)
    return {row["key"]: row["sum"] for row in rows.values("key").annotate(sum=Sum("value")).order_by()}


def read_many(project_ids: list[int]) -> dict[int, dict[str, int]]:
    """Counts of several projects in one query."""
    found: dict[int, dict[str, int]] = {pk: {} for pk in project_ids}
    rows = Counter.objects.filter(project_id__in=project_ids).values("project_id", "key").annotate(sum=Sum("value"))
    for row in rows.order_by():
        found[row["project_id"]][row["key"]] = row["sum"]
    return found


def hold(project_id: int) -> None:
    """Keeps everybody else from changing counts of this project until the transaction ends.

    What others have counted by then is committed and can be read; what they count later comes on top.
    """
    shards = [Counter(project_id=project_id, key=VERSION, shard=shard) for shard in range(SHARDS)]
    Counter.objects.bulk_create(shards, ignore_conflicts=True)  # every change goes through the version of its shard
    rows = Counter.objects.filter(project_id=project_id).order_by("shard", "key").select_for_update()
    list(rows.values_list("pk", flat=True))


def register_versions() -> None:
    """Tells the event hub how to read the versions of projects, workspaces and datasets."""
    events.register_version("project", _project_version)
    events.register_version("workspace", _workspace_version)
    events.register_version("dataset", _dataset_version)


def _number(topic: str) -> int:
    return int(topic.partition(":")[2])


def _version_of(**lookup: int) -> int:
    return Counter.objects.filter(key=VERSION, **lookup).aggregate(sum=Sum("value"))["sum"] or 0


def _workspace_version(topic: str) -> int:
    """Moves with every change of a project and with the progress of every job of the workspace."""
    progress = Job.objects.filter(tenant_id=_number(topic)).aggregate(sum=Sum("done"))["sum"] or 0
    return _version_of(project__workspace_id=_number(topic)) + int(progress)


def _project_version(topic: str) -> int:
    """Moves with every change of the project, and with the jobs about it: exports, the filling of its queue."""
    return _version_of(project_id=_number(topic)) + _of_jobs(topic)


def _dataset_version(topic: str) -> int:
    """Moves with the jobs about the dataset, with its uploads, and with reading its files, whichever job does it."""
    versions = DatasetVersion.objects.filter(dataset_id=_number(topic))
    over = models.Count("pk", filter=models.Q(state__in=[DatasetVersion.State.READY, DatasetVersion.State.FAILED]))
    read = versions.aggregate(files=Sum("file_count"), over=over)
    uploads = Upload.objects.filter(dataset_id=_number(topic), state=Upload.State.STORED).count()
    return _of_jobs(topic) + int(read["files"] or 0) + int(read["over"]) + uploads


def _of_jobs(topic: str) -> int:
    """Moves with the number of jobs about a topic, their progress and their ends."""
    ended = models.Count("pk", filter=models.Q(state__in=Job.ENDED))
    facts = Job.objects.filter(subject=topic).aggregate(jobs=models.Count("pk"), ended=ended, done=Sum("done"))
    return int(facts["jobs"] + facts["ended"] + (facts["done"] or 0))
