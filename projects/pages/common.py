"""What the pages of this app share: whose workspace this is, and how a refusal gets back into its form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from labeling_site.core import errors
from projects import access
from projects.access import Capability
from projects.models import Workspace
from projects.pages.context import current_workspace

View = Callable[..., HttpResponse]


def in_workspace(capability: Capability = Capability.READ_WORKSPACE) -> Callable[[View], View]:
    """For pages about the current workspace: the view gets it as `workspace`, and only where one holds the capability.

    Visitors go to sign in; people without any workspace go and make one.
    """

    def decorate(view: View) -> View:
        @login_required
        @wraps(view)
        def wrapped(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            workspace = current_workspace(request)
            if workspace is None:
                return redirect("workspace-new")
            access.require(request.user, capability, workspace)
            return view(request, workspace=workspace, **kwargs)

        return wrapped

    return decorate


def enter(request: HttpRequest, workspace: Workspace | int) -> frozenset[str]:
    """Makes an opened object's workspace the current one, and returns what one may do in it."""
    pk = workspace if isinstance(workspace, int) else workspace.pk
    if request.session.get("workspace") != pk:
        request.session["workspace"] = pk
    return access.capabilities(request.user, pk)


def refuse(form: forms.BaseForm, error: errors.AppError, aliases: Mapping[str, str] | None = None) -> None:
    """Writes a service's refusal beside the fields it names, and above the form what concerns no field of it.

    `aliases` says which field of this form stands for a field of the service, as in {"name": "dataset_name"}.
    """
    fields = {(aliases or {}).get(name, name): sentences for name, sentences in error.fields.items()}
    named = {name: sentences for name, sentences in fields.items() if name in form.fields}
    for name, sentences in named.items():
        for sentence in sentences:
            form.add_error(name, sentence)
    if not named:
        form.add_error(None, str(error))


def wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")


def came_from(request: HttpRequest, otherwise: str) -> str:
    """The page of this site that one came from, so that a search, a sort or a page is not lost; else a page by name."""
    back = request.POST.get("next") or request.headers.get("Referer", "")
    here = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    return back if here else reverse(otherwise)


def client_address(request: HttpRequest) -> str:
    """The caller's address as the server saw it; the web server, not a header of the caller, decides."""
    return str(request.META.get("REMOTE_ADDR", ""))
