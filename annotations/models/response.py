"""What somebody said about an item, and the single things they said."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotations.models.queue_entry import QueueEntry
from annotations.models.task import Assignment
from projects.models import LabelClass, User
from projects.models.scoped import ScopedQuerySet


class ResponseQuerySet(ScopedQuerySet):
    workspace_path = "entry__project__workspace_id"


class Response(models.Model):
    """One complete answer for one item. A correction is a new row that names the one it replaces; nothing is deleted.

    A second opinion is an answer that came after the lease had gone to somebody else: it is kept, and does not count
    unless a reviewer takes it.

    `operation_id` is made by the client: the same submit sent twice finds its first result. `active_seconds` and
    `actions` (clicks and keys) are those of the page, shared out over its items.
    """

    class Kind(models.TextChoices):
        LABELER = "labeler", _("Labeler")
        CONSENSUS = "consensus", _("Consensus")
        REVIEW = "review", _("Review")
        IMPORTED = "imported", _("Imported")
        AUTO = "auto", _("Automatic")
        OPINION = "opinion", _("Second opinion")

    class Outcome(models.TextChoices):
        LABELED = "labeled", _("Labeled")
        SKIPPED = "skipped", _("Skipped")

    entry = models.ForeignKey(QueueEntry, models.CASCADE, related_name="responses")
    assignment = models.ForeignKey(Assignment, models.SET_NULL, null=True, blank=True, related_name="responses")
    author = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="responses")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.LABELER)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome.choices, default=Outcome.LABELED)
    skip_reason = models.CharField(_("reason for skipping"), max_length=300, blank=True)
    round = models.PositiveIntegerField(_("round"), default=1)
    replaces = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="replaced_by")
    operation_id = models.UUIDField(default=uuid.uuid4, editable=False)
    active_seconds = models.FloatField(_("active seconds"), default=0)
    actions = models.FloatField(_("clicks and keys"), default=0)
    submitted_at = models.DateTimeField(_("submitted"), auto_now_add=True)

    objects = ResponseQuerySet.as_manager()

    class Meta:
        verbose_name = _("response")
        verbose_name_plural = _("responses")
        constraints = [models.UniqueConstraint(fields=["entry", "operation_id"], name="response_operation_once")]
        indexes = [models.Index(fields=["entry", "-id"], name="response_history")]

    def __str__(self) -> str:
        return f"{self.entry} · {self.get_kind_display()}"


class AnnotationQuerySet(ScopedQuerySet):
    workspace_path = "response__entry__project__workspace_id"


class Annotation(models.Model):
    """One class or one object of a response. Geometry is in pixels of the image as a person sees it.

    x, y, width, height hold the box, or the bounds of a polygon; `polygon` holds its parts and holes.
    """

    class Origin(models.TextChoices):
        MANUAL = "manual", _("By hand")
        PRELABEL = "prelabel", _("Accepted prelabel")
        EDITED = "edited", _("Edited prelabel")
        IMPORTED = "imported", _("Imported")

    response = models.ForeignKey(Response, models.CASCADE, related_name="annotations")
    label_class = models.ForeignKey(LabelClass, models.PROTECT, related_name="annotations")
    client_id = models.UUIDField(default=uuid.uuid4, editable=False)
    frame = models.PositiveIntegerField(_("frame"), default=0)
    position = models.PositiveIntegerField(_("drawing order"), default=0)
    x = models.FloatField(null=True, blank=True)
    y = models.FloatField(null=True, blank=True)
    width = models.FloatField(null=True, blank=True)
    height = models.FloatField(null=True, blank=True)
    polygon: models.JSONField[dict[str, Any] | None, dict[str, Any] | None] = models.JSONField(null=True, blank=True)
    origin = models.CharField(_("origin"), max_length=8, choices=Origin.choices, default=Origin.MANUAL)

    objects = AnnotationQuerySet.as_manager()

    class Meta:
        verbose_name = _("annotation")
        verbose_name_plural = _("annotations")
        constraints = [
            models.UniqueConstraint(fields=["response", "client_id"], name="annotation_client_id"),
            models.CheckConstraint(
                condition=Q(x=None, y=None, width=None, height=None, polygon=None) | Q(width__gt=0, height__gt=0),
                name="annotation_has_area",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label_class}"
