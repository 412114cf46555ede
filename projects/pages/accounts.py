"""Signing in and out, the first administrator, invitations, and one's own account."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from labeling_site.core import errors
from projects import access
from projects.access import Capability
from projects.models import ApiKey, User, Workspace
from projects.pages.common import client_address, in_workspace, refuse
from projects.pages.throttle import count_sign_in, count_sign_up
from projects.services import accounts, api_keys, invitations

BACKEND = "django.contrib.auth.backends.ModelBackend"
PASSWORD_HELP = gettext_lazy("At least 10 characters, and not one of the common ones.")


class SignInForm(forms.Form):
    email = forms.EmailField(
        label=gettext_lazy("E-mail"), widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class NewAccountForm(forms.Form):
    """A person who did not exist here before."""

    name = forms.CharField(
        label=gettext_lazy("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    email = forms.EmailField(label=gettext_lazy("E-mail"), widget=forms.EmailInput(attrs={"autocomplete": "username"}))
    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        help_text=PASSWORD_HELP,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class SetupForm(NewAccountForm):
    workspace_name = forms.CharField(
        label=gettext_lazy("Name of the first workspace"),
        max_length=120,
        help_text=gettext_lazy("People, files and projects live in a workspace. A team or a customer is a good one."),
    )


class ProfileForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )


class PasswordForm(forms.Form):
    current = forms.CharField(
        label=gettext_lazy("Present password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new = forms.CharField(
        label=gettext_lazy("New password"),
        strip=False,
        help_text=PASSWORD_HELP,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class ApiKeyForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("What is it for?"), max_length=80, help_text=gettext_lazy("As in “nightly export”.")
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Expires"),
        coerce=int,
        initial=90,
        choices=[
            (30, gettext_lazy("in 30 days")),
            (90, gettext_lazy("in 90 days")),
            (365, gettext_lazy("in a year")),
            (0, gettext_lazy("never")),
        ],
    )
    capabilities = forms.MultipleChoiceField(
        label=gettext_lazy("It may"),
        widget=forms.CheckboxSelectMultiple,
        choices=Capability.choices,
        help_text=gettext_lazy("Tick only what the program needs. It never does more than you may do yourself."),
    )

    def __init__(self, *args: Any, held: frozenset[str], **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "id_key_%s")  # the page has another field called "name"
        super().__init__(*args, **kwargs)
        mine = [(value, label) for value, label in Capability.choices if value in held]
        self.fields["capabilities"].choices = mine  # type: ignore[attr-defined]
        # A key begins with what every key may do; its maker adds what the program needs.
        self.fields["capabilities"].initial = [value for value, _label in mine if value in access.READING]


def _next(request: HttpRequest) -> str:
    """Where to go after signing in: a path of this site, or home."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure()):
        return wanted
    return reverse("home")


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """One sentence for a wrong address and a wrong password alike."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(_next(request))
    form = SignInForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        email = form.cleaned_data["email"]
        try:
            count_sign_in(client_address(request), email)
        except errors.TooMany as error:
            refuse(form, error)
            status = error.status
        else:
            user = authenticate(request, username=email, password=form.cleaned_data["password"])
            if user is not None:
                login(request, user)
                return HttpResponseRedirect(_next(request))
            form.add_error(None, _("This e-mail and password do not fit together, or the account is closed."))
            status = 400
    context = {"form": form, "next": _next(request), "nobody_yet": not User.objects.exists()}
    response = render(request, "projects/sign_in.html", context, status=status)
    if status == errors.TooMany.status:
        response["Retry-After"] = "60"
    return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    messages.success(request, _("You are signed out."))
    return redirect("sign-in")


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """The one-time page that makes the first administrator and workspace."""
    accounts.check_setup_token(token)
    form = SetupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            count_sign_up(token)
            user = accounts.create_first_admin(token=token, **form.cleaned_data)
        except errors.TooMany:
            raise
        except errors.AppError as error:
            refuse(form, error)
        else:
            login(request, user, backend=BACKEND)
            return redirect("home")
    return render(request, "projects/setup.html", {"form": form}, status=400 if form.errors else 200)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Joins a workspace: as the signed-in person, as one who signs in first, or as a new one."""
    found = invitations.find_invitation(token)
    initial = {"email": found.email}
    form = NewAccountForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST":
        user = request.user if request.user.is_authenticated else None
        try:
            if user is not None:
                joined = invitations.accept_invitation(token=token, actor=user)
            elif form.is_valid():
                count_sign_up(token)
                joined = invitations.accept_invitation(token=token, actor=None, **form.cleaned_data)
            else:
                joined = None
        except errors.AppError as error:
            if user is not None or isinstance(error, errors.TooMany):
                raise
            refuse(form, error)
            joined = None
        if joined is not None:
            if user is None:
                login(request, joined.user, backend=BACKEND)
            request.session["workspace"] = joined.workspace_id
            messages.success(request, _("Welcome to %s.") % joined.workspace.name)
            return redirect("home")
    context = {"form": form, "invitation": found, "here": request.path}
    if request.user.is_authenticated:
        context["is_member"] = request.user.memberships.filter(workspace=found.workspace).exists()
        context["is_for_another"] = bool(found.email) and found.email != request.user.email
    status = 400 if request.method == "POST" else 200
    return render(request, "projects/invitation.html", context, status=status)


