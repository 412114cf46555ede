"""One narrow row per item of a project: what hand-out, filters and counts read."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from projects.models import Item, Project
from projects.models.scoped import ScopedQuerySet


class QueueEntryQuerySet(ScopedQuerySet):
    workspace_path = "project__workspace_id"


class QueueEntry(models.Model):
    """The state of one item in one project.

    `rank` is the random place in the queue, drawn once at the start. `open_slots` is how many more people are wanted
    and not yet at work: hand-out looks only at entries where it is above 0, and every lease, release and submit keeps
    it right in the same transaction. `round` grows with reject and start-over.
    """

    class Status(models.TextChoices):
        UNLABELED = "unlabeled", _("Unlabeled")
        LABELED = "labeled", _("Labeled")
        SKIPPED = "skipped", _("Skipped")
        NEEDS_REVIEW = "needs_review", _("Needs review")
        MISSING = "missing", _("Missing")
        UNREADABLE = "unreadable", _("Unreadable")
        REMOVED = "removed", _("Removed")

    class Queue(models.TextChoices):
        MANUAL = "manual", _("Manual")
        CLUSTERED = "clustered", _("Clustered")
        PRELABELED = "prelabeled", _("Prelabeled")

    project = models.ForeignKey(Project, models.CASCADE, related_name="queue_entries")
    item = models.ForeignKey(Item, models.PROTECT, related_name="queue_entries")
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.UNLABELED)
    queue = models.CharField(_("queue"), max_length=10, choices=Queue.choices, default=Queue.MANUAL)
    rank = models.BigIntegerField(_("rank"))
    round = models.PositiveIntegerField(_("round"), default=1)
    slots = models.PositiveSmallIntegerField(_("answers wanted"), default=1)
    open_slots = models.PositiveSmallIntegerField(_("slots free"), default=1)
    final_response = models.ForeignKey(
        "annotations.Response", models.SET_NULL, null=True, blank=True, related_name="final_for"
    )
    approved = models.BooleanField(_("approved"), default=False)
    labeled_at = models.DateTimeField(_("labeled"), null=True, blank=True)

    objects = QueueEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("queue entry")
        verbose_name_plural = _("queue entries")
        constraints = [
            models.UniqueConstraint(fields=["project", "item"], name="entry_once"),
            models.CheckConstraint(
                condition=models.Q(open_slots__lte=models.F("slots")), name="entry_open_slots_at_most_slots"
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "rank"],
                name="entry_hand_out",
                condition=models.Q(status="unlabeled", open_slots__gt=0),
            ),
            models.Index(fields=["project", "status", "-labeled_at", "-id"], name="entry_data_tab"),
        ]

    def __str__(self) -> str:
        return f"{self.project} · {self.item}"
