"""What every page of a project shares: whose project it is, what one may do there, its head with commands and tabs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.http import url_has_allowed_host_and_scheme

from labeling_site.core import events
from projects import access
from projects.access import Capability
from projects.models import Favourite, Project
from projects.pages.common import enter

View = Callable[..., HttpResponse]


def in_project(capability: Capability) -> Callable[[View], View]:
    """For pages below /projects/<id>/: the view gets `project`, and only where one holds the capability there.

    A project of somebody else's workspace is a 404; one without the right is a 403 that names it. Opening a project
    makes its workspace the current one.
    """

    def decorate(view: View) -> View:
        @login_required
        @wraps(view)
        def wrapped(request: HttpRequest, project_id: int, **kwargs: Any) -> HttpResponse:
            rows = Project.objects.visible_to(request.user).select_related(
                "workspace", "job", "created_by", "dataset_version__dataset__datastore"
            )
            project = get_object_or_404(rows, pk=project_id)
            enter(request, project.workspace_id)
            access.require(request.user, capability, project.workspace_id)
            return view(request, project=project, **kwargs)

        return wrapped

    return decorate


def head(request: HttpRequest, project: Project, tab: str = "") -> dict[str, Any]:
    """Context of templates/annotations/project_base.html and of its live head."""
    held = access.capabilities(request.user, project.workspace_id)
    State = Project.State
    return {
        "project": project,
        "tab": tab,
        "version": events.version(project.topic),
        "is_favourite": Favourite.objects.filter(project=project, user_id=request.user.pk).exists(),
        "is_running": project.state == State.RUNNING,
        "may_start": project.state in {State.CREATED, State.PAUSED},
        "may_summary": Capability.READ_SUMMARY in held,
        "may_read_labels": Capability.READ_LABELS in held,
        "may_write": Capability.WRITE_PROJECTS in held,
        "may_delete": Capability.DELETE_PROJECTS in held,
        "may_label": Capability.LABEL in held,
        "may_export": Capability.EXPORT in held,
        "may_approve": Capability.APPROVE in held,
        "may_reject": Capability.REJECT in held,
        "may_correct": Capability.UPDATE_LABELS in held,
    }


def back_to(request: HttpRequest, otherwise: str) -> HttpResponse:
    """To the page of this site that the form named in `next`, so that filters and place are not lost."""
    wanted = request.POST.get("next", "")
    here = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure())
    return HttpResponseRedirect(wanted if here else otherwise)


def with_whole_days(query: Mapping[str, str]) -> dict[str, str]:
    """The same query with an end date that includes its day: people mean "until Friday evening"."""
    values = {key: query[key] for key in query}
    until = values.get("submitted_until", "")
    if len(until) == 10:
        values["submitted_until"] = f"{until}T23:59:59.999999"
    return values
