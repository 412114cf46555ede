"""What people say to each other about an item."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotations.models.queue_entry import QueueEntry
from projects.models import User
from projects.models.scoped import ScopedQuerySet


class CommentQuerySet(ScopedQuerySet):
    workspace_path = "entry__project__workspace_id"


class Comment(models.Model):
    """A remark on an item, or an answer to one.

    A remark (`thread` empty) begins a thread; it may be pinned to a point, in pixels of the image as a person sees it,
    and may ask the lead. Answers name their thread and carry neither. A thread is settled as a whole: `resolved_at`
    stands on the remark that began it.
    """

    entry = models.ForeignKey(QueueEntry, models.CASCADE, related_name="comments")
    author = models.ForeignKey(User, models.SET_NULL, null=True, related_name="comments")
    thread = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="replies")
    text = models.TextField(_("text"), max_length=2000)
    frame = models.PositiveIntegerField(_("frame"), default=0)
    x = models.FloatField(null=True, blank=True)
    y = models.FloatField(null=True, blank=True)
    asks_lead = models.BooleanField(_("asks the lead"), default=False)
    created_at = models.DateTimeField(_("written"), auto_now_add=True)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    resolved_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")

    objects = CommentQuerySet.as_manager()

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=~Q(text=""), name="comment_says_something"),
            models.CheckConstraint(
                condition=Q(x=None, y=None) | Q(x__isnull=False, y__isnull=False), name="comment_pin_is_a_point"
            ),
            models.CheckConstraint(
                condition=Q(thread=None) | Q(x=None, asks_lead=False, resolved_at=None), name="comment_answer_is_plain"
            ),
        ]
        indexes = [
            # The list of what the lead has been asked and has not settled.
            models.Index(fields=["entry"], name="comment_asked", condition=Q(asks_lead=True, resolved_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.author}: {self.text[:60]}"
