"""The admin's system page: workers, queues, storage, versions."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def system_page(request: HttpRequest) -> HttpResponse:
    return render(request, "admin/system.html", {})
