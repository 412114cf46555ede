"""What every API view shares: scoped querysets, cursor pages, problem+json, remembered replies, known filters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions, serializers, viewsets
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from labeling_site.core import errors
from labeling_site.core.models import IdempotencyRecord
from labeling_site.core.parsing import searched
from labeling_site.core.problems import PROBLEM_JSON, problem


class Cursor(CursorPagination):
    """Pages by position, not by offset: as fast at row 500,000 as at row one."""

    page_size = 100
    max_page_size = 1000
    page_size_query_param = "page_size"
    ordering = "-id"

    def get_page_size(self, request: Request) -> int:
        """How many rows were asked for. Raises Invalid for what is no whole number from 1 to the most allowed."""
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return self.page_size
        if not (asked.isascii() and asked.isdecimal() and 1 <= int(asked[:9]) <= self.max_page_size):
            raise errors.Invalid(
                _("page_size is a whole number from 1 to %d.") % self.max_page_size,
                fields={self.page_size_query_param: ["?"]},
            )
        return int(asked)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """One page; a cursor that nobody was given is refused like any other bad value."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ValidationError, exceptions.NotFound):
            if self.cursor_query_param not in request.query_params:
                raise
            raise errors.Invalid(
                _("This cursor leads nowhere."),
                way_out=_("Follow the addresses under “next” and “previous”, or begin again without a cursor."),
                fields={self.cursor_query_param: ["?"]},
            ) from None


def _flatten(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    if isinstance(detail, dict):
        flat: dict[str, list[str]] = {}
        for name, value in detail.items():
            flat.update(_flatten(value, f"{prefix}.{name}" if prefix else str(name)))
        return flat
    if isinstance(detail, list) and any(isinstance(entry, dict | list) for entry in detail):
        flat = {}
        for index, value in enumerate(detail):
            flat.update(_flatten(value, f"{prefix}[{index}]"))
        return flat
    return {prefix or "request": [str(entry) for entry in (detail if isinstance(detail, list) else [detail])]}


def as_app_error(exc: Exception) -> errors.AppError | None:
    """Any error that a door may meet, as one of our kinds; None for a defect of ours."""
    if isinstance(exc, errors.AppError):
        return exc
    if isinstance(exc, Http404 | exceptions.NotFound):
        return errors.NotFound(_("There is no such thing here, or it is not yours to see."))
    if isinstance(exc, exceptions.ValidationError):
        fields = _flatten(exc.detail)
        first = next(iter(fields.items()))
        return errors.Invalid(f"{first[0]}: {first[1][0]}", fields=fields)
    if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return errors.SignInNeeded(str(exc.detail), way_out=_("Sign in, or send a valid API key."))
    if isinstance(exc, exceptions.Throttled):
        wait = int(getattr(exc, "wait", None) or 60)
        return errors.TooMany(_("Too many requests."), way_out=_("Try again in %d seconds.") % wait, retry_after=wait)
    if isinstance(exc, RequestDataTooBig):
        limit = int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE) // 2**20
        return errors.TooLarge(_("A request may have %d MB at most.") % limit, way_out=_("Send it in parts."))
    if isinstance(exc, PermissionDenied | exceptions.PermissionDenied):
        return errors.Forbidden(str(exc) or _("You may not do this."))
    if isinstance(exc, exceptions.APIException):
        error = errors.Invalid(str(exc.detail), code=str(exc.default_code))
        error.status = exc.status_code  # type: ignore[misc]
        return error
    return None


