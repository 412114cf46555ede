"""Label classes of a project on its details tab: add, rename, recolour, describe, move, retire, restore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from annotations.pages.common import in_project
from labeling_site.core import errors
from labeling_site.core.parsing import whole
from projects.access import Capability
from projects.models import LabelClass, Project
from projects.pages.wizard_form import parse_lines
from projects.selectors import ClassNode, class_list
from projects.services import counters
from projects.services import label_classes as services

MAX_TEXT = 2_000_000


@dataclass(frozen=True)
class ClassRow:
    """A line of the list: a class, how many final labels use it, and whether it can move."""

    node: ClassNode
    count: int
    is_first: bool
    is_last: bool


def rows_of(project: Project) -> dict[str, Any]:
    """Context of the section: all classes from top to bottom, retired ones included."""
    counts = counters.read(project.pk, "class:")
    nodes = class_list(project, include_retired=True)
    siblings: dict[int | None, list[int]] = {}
    for node in nodes:
        siblings.setdefault(node.label_class.parent_id, []).append(node.label_class.pk)
    rows = [
        ClassRow(
            node,
            counts.get(f"class:{node.label_class.pk}", 0),
            siblings[node.label_class.parent_id][0] == node.label_class.pk,
            siblings[node.label_class.parent_id][-1] == node.label_class.pk,
        )
        for node in nodes
    ]
    return {"rows": rows, "parents": [node for node in nodes if node.label_class.retired_at is None]}


@in_project(Capability.WRITE_PROJECTS)
@require_POST
def add(request: HttpRequest, project: Project) -> HttpResponse:
    """Adds classes, one for each line, below a class or at the root."""
    tree = parse_lines(request.POST.get("lines", "")[:MAX_TEXT])
    if not tree:
        raise errors.Invalid(_("No class is named."), way_out=_("Write one class on each line."))
    parent_id = whole(request.POST, "parent")
    parent = get_object_or_404(LabelClass, pk=parent_id, project=project) if parent_id else None
    actor: Any = request.user
    made = services.add_classes(actor=actor, project=project, classes=tree, parent=parent)
    messages.success(request, ngettext("%d class added.", "%d classes added.", len(made)) % len(made))
    return _back(project)


@in_project(Capability.WRITE_PROJECTS)
@require_POST
def change(request: HttpRequest, project: Project, class_id: int) -> HttpResponse:
    """One change of one class: `do` says which."""
    row = get_object_or_404(LabelClass.objects.select_related("project", "parent"), pk=class_id, project=project)
    actor: Any = request.user
    match request.POST.get("do", ""):
        case "save":
            _save(request, actor, row)
        case "up":
            _move(actor, row, -1)
        case "down":
            _move(actor, row, 1)
        case "retire":
            services.retire_class(actor=actor, label_class=row)
            messages.success(request, _("%s is retired: existing labels keep it, new ones cannot use it.") % row.path)
        case "restore":
            services.restore_class(actor=actor, label_class=row)
            messages.success(request, _("%s can be used again.") % row.path)
        case _:
            raise errors.Invalid(_("A class can be saved, moved, retired or restored."))
    return _back(project)


def _save(request: HttpRequest, actor: Any, row: LabelClass) -> None:
    name, colour = request.POST.get("name", row.name), request.POST.get("colour", row.colour)
    if name.strip() != row.name:
        row = services.rename_class(actor=actor, label_class=row, name=name)
    if colour.strip().lower() != row.colour:
        row = services.recolour_class(actor=actor, label_class=row, colour=colour)
    messages.success(request, _("%s is saved.") % row.path)


def _move(actor: Any, row: LabelClass, step: int) -> None:
    """One place up or down among the classes beside it; at the end nothing happens."""
    beside = list(LabelClass.objects.filter(project=row.project_id, parent=row.parent_id).order_by("position", "id"))
    place = [other.pk for other in beside].index(row.pk) + step
    if not 0 <= place < len(beside):
        return
    # Going down means standing before the one behind the next.
    behind = place if step < 0 else place + 1
    services.move_class(actor=actor, label_class=row, before=beside[behind] if behind < len(beside) else None)


def _back(project: Project) -> HttpResponse:
    return redirect("project-details-section", project.pk, "classes")
