"""What every page's frame needs to know."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from projects import access
from projects.models import Workspace


def current_workspace(request: HttpRequest) -> Workspace | None:
    """The workspace chosen in this session, else the first of one's own."""
    mine = Workspace.objects.visible_to(request.user)
    chosen = request.session.get("workspace")
    return (mine.filter(pk=chosen).first() if chosen else None) or mine.first()


def navigation(request: HttpRequest) -> dict[str, Any]:
    """workspace, workspaces and `can`, the capabilities held in it; empty for visitors."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    workspace = current_workspace(request)
    return {
        "workspace": workspace,
        "workspaces": list(Workspace.objects.visible_to(user)),
        "can": access.capabilities(user, workspace) if workspace else frozenset(),
    }
