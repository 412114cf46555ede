"""Label classes of a project on its details tab: add, rename, recolour, describe, move, retire, restore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from annotations.models import QueueEntry
from annotations.pages.common import back_to, in_project
from labeling_site.core import errors
from labeling_site.core.parsing import whole
from projects.access import Capability
from projects.models import ClassExample, LabelClass, Project
from projects.pages.media import item_image_url
from projects.pages.wizard_form import parse_lines
from projects.selectors import ClassNode, class_list
from projects.services import class_examples, counters
from projects.services import label_classes as services

MAX_TEXT = 2_000_000


@dataclass(frozen=True)
class ClassRow:
    """A line of the list: a class, how many final labels use it, and whether it can move."""

    node: ClassNode
    count: int
    is_first: bool
    is_last: bool
    examples: list[dict[str, Any]]


def rows_of(project: Project) -> dict[str, Any]:
    """Context of the section: all classes from top to bottom, retired ones included."""
    counts = counters.read(project.pk, "class:")
    nodes = class_list(project, include_retired=True)
    examples = examples_of(project)
    siblings: dict[int | None, list[int]] = {}
    for node in nodes:
        siblings.setdefault(node.label_class.parent_id, []).append(node.label_class.pk)
    rows = [
        ClassRow(
            node,
            counts.get(f"class:{node.label_class.pk}", 0),
            siblings[node.label_class.parent_id][0] == node.label_class.pk,
            siblings[node.label_class.parent_id][-1] == node.label_class.pk,
            examples.get(node.label_class.pk, []),
        )
        for node in nodes
    ]
    return {"rows": rows, "parents": [node for node in nodes if node.label_class.retired_at is None]}


def examples_of(project: Project) -> dict[int, list[dict[str, Any]]]:
    """The examples of each class that has some, as pages show them: {"id", "url", "counter", "note", "name"}."""
    found: dict[int, list[dict[str, Any]]] = {}
    rows = ClassExample.objects.filter(label_class__project=project).select_related("item")
    for one in rows.order_by("is_counter", "id"):
        found.setdefault(one.label_class_id, []).append(
            {
                "id": one.pk,
                "url": item_image_url(one.item, max_side=256),
                "counter": one.is_counter,
                "note": one.note,
                "name": one.item.name,
            }
        )
    return found


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
    description = request.POST.get("description", row.description)
    if description.strip() != row.description:
        row = services.describe_class(actor=actor, label_class=row, description=description)
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


@in_project(Capability.WRITE_PROJECTS)
@require_POST
def add_example(request: HttpRequest, project: Project, entry_id: int) -> HttpResponse:
    """Shows the image of an entry to labelers as an example of a class."""
    entry = get_object_or_404(QueueEntry.objects.select_related("item"), pk=entry_id, project=project)
    classes = LabelClass.objects.select_related("project")
    row = get_object_or_404(classes, pk=whole(request.POST, "label_class"), project=project)
    actor: Any = request.user
    class_examples.add_example(
        actor=actor,
        label_class=row,
        item=entry.item,
        is_counter=request.POST.get("is_counter") == "on",
        note=request.POST.get("note", ""),
    )
    messages.success(request, _("Labelers now see it beside %s.") % row.path)
    return back_to(request, reverse("project-entry", args=[project.pk, entry.pk]))


@in_project(Capability.WRITE_PROJECTS)
@require_POST
def remove_example(request: HttpRequest, project: Project, example_id: int) -> HttpResponse:
    rows = ClassExample.objects.filter(label_class__project=project).select_related("label_class__project")
    actor: Any = request.user
    class_examples.remove_example(actor=actor, example=get_object_or_404(rows, pk=example_id))
    messages.success(request, _("The example is removed."))
    return _back(project)


def _back(project: Project) -> HttpResponse:
    return redirect("project-details-section", project.pk, "classes")
