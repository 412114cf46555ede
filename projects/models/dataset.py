"""Named selections of files, what was seen of them at one time, and files on their way in."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling_site.core.models import Job, TimestampedModel
from projects.models.datastore import Datastore
from projects.models.scoped import ScopedQuerySet
from projects.models.user import User
from projects.models.workspace import Workspace


class DatasetQuerySet(ScopedQuerySet):
    def visible_to(self, user: Any) -> DatasetQuerySet:
        return super().visible_to(user).filter(deleted_at=None)


class Dataset(TimestampedModel):
    """Files of one datastore under a path, chosen by a glob; or files uploaded here."""

    class Kind(models.TextChoices):
        UPLOAD = "upload", _("Uploaded files")
        DATASTORE = "datastore", _("Files in a datastore")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="datasets")
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), blank=True, max_length=2000)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    datastore = models.ForeignKey(Datastore, models.PROTECT, related_name="datasets")
    path = models.CharField(_("path"), max_length=1000, blank=True, help_text=_("Folder and glob, as in photos/**"))
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        verbose_name = _("dataset")
        verbose_name_plural = _("datasets")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], condition=Q(deleted_at=None), name="dataset_name")
        ]

    def __str__(self) -> str:
        return self.name


class DatasetVersionQuerySet(ScopedQuerySet):
    workspace_path = "dataset__workspace_id"


class DatasetVersion(TimestampedModel):
    """What was seen of a dataset at one time. Files join a version while it is scanned; projects pin a version.

    `cursor` is the last path whose batch was committed, so a scan that lost its worker goes on from there.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        SCANNING = "scanning", _("Reading files")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PENDING)
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    cursor = models.TextField(blank=True)
    file_count = models.BigIntegerField(_("files seen"), default=0)
    item_count = models.BigIntegerField(_("items"), default=0)
    refused_count = models.BigIntegerField(_("refused"), default=0)
    left_out: models.JSONField[dict[str, int], dict[str, int]] = models.JSONField(
        _("left out beyond the limit, by extension"), default=dict, blank=True
    )
    error = models.TextField(_("error"), blank=True)

    objects = DatasetVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("dataset version")
        verbose_name_plural = _("dataset versions")
        ordering = ["dataset", "-number"]
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="dataset_version_number")]

    def __str__(self) -> str:
        return f"{self.dataset} · {self.number}"


class UploadQuerySet(ScopedQuerySet):
    workspace_path = "dataset__workspace_id"


class Upload(TimestampedModel):
    """One file on its way into an upload dataset: chunks arrive in order, can be resumed, and end as a stored file."""

    class State(models.TextChoices):
        RECEIVING = "receiving", _("Receiving")
        STORED = "stored", _("Stored")
        REFUSED = "refused", _("Refused")

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="uploads")
    path = models.CharField(_("path"), max_length=1000)
    size = models.BigIntegerField(_("size in bytes"))
    received = models.BigIntegerField(_("received"), default=0)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.RECEIVING)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    storage_key = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    objects = UploadQuerySet.as_manager()

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        constraints = [models.UniqueConstraint(fields=["dataset", "path"], name="upload_path")]
        indexes = [models.Index(fields=["dataset", "state", "path"], name="upload_dataset_state")]

    def __str__(self) -> str:
        return self.path
