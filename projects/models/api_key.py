"""Keys for programs: shown once, stored hashed, narrowed to a workspace and to some capabilities."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling_site.core.models import TimestampedModel
from projects.models.scoped import ScopedQuerySet
from projects.models.user import User
from projects.models.workspace import Workspace


class ApiKey(TimestampedModel):
    """A key acts as its user in one workspace, with the capabilities that both the key and the user's role hold."""

    user = models.ForeignKey(User, models.CASCADE, related_name="api_keys")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="api_keys")
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("begins with"), max_length=16)
    key_hash = models.CharField(max_length=64, unique=True)
    capabilities: models.JSONField[list[str], list[str]] = models.JSONField(_("capabilities"), default=list)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
