"""One file to label: facts about the file only."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from projects.models.dataset import DatasetVersion
from projects.models.scoped import ScopedQuerySet


class ItemQuerySet(ScopedQuerySet):
    workspace_path = "dataset_version__dataset__workspace_id"


class Item(models.Model):
    """A file of a dataset version. Width and height are pixels of the image as a person sees it.

    A file that cannot be labeled is a row too, with its reason, so that every file is accounted for.
    """

    class State(models.TextChoices):
        OK = "ok", _("Ready to label")
        REFUSED = "refused", _("Refused")
        MISSING = "missing", _("Missing")

    dataset_version = models.ForeignKey(DatasetVersion, models.CASCADE, related_name="items")
    path = models.CharField(_("path"), max_length=1000, help_text=_("As seen in the datastore or the upload."))
    storage_key = models.CharField(_("storage key"), max_length=1100)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.OK)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    size = models.BigIntegerField(_("size in bytes"), default=0)
    fingerprint = models.CharField(_("ETag or time and size"), max_length=120, blank=True)
    sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    width = models.PositiveIntegerField(_("width"), default=0)
    height = models.PositiveIntegerField(_("height"), default=0)
    orientation = models.PositiveSmallIntegerField(_("EXIF orientation"), default=1)
    frames = models.PositiveIntegerField(_("frames"), default=1)
    is_dicom = models.BooleanField(_("DICOM"), default=False)
    facts: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(_("facts"), default=dict, blank=True)
    captured_at = models.DateTimeField(_("captured"), null=True, blank=True)

    objects = ItemQuerySet.as_manager()

    class Meta:
        verbose_name = _("item")
        verbose_name_plural = _("items")
        constraints = [models.UniqueConstraint(fields=["dataset_version", "path"], name="item_path")]
        indexes = [models.Index(fields=["dataset_version", "state", "id"], name="item_version_state")]

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]
