"""The data tab: what was labeled, how it was judged, and the decisions reviewers take there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from annotations import selectors
from annotations.models import QueueEntry
from annotations.pages.browsing import ALL, MANY, Browse
from annotations.pages.common import back_to, head, in_project
from annotations.pages.pictures import picture
from annotations.services import reviewing
from labeling_site.core import errors
from labeling_site.core.parsing import moment
from projects.access import Capability
from projects.models import Project
from projects.selectors import class_list

Status = QueueEntry.Status
# Layout → how many entries a page brings, and how large its pictures are. A page of the grid is a few screens long.
LAYOUTS = {"1": (1, 2048), "4": (16, 1024), "6": (24, 512), "9": (36, 512), "list": (50, 256)}
STATUSES = [
    (Status.LABELED.value, gettext_lazy("Labeled")),
    (Status.SKIPPED.value, gettext_lazy("Skipped")),
    (Status.NEEDS_REVIEW.value, gettext_lazy("Needs review")),
    (Status.UNLABELED.value, gettext_lazy("Unlabeled")),
    (Status.MISSING.value, gettext_lazy("Missing")),
    (Status.UNREADABLE.value, gettext_lazy("Unreadable")),
    (Status.REMOVED.value, gettext_lazy("Removed")),
    (ALL, gettext_lazy("All")),
]
JUDGED = {Status.LABELED, Status.NEEDS_REVIEW, ALL}


def layout_of(request: HttpRequest) -> str:
    """The layout asked for, else the one used last, else nine."""
    wanted = request.GET.get("layout", "")
    if wanted in LAYOUTS:
        if request.session.get("data_layout") != wanted:
            request.session["data_layout"] = wanted
        return wanted
    kept = request.session.get("data_layout")
    return kept if kept in LAYOUTS else "9"


@in_project(Capability.READ_LABELS)
@require_safe
def data_tab(request: HttpRequest, project: Project) -> HttpResponse:
    browse = Browse.from_query(project, request.GET)
    layout = layout_of(request)
    size, side = LAYOUTS[layout]
    page = browse.page(request.GET, size)
    if layout == "1" and page.entries:
        return redirect(f"{reverse('project-entry', args=[project.pk, page.entries[0].pk])}?{browse.query}")
    annotations = selectors.final_annotations(page.entries)
    pictures = [picture(entry, annotations[entry.pk], max_side=side) for entry in page.entries]
    board = selectors.dashboard(project)
    context = {
        "browse": browse,
        "layout": layout,
        "layouts": _layouts(),
        "pictures": pictures,
        "links": page.links(),
        "now": timezone.now(),
        "statuses": _statuses(board),
        "classes": class_list(project, include_retired=True),
        "labelers": [one.labeler for one in board.labelers],
        "board": board,
        "actions": actions(request, project, browse.status),
        "news_url": _news_url(project, browse) if browse.by_time and not page.has_previous else "",
    }
    return render(request, "annotations/data.html", head(request, project, "data") | context)


def _layouts() -> list[dict[str, Any]]:
    return [
        {"value": "1", "icon": "grid-1", "label": _("One image")},
        {"value": "4", "icon": "grid-4", "label": _("Four images on a screen")},
        {"value": "6", "icon": "grid-6", "label": _("Six images on a screen")},
        {"value": "9", "icon": "grid-9", "label": _("Nine images on a screen")},
        {"value": "list", "icon": "list", "label": _("List")},
    ]


def _statuses(board: selectors.Dashboard) -> list[tuple[str, Any, int | None]]:
    counts = {
        Status.LABELED: board.labeled,
        Status.SKIPPED: board.skipped,
        Status.NEEDS_REVIEW: board.needs_review,
    }
    return [(value, label, counts.get(Status(value)) if value != ALL else None) for value, label in STATUSES]


def _news_url(project: Project, browse: Browse) -> str:
    since = timezone.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return f"{reverse('project-data-news', args=[project.pk])}?since={since}&{browse.query}"


@in_project(Capability.READ_LABELS)
@require_safe
def data_news(request: HttpRequest, project: Project) -> HttpResponse:
    """How many answers came since the page was drawn; empty while there are none."""
    since: datetime | None = moment(request.GET, "since")
    browse = Browse.from_query(project, request.GET)
    count = browse.newer_than(since) if since else 0
    context = {"project": project, "browse": browse, "count": count, "is_many": count >= MANY}
    return render(request, "annotations/_data_news.html", context)


def actions(request: HttpRequest, project: Project, status: str) -> list[dict[str, Any]]:
    """The decisions that this person may take about entries of this status, in order."""
    may = head(request, project)
    found: list[dict[str, Any]] = []
    if status in JUDGED and may["may_approve"] and status != Status.NEEDS_REVIEW:
        found += [
            {"value": "approve", "label": _("Approve"), "icon": "check"},
            {"value": "unapprove", "label": _("Unapprove"), "icon": "undo"},
        ]
    if status in JUDGED and may["may_reject"]:
        found.append({"value": "reject", "label": _("Reject"), "icon": "ban"})
    if status in {Status.SKIPPED, ALL} and may["may_reject"]:
        found.append({"value": "return", "label": _("Return to the queue"), "icon": "refresh"})
    if status in {Status.SKIPPED, ALL} and may["may_approve"]:
        found.append({"value": "remove", "label": _("Remove from the project"), "icon": "trash"})
    return found


@in_project(Capability.READ_LABELS)
@require_POST
def review(request: HttpRequest, project: Project) -> HttpResponse:
    """One decision about the chosen entries: about all of them, or, when one does not allow it, about none."""
    chosen = [int(pk) for pk in request.POST.getlist("entries") if pk.isdecimal() and len(pk) < 19]
    if not chosen:
        raise errors.Invalid(_("No image is chosen."), way_out=_("Tick at least one first."))
    actor: Any = request.user
    asked = {"actor": actor, "project": project, "entry_ids": chosen}
    action = request.POST.get("action", "")
    if action == "approve":
        count = reviewing.approve(**asked)
        sentence = ngettext("%d image approved.", "%d images approved.", count)
    elif action == "unapprove":
        count = reviewing.unapprove(**asked)
        sentence = ngettext("Approval of %d image withdrawn.", "Approval of %d images withdrawn.", count)
    elif action == "reject":
        count = reviewing.reject(**asked, comment=request.POST.get("comment", ""))
        sentence = ngettext(
            "%d image rejected: it is in the queue again.", "%d images rejected: they are in the queue again.", count
        )
    elif action == "return":
        count = reviewing.return_skipped(**asked)
        sentence = ngettext("%d image is in the queue again.", "%d images are in the queue again.", count)
    elif action == "remove":
        count = reviewing.remove_skipped(**asked)
        sentence = ngettext("%d image removed from the project.", "%d images removed from the project.", count)
    else:
        raise errors.Invalid(_("There is no decision %s.") % action[:40])
    messages.success(request, sentence % count)
    return back_to(request, reverse("project-data", args=[project.pk]))
