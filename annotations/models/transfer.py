"""Labels on their way out (and, later, in): what was asked for, and the file that came of it."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling_site.core.models import Job, TimestampedModel
from projects.models import Project, User
from projects.models.scoped import ScopedQuerySet


class TransferQuerySet(ScopedQuerySet):
    workspace_path = "project__workspace_id"


class Transfer(TimestampedModel):
    """An export. `options` holds coordinates, labeler details, only_approved, submitted_from, submitted_until."""

    class Format(models.TextChoices):
        COCO = "coco", _("COCO")
        CSV = "csv", _("CSV")
        JSONL = "jsonl", _("JSON lines")

    project = models.ForeignKey(Project, models.CASCADE, related_name="transfers")
    format = models.CharField(_("format"), max_length=10, choices=Format.choices)
    options: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(_("options"), default=dict, blank=True)
    job = models.OneToOneField(Job, models.PROTECT, related_name="transfer")
    requested_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    storage_key = models.CharField(_("file"), max_length=400, blank=True)
    file_name = models.CharField(_("file name"), max_length=200, blank=True)
    size = models.BigIntegerField(_("size in bytes"), null=True, blank=True)
    item_count = models.BigIntegerField(_("items"), default=0)
    annotation_count = models.BigIntegerField(_("annotations"), default=0)
    report: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        _("what the format cannot hold"), default=dict, blank=True
    )

    objects = TransferQuerySet.as_manager()

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.file_name or f"{self.project} · {self.format}"
