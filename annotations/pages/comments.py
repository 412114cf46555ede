"""Comments on the page of one item: write, answer, settle."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotations.models import Comment, QueueEntry
from annotations.pages.common import back_to, in_project
from annotations.services import comments
from labeling_site.core import errors
from projects.access import Capability
from projects.models import Project


@in_project(Capability.COMMENT)
@require_POST
def write(request: HttpRequest, project: Project, entry_id: int) -> HttpResponse:
    """Begins a thread about the whole image."""
    rows = QueueEntry.objects.filter(project=project).select_related("project", "item")
    actor: Any = request.user
    comments.comment(
        actor=actor,
        entry=get_object_or_404(rows, pk=entry_id),
        text=request.POST.get("text", ""),
        asks_lead=request.POST.get("asks_lead") == "on",
    )
    messages.success(request, _("The comment is written."))
    return _back(request, project, entry_id)


@in_project(Capability.COMMENT)
@require_POST
def change(request: HttpRequest, project: Project, entry_id: int, comment_id: int) -> HttpResponse:
    """Answers, settles or reopens a thread: `do` says which."""
    rows = Comment.objects.filter(entry__project=project, entry_id=entry_id, thread=None)
    thread = get_object_or_404(rows.select_related("entry__project", "entry__item"), pk=comment_id)
    actor: Any = request.user
    match request.POST.get("do", ""):
        case "reply":
            comments.reply(actor=actor, thread=thread, text=request.POST.get("text", ""))
        case "resolve":
            comments.resolve(actor=actor, thread=thread)
        case "reopen":
            comments.reopen(actor=actor, thread=thread)
        case _:
            raise errors.Invalid(_("A thread can be answered, settled or opened again."))
    return _back(request, project, entry_id)


def _back(request: HttpRequest, project: Project, entry_id: int) -> HttpResponse:
    return back_to(request, reverse("project-entry", args=[project.pk, entry_id]))
