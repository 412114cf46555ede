"""Where files live: adding, listing, looking into and forgetting datastores."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling_site.core import errors
from projects import access, media
from projects.access import Capability
from projects.models import Datastore, Workspace
from projects.pages.common import enter, in_workspace, refuse
from projects.services import datasets, datastores, folders


class DatastoreForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    root = forms.CharField(
        label=gettext_lazy("Folder on the server"),
        max_length=1000,
        widget=forms.TextInput(attrs={"class": "mono", "placeholder": "/srv/images", "autocapitalize": "off"}),
    )


@in_workspace(Capability.PREVIEW_DATASETS)
@require_http_methods(["GET", "POST"])
def datastore_list(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """What there is; a post adds a folder."""
    held = access.capabilities(request.user, workspace)
    form = DatastoreForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = datastores.create_local_datastore(actor=request.user, workspace=workspace, **form.cleaned_data)
        except errors.AppError as error:
            if isinstance(error, errors.Forbidden) and "missing" in error.extra:
                raise
            refuse(form, error)
        else:
            messages.success(request, _("The datastore “%s” is added.") % made.name)
            return redirect("datastores")
    rows = Datastore.objects.visible_to(request.user).filter(workspace=workspace)
    context = {
        "datastores": rows.annotate(used=Count("datasets", filter=Q(datasets__deleted_at=None))).order_by("name"),
        "form": form,
        "may_manage": Capability.MANAGE_DATASTORES in held,
        "folders": [] if request.user.is_superuser else settings.LOCAL_FOLDERS,
    }
    return render(request, "projects/datastores.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def delete(request: HttpRequest, datastore_id: int) -> HttpResponse:
    datastore = get_object_or_404(Datastore.objects.visible_to(request.user), pk=datastore_id)
    datastores.delete_datastore(actor=request.user, datastore=datastore)
    messages.success(request, _("The datastore “%s” is forgotten; its files stay.") % datastore.name)
    return redirect("datastores")


@login_required
@require_safe
def preview(request: HttpRequest, datastore_id: int) -> HttpResponse:
    """A fragment: how many files a path selects, of which kinds, and the first of them."""
    datastore = get_object_or_404(Datastore.objects.visible_to(request.user), pk=datastore_id)
    enter(request, datastore.workspace_id)
    access.require(request.user, Capability.WRITE_DATASETS, datastore.workspace_id)
    context: dict[str, object] = _folders(datastore, request.GET.get("path", ""))
    try:
        found = datasets.preview(actor=request.user, datastore=datastore, path=request.GET.get("path", ""))
    except errors.Forbidden:
        raise
    except errors.AppError as error:
        context["error"] = error
    else:
        usable = {kind: count for kind, count in found.extensions.items() if kind in media.SUPPORTED_EXTENSIONS}
        others = {kind: count for kind, count in found.extensions.items() if kind not in media.SUPPORTED_EXTENSIONS}
        context |= {"preview": found, "usable": sum(usable.values()), "others": others}
    return render(request, "projects/_glob_preview.html", context)


SHOWN_FOLDERS = 60


def _folders(datastore: Datastore, path: str) -> dict[str, object]:
    """The folders to go on to from the fixed part of a path; nothing where that is no folder."""
    try:
        base = folders.parse_glob(path).base
        listing = datastores.list_folder(datastore, base)
    except errors.AppError:
        return {}  # the preview itself says what is wrong with the path
    prefix = f"{base}/" if base else ""
    return {
        "base": base,
        "up": base.rpartition("/")[0],
        "folders": [(name, f"{prefix}{name}") for name in listing.folders[:SHOWN_FOLDERS]],
        "more": max(0, len(listing.folders) - SHOWN_FOLDERS),
    }
