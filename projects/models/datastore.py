"""Where files live."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling_site.core.models import TimestampedModel
from projects.models.scoped import ScopedQuerySet
from projects.models.workspace import Workspace


class Datastore(TimestampedModel):
    """A folder of this machine, or the site's own storage for uploads and exports. Cloud kinds join here later."""

    class Kind(models.TextChoices):
        SITE = "site", _("Storage of this site")
        LOCAL = "local", _("Folder on the server")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="datastores")
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    config: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        _("settings"), default=dict, blank=True, help_text=_("A folder datastore keeps its folder under “root”.")
    )
    is_default = models.BooleanField(_("default"), default=False)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("datastore")
        verbose_name_plural = _("datastores")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="datastore_name"),
            models.UniqueConstraint(
                fields=["workspace"], condition=models.Q(is_default=True), name="datastore_one_default"
            ),
        ]

    def __str__(self) -> str:
        return self.name