def problem_json(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every refusal as problem+json. Defects are left to Django's 500."""
    error = as_app_error(exc)
    if error is None:
        return None
    set_rollback()
    response = Response(problem(error), status=error.status, content_type=PROBLEM_JSON)
    if "retry_after" in error.extra:
        response["Retry-After"] = str(error.extra["retry_after"])
    if error.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def choice_filter(field: str, choices: Iterable[str]) -> Callable[[QuerySet[Any], str], QuerySet[Any]]:
    """A filter for a field with a fixed set of values. Any other value is refused, and the refusal lists them."""
    known = [str(choice) for choice in choices]

    def narrow(rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value not in known:
            raise errors.Invalid(
                _("There is no %(field)s %(value)s.") % {"field": field, "value": value},
                way_out=_("Use one of: %s.") % ", ".join(known),
                fields={field: ["?"]},
            )
        return rows.filter(**{field: value})

    return narrow


def refuse_unknown(serializer: serializers.BaseSerializer[Any]) -> None:
    """Raises Invalid when the body names a field that this address does not take, rather than pass over it silently."""
    sent, known = serializer.initial_data, getattr(serializer, "fields", {})
    taken = [name for name, field in known.items() if not field.read_only]
    unknown = sorted(str(name) for name in sent if name not in taken)
    if unknown:
        fixed = [name for name in unknown if name in known]
        sentence = _("%s cannot be changed here.") if fixed else _("There is no field %s here.")
        raise errors.Invalid(
            sentence % ", ".join(fixed or unknown),
            way_out=_("Fields here: %s.") % ", ".join(taken),
            fields={name: ["?"] for name in fixed or unknown},
        )


def remember_reply(request: Request, respond: Callable[[], Response]) -> Response:
    """Runs `respond` once per (user, Idempotency-Key); a repeat gets the first reply again.

    Raises Conflict when the same key comes with another request, or while the first is still being answered.
    """
    key = request.headers.get("Idempotency-Key", "").strip()
    if not key:
        return respond()
    if len(key) > 120:
        raise errors.Invalid(_("Idempotency-Key is longer than 120 characters."))
    payload = json.dumps(request.data, sort_keys=True, default=str)
    # A key of another workspace is another caller, although it acts as the same person.
    caller = getattr(request.auth, "pk", "")
    fingerprint = hashlib.sha256(f"{caller} {request.method} {request.path} {payload}".encode()).hexdigest()
    try:
        with transaction.atomic():
            record = IdempotencyRecord.objects.create(user_id=request.user.pk, key=key, fingerprint=fingerprint)
    except IntegrityError:
        record = IdempotencyRecord.objects.get(user_id=request.user.pk, key=key)
        if record.fingerprint != fingerprint:
            raise errors.Conflict(
                _("This Idempotency-Key was used for another request."), way_out=_("Use a new key.")
            ) from None
        if record.status is None:
            if record.created_at > timezone.now() - timedelta(minutes=1):
                raise errors.Conflict(_("The first request with this key is still being answered.")) from None
            record.delete()  # its process died before it could reply
            return remember_reply(request, respond)
        return Response(record.body, status=record.status, headers={"Idempotent-Replay": "true"})
    try:
        response = respond()
    except BaseException:
        record.delete()
        raise
    record.status, record.body = response.status_code, json.loads(json.dumps(response.data, default=str))
    record.save(update_fields=["status", "body"])
    return response


class OwnRow(serializers.PrimaryKeyRelatedField):
    """The number of a row in a body, found among those that the user may see.

    Any other number, of a foreign row or of none, is the same 404. Serializers name it as `serializer_related_field`.
    """

    def get_queryset(self) -> QuerySet[Any]:
        rows: Any = self.queryset  # type: ignore[arg-type]
        found: QuerySet[Any] = rows.model.objects.visible_to(self.context["request"].user)
        return found

    def fail(self, key: str, **kwargs: Any) -> NoReturn:
        if key == "does_not_exist":
            raise errors.NotFound(_("There is no such thing here, or it is not yours to see."))
        super().fail(key, **kwargs)


class ScopedViewSet(viewsets.GenericViewSet[Any]):
    """Rows are asked for through the user; `filters` is the whole list of accepted query parameters.

    `filters` maps a parameter to a function (queryset, value) -> queryset, so no caller can build a lookup path.
    """

    filters: ClassVar[dict[str, Callable[[QuerySet[Any], str], QuerySet[Any]]]] = {}
    lookup_value_regex = r"[0-9a-f-]+"
    pagination_class: type[CursorPagination] = Cursor
    queryset: QuerySet[Any]

    def scoped(self) -> QuerySet[Any]:
        """The rows that this user may see."""
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset.none()
        rows = self.scoped()
        for name, value in self.request.query_params.items():
            if name in {"cursor", "page_size", "format"}:
                continue
            if name not in self.filters:
                known = ", ".join(sorted(self.filters)) or _("none")
                raise errors.Invalid(
                    _("There is no filter %s.") % name, way_out=_("Filters here: %s.") % known, fields={name: ["?"]}
                )
            if "\0" in value:
                raise errors.Invalid(_("%s holds a character that cannot be kept.") % name, fields={name: ["?"]})
            searched(self.request.query_params, name)  # raises for what is longer than anything to be found
            rows = self.filters[name](rows, str(value))
        return rows

    def paginate_queryset(self, queryset: Any) -> list[Any]:
        return super().paginate_queryset(queryset) or []

    def page(self, rows: QuerySet[Any]) -> Response:
        """One cursor page of rows, serialised."""
        return self.get_paginated_response(self.get_serializer(self.paginate_queryset(rows), many=True).data)

    def validated(self, serializer_class: type[Any]) -> dict[str, Any]:
        """The request's body through a serializer; raises a ValidationError, or Invalid, that names each field."""
        serializer = serializer_class(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        refuse_unknown(serializer)
        return dict(serializer.validated_data)


@csrf_exempt  # nothing is done here, and a 403 would mislead
def unknown_address(request: HttpRequest) -> JsonResponse:
    """The answer below /api/ where nothing else answers: programs get problem+json there too."""
    way_out = _("See /api/docs/ for all addresses.") if request.path.endswith("/") else _("Addresses end with /.")
    error = errors.NotFound(_("The API has no such address."), way_out=way_out)
    return JsonResponse(problem(error), status=error.status, content_type=PROBLEM_JSON)


def server_error(request: HttpRequest) -> HttpResponse:
    """The site's answer to a defect of ours: problem+json for programs, the page for people."""
    if not request.path.startswith("/api/"):
        return defaults.server_error(request)
    error = errors.AppError(_("The site failed to answer this."), way_out=_("Try again; tell the administrator."))
    body = problem(error) | {"status": 500, "title": _("A defect of the site"), "code": "server_error"}
    return JsonResponse(body, status=500, content_type=PROBLEM_JSON)
