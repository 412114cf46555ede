"""Counts as rows, spread over shards so that many people counting at once do not wait for each other."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from projects.models.project import Project

SHARDS = 16


class Counter(models.Model):
    """The value of a key is the sum over its shards (projects.services.counters)."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="counters")
    key = models.CharField(max_length=40)
    shard = models.PositiveSmallIntegerField()
    value = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("counter")
        verbose_name_plural = _("counters")
        constraints = [models.UniqueConstraint(fields=["project", "key", "shard"], name="counter_shard")]

    def __str__(self) -> str:
        return f"{self.key}[{self.shard}]"
