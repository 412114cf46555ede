"""What the viewsets of this app share."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from rest_framework.request import Request

from labeling_site.core import errors
from labeling_site.core.api import ScopedViewSet
from labeling_site.core.parsing import row_id
from projects import access
from projects.access import Capability
from projects.models import Workspace

Row = TypeVar("Row", bound=Model)


def my_workspace(request: Request, pk: Any) -> Workspace:
    """A workspace of the user by its number; 404 for all others."""
    found: Workspace = get_object_or_404(Workspace.objects.visible_to(request.user), pk=pk)
    return found


def named_in_body(field: str, rows: QuerySet[Row], pk: Any) -> Row:
    """The row that a field of the body names. Raises NotFound with the field and the number, unlike a plain 404."""
    found = rows.filter(pk=pk).first()
    if found is None:
        sentence = _("There is no %(field)s %(pk)s, or it is not yours to see.") % {"field": field, "pk": pk}
        raise errors.NotFound(sentence, fields={field: ["?"]})
    return found


def workspaces_where(request: Request, capability: Capability) -> list[int]:
    """Numbers of the workspaces in which the user holds a capability."""
    mine = Workspace.objects.visible_to(request.user)
    return [workspace.pk for workspace in mine if access.may(request.user, capability, workspace)]


def by_workspace(rows: QuerySet[Any], value: str) -> QuerySet[Any]:
    """The filter ?workspace=7."""
    return rows.filter(workspace_id=row_id(value))


class InWorkspace(ScopedViewSet):
    """Nested under /workspaces/<id>/: rows of one workspace that the user belongs to."""

    def workspace(self) -> Workspace:
        return my_workspace(self.request, self.kwargs["workspace_pk"])

    def scoped(self) -> Any:
        return self.queryset.model.objects.visible_to(self.request.user).filter(workspace=self.workspace())
