"""The page handed to one labeler, and the lease of each item on it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotations.models.queue_entry import QueueEntry
from projects.models import Project, User
from projects.models.scoped import ScopedQuerySet

PAGE_SIZES = (1, 4, 6, 9, 16, 25, 36)
"""How many items a page may hold. The dense ones are for clusters of like images; beyond 36 none can be judged."""


class TaskQuerySet(ScopedQuerySet):
    workspace_path = "project__workspace_id"


class Task(models.Model):
    """A page of 1 to 36 items for one labeler."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        SUBMITTED = "submitted", _("Submitted")
        RELEASED = "released", _("Given back")

    project = models.ForeignKey(Project, models.CASCADE, related_name="tasks")
    labeler = models.ForeignKey(User, models.CASCADE, related_name="tasks")
    page_size = models.PositiveSmallIntegerField(_("items a page"), default=1)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField(_("handed out"), auto_now_add=True)
    submitted_at = models.DateTimeField(_("submitted"), null=True, blank=True)

    objects = TaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        constraints = [models.CheckConstraint(condition=Q(page_size__in=PAGE_SIZES), name="task_page_size")]
        indexes = [models.Index(fields=["project", "labeler", "state", "-id"], name="task_of_labeler")]

    def __str__(self) -> str:
        return f"{self.project} · {self.labeler} · {self.pk}"


class AssignmentQuerySet(ScopedQuerySet):
    workspace_path = "entry__project__workspace_id"


class Assignment(models.Model):
    """Who holds an item, in which slot and round, and until when.

    Two constraints make a double hand-out impossible whatever the code does: one live or done assignment per
    (entry, round, slot), and one per (entry, round, labeler).
    """

    class State(models.TextChoices):
        LIVE = "live", _("Live")
        DONE = "done", _("Done")
        EXPIRED = "expired", _("Expired")
        RELEASED = "released", _("Given back")

    task = models.ForeignKey(Task, models.CASCADE, related_name="assignments")
    entry = models.ForeignKey(QueueEntry, models.CASCADE, related_name="assignments")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    labeler = models.ForeignKey(User, models.CASCADE, related_name="assignments")
    slot = models.PositiveSmallIntegerField(_("slot"), default=1)
    round = models.PositiveIntegerField(_("round"), default=1)
    position = models.PositiveSmallIntegerField(_("place on the page"), default=0)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.LIVE)
    created_at = models.DateTimeField(_("handed out"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        constraints = [
            models.UniqueConstraint(
                fields=["entry", "round", "slot"], condition=Q(state__in=["live", "done"]), name="one_holder_of_a_slot"
            ),
            models.UniqueConstraint(
                fields=["entry", "round", "labeler"],
                condition=Q(state__in=["live", "done"]),
                name="one_slot_of_a_labeler",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "expires_at"], name="assignment_overdue", condition=Q(state="live")),
        ]

    def __str__(self) -> str:
        return f"{self.entry} → {self.labeler}"
