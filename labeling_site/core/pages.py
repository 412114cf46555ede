"""What every page shares: refusals shown as pages, the health answer."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from labeling_site.core import errors
from labeling_site.core.problems import PROBLEM_JSON, problem

PAGES = frozenset({400, 403, 404, 409, 410, 413, 429, 503})
"""Refusals that have a page of their own in templates/errors."""


class AppErrorMiddleware:
    """Turns an AppError that left a page view into an answer: back to the form with the sentence, or an error page.

    It also refuses addresses that ask with the character NUL, which PostgreSQL keeps in no text.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", ""):
            refusal = errors.Invalid(_("The address holds a character that cannot be kept."))
            return self.process_exception(request, refusal) or self.get_response(request)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, errors.AppError):
            return None
        if "application/json" in request.headers.get("Accept", "") or request.path.startswith("/api/"):
            return JsonResponse(problem(exception), status=exception.status, content_type=PROBLEM_JSON)
        back = request.headers.get("Referer", "")
        here = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
        if request.method == "POST" and here and exception.status in {400, 403, 409, 413}:
            messages.error(request, str(exception))
            return HttpResponseRedirect(back)
        name = exception.status if exception.status in PAGES else 400
        response = render(request, f"errors/{name}.html", {"error": exception}, status=exception.status)
        if "retry_after" in exception.extra:
            response["Retry-After"] = str(exception.extra["retry_after"])
        return response


class PrivateAnswers:
    """What a view says nothing about is for this one person and not to be kept.

    Neither a proxy nor the browser keeps it for whoever sits down there next and goes back a page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when the site and its database answer; used by the supervisor and by probes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})
