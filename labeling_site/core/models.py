"""Abstract rows, the one table of long jobs, and replies remembered for repeated requests."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class TimestampedModel(models.Model):
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        abstract = True


class Job(TimestampedModel):
    """One long piece of work. The queue only carries its id; this row is the truth.

    Delivery is at least once, so a worker claims the row with a fresh `token`; only the holder of the current token
    may report progress or finish. `tenant_id` and `subject` say whose it is and what it is about; both are opaque here.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=60)
    queue = models.CharField(_("queue"), max_length=40, default="default")
    args: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(_("arguments"), default=dict)
    tenant_id = models.BigIntegerField(_("tenant"), null=True, blank=True, db_index=True)
    subject = models.CharField(_("subject"), max_length=80, blank=True, db_index=True)
    requested_by_id = models.BigIntegerField(_("requested by"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    done = models.BigIntegerField(_("done"), default=0)
    total = models.BigIntegerField(_("total"), null=True, blank=True)
    message = models.CharField(_("message"), max_length=300, blank=True)
    error = models.TextField(_("error"), blank=True)
    result: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(_("result"), default=dict, blank=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    token = models.UUIDField(_("token of the claim"), null=True, blank=True, editable=False)
    cancel_requested = models.BooleanField(_("cancel requested"), default=False)
    sent_at = models.DateTimeField(_("last sent"), null=True, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    heartbeat_at = models.DateTimeField(_("last heartbeat"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["state", "heartbeat_at"], name="job_state_heartbeat")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def has_ended(self) -> bool:
        return self.state in self.ENDED

    @property
    def percent(self) -> int | None:
        """Whole per cent done, None while the total is unknown."""
        if self.state == self.State.SUCCEEDED:
            return 100
        return min(99, self.done * 100 // self.total) if self.total else None


class Lock(models.Model):
    """A named turn: who moves `taken_at` forward has it (see `jobs.take_turn`)."""

    name = models.CharField(max_length=60, primary_key=True)
    taken_at = models.DateTimeField()

    class Meta:
        verbose_name = _("lock")
        verbose_name_plural = _("locks")

    def __str__(self) -> str:
        return self.name


class IdempotencyRecord(models.Model):
    """The reply given to a creating request that carried an Idempotency-Key, kept a day for repeats."""

    user_id = models.BigIntegerField()
    key = models.CharField(max_length=120)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body: models.JSONField[Any, Any] = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("remembered reply")
        verbose_name_plural = _("remembered replies")
        constraints = [models.UniqueConstraint(fields=["user_id", "key"], name="idempotency_user_key")]

    def __str__(self) -> str:
        return self.key
