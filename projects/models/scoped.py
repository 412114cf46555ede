"""The manager every domain table uses: rows are asked for through a user, or through a service that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.contrib.auth.models import AnonymousUser
from django.db import models

if TYPE_CHECKING:
    from projects.models.user import User


class ScopedQuerySet(models.QuerySet[Any]):
    """`workspace_path` is the lookup that leads from this table to its workspace's id."""

    workspace_path = "workspace_id"

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Rows of the workspaces in which this user is an active member. Nobody else, superusers included, sees them.

        An API key narrows this to its own workspace.
        """
        if not user.is_authenticated or not user.is_active:
            return self.none()
        from projects.models.workspace import Membership

        mine = Membership.objects.filter(user_id=user.pk, workspace__deleted_at=None)
        key: Any = getattr(user, "api_key", None)
        if key is not None:
            mine = mine.filter(workspace_id=key.workspace_id)
        return self.filter(**{f"{self.workspace_path}__in": mine.values("workspace_id")})
