"""What reviewers decided about an item, in order, for ever."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotations.models.queue_entry import QueueEntry
from annotations.models.response import Response
from projects.models import User
from projects.models.scoped import ScopedQuerySet


class ReviewQuerySet(ScopedQuerySet):
    workspace_path = "entry__project__workspace_id"


class Review(models.Model):
    class Action(models.TextChoices):
        APPROVE = "approve", _("Approved")
        UNAPPROVE = "unapprove", _("Approval withdrawn")
        REJECT = "reject", _("Rejected")
        RETURN = "return", _("Skipped item returned to the queue")
        REMOVE = "remove", _("Skipped item removed")
        CORRECT = "correct", _("Corrected")

    entry = models.ForeignKey(QueueEntry, models.CASCADE, related_name="reviews")
    response = models.ForeignKey(Response, models.SET_NULL, null=True, blank=True, related_name="reviews")
    reviewer = models.ForeignKey(User, models.SET_NULL, null=True, related_name="reviews")
    action = models.CharField(_("decision"), max_length=10, choices=Action.choices)
    comment = models.CharField(_("comment"), max_length=1000, blank=True)
    created_at = models.DateTimeField(_("decided"), auto_now_add=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_action_display()} · {self.entry}"
