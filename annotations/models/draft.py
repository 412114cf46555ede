"""What somebody has done on an open page and not submitted yet: the work as it stands, and each edit that led to it."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotations.models.task import Assignment
from projects.models.scoped import ScopedQuerySet


class DraftQuerySet(ScopedQuerySet):
    workspace_path = "assignment__project__workspace_id"


class Draft(models.Model):
    """The unsent answer of one assignment, so that opening the page on another machine brings the work back.

    `annotations` is the list as the API shows it, in drawing order. `revision` grows with every edit and every submit
    and never falls. `client` is the browser that wrote last, and has written everything since `client_since`. A submit
    closes the draft (`is_open`); an edit of the submitted page, a correction, opens it again.
    """

    assignment = models.OneToOneField(Assignment, models.CASCADE, related_name="draft")
    annotations: models.JSONField[list[dict[str, Any]], list[dict[str, Any]]] = models.JSONField(
        _("annotations"), default=list, blank=True
    )
    is_open = models.BooleanField(_("not submitted"), default=False)
    revision = models.PositiveIntegerField(_("revision"), default=0)
    client = models.UUIDField(_("browser"), null=True, blank=True, editable=False)
    client_since = models.PositiveIntegerField(default=0, editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = DraftQuerySet.as_manager()

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")

    def __str__(self) -> str:
        return f"{self.assignment} · {self.revision}"


class OperationQuerySet(ScopedQuerySet):
    workspace_path = "assignment__project__workspace_id"


class Operation(models.Model):
    """One edit that was applied. Its id is made by the client: the constraint makes an edit that is sent twice one.

    `objects_touched` names the annotations it changed, so that another browser's older view of them is noticed.
    """

    assignment = models.ForeignKey(Assignment, models.CASCADE, related_name="operations")
    operation_id = models.UUIDField(editable=False)
    client = models.UUIDField(_("browser"), null=True, editable=False)
    revision = models.PositiveIntegerField(_("revision"), default=0)
    objects_touched: models.JSONField[list[str], list[str]] = models.JSONField(_("annotations"), default=list)
    applied_at = models.DateTimeField(_("applied"), auto_now_add=True)

    objects = OperationQuerySet.as_manager()

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        constraints = [models.UniqueConstraint(fields=["assignment", "operation_id"], name="operation_once")]
        indexes = [models.Index(fields=["assignment", "revision"], name="operation_history")]

    def __str__(self) -> str:
        return f"{self.assignment} · {self.operation_id}"
