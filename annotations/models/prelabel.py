"""What a model suggests about an item: shown to the labeler, and nobody's annotation yet."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotations.models.queue_entry import QueueEntry
from annotations.models.response import Response
from projects.models import LabelClass
from projects.models.scoped import ScopedQuerySet


class PrelabelQuerySet(ScopedQuerySet):
    workspace_path = "entry__project__workspace_id"


class Prelabel(models.Model):
    """One suggested class or object, shaped like an annotation; geometry in pixels of the image as a person sees it.

    `key` is its name on the labeling page: an annotation that carries the same client id came of it. `produced_by`
    names the maker in words, so that nothing here depends on how models are kept.
    """

    entry = models.ForeignKey(QueueEntry, models.CASCADE, related_name="prelabels")
    label_class = models.ForeignKey(LabelClass, models.CASCADE, related_name="prelabels")
    key = models.UUIDField(default=uuid.uuid4, editable=False)
    frame = models.PositiveIntegerField(_("frame"), default=0)
    x = models.FloatField(null=True, blank=True)
    y = models.FloatField(null=True, blank=True)
    width = models.FloatField(null=True, blank=True)
    height = models.FloatField(null=True, blank=True)
    polygon: models.JSONField[dict[str, Any] | None, dict[str, Any] | None] = models.JSONField(null=True, blank=True)
    confidence = models.FloatField(_("confidence"))
    produced_by = models.CharField(_("made by"), max_length=200)
    made_at = models.DateTimeField(_("made"), auto_now_add=True)

    objects = PrelabelQuerySet.as_manager()

    class Meta:
        verbose_name = _("prelabel")
        verbose_name_plural = _("prelabels")
        constraints = [
            models.UniqueConstraint(fields=["entry", "key"], name="prelabel_key"),
            models.CheckConstraint(condition=Q(confidence__gte=0, confidence__lte=1), name="prelabel_confidence"),
            models.CheckConstraint(
                condition=Q(x=None, y=None, width=None, height=None, polygon=None) | Q(width__gt=0, height__gt=0),
                name="prelabel_has_area",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label_class} · {self.confidence:.2f}"


class PrelabelDecisionQuerySet(ScopedQuerySet):
    workspace_path = "response__entry__project__workspace_id"


class PrelabelDecision(models.Model):
    """What became of one prelabel in one response.

    It repeats what the prelabel said, since prelabels are replaced when a better model comes.
    """

    class Decision(models.TextChoices):
        ACCEPTED = "accepted", _("Accepted")
        EDITED = "edited", _("Edited")
        DISMISSED = "dismissed", _("Dismissed")

    response = models.ForeignKey(Response, models.CASCADE, related_name="prelabel_decisions")
    key = models.UUIDField(editable=False)
    label_class = models.ForeignKey(LabelClass, models.PROTECT, related_name="+")
    confidence = models.FloatField(_("confidence"))
    produced_by = models.CharField(_("made by"), max_length=200)
    decision = models.CharField(_("decision"), max_length=9, choices=Decision.choices)

    objects = PrelabelDecisionQuerySet.as_manager()

    class Meta:
        verbose_name = _("decision about a prelabel")
        verbose_name_plural = _("decisions about prelabels")
        constraints = [models.UniqueConstraint(fields=["response", "key"], name="prelabel_decided_once")]

    def __str__(self) -> str:
        return f"{self.label_class} · {self.get_decision_display()}"
