"""Datasets: what there is, what is in them, what was refused and why, and files on their way in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling_site.core import errors, events
from projects import access, media, selectors
from projects.access import Capability
from projects.models import Dataset, DatasetVersion, Datastore, Item, Upload, User, Workspace
from projects.pages.common import enter, in_workspace, refuse
from projects.pages.media import item_image_url
from projects.services import datasets

THUMBNAILS = 24
REFUSED_PER_PAGE = 50


class DatasetForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    description = forms.CharField(
        label=gettext_lazy("Description"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Where are the files?"),
        choices=Dataset.Kind.choices,
        initial=Dataset.Kind.UPLOAD,
        widget=forms.RadioSelect,
    )
    datastore = forms.ModelChoiceField(
        label=gettext_lazy("Datastore"), required=False, queryset=Datastore.objects.none()
    )
    path = forms.CharField(
        label=gettext_lazy("Path"),
        required=False,
        max_length=1000,
        widget=forms.TextInput(attrs={"placeholder": "photos/**", "class": "mono", "autocapitalize": "off"}),
    )

    def __init__(self, *args: Any, user: User, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stores = Datastore.objects.visible_to(user).filter(workspace=workspace, kind=Datastore.Kind.LOCAL)
        self.fields["datastore"].queryset = stores  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        needs_datastore = data.get("kind") == Dataset.Kind.DATASTORE
        if needs_datastore and not data.get("datastore") and "datastore" not in self.errors:
            self.add_error("datastore", _("Choose a datastore."))
        return data


def _visible(request: HttpRequest) -> Any:
    return Dataset.objects.visible_to(request.user).filter(deleted_at=None)


@in_workspace(Capability.PREVIEW_DATASETS)
@require_safe
def dataset_list(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    rows = _visible(request).filter(workspace=workspace).select_related("datastore").prefetch_related("versions")
    query = request.GET.get("q", "").strip()[:120]
    everything = rows.exists()
    if query:
        rows = rows.filter(name__icontains=query)
    page = Paginator(rows.order_by("name"), 50).get_page(request.GET.get("page"))
    for dataset in page.object_list:
        dataset.newest = max(dataset.versions.all(), key=lambda version: version.number, default=None)
    held = access.capabilities(request.user, workspace)
    context = {
        "page": page,
        "query": query,
        "everything": everything,
        "may_write": Capability.WRITE_DATASETS in held,
    }
    return render(request, "projects/datasets.html", context)


@in_workspace(Capability.WRITE_DATASETS)
@require_http_methods(["GET", "POST"])
def new_dataset(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Makes a dataset. One in a datastore is read at once; one for uploads waits for its files on its page."""
    form = DatasetForm(request.POST or None, user=request.user, workspace=workspace)
    if request.method == "POST" and form.is_valid():
        try:
            made = datasets.create_dataset(actor=request.user, workspace=workspace, **form.cleaned_data)
            if made.kind == Dataset.Kind.DATASTORE:
                datasets.start_version(actor=request.user, dataset=made)
        except errors.AppError as error:
            if isinstance(error, errors.Forbidden):
                raise
            refuse(form, error)
        else:
            return redirect("dataset", made.pk)
    context = {
        "form": form,
        "kinds": [
            {"value": Dataset.Kind.UPLOAD.value, "text": _("Sent from your computer and kept by this site.")},
            {"value": Dataset.Kind.DATASTORE.value, "text": _("The files stay where they are.")},
        ],
        "may_add_datastore": access.may(request.user, Capability.MANAGE_DATASTORES, workspace),
    }
    return render(request, "projects/dataset_new.html", context, status=400 if form.errors else 200)


def _panel(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    """What the live part of a dataset's page shows."""
    version = events.version(f"dataset:{dataset.pk}")  # before the rows: what moves meanwhile is asked for again
    versions = list(
        dataset.versions.select_related("job")
        .annotate(used=Count("projects", filter=Q(projects__deleted_at=None)))
        .order_by("-number")
    )
    newest = versions[0] if versions else None
    shown = next((version for version in versions if version.item_count), newest)
    thumbnails = []
    refused = None
    if shown:
        items = Item.objects.filter(dataset_version=shown)
        good = items.filter(state=Item.State.OK).order_by("pk")[:THUMBNAILS]
        thumbnails = [{"item": item, "url": item_image_url(item, max_side=256)} for item in good]
        refused = Paginator(selectors.refused_items(shown), REFUSED_PER_PAGE).get_page(request.GET.get("refused"))
    reading = {DatasetVersion.State.PENDING, DatasetVersion.State.SCANNING}
    return {
        "dataset": dataset,
        "version": version,
        "versions": versions,
        "newest": newest,
        "shown": shown,
        "is_reading": bool(newest and newest.state in reading and newest.job and not newest.job.has_ended),
        "thumbnails": thumbnails,
        "refused": refused,
        "uploads": upload_counts(dataset),
    }


def upload_counts(dataset: Dataset) -> dict[str, int]:
    """How many uploads of a dataset are stored, still receiving, refused."""
    rows = dataset.uploads.values("state").annotate(count=Count("pk")).order_by()
    found = {row["state"]: row["count"] for row in rows}
    return {state: found.get(state, 0) for state in Upload.State.values}


def _opened(request: HttpRequest, dataset_id: int, capability: Capability) -> Dataset:
    dataset: Dataset = get_object_or_404(_visible(request).select_related("datastore"), pk=dataset_id)
    enter(request, dataset.workspace_id)
    access.require(request.user, capability, dataset.workspace_id)
    return dataset


@login_required
@require_safe
def dataset_page(request: HttpRequest, dataset_id: int) -> HttpResponse:
    dataset = _opened(request, dataset_id, Capability.PREVIEW_DATASETS)
    held = access.capabilities(request.user, dataset.workspace_id)
    context = _panel(request, dataset) | {
        "may_write": Capability.WRITE_DATASETS in held,
        "may_project": Capability.WRITE_PROJECTS in held,
        "extensions": sorted(media.SUPPORTED_EXTENSIONS),
        "max_bytes": settings.MAX_FILE_BYTES,
        "chunk_bytes": settings.UPLOAD_CHUNK_BYTES // 2,
    }
    return render(request, "projects/dataset.html", context)


@login_required
@require_safe
def dataset_panel(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """The part of the page that is fetched again after a hint."""
    dataset = _opened(request, dataset_id, Capability.PREVIEW_DATASETS)
    return render(request, "projects/_dataset_panel.html", _panel(request, dataset))


@login_required
@require_safe
def counts(request: HttpRequest, dataset_id: int) -> JsonResponse:
    """How far an upload into this dataset has come, for a wizard that was reloaded."""
    return JsonResponse(upload_counts(_opened(request, dataset_id, Capability.WRITE_DATASETS)))


@login_required
@require_POST
def scan(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """Reads what is there now, as a new version."""
    dataset = _opened(request, dataset_id, Capability.WRITE_DATASETS)
    datasets.start_version(actor=request.user, dataset=dataset)
    messages.success(request, _("The files are being read."))
    return redirect("dataset", dataset.pk)


@login_required
@require_POST
def delete(request: HttpRequest, dataset_id: int) -> HttpResponse:
    dataset = _opened(request, dataset_id, Capability.WRITE_DATASETS)
    datasets.delete_dataset(actor=request.user, dataset=dataset)
    messages.success(request, _("The dataset “%s” is deleted.") % dataset.name)
    return redirect("datasets")
