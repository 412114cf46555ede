"""Things for tests to start from, made by the services that people use.

Alice owns, Bob is a member who labels, Charlie is nobody. `make_people()` gives all three and Alice's workspace;
`make_project()` gives a running project with a few real images.
"""

from __future__ import annotations

import io
import itertools
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from labeling_site.core import jobs
from labeling_site.core.models import Job
from projects.access import BUILT_IN_ROLES
from projects.models import (
    Dataset,
    DatasetVersion,
    Datastore,
    Item,
    LabelClass,
    Membership,
    Project,
    Role,
    TaskType,
    Upload,
    User,
    Workspace,
)
from projects.services import invitations, projects, workspaces
from projects.services.accounts import make_user as sign_up

PASSWORD = "violet-umbrella-42"
_numbers = itertools.count(os.getpid() * 1000)  # two processes on one site make different names


# --- People ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class People:
    """Alice owns `workspace`, Bob labels in it, Charlie has an account and nothing else."""

    alice: User
    bob: User
    charlie: User
    workspace: Workspace


def make_people() -> People:
    alice, charlie = make_user("Alice"), make_user("Charlie")
    workspace = make_workspace(alice)
    return People(alice=alice, bob=add_member(workspace, "labeler", name="Bob"), charlie=charlie, workspace=workspace)


def make_user(name: str = "Alice", *, email: str = "", is_superuser: bool = False) -> User:
    """A person whose password is PASSWORD; two Alices have two addresses."""
    if not email:
        email = f"{name.lower().replace(' ', '.')}@example.org"
        if User.objects.filter(email=email).exists():
            email = f"{name.lower().replace(' ', '.')}{next(_numbers)}@example.org"
    return sign_up(email=email, name=name, password=PASSWORD, is_superuser=is_superuser, is_staff=is_superuser)


def role(key: str) -> Role:
    """A built-in role; made again where a test that flushes the database has removed what the migration made."""
    if not Role.objects.filter(workspace=None).exists():
        for position, (made, (name, description, held)) in enumerate(BUILT_IN_ROLES.items()):
            Role.objects.create(
                key=made, name=name, description=description, capabilities=[*map(str, held)], position=position
            )
    return Role.objects.get(workspace=None, key=key)


def make_workspace(owner: User | None = None, name: str = "Atelier") -> Workspace:
    role("owner")
    return workspaces.found_workspace(owner=owner or make_user("Alice"), name=name)


def owner_of(workspace: Workspace) -> User:
    return User.objects.filter(memberships__workspace=workspace, memberships__role__key="owner").order_by("pk")[0]


def add_member(workspace: Workspace, role_key: str = "labeler", *, user: User | None = None, name: str = "Bob") -> User:
    """Somebody who joined by invitation: `user`, else a new person called `name`."""
    person = user or make_user(name)
    _invitation, link = invitations.invite(actor=owner_of(workspace), workspace=workspace, role=role(role_key))
    invitations.accept_invitation(token=link.rstrip("/").rpartition("/")[2], actor=person)
    return person


def membership(workspace: Workspace, user: User) -> Membership:
    return Membership.objects.get(workspace=workspace, user=user)


def with_api_key(user: User, workspace: Workspace, capabilities: Iterable[str]) -> User:
    """The same person as a program with an API key appears to services."""
    from projects.services import api_keys

    _key, secret = api_keys.create_api_key(actor=user, workspace=workspace, name="key", capabilities=capabilities)
    found = api_keys.find_api_key(secret)
    assert found is not None
    found.user.api_key = found  # type: ignore[attr-defined]
    return found.user


# --- Images and data sets --------------------------------------------------------------------------------------------


def image_bytes(
    width: int = 64, height: int = 48, *, colour: tuple[int, int, int] = (90, 140, 200), format: str = "PNG"
) -> bytes:
    """A small plain image that decodes."""
    held = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(held, format)
    return held.getvalue()


