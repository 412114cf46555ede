"""Named selections of files: making, previewing, versioning and deleting them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace

from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling_site.core import errors, events, jobs
from labeling_site.core.models import Job
from projects import access
from projects.access import Capability
from projects.models import Dataset, DatasetVersion, Datastore, Item, Project, Upload, User, Workspace
from projects.services import datastores, folders
from projects.services.names import clean_name
from projects.services.uploads import partial_path

PREVIEW_SECONDS = 2.0
PREVIEW_PATHS = 20


def topic(dataset_id: int) -> str:
    """The hint topic of a dataset, as in dataset:7."""
    return f"dataset:{dataset_id}"


def create_dataset(
    *,
    actor: User,
    workspace: Workspace,
    name: str,
    kind: str,
    datastore: Datastore | None = None,
    path: str = "",
    description: str = "",
) -> Dataset:
    """A dataset of uploaded files, or of the files of a folder datastore that `path` (a folder or glob) names.

    Raises Invalid naming the field, Conflict when the name is taken. Nothing is read yet: see `start_version`.
    """
    access.require(actor, Capability.WRITE_DATASETS, workspace)
    name = clean_name(name, slash=True)
    if len(description) > 2000:
        raise errors.Invalid(_("The description may have 2,000 characters at most."))
    if kind == Dataset.Kind.UPLOAD:
        datastore, path = datastores.site_datastore(workspace), ""
    elif kind == Dataset.Kind.DATASTORE:
        if datastore is None or datastore.workspace_id != workspace.pk:
            sentence = _("Choose a datastore of this workspace.")
            raise errors.Invalid(sentence, fields={"datastore": [sentence]})
        datastores.root_of(datastore)
        folders.parse_glob(path)
        path = folders.clean_path(path)
    else:
        raise errors.Invalid(_("A dataset is either uploaded or in a datastore."))
    try:
        with transaction.atomic():
            dataset = Dataset.objects.create(
                workspace=workspace,
                name=name,
                description=description,
                kind=kind,
                datastore=datastore,
                path=path,
                created_by=actor,
            )
            events.publish(f"workspace:{workspace.pk}")
    except IntegrityError as error:
        raise errors.Conflict(
            _("There is already a dataset called “%s”.") % name,
            way_out=_("Choose another name."),
            fields={"name": ["?"]},
        ) from error
    return dataset


@dataclass(frozen=True)
class Preview:
    """What a path would select. `is_cut` says that counting stopped early, so that `count` is a lower bound."""

    count: int
    is_cut: bool
    extensions: dict[str, int]
    paths: list[str]


def preview(*, actor: User, datastore: Datastore, path: str) -> Preview:
    """Counts for at most PREVIEW_SECONDS what `path` selects, by extension, and names the first files in order."""
    access.require(actor, Capability.WRITE_DATASETS, datastore.workspace)
    end = time.monotonic() + PREVIEW_SECONDS
    kinds: Counter[str] = Counter()
    first: list[str] = []
    glob = folders.parse_glob(path)
    # Every file is brought here, also those that do not match: looking for one that does could take minutes.
    for facts in folders.walk(datastores.root_of(datastore), replace(glob, pattern=None)):
        if time.monotonic() > end:
            return Preview(kinds.total(), True, dict(kinds.most_common(20)), first)
        if not glob.matches(facts.order):
            continue
        kinds[extension(facts.path)] += 1
        if len(first) < PREVIEW_PATHS:
            first.append(folders.readable(facts.path))
    return Preview(kinds.total(), False, dict(kinds.most_common(20)), first)


def extension(path: str) -> str:
    """The extension in lower case with its dot, "" where a name has none; never longer than a real one would be."""
    stem, dot, last = folders.readable(path).rpartition("/")[2].rpartition(".")
    return f".{last.lower()}" if dot and stem and len(last) <= 12 else ""


def start_version(*, actor: User, dataset: Dataset) -> DatasetVersion:
    """Begins to read what the dataset holds now, as a new version; one that is still being read is returned as it is.

    Raises Conflict for an upload dataset without a single stored file.
    """
    access.require(actor, Capability.WRITE_DATASETS, dataset.workspace)
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if dataset.deleted_at:
            raise errors.Gone(_("This dataset was deleted."))
        if dataset.kind == Dataset.Kind.UPLOAD and not dataset.uploads.filter(state=Upload.State.STORED).exists():
            raise errors.Conflict(_("No file has been uploaded yet."), way_out=_("Upload some files first."))
        last = dataset.versions.select_related("job").order_by("-number").first()
        is_being_read = last and last.state in {DatasetVersion.State.PENDING, DatasetVersion.State.SCANNING}
        if last and is_being_read and last.job and not last.job.has_ended:
            return last
        number = (dataset.versions.aggregate(last=Max("number"))["last"] or 0) + 1
        version = DatasetVersion.objects.create(dataset=dataset, number=number)
        version.job = jobs.enqueue(
            kind="projects.scan_dataset",
            args={"version": version.pk},
            tenant_id=dataset.workspace_id,
            subject=topic(dataset.pk),
            requested_by_id=actor.pk,
        )
        version.save(update_fields=["job", "updated_at"])
        events.publish(topic(dataset.pk))
    return version


def scan_ended(job: Job) -> None:
    """A version must not look as if it were being read when the job that read it ended without it."""
    if job.state == Job.State.SUCCEEDED:
        return
    reason = job.error or _("Reading the files was cancelled.")
    waiting = DatasetVersion.objects.filter(job=job).exclude(state=DatasetVersion.State.READY)
    touched = set(waiting.values_list("dataset_id", flat=True))
    waiting.update(state=DatasetVersion.State.FAILED, error=reason)
    for dataset_id in sorted(touched):
        events.publish(topic(dataset_id))


def delete_dataset(*, actor: User, dataset: Dataset) -> None:
    """Removes a dataset that no project uses from sight, and its uploaded bytes from storage (by a job).

    Files in a datastore stay where they are.
    """
    access.require(actor, Capability.WRITE_DATASETS, dataset.workspace)
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if dataset.deleted_at:
            raise errors.Gone(_("This dataset was deleted."))
        users = Project.objects.filter(dataset_version__dataset=dataset, deleted_at=None).order_by("name")
        names = list(users.values_list("name", flat=True)[:3])
        if names:
            raise errors.Conflict(
                _("Projects label this dataset: %s.") % ", ".join(names), way_out=_("Delete those projects first.")
            )
        dataset.deleted_at = timezone.now()
        dataset.save(update_fields=["deleted_at", "updated_at"])
        jobs.cancel_all(Job.objects.filter(pk__in=dataset.versions.exclude(job=None).values_list("job_id", flat=True)))
        jobs.enqueue(
            kind="projects.purge_dataset",
            args={"dataset": dataset.pk},
            tenant_id=dataset.workspace_id,
            subject=topic(dataset.pk),
            requested_by_id=actor.pk,
        )
        events.publish(topic(dataset.pk))
        events.publish(f"workspace:{dataset.workspace_id}")


def purge_dataset(claim: jobs.Claim, dataset_id: int) -> dict[str, int]:
    """Deletes the stored and half-received files of a deleted dataset. Safe to repeat after a kill."""
    dataset = Dataset.objects.get(pk=dataset_id)
    if dataset.deleted_at is None:
        return {"files": 0}
    keys = Item.objects.filter(dataset_version__dataset=dataset, storage_key__startswith=f"uploads/{dataset.pk}/")
    done = 0
    if dataset.kind == Dataset.Kind.UPLOAD:
        for key in keys.values_list("storage_key", flat=True).order_by().distinct().iterator(chunk_size=500):
            default_storage.delete(key)  # those that an overwriting upload left to older versions, too
        while batch := list(Upload.objects.filter(dataset=dataset).order_by("pk")[:500]):
            for upload in batch:
                if upload.storage_key:
                    default_storage.delete(upload.storage_key)
                partial_path(upload.pk).unlink(missing_ok=True)
            with claim.publishing():
                Upload.objects.filter(pk__in=[upload.pk for upload in batch]).delete()
            done += len(batch)
            claim.progress(done)
    return {"files": done}
