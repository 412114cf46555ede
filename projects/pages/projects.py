"""The way in, the list of projects, and what can be done to several of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Exists, F, FloatField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Cast, Coalesce, NullIf
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from labeling_site.core import errors, events
from labeling_site.core.parsing import row_id
from projects import access
from projects.access import Capability
from projects.models import Counter, Favourite, Project, TaskType, Workspace
from projects.models.label_class import name_key
from projects.pages.common import came_from, in_workspace
from projects.pages.context import current_workspace
from projects.services import counters, samples
from projects.services import projects as project_services

PER_PAGE = 50
SORTS: dict[str, tuple[Any, list[Any]]] = {
    "recent": (gettext_lazy("Newest first"), ["-is_favourite", "-id"]),
    "name": (gettext_lazy("Name"), ["name_key"]),
    "-name": (gettext_lazy("Name, from Z"), ["-name_key"]),
    "progress": (gettext_lazy("Least progress"), [F("share").asc(nulls_first=True), "-id"]),
    "-progress": (gettext_lazy("Most progress"), [F("share").desc(nulls_last=True), "-id"]),
    "type": (gettext_lazy("Task type"), ["task_type", "name_key"]),
    "state": (gettext_lazy("State"), ["state", "name_key"]),
}
ICONS = {
    TaskType.MULTI_CLASS: "tag",
    TaskType.MULTI_LABEL: "tags",
    TaskType.BOX: "box",
    TaskType.POLYGON: "polygon",
}


@dataclass(frozen=True)
class Row:
    """A line of the list: a project, its counts, and what this person may do with it."""

    project: Project
    done: int
    total: int
    can_label: bool

    @property
    def icon(self) -> str:
        return ICONS[self.project.kind]

    @property
    def percent(self) -> int:
        return self.done * 100 // self.total if self.total else 0


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The list, or the first steps where there is nothing to list yet."""
    workspace = current_workspace(request)
    if workspace is None:
        return redirect("workspace-new")
    mine = Project.objects.visible_to(request.user).filter(workspace=workspace)
    if mine.exists() or not access.may(request.user, Capability.WRITE_PROJECTS, workspace):
        return redirect("projects")
    return render(request, "projects/first_run.html", {"samples": sample_cards(), "guide": GUIDE})


def sample_cards() -> list[dict[str, str]]:
    """What a sample of each task type teaches."""
    words = {
        TaskType.MULTI_CLASS: _("One class for each image, with a key for each class."),
        TaskType.MULTI_LABEL: _("Every class that can be seen in an image."),
        TaskType.BOX: _("A rectangle around each object."),
        TaskType.POLYGON: _("The outline of each object, point by point."),
    }
    return [
        {"value": kind.value, "label": str(kind.label), "text": words[kind], "icon": ICONS[kind]} for kind in TaskType
    ]


GUIDE = [
    gettext_lazy("Choose the images: a folder on the server, or files from your computer."),
    gettext_lazy("Say which classes there are, and how to choose between them."),
    gettext_lazy("Label, alone or with a team, and export the result."),
]


