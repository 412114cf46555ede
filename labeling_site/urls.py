"""Every address of the site."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView

from labeling_site.core.pages import healthz
from labeling_site.core.styleguide import sample

handler500 = "labeling_site.core.api.server_error"
urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("api/", include("labeling_site.api_urls")),
    path("", include("annotations.pages.urls")),
    path("", include("projects.pages.urls")),
]
if settings.DEBUG:
    parts = TemplateView.as_view(template_name="styleguide.html", extra_context={"sample": sample})
    urlpatterns.append(path("styleguide/", parts, name="styleguide"))
