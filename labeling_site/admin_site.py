"""The Django admin of this site: our name, our system page, and no way to raise one's own rights."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.urls import URLPattern, URLResolver, path
from django.utils.translation import gettext_lazy as _


class TesseraAdmin(admin.AdminSite):
    site_header = site_title = "Tessera"
    index_title = _("Administration")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from labeling_site.system_page import system_page

        return [path("system/", self.admin_view(system_page), name="system"), *super().get_urls()]

    def each_context(self, request: Any) -> dict[str, Any]:
        return super().each_context(request) | {"site_url": "/"}


class TesseraAdminConfig(AdminConfig):
    default_site = "labeling_site.admin_site.TesseraAdmin"