def _listed(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    """Everything the list shows, for the page and for its live part alike."""
    user = request.user
    version = events.version(f"workspace:{workspace.pk}")  # before the rows: what moves meanwhile is asked for again
    query = request.GET.get("q", "").strip()[:120]
    sort = request.GET.get("sort", "recent")
    held = access.capabilities(user, workspace)
    sorts = {key: label for key, (label, _order) in SORTS.items()}
    if Capability.READ_SUMMARY not in held:
        sorts = {key: label for key, label in sorts.items() if "progress" not in key}  # nor its order
    sort = sort if sort in sorts else "recent"
    rows: QuerySet[Any] = Project.objects.visible_to(user).filter(workspace=workspace)
    everything = rows.count()
    if query:
        rows = rows.filter(name_key__contains=name_key(query))
    rows = rows.annotate(is_favourite=Exists(Favourite.objects.filter(project=OuterRef("pk"), user_id=user.pk)))
    if "progress" in sort:
        rows = rows.annotate(share=Cast(_count("labeled"), FloatField()) / NullIf(_count("total"), 0))
    rows = rows.select_related("job").order_by(*SORTS[sort][1])
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    found = list(page.object_list)
    counts = counters.read_many([project.pk for project in found])
    listed = [
        Row(
            project=project,
            done=counts[project.pk].get("labeled", 0),
            total=counts[project.pk].get("total", 0),
            can_label=Capability.LABEL in held and project.state == Project.State.RUNNING,
        )
        for project in found
    ]
    return {
        "version": version,
        "rows": listed,
        "page": page,
        "query": query,
        "sort": sort,
        "sorts": list(sorts.items()),
        "everything": everything,
        "may_write": Capability.WRITE_PROJECTS in held,
        "may_delete": Capability.DELETE_PROJECTS in held,
        "may_select": bool({Capability.WRITE_PROJECTS, Capability.DELETE_PROJECTS} & held),
        "may_summary": Capability.READ_SUMMARY in held,
        "panel_url": f"{reverse('projects-panel')}?{request.GET.urlencode()}",
        "samples": sample_cards(),
    }


def _count(key: str) -> Coalesce:
    """A counter of a project, summed over its shards, as a column."""
    shards = Counter.objects.filter(project_id=OuterRef("pk"), key=key).order_by()
    return Coalesce(Subquery(shards.values("project_id").annotate(sum=Sum("value")).values("sum")), 0)


@in_workspace(Capability.READ_PROJECTS)
@require_safe
def project_list(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    return render(request, "projects/project_list.html", _listed(request, workspace))


@in_workspace(Capability.READ_PROJECTS)
@require_safe
def project_list_panel(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """The part of the list that is fetched again after a hint."""
    return render(request, "projects/_project_list.html", _listed(request, workspace))


@in_workspace(Capability.READ_PROJECTS)
@require_POST
def command(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Deletes, starts or pauses the chosen projects, each on its own; refusals are told one by one."""
    services = {
        "delete": project_services.delete_project,
        "start": project_services.start_project,
        "pause": project_services.pause_project,
    }
    chosen = [pk for pk in map(row_id, request.POST.getlist("projects")) if pk]
    action = request.POST.get("action", "")
    if action not in services or not chosen:
        raise errors.Invalid(_("No project is chosen."), way_out=_("Tick at least one project first."))
    rows = list(Project.objects.visible_to(request.user).filter(workspace=workspace, pk__in=chosen))
    if not rows:
        raise errors.NotFound(_("These projects are no longer there."))
    done = 0
    for project in rows:
        try:
            services[action](actor=request.user, project=project)
            done += 1
        except errors.AppError as error:
            messages.error(request, f"{project.name}: {error}")
    if done:
        messages.success(request, _done_sentence(action, done))
    return HttpResponseRedirect(came_from(request, "projects"))


def _done_sentence(action: str, done: int) -> str:
    if action == "delete":
        return ngettext("%d project deleted.", "%d projects deleted.", done) % done
    if action == "start":
        return ngettext("%d project started.", "%d projects started.", done) % done
    return ngettext("%d project paused.", "%d projects paused.", done) % done


@login_required
@require_POST
def favourite(request: HttpRequest, project_id: int) -> HttpResponse:
    """Sets or clears one's star."""
    project = get_object_or_404(Project.objects.visible_to(request.user), pk=project_id)
    on = request.POST.get("on") == "1"
    project_services.set_favourite(actor=request.user, project=project, favourite=on)
    return HttpResponseRedirect(came_from(request, "projects"))


@in_workspace(Capability.WRITE_PROJECTS)
@require_POST
def make_sample(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """A small project with generated images, to try things out."""
    task_type = request.POST.get("task_type", "")
    if task_type not in TaskType.values:
        raise errors.Invalid(_("There is no such task type."), way_out=_("Choose one of the four samples."))
    project = samples.create_sample_project(actor=request.user, workspace=workspace, task_type=task_type)
    messages.success(request, _("The sample is being made; it takes a few seconds."))
    return redirect("project", project.pk)
