"""The Django admin of this site: our name, our system page, our sign-in, and no way to raise one's own rights."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

View = Callable[..., Any]


class TesseraAdmin(admin.AdminSite):
    site_header = site_title = "Tessera"
    index_title = gettext_lazy("Administration")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from labeling_site.system_page import system_page

        return [path("system/", self.admin_view(system_page), name="system"), *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return super().each_context(request) | {"site_url": "/"}

    def admin_view(self, view: View, cacheable: bool = False) -> Any:
        """Visitors are led to the sign-in; people without the right get a page that says so."""
        guarded = super().admin_view(self._refusing(view), cacheable)

        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.user.is_authenticated and not self.has_permission(request):
                return self._refusal(
                    request,
                    _("Your account may not open the administration."),
                    _("Ask an administrator of the site, or sign in with another account."),
                )
            return guarded(request, *args, **kwargs)

        return update_wrapper(inner, guarded)

    def _refusing(self, view: View) -> View:
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, *args, **kwargs)
            except PermissionDenied:
                return self._refusal(
                    request,
                    _("You may not do this in the administration."),
                    _("A superuser gives permissions to people who help to run the site."),
                )

        return update_wrapper(inner, view)

    def _refusal(self, request: HttpRequest, why: str, way_out: str) -> HttpResponse:
        context = self.each_context(request) | {"title": _("You may not do this"), "why": why, "way_out": way_out}
        response = render(request, "admin/refused.html", context, status=403)
        add_never_cache_headers(response)
        return response

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is one door with a password, the site's own, which counts attempts; this address leads to it."""
        wanted = request.GET.get("next", "")
        if not url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure()):
            wanted = ""
        if wanted.partition("?")[0] in {"", request.path}:
            wanted = reverse("admin:index", current_app=self.name)
        if self.has_permission(request):
            return HttpResponseRedirect(wanted)
        return HttpResponseRedirect(f"{reverse(settings.LOGIN_URL)}?{urlencode({'next': wanted}, safe='/')}")

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """One's own password is changed on one's own page."""
        return HttpResponseRedirect(reverse("account"))

    password_change_done = password_change


class TesseraAdminConfig(AdminConfig):
    default_site = "labeling_site.admin_site.TesseraAdmin"
