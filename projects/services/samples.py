"""A project with drawn images, for people who want to try the site before they bring their own."""

from __future__ import annotations

import hashlib

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from labeling_site.core import errors
from projects import access, samples
from projects.access import Capability
from projects.models import Dataset, Project, TaskType, Upload, User, Workspace
from projects.services import datasets, projects

IMAGES = 24
SEED = 1


def create_sample_project(*, actor: User, workspace: Workspace, task_type: str) -> Project:
    """Draws IMAGES images (about a second) into a dataset of their own, and makes a project over them.

    The project is filled by its own job, as any other. A second sample of the same kind gets a number in its name.
    """
    access.require(actor, Capability.WRITE_PROJECTS, workspace)
    access.require(actor, Capability.WRITE_DATASETS, workspace)
    if task_type not in samples.CLASSES:
        raise errors.Invalid(_("There is no sample for this task type."))
    title = _free_name(workspace, _("Sample: %s") % TaskType(task_type).label)
    dataset = datasets.create_dataset(
        actor=actor,
        workspace=workspace,
        name=title,
        kind=Dataset.Kind.UPLOAD,
        description=_("Drawn by the site, to try things out."),
    )
    uploads = [_store(dataset, actor, image) for image in samples.generate(task_type, IMAGES, SEED)]
    with transaction.atomic():
        Upload.objects.bulk_create(uploads)
        return projects.create_project(
            actor=actor,
            workspace=workspace,
            name=title,
            task_type=task_type,
            dataset=dataset,
            classes=[{"name": name} for name in samples.CLASSES[task_type]],
            instructions=samples.INSTRUCTIONS[task_type],
        )


def _free_name(workspace: Workspace, title: str) -> str:
    """The title, or the title with the first number that neither a project nor a dataset has used."""
    taken = set(Project.objects.filter(workspace=workspace, name__startswith=title).values_list("name", flat=True))
    taken |= set(
        Dataset.objects.filter(workspace=workspace, name__startswith=title, deleted_at=None).values_list(
            "name", flat=True
        )
    )
    number = next(number for number in range(1, len(taken) + 2) if _numbered(title, number) not in taken)
    return _numbered(title, number)


def _numbered(title: str, number: int) -> str:
    return title if number == 1 else f"{title} {number}"


def _store(dataset: Dataset, actor: User, image: samples.SampleImage) -> Upload:
    key = default_storage.save(f"uploads/{dataset.pk}/sample-{image.name}", ContentFile(image.bytes))
    return Upload(
        dataset=dataset,
        path=image.name,
        size=len(image.bytes),
        received=len(image.bytes),
        state=Upload.State.STORED,
        sha256=hashlib.sha256(image.bytes).hexdigest(),
        storage_key=key,
        created_by=actor,
    )
