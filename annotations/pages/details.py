"""The details tab: every setting of a project, one page for each group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from annotations.pages.classes import rows_of
from annotations.pages.common import head, in_project
from labeling_site.core import errors
from projects import access, selectors
from projects.access import Capability
from projects.models import Membership, Project
from projects.pages.common import refuse
from projects.services import projects as project_services

SECTIONS = [
    ("overview", gettext_lazy("Project details")),
    ("data", gettext_lazy("Datasets")),
    ("refresh", gettext_lazy("Incremental refresh")),
    ("export", gettext_lazy("Label export")),
    ("classes", gettext_lazy("Label classes")),
    ("instructions", gettext_lazy("Instructions")),
    ("assist", gettext_lazy("ML assisted labeling")),
    ("quality", gettext_lazy("Quality control")),
    ("workforce", gettext_lazy("Workforce")),
    ("general", gettext_lazy("General settings")),
]
REFUSED_PER_PAGE = 50


class OverviewForm(forms.Form):
    description = forms.CharField(
        label=gettext_lazy("Description"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )


class RefreshForm(forms.Form):
    refresh_enabled = forms.BooleanField(label=gettext_lazy("Look for new files at regular intervals"), required=False)


class InstructionsForm(forms.Form):
    instructions_url = forms.URLField(
        label=gettext_lazy("Address of a page with further instructions"),
        required=False,
        max_length=500,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
    )
    instructions = forms.CharField(
        label=gettext_lazy("Instructions"), required=False, widget=forms.Textarea(attrs={"rows": 10})
    )


class AssistForm(forms.Form):
    enabled = forms.BooleanField(label=gettext_lazy("Let a model suggest labels"), required=False)
    mode = forms.ChoiceField(
        label=gettext_lazy("What becomes of a suggestion"),
        choices=[
            ("suggest", gettext_lazy("A person confirms each")),
            ("auto_accept", gettext_lazy("The surest are accepted, once proven on a random sample")),
        ],
    )
    target_precision = forms.IntegerField(
        label=gettext_lazy("Suggest only where at least this many of 100 suggestions are right"),
        min_value=50,
        max_value=99,
    )

    def settings(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {"enabled": data["enabled"], "mode": data["mode"], "target_precision": data["target_precision"] / 100}


class QualityForm(forms.Form):
    consensus = forms.BooleanField(label=gettext_lazy("Several people label each image"), required=False)
    min_labelers = forms.IntegerField(label=gettext_lazy("At least"), min_value=2, max_value=20, required=False)
    max_labelers = forms.IntegerField(label=gettext_lazy("At most"), min_value=2, max_value=20, required=False)

    def settings(self) -> dict[str, Any]:
        data = self.cleaned_data
        if not data["consensus"]:
            return {}
        return {
            "consensus": True,
            "min_labelers": data["min_labelers"] or 2,
            "max_labelers": data["max_labelers"] or 3,
        }


def _form_of(section: str, project: Project, data: Any = None) -> forms.Form | None:
    """The form of a section with what is stored, or with what was sent."""
    if section == "overview":
        return OverviewForm(data, initial={"description": project.description})
    if section == "refresh":
        return RefreshForm(data, initial={"refresh_enabled": project.refresh_enabled})
    if section == "instructions":
        stored = {"instructions": project.instructions, "instructions_url": project.instructions_url}
        return InstructionsForm(data, initial=stored)
    if section == "assist":
        kept = project.assist
        precision = round(100 * float(kept.get("target_precision", 0.9)))
        return AssistForm(data, initial={"mode": "suggest", **kept, "target_precision": precision})
    if section == "quality":
        kept = project.quality if project.quality.get("consensus") else {"min_labelers": 2, "max_labelers": 3}
        return QualityForm(data, initial=kept)
    return None


def _changes(section: str, form: Any) -> dict[str, Any]:
    """What the service is asked to change."""
    if section == "assist":
        return {"assist": form.settings()}
    if section == "quality":
        return {"quality": form.settings()}
    return dict(form.cleaned_data)


@in_project(Capability.READ_SUMMARY)
@require_http_methods(["GET", "HEAD", "POST"])
def details(request: HttpRequest, project: Project, section: str = "overview") -> HttpResponse:
    """One group of settings; people who may not change them see them."""
    if section not in dict(SECTIONS):
        raise Http404
    form = _form_of(section, project)
    if request.method == "POST":
        access.require(request.user, Capability.WRITE_PROJECTS, project.workspace_id)
        form = _form_of(section, project, request.POST)
        if form is None:
            raise errors.Invalid(_("There is nothing to save here."))
        if form.is_valid() and _saved(request, project, section, form):
            messages.success(request, _("Saved."))
            return redirect("project-details-section", project.pk, section)
    context = {
        "section": section,
        "section_title": dict(SECTIONS)[section],
        "section_template": f"annotations/details/{section}.html",
        "sections": SECTIONS,
        "form": form,
    }
    if section in EXTRAS:
        context |= EXTRAS[section](request, project)
    status = 400 if form is not None and form.errors else 200
    return render(request, "annotations/details.html", head(request, project, "details") | context, status=status)


def _saved(request: HttpRequest, project: Project, section: str, form: forms.Form) -> bool:
    actor: Any = request.user
    try:
        project_services.update_project(actor=actor, project=project, **_changes(section, form))
    except (errors.Invalid, errors.TooLarge) as error:
        # What was typed stays in the form, beside the sentence.
        names = {f"{section}.{name}": name for name in form.fields}
        refuse(form, error, names)
        return False
    return True


def _data(request: HttpRequest, project: Project) -> dict[str, Any]:
    version = project.dataset_version
    refused = selectors.refused_items(version)
    return {
        "dataset_version": version,
        "dataset": version.dataset,
        "refused": Paginator(refused, REFUSED_PER_PAGE).get_page(request.GET.get("page")),
        "left_out": sorted(version.left_out.items(), key=lambda pair: (-pair[1], pair[0])),
    }


def _workforce(request: HttpRequest, project: Project) -> dict[str, Any]:
    rows = Membership.objects.filter(workspace=project.workspace_id).select_related("user", "role")
    people = [one for one in rows.order_by("user__name", "id") if Capability.LABEL in one.role.capabilities]
    return {"people": people, "vendor": project.workforce.get("vendor", "")}


def _classes(request: HttpRequest, project: Project) -> dict[str, Any]:
    return rows_of(project)


EXTRAS: dict[str, Callable[[HttpRequest, Project], dict[str, Any]]] = {
    "data": _data,
    "workforce": _workforce,
    "classes": _classes,
}


@in_project(Capability.DELETE_PROJECTS)
@require_POST
def delete(request: HttpRequest, project: Project) -> HttpResponse:
    """Deletes the project, once its name was typed."""
    typed = request.POST.get("name", "").strip()
    if typed != project.name:
        raise errors.Invalid(
            _("The name typed is not the name of this project."), way_out=_("Type it as it stands above.")
        )
    actor: Any = request.user
    project_services.delete_project(actor=actor, project=project)
    messages.success(request, _("The project %s was deleted.") % project.name)
    return redirect(reverse("projects"))
