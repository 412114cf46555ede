"""How the admin treats our tables: searched and read by staff, changed only through services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy, ngettext

from labeling_site.core import errors, jobs
from labeling_site.core.models import IdempotencyRecord, Job, Lock
from labeling_site.core.parsing import LONGEST_SEARCH

SHOWN_REFUSALS = 5  # chosen rows can be thousands; their sentences must still fit on a page


class BoundedSearch(admin.ModelAdmin):
    """A search longer than anything here finds nothing; databases refuse patterns from some length on."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if len(search_term) > LONGEST_SEARCH:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)


class ReadMostlyAdmin(BoundedSearch):
    """Nothing is added, edited or deleted here; actions call the same services as every other door.

    `secret_fields` are columns that no page shows and by which no list can be filtered.
    """

    list_per_page = 50
    show_full_result_count = False  # counting a million rows to show a number is not worth the wait
    secret_fields: ClassVar[frozenset[str]] = frozenset()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The change permission lets people use the actions; no row can be edited, not even by saving it unchanged."""
        return obj is None and super().has_change_permission(request)

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """The index says "View", as that is what a row's page does."""
        return super().get_model_perms(request) | {"change": False}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.get_readonly_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [field.name for field in self.model._meta.fields if field.name not in self.secret_fields]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Secrets cannot be found out letter by letter through filters in the address either."""
        if self.secret_fields.intersection(lookup.split("__")):
            return False
        return super().lookup_allowed(lookup, value, request)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = {"title": capfirst(str(self.opts.verbose_name_plural))}  # not "Select a row to change"
        return super().changelist_view(request, title | (extra_context or {}))


def service_action(
    name: str, description: Any, call: Callable[[HttpRequest, Any], object]
) -> Callable[[admin.ModelAdmin, HttpRequest, QuerySet[Any]], None]:
    """An admin action that calls a service for each chosen row and says what came of it.

    What was done is also written into the row's history, with the name of who did it.
    """

    @admin.action(description=description, permissions=["change"])
    def act(model_admin: admin.ModelAdmin, request: HttpRequest, rows: QuerySet[Model]) -> None:
        done, refused = 0, 0
        for row in rows:
            try:
                call(request, row)
            except errors.AppError as error:
                refused += 1
                if refused <= SHOWN_REFUSALS:
                    model_admin.message_user(request, f"{row}: {error}", messages.WARNING)
            else:
                done += 1
                model_admin.log_change(request, row, str(description))
        if refused > SHOWN_REFUSALS:
            hidden = refused - SHOWN_REFUSALS
            said = ngettext("%d more row was refused.", "%d more rows were refused.", hidden) % hidden
            model_admin.message_user(request, said, messages.WARNING)
        if done:
            said = ngettext("%d row done.", "%d rows done.", done) % done
            model_admin.message_user(request, f"{description}: {said}", messages.SUCCESS)

    act.__name__ = name
    return act


@admin.register(Job)
class JobAdmin(ReadMostlyAdmin):
    list_display = ["kind", "state", "shown_progress", "message", "attempts", "created_at", "heartbeat_at", "ended_at"]
    list_filter = ["state", "kind", "queue"]
    search_fields = ["id", "kind", "subject", "error"]
    date_hierarchy = "created_at"
    secret_fields = frozenset({"token"})
    actions = [
        service_action("cancel", gettext_lazy("Cancel"), lambda request, row: jobs.cancel(row)),
        service_action("requeue", gettext_lazy("Requeue"), lambda request, row: jobs.requeue(row)),
    ]

    @admin.display(description=gettext_lazy("progress"))
    def shown_progress(self, job: Job) -> str:
        return f"{job.done}/{job.total}" if job.total is not None else str(job.done)


@admin.register(Lock)
class LockAdmin(ReadMostlyAdmin):
    list_display = ["name", "taken_at"]
    list_filter = ["taken_at"]
    search_fields = ["name"]


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadMostlyAdmin):
    list_display = ["key", "user_id", "status", "created_at"]
    list_filter = ["status", "created_at"]
    search_fields = ["key"]
    secret_fields = frozenset({"body", "fingerprint"})  # replies may hold secrets that were shown once


__all__ = ["BoundedSearch", "ReadMostlyAdmin", "service_action"]