def _account_page(request: HttpRequest, *, status: int = 200, **forms_and_more: Any) -> HttpResponse:
    from projects.pages.context import current_workspace, navigation

    user: User = request.user
    workspace = current_workspace(request)
    held = navigation(request)["can"]
    context = {
        "profile_form": ProfileForm(initial={"name": user.name}),
        "password_form": PasswordForm(),
        "key_form": ApiKeyForm(held=held),
        "keys": ApiKey.objects.visible_to(user).filter(user=user, workspace=workspace) if workspace else [],
        "now": timezone.now(),
        "membership": user.memberships.filter(workspace=workspace).select_related("role").first(),
    }
    return render(request, "projects/account.html", context | forms_and_more, status=status)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """One's name, password, theme and keys."""
    if request.method == "GET":
        return _account_page(request)
    form = ProfileForm(request.POST)
    if form.is_valid():
        try:
            accounts.change_profile(actor=request.user, **form.cleaned_data)
        except errors.AppError as error:
            refuse(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("account")
    return _account_page(request, status=400, profile_form=form)


@sensitive_post_parameters("current", "new")
@login_required
@require_POST
def change_password(request: HttpRequest) -> HttpResponse:
    """Changes the password; other browsers are signed out by it, this one stays."""
    form = PasswordForm(request.POST)
    if form.is_valid():
        try:
            accounts.change_password(actor=request.user, **form.cleaned_data)
        except errors.AppError as error:
            refuse(form, error, {"password": "new"})
        else:
            request.user.refresh_from_db()
            update_session_auth_hash(request, request.user)
            messages.success(request, _("Your password is changed. Other browsers are signed out."))
            return redirect("account")
    return _account_page(request, status=400, password_form=form)


@in_workspace()
@require_POST
def create_api_key(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Makes a key and shows it this once: the answer is the page itself, never stored in the session."""
    from projects.access import capabilities

    form = ApiKeyForm(request.POST, held=capabilities(request.user, workspace))
    if form.is_valid():
        days = form.cleaned_data["days"]
        try:
            key, secret = api_keys.create_api_key(
                actor=request.user,
                workspace=workspace,
                name=form.cleaned_data["name"],
                capabilities=form.cleaned_data["capabilities"],
                expires_at=timezone.now() + timedelta(days=days) if days else None,
            )
        except errors.AppError as error:
            refuse(form, error)
        else:
            return never_cache(_account_page)(request, new_key=key, new_secret=secret)
    return _account_page(request, status=400, key_form=form)


@login_required
@require_POST
def revoke_api_key(request: HttpRequest, key_id: int) -> HttpResponse:
    key = get_object_or_404(ApiKey.objects.visible_to(request.user).filter(user=request.user), pk=key_id)
    api_keys.revoke_api_key(actor=request.user, api_key=key)
    messages.success(request, _("The key “%s” is revoked.") % key.name)
    return redirect("account")
