"""The REST API, its schema, its reference, and the answer to addresses that it does not have."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from labeling_site.core.api import unknown_address

urlpatterns = [
    path("v1/", include("annotations.api.urls")),
    path("v1/", include("projects.api.urls")),
    path("v1/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    re_path("", unknown_address, name="api-unknown"),
]
