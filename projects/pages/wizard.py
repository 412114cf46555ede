"""The creation wizard: eight steps in the browser, one post to the server."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from labeling_site.core import errors
from labeling_site.core.parsing import row_id
from labeling_site.core.problems import PROBLEM_JSON, problem
from projects import access, media
from projects.access import Capability
from projects.models import Dataset, Project, Workspace
from projects.pages.common import enter, in_workspace, refuse, wants_json
from projects.pages.projects import sample_cards
from projects.pages.wizard_form import DATASTORE, EXISTING, STEPS, WizardForm
from projects.services import datasets
from projects.services import projects as project_services

GUIDE = [
    gettext_lazy("Which classes are there, and how does one choose between them?"),
    gettext_lazy("What does a typical, a borderline and a wrong example look like?"),
    gettext_lazy("What if no class fits, or several do? How sure must one be?"),
    gettext_lazy("What about objects that are covered, cut by the border, or hard to see?"),
    gettext_lazy("For shapes: how tight, and what belongs inside?"),
]


@in_workspace(Capability.WRITE_PROJECTS)
@require_http_methods(["GET", "POST"])
def new_project(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Creates a project, with its dataset where that is new, or leads back to the step that needs mending."""
    if request.method == "GET":
        initial: dict[str, Any] = {}
        if row_id(request.GET.get("dataset", "")):
            initial = {"dataset": request.GET["dataset"], "source": EXISTING}
        form = WizardForm(user=request.user, workspace=workspace, initial=initial)
        return _page(request, workspace, form)
    workspace = _sent_for(request, workspace)
    form = WizardForm(request.POST, user=request.user, workspace=workspace)
    project = None
    if form.is_valid():
        try:
            project = _create(request, workspace, form.cleaned_data)
        except errors.AppError as error:
            refuse(form, error, _aliases(form.cleaned_data))
            if isinstance(error, errors.Forbidden):
                raise
    if project is not None:
        messages.success(request, _("The project “%s” is created; its files are being read.") % project.name)
        url = reverse("project", args=[project.pk])
        return JsonResponse({"url": url}, status=201) if wants_json(request) else redirect(url)
    if wants_json(request):
        return _refusal(form)
    return _page(request, workspace, form, status=400)


def _sent_for(request: HttpRequest, current: Workspace) -> Workspace:
    """The workspace the form was opened in, even if another tab has switched to another one since."""
    sent = request.POST.get("workspace", "")
    if not sent.isdecimal() or row_id(sent) == current.pk:
        return current
    workspace: Workspace = get_object_or_404(Workspace.objects.visible_to(request.user), pk=row_id(sent))
    enter(request, workspace)
    access.require(request.user, Capability.WRITE_PROJECTS, workspace)
    return workspace


def _create(request: HttpRequest, workspace: Workspace, data: dict[str, Any]) -> Project:
    with transaction.atomic():
        dataset = _dataset(request, workspace, data)
        return project_services.create_project(
            actor=request.user,
            workspace=workspace,
            name=data["name"],
            description=data["description"],
            task_type=data["task_type"],
            dataset=dataset,
            classes=data["classes"],
            instructions=data["instructions"],
            instructions_url=data["instructions_url"],
            refresh_enabled=data["refresh_enabled"],
            workforce={"vendor": data["vendor"]} if data["use_vendor"] else {},
            quality=_quality(data),
            assist=_assist(data),
        )


def _dataset(request: HttpRequest, workspace: Workspace, data: dict[str, Any]) -> Dataset:
    if data["source"] == EXISTING:
        return data["dataset"]
    if data["source"] == DATASTORE:
        try:
            return datasets.create_dataset(
                actor=request.user,
                workspace=workspace,
                name=data["dataset_name"],
                kind=Dataset.Kind.DATASTORE,
                datastore=data["datastore"],
                path=data["path"],
            )
        except errors.Forbidden:
            raise
        except errors.AppError as error:
            # The dataset's name and the project's are two fields here.
            error.fields = {{"name": "dataset_name"}.get(key, key): value for key, value in error.fields.items()}
            error.fields = error.fields or {"dataset_name": [str(error)]}
            raise
    return data["uploaded_dataset"]


def _quality(data: dict[str, Any]) -> dict[str, Any]:
    if not data["consensus"]:
        return {}
    return {
        "consensus": True,
        "min_labelers": data["min_labelers"] or 2,
        "max_labelers": data["max_labelers"] or 3,
    }


def _assist(data: dict[str, Any]) -> dict[str, Any]:
    if not data["assist_enabled"]:
        return {}
    return {
        "enabled": True,
        "target_precision": (data["target_precision"] or 90) / 100,
        "mode": data["mode"] or "suggest",
    }


def _aliases(data: dict[str, Any]) -> dict[str, str]:
    """Which of our fields stands for one of the service's that we do not have by that name."""
    source = {EXISTING: "dataset", DATASTORE: "dataset_name"}.get(data["source"], "upload_name")
    return {
        "dataset": source,
        "workforce.vendor": "vendor",
        "quality.min_labelers": "min_labelers",
        "quality.max_labelers": "max_labelers",
        "assist.target_precision": "target_precision",
        "assist.mode": "mode",
    }


def _refusal(form: WizardForm) -> JsonResponse:
    fields = {name: [str(sentence) for sentence in sentences] for name, sentences in form.errors.items()}
    first = next(iter(fields.values()))[0]
    error = errors.Invalid(first, fields={("form" if name == "__all__" else name): fields[name] for name in fields})
    return JsonResponse(problem(error), status=error.status, content_type=PROBLEM_JSON)


def _page(request: HttpRequest, workspace: Workspace, form: WizardForm, *, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "steps": STEPS,
        "guide": GUIDE,
        "task_types": sample_cards(),
        "chosen_type": form["task_type"].value(),
        "chosen_source": form["source"].value(),
        "extensions": sorted(media.SUPPORTED_EXTENSIONS),
        "max_bytes": settings.MAX_FILE_BYTES,
        "max_items": f"{settings.MAX_ITEMS_PER_PROJECT:,}",
        "chunk_bytes": settings.UPLOAD_CHUNK_BYTES // 2,
        "may_upload": access.may(request.user, Capability.WRITE_DATASETS, workspace),
        "may_add_datastore": access.may(request.user, Capability.MANAGE_DATASTORES, workspace),
    }
    return render(request, "projects/wizard.html", context, status=status)
