"""The page people label on: its context. What it does is in static/js/editor/."""

from __future__ import annotations

import hashlib
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from annotations.models import PAGE_SIZES
from annotations.pages.classes import examples_of
from annotations.pages.common import head, in_project
from projects import access
from projects.access import Capability
from projects.models import Project
from projects.selectors import class_list
from projects.services import instructions as rich_text


@in_project(Capability.LABEL)
@require_safe
def label(request: HttpRequest, project: Project) -> HttpResponse:
    """Instructions first, then pages of items; everything after that goes through the API."""
    nodes = class_list(project)
    frame = head(request, project, "label")
    user: Any = request.user
    examples = examples_of(project)
    text = f"{project.instructions}\n{project.instructions_url}"
    context = {
        "project": {
            "id": project.pk,
            "name": project.name,
            "task_type": project.task_type,
            "state": project.state,
            "instructions_url": project.instructions_url,
            "instructions_hash": hashlib.sha256(text.encode()).hexdigest()[:16],
            "can_label": True,
        },
        "user": {
            "id": user.pk,
            "email": user.email,
            "may_comment": access.may(user, Capability.COMMENT, project.workspace_id),
        },
        "preferences": {name: user.preferences.get(name) for name in ("keymap", "labeling")},
        "urls": {
            "tasks": reverse("api-project-task-list", args=[project.pk]),
            "task": reverse("api-task-detail", args=[0]).replace("/0/", "/{id}/"),
            # Where one goes back to: people who may see no dashboard have their list.
            "dashboard": reverse("project", args=[project.pk]) if frame["may_summary"] else reverse("projects"),
            "home": reverse("projects"),
            "me": reverse("api-me"),
            "comments": reverse("api-entry-comment-list", args=[0]).replace("/0/", "/{id}/"),
            "comment": reverse("api-comment-reply", args=[0]).replace("/0/reply/", "/{id}/"),
        },
        "classes": [
            {
                "id": node.label_class.pk,
                "name": node.label_class.name,
                "path": node.label_class.path,
                "description": node.label_class.description,
                "colour": node.label_class.colour,
                "parent": node.label_class.parent_id,
                "depth": node.depth,
                "key": node.key or None,
                "examples": examples.get(node.label_class.pk, []),
            }
            for node in nodes
        ],
        "page_sizes": list(PAGE_SIZES) if project.kind.is_classification else [1],
    }
    page = {"label_context": context, "instructions": rendered_instructions(project)}
    return render(request, "annotations/label.html", frame | page)


@in_project(Capability.READ_PROJECTS)
@require_safe
def instructions(request: HttpRequest, project: Project) -> HttpResponse:
    """The instructions alone, for reviewers and for a second screen."""
    context = head(request, project, "instructions") | {"instructions": rendered_instructions(project)}
    return render(request, "annotations/instructions.html", context)


def rendered_instructions(project: Project) -> SafeString:
    """The rich text for a page. It was cleaned when it was stored; cleaning it again makes this function safe alone."""
    return SafeString(rich_text.sanitise(project.instructions))
