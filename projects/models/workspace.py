"""Workspaces, and who may do what in them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling_site.core.models import TimestampedModel
from projects.models.scoped import ScopedQuerySet
from projects.models.user import User


class WorkspaceQuerySet(ScopedQuerySet):
    workspace_path = "pk"


class Workspace(TimestampedModel):
    """A tenant: its people, files and projects are invisible to everyone else."""

    name = models.CharField(_("name"), max_length=120)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True)
    members: models.ManyToManyField[User, Membership] = models.ManyToManyField(
        User, through="Membership", related_name="workspaces", verbose_name=_("members")
    )

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        verbose_name = _("workspace")
        verbose_name_plural = _("workspaces")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class RoleQuerySet(ScopedQuerySet):
    def visible_to(self, user: Any) -> RoleQuerySet:
        """The built-in roles, and those of one's own workspaces."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        return self.filter(models.Q(workspace=None) | models.Q(pk__in=super().visible_to(user).values("pk")))


class Role(models.Model):
    """A named set of capabilities. Code asks for capabilities only; built-in roles belong to no workspace."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, null=True, blank=True, related_name="roles")
    key = models.SlugField(_("key"), max_length=40)
    name = models.CharField(_("name"), max_length=80)
    description = models.CharField(_("description"), max_length=240, blank=True)
    capabilities: models.JSONField[list[str], list[str]] = models.JSONField(_("capabilities"), default=list)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    objects = RoleQuerySet.as_manager()

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "key"], name="role_key", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(TimestampedModel):
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.ForeignKey(Role, models.PROTECT, related_name="memberships")

    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} · {self.workspace}"


class Invitation(TimestampedModel):
    """A link that lets one person join; only its hash is kept."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="invitations")
    role = models.ForeignKey(Role, models.CASCADE, related_name="+")
    email = models.EmailField(_("e-mail"), blank=True)
    token_hash = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, models.CASCADE, related_name="+")
    expires_at = models.DateTimeField(_("expires"))
    accepted_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering: ClassVar[list[str]] = ["-created_at"]

    def __str__(self) -> str:
        return self.email or f"{self.role} · {self.created_at:%Y-%m-%d}"
