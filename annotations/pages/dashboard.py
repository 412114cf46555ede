"""The dashboard of a project, and the commands in the head of all its pages."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotations import selectors
from annotations.pages.common import back_to, head, in_project
from labeling_site.core import errors
from labeling_site.core.charts import Segment, bars, donut
from projects import access
from projects.access import Capability
from projects.models import Project, TaskType
from projects.services import projects as project_services

CLASSES_PER_PAGE = 10
# When a first training is due (labeled items, or items with objects): what the settings of ML assist say to people.
FIRST_TRAINING = {TaskType.MULTI_CLASS: 20, TaskType.MULTI_LABEL: 20, TaskType.BOX: 15, TaskType.POLYGON: 15}


@login_required
@require_safe
def dashboard(request: HttpRequest, project_id: int) -> HttpResponse:
    """The dashboard; people who only label go straight to labeling."""
    project = get_object_or_404(Project.objects.visible_to(request.user), pk=project_id)
    held = access.capabilities(request.user, project.workspace_id)
    if Capability.READ_SUMMARY not in held and Capability.LABEL in held:
        return redirect("project-label", project.pk)
    return _dashboard(request, project_id=project_id)


@in_project(Capability.READ_SUMMARY)
def _dashboard(request: HttpRequest, project: Project) -> HttpResponse:
    return render(request, "annotations/dashboard.html", head(request, project, "dashboard") | _panel(request, project))


@in_project(Capability.READ_SUMMARY)
@require_safe
def dashboard_panel(request: HttpRequest, project: Project) -> HttpResponse:
    """The part of the dashboard that is fetched again after a hint."""
    return render(request, "annotations/_dashboard_panel.html", head(request, project) | _panel(request, project))


@in_project(Capability.READ_PROJECTS)
@require_safe
def project_head(request: HttpRequest, project: Project) -> HttpResponse:
    """State and commands, fetched again after a hint."""
    return render(request, "annotations/_project_commands.html", head(request, project))


def _panel(request: HttpRequest, project: Project) -> dict[str, Any]:
    board = selectors.dashboard(project)
    class_bars = bars(
        [(one.label_class.path, one.count, one.label_class.colour) for one in board.classes],
        title=_("Labels by class"),
        total=board.label_total,
    )
    page = Paginator(class_bars["rows"], CLASSES_PER_PAGE).get_page(request.GET.get("classes"))
    first = FIRST_TRAINING[project.kind]
    return {
        "board": board,
        "progress": donut(
            [
                Segment(_("Completed"), board.labeled, "seg-done"),
                Segment(_("Skipped"), board.skipped, "seg-skipped"),
                Segment(_("Needs review"), board.needs_review, "seg-review"),
                Segment(_("Incomplete"), board.incomplete, "seg-open"),
            ],
            title=_("Progress"),
            note=_("%(labeled)s / %(total)s assets labeled") % {"labeled": board.labeled, "total": board.total},
        ),
        "class_page": page,
        "class_bars": class_bars | {"rows": list(page.object_list)},
        "labeler_bars": bars(
            [(one.labeler.name, one.count, "seg-done") for one in board.labelers], title=_("Items labeled by each")
        ),
        "assist_on": bool(project.assist.get("enabled")),
        "first_training": first,
        "first_training_done": min(board.labeled, first),
        "is_classification": project.kind.is_classification,
        "panel_url": f"{reverse('project-dashboard-panel', args=[project.pk])}?{request.GET.urlencode()}",
    }


@in_project(Capability.READ_PROJECTS)
@require_POST
def change_state(request: HttpRequest, project: Project) -> HttpResponse:
    """Pauses or starts; a project that failed to initialize tries again."""
    action = request.POST.get("action", "")
    if action == "pause":
        project_services.pause_project(actor=request.user, project=project)
        messages.success(request, _("The project is paused: nobody gets new images until it is started again."))
    elif action == "start":
        started = project_services.start_project(actor=request.user, project=project)
        if started.state == Project.State.RUNNING:
            messages.success(request, _("The project is running."))
        else:
            messages.info(request, _("The project is initialized again."))
    else:
        raise errors.Invalid(_("A project can be started or paused."))
    return back_to(request, reverse("project", args=[project.pk]))
