"""Exports: ask for one, follow it, download it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotations.models import Transfer
from annotations.pages.common import head, in_project, with_whole_days
from annotations.services import exporting
from labeling_site.core import errors
from projects.access import Capability
from projects.models import Project

PER_PAGE = 20
TYPES = {
    Transfer.Format.COCO: "application/json",
    Transfer.Format.CSV: "text/csv; charset=utf-8",
    Transfer.Format.JSONL: "application/x-ndjson",
}


@in_project(Capability.EXPORT)
@require_http_methods(["GET", "HEAD", "POST"])
def exports(request: HttpRequest, project: Project) -> HttpResponse:
    if request.method == "POST":
        sent = with_whole_days(request.POST)
        options = {
            "coordinates": sent.get("coordinates", ""),
            "labeler_details": sent.get("labeler_details") == "on",
            "only_approved": sent.get("only_approved") == "on",
            "submitted_from": sent.get("submitted_from", ""),
            "submitted_until": sent.get("submitted_until", ""),
        }
        exporting.start_export(
            actor=request.user,
            project=project,
            format=sent.get("format", ""),
            options=options,
        )
        messages.success(request, _("The export has begun; it appears below and can be downloaded when it is ready."))
        return redirect("project-exports", project.pk)
    return render(request, "annotations/exports.html", head(request, project, "exports") | _listed(request, project))


@in_project(Capability.EXPORT)
@require_safe
def exports_panel(request: HttpRequest, project: Project) -> HttpResponse:
    """The list of exports, fetched again after a hint."""
    return render(request, "annotations/_exports_panel.html", head(request, project) | _listed(request, project))


def _listed(request: HttpRequest, project: Project) -> dict[str, Any]:
    rows = Transfer.objects.filter(project=project).select_related("job", "requested_by")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    return {
        "page": page,
        "rows": [{"transfer": one, "wanted": _wanted(one), "losses": losses(one.report)} for one in page.object_list],
        "formats": _formats(project),
        "panel_url": f"{reverse('project-exports-panel', args=[project.pk])}?{request.GET.urlencode()}",
    }


def _formats(project: Project) -> list[dict[str, Any]]:
    words = {
        Transfer.Format.COCO: _("One JSON file with images, annotations and categories, as most tools read it."),
        Transfer.Format.CSV: _("A table: one row for each image."),
        Transfer.Format.JSONL: _("One line of JSON for each image."),
    }
    if not project.kind.is_classification:
        words[Transfer.Format.CSV] = _("A table: one row for each object.")
    return [{"value": one.value, "label": one.label, "text": words[one]} for one in Transfer.Format]


def _wanted(transfer: Transfer) -> list[str]:
    """The options of an export in words."""
    wanted = exporting.Wanted.from_json(transfer.options)
    found = [_("normalized coordinates")] if wanted.normalized else []
    if wanted.only_approved:
        found.append(_("only approved"))
    if wanted.labeler_details:
        found.append(_("with labelers"))
    if wanted.submitted_from:
        found.append(_("from %s") % wanted.submitted_from.date().isoformat())
    if wanted.submitted_until:
        found.append(_("until %s") % wanted.submitted_until.date().isoformat())
    return found


def losses(report: dict[str, int]) -> list[str]:
    """What a format could not hold, a sentence for each kind of loss."""
    sentences = []
    for code, count in sorted((report or {}).items()):
        if not count:
            continue
        sentence = {
            "holes_as_mask": ngettext(
                "%d object has holes: written as a mask of whole pixels.",
                "%d objects have holes: written as masks of whole pixels.",
                count,
            ),
            "holes_dropped": ngettext(
                "%d object has holes, which were left out: only its outline was written.",
                "%d objects have holes, which were left out: only their outlines were written.",
                count,
            ),
            "polygon_as_box": ngettext(
                "%d outline was written as the box around it.", "%d outlines were written as boxes.", count
            ),
            "no_shape": ngettext(
                "%d object without a shape was left out.", "%d objects without a shape were left out.", count
            ),
            "size_unknown": ngettext(
                "%d object was left out: the size of its image is not known.",
                "%d objects were left out: the size of their images is not known.",
                count,
            ),
            "no_objects": ngettext(
                "%d image without objects has no row.", "%d images without objects have no row.", count
            ),
            "no_class": ngettext(
                "%d image without a class was left out.", "%d images without a class were left out.", count
            ),
            "several_classes": ngettext(
                "%d class was left out: the format holds one for each image.",
                "%d classes were left out: the format holds one for each image.",
                count,
            ),
            "frame": ngettext(
                "%d row does not say which frame of its file it means.",
                "%d rows do not say which frame of their file they mean.",
                count,
            ),
            "formula": ngettext(
                "%d class name looks like a formula to spreadsheets.",
                "%d class names look like formulas to spreadsheets.",
                count,
            ),
            "separator": ngettext(
                "%d class name has a semicolon, which readers take for two classes.",
                "%d class names have a semicolon, which readers take for two classes.",
                count,
            ),
        }.get(code, f"{code}: %d")
        sentences.append(sentence % count)
    return sentences


@in_project(Capability.EXPORT)
@require_POST
def change_export(request: HttpRequest, project: Project, export_id: int) -> HttpResponse:
    """Downloads (by a link that ends after an hour), cancels or deletes one export."""
    transfer = get_object_or_404(Transfer.objects.select_related("job", "project"), pk=export_id, project=project)
    actor: Any = request.user
    action = request.POST.get("action", "")
    if action == "download":
        return redirect("export-download", exporting.download_token(actor=actor, transfer=transfer))
    if action == "report":
        token = exporting.download_token(actor=actor, transfer=transfer)
        return redirect(f"{reverse('export-download', args=[token])}?report=1")
    if action == "cancel":
        exporting.cancel_export(actor=actor, transfer=transfer)
        messages.success(request, _("The export stops."))
    elif action == "delete":
        exporting.delete_export(actor=actor, transfer=transfer)
        messages.success(request, _("The export was deleted."))
    else:
        raise errors.Invalid(_("An export can be downloaded, cancelled or deleted."))
    return redirect("project-exports", project.pk)


@require_safe
def download(request: HttpRequest, token: str) -> HttpResponse | FileResponse:
    """The file behind a link: whoever holds the link may have it until it ends, signed in or not."""
    is_report = request.GET.get("report") == "1"
    transfer, handle = exporting.open_download(token, report=is_report)
    name = transfer.file_name + (exporting.REPORT_ENDING if is_report else "")
    kind = "application/x-ndjson" if is_report else TYPES[Transfer.Format(transfer.format)]
    response = FileResponse(handle, as_attachment=True, filename=name, content_type=kind)
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    return response
