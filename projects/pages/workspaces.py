"""The workspace itself, its members and its invitations."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labeling_site.core import errors
from labeling_site.core.parsing import row_id
from projects import access
from projects.access import Capability
from projects.models import Invitation, Membership, Role, Workspace
from projects.pages.common import came_from, in_workspace, refuse
from projects.services import invitations, workspaces

PER_PAGE = 25


class WorkspaceForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)


class InvitationForm(forms.Form):
    role = forms.ModelChoiceField(label=gettext_lazy("Role"), queryset=Role.objects.none(), empty_label=None)
    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        required=False,
        help_text=gettext_lazy(
            "When given, only this address can use the link. No mail is sent; you pass the link on."
        ),
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Valid for"),
        coerce=int,
        initial=7,
        choices=[(1, gettext_lazy("1 day")), (7, gettext_lazy("7 days")), (30, gettext_lazy("30 days"))],
    )

    def __init__(self, *args: Any, roles: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].queryset = roles  # type: ignore[attr-defined]


def _roles(workspace: Workspace) -> Any:
    """Built-in roles, and those of this workspace."""
    return Role.objects.filter(workspace=None) | Role.objects.filter(workspace=workspace)


def _matrix(roles: list[Role]) -> list[dict[str, Any]]:
    """One line per capability: what it allows, and which roles hold it."""
    return [
        {"label": capability.label, "held": [capability.value in role.capabilities for role in roles]}
        for capability in Capability
    ]


def _members_page(request: HttpRequest, workspace: Workspace, *, status: int = 200, **more: Any) -> HttpResponse:
    held = access.capabilities(request.user, workspace)
    roles = list(_roles(workspace))
    may_manage = Capability.MANAGE_MEMBERS in held
    query = request.GET.get("q", "").strip()[:120]
    everybody = Membership.objects.visible_to(request.user).filter(workspace=workspace)
    memberships = everybody.filter(Q(user__name__icontains=query) | Q(user__email__icontains=query))
    memberships = memberships.select_related("user", "role").order_by("user__name", "user__email")
    page = Paginator(memberships, PER_PAGE).get_page(request.GET.get("page"))
    pending = Invitation.objects.visible_to(request.user).filter(
        workspace=workspace, accepted_at=None, revoked_at=None, expires_at__gt=timezone.now()
    )
    context = {
        "page": page,
        "query": query,
        "may_search": bool(query) or page.paginator.num_pages > 1,
        "pending": pending.select_related("role", "created_by") if may_manage else [],
        "roles": roles,
        "matrix": _matrix(roles),
        "may_manage": may_manage,
        # Only roles whose rights one holds oneself can be given away.
        "grantable": {role.pk for role in roles if held >= set(role.capabilities)},
        "form": InvitationForm(roles=_roles(workspace), initial={"role": _first_labeler(roles)}),
    }
    return render(request, "projects/members.html", context | more, status=status)


def _first_labeler(roles: list[Role]) -> int | None:
    """The role that most invited people get: the one with the fewest rights among those that may label."""
    labelers = [role for role in roles if Capability.LABEL in role.capabilities]
    return min(labelers, key=lambda role: len(role.capabilities)).pk if labelers else None


@never_cache
@in_workspace(Capability.MANAGE_MEMBERS)
@require_http_methods(["GET", "POST"])
def members(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Who is here; a post invites. The link is part of that one answer and kept nowhere."""
    if request.method == "GET":
        return _members_page(request, workspace)
    form = InvitationForm(request.POST, roles=_roles(workspace))
    if form.is_valid():
        try:
            invitation, url = invitations.invite(
                actor=request.user,
                workspace=workspace,
                **form.cleaned_data,
            )
        except errors.AppError as error:
            refuse(form, error)
        else:
            return _members_page(request, workspace, invitation=invitation, invitation_url=url)
    return _members_page(request, workspace, status=400, form=form)


@login_required
@require_POST
def revoke_invitation(request: HttpRequest, invitation_id: int) -> HttpResponse:
    invitation = get_object_or_404(Invitation.objects.visible_to(request.user), pk=invitation_id)
    invitations.revoke_invitation(actor=request.user, invitation=invitation)
    messages.success(request, _("The invitation is withdrawn; its link no longer works."))
    return redirect("workspace-members")


@login_required
@require_POST
def change_role(request: HttpRequest, membership_id: int) -> HttpResponse:
    membership = get_object_or_404(Membership.objects.visible_to(request.user), pk=membership_id)
    access.require(request.user, Capability.MANAGE_MEMBERS, membership.workspace_id)
    chosen = request.POST.get("role", "")
    role = get_object_or_404(_roles(membership.workspace), pk=row_id(chosen))
    workspaces.change_role(actor=request.user, membership=membership, role=role)
    sentence = _("%(person)s is now %(role)s.")
    messages.success(request, sentence % {"person": membership.user, "role": role.name})
    return redirect(came_from(request, "workspace-members"))


@login_required
@require_POST
def remove_member(request: HttpRequest, membership_id: int) -> HttpResponse:
    """Removes somebody, or oneself."""
    membership = get_object_or_404(Membership.objects.visible_to(request.user), pk=membership_id)
    is_me = membership.user_id == request.user.pk
    workspaces.remove_member(actor=request.user, membership=membership)
    if is_me:
        messages.success(request, _("You have left %s.") % membership.workspace.name)
        return redirect("home")
    messages.success(request, _("%s is no longer a member.") % membership.user)
    return redirect(came_from(request, "workspace-members"))


@in_workspace(Capability.MANAGE_WORKSPACE)
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Its name, and its end."""
    form = WorkspaceForm(request.POST or None, initial={"name": workspace.name})
    if request.method == "POST" and form.is_valid():
        try:
            workspaces.rename_workspace(actor=request.user, workspace=workspace, **form.cleaned_data)
        except errors.AppError as error:
            refuse(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("workspace-settings")
    context = {"form": form, "projects": workspace.projects.filter(deleted_at=None).count()}
    return render(request, "projects/workspace_settings.html", context, status=400 if form.errors else 200)


@in_workspace(Capability.MANAGE_WORKSPACE)
@require_POST
def delete(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Only with its name typed, so that no stray click ends a team's work."""
    if request.POST.get("typed_name", "").strip() != workspace.name.strip():
        raise errors.Invalid(
            _("The name you typed is not the name of this workspace."), way_out=_("Type it exactly as it is shown.")
        )
    workspaces.delete_workspace(actor=request.user, workspace=workspace)
    request.session.pop("workspace", None)
    messages.success(request, _("The workspace “%s” is deleted.") % workspace.name)
    return redirect("home")


@login_required
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Makes a workspace of one's own; people who may not are told how they get into one."""
    may_create = workspaces.may_create_workspaces(request.user)
    form = WorkspaceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = workspaces.create_workspace(actor=request.user, **form.cleaned_data)
        except errors.Forbidden:
            raise
        except errors.AppError as error:
            refuse(form, error, {"workspace_name": "name"})
        else:
            request.session["workspace"] = made.pk
            messages.success(request, _("Welcome to %s.") % made.name)
            return redirect("home")
    context = {"form": form, "may_create": may_create}
    return render(request, "projects/workspace_new.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Makes another of one's workspaces the current one."""
    chosen = request.POST.get("workspace", "")
    rows = Workspace.objects.visible_to(request.user)
    workspace = get_object_or_404(rows, pk=row_id(chosen))
    request.session["workspace"] = workspace.pk
    return redirect("home")