def dicom_bytes(pixels: np.ndarray, *, syntax: str = ExplicitVRLittleEndian, **elements: Any) -> bytes:
    """A DICOM file of grey pixels (frames ×) rows × columns, written by pydicom."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = FileDataset("made", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = meta.MediaStorageSOPClassUID, "1.2.3", "OT"
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def make_dataset_with_images(
    workspace: Workspace, count: int = 4, *, name: str = "", width: int = 64, height: int = 48
) -> Dataset:
    """An upload dataset whose version 1 is ready, with `count` stored images image-0000.png and so on.

    The rows are written directly, so that 10,000 items take a second; all share one stored file beyond the first 100.
    """
    name = name or f"photos {next(_numbers)}"
    dataset = Dataset.objects.create(
        workspace=workspace,
        name=name,
        kind=Dataset.Kind.UPLOAD,
        datastore=Datastore.objects.get(workspace=workspace, is_default=True),
        created_by=owner_of(workspace),
    )
    keys = []
    for index in range(min(count, 100)):
        data = image_bytes(width, height, colour=(index * 37 % 256, index * 91 % 256, 160))
        keys.append(default_storage.save(f"uploads/{dataset.pk}/factory-{index}", ContentFile(data)))
    size = default_storage.size(keys[0]) if keys else 0
    paths = [f"image-{index:04d}.png" for index in range(count)]
    Upload.objects.bulk_create(
        Upload(
            dataset=dataset,
            path=path,
            size=size,
            received=size,
            state=Upload.State.STORED,
            storage_key=keys[index % len(keys)],
        )
        for index, path in enumerate(paths)
    )
    version = DatasetVersion.objects.create(
        dataset=dataset, number=1, state=DatasetVersion.State.READY, file_count=count, item_count=count
    )
    Item.objects.bulk_create(
        Item(
            dataset_version=version,
            path=path,
            storage_key=keys[index % len(keys)],
            size=size,
            fingerprint=f"factory-{index}",
            width=width,
            height=height,
        )
        for index, path in enumerate(paths)
    )
    return dataset


def make_dataset_from_bytes(workspace: Workspace, files: Mapping[str, bytes], *, name: str = "") -> Dataset:
    """An upload dataset of these files (path → content), uploaded and scanned through the real services."""
    from projects.services import datasets, uploads

    owner = owner_of(workspace)
    dataset = datasets.create_dataset(
        actor=owner, workspace=workspace, name=name or f"files {next(_numbers)}", kind=Dataset.Kind.UPLOAD
    )
    asked = [{"path": path, "size": len(data)} for path, data in files.items()]
    for upload in uploads.begin(actor=owner, dataset=dataset, files=asked):
        data = files[upload.path]
        for offset in range(0, len(data), 4 * 1024 * 1024):
            upload = uploads.append(
                actor=owner, upload=upload, offset=offset, chunk=data[offset : offset + 4 * 1024 * 1024]
            )
    datasets.start_version(actor=owner, dataset=dataset)
    run_jobs()
    return dataset


def run_jobs() -> None:
    """Does every queued job here and now, as a worker would; a job that failed fails the test with its reason.

    Inside a running site its worker may be faster: then this waits for what it took.
    """
    end = time.monotonic() + 60
    while ids := list(Job.objects.filter(state=Job.State.QUEUED).order_by("created_at").values_list("pk", flat=True)):
        for pk in ids:
            jobs.run(str(pk))
            while (job := Job.objects.get(pk=pk)).state == Job.State.RUNNING and time.monotonic() < end:
                time.sleep(0.05)
            assert job.state in {Job.State.SUCCEEDED, Job.State.CANCELLED}, f"{job.kind}: {job.error}"


# --- Projects --------------------------------------------------------------------------------------------------------


def make_project(
    workspace: Workspace | None = None,
    *,
    task_type: str = TaskType.MULTI_CLASS,
    classes: Sequence[str | Mapping[str, Any]] = ("cat", "dog"),
    images: int = 4,
    dataset: Dataset | None = None,
    running: bool = True,
    name: str = "",
    **settings: Any,
) -> Project:
    """A project of the workspace's owner over `images` small images; `running` fills its queue and starts it."""
    workspace = workspace or make_workspace()
    project = projects.create_project(
        actor=owner_of(workspace),
        workspace=workspace,
        name=name or f"project {next(_numbers)}",
        task_type=task_type,
        dataset=dataset or make_dataset_with_images(workspace, images),
        classes=[{"name": entry} if isinstance(entry, str) else entry for entry in classes],
        **settings,
    )
    if running:
        run_jobs()
        end = time.monotonic() + 60
        while Job.objects.filter(state=Job.State.RUNNING, subject=project.topic).exists() and time.monotonic() < end:
            time.sleep(0.05)
        project.refresh_from_db()
        assert project.state == Project.State.RUNNING, project.state_reason
    return project


def label_class(project: Project, path: str) -> LabelClass:
    return project.label_classes.get(path=path)
