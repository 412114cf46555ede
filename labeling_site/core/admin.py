"""How the admin treats our tables: searched and read by staff, changed only through services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy, ngettext

from labeling_site.core import errors, jobs
from labeling_site.core.models import IdempotencyRecord, Job, Lock


class ReadMostlyAdmin(admin.ModelAdmin):
    """Nothing is added, edited or deleted here; actions call the same services as every other door."""

    list_per_page = 50
    show_full_result_count = False  # counting a million rows to show a number is not worth the wait

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [field.name for field in self.model._meta.fields]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Shows a row. None of its fields can be edited, so nothing is saved either, not even a new `updated_at`."""
        if request.method == "POST":
            raise PermissionDenied
        hidden = {"show_save": False, "show_save_and_continue": False}
        return super().changeform_view(request, object_id, form_url, hidden | (extra_context or {}))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Actions change things, so they are for those who hold the change permission."""
        return super().get_actions(request) if self.has_change_permission(request) else {}


def service_action(
    description: Any, call: Callable[[HttpRequest, Any], object]
) -> Callable[[admin.ModelAdmin, HttpRequest, QuerySet[Any]], None]:
    """An admin action that calls a service for each chosen row and says what came of it."""

    @admin.action(description=description, permissions=["change"])
    def act(model_admin: admin.ModelAdmin, request: HttpRequest, rows: QuerySet[Model]) -> None:
        done = 0
        for row in rows:
            try:
                call(request, row)
                done += 1
            except errors.AppError as error:
                model_admin.message_user(request, f"{row}: {error}", messages.WARNING)
        if done:
            said = ngettext("%d row done.", "%d rows done.", done) % done
            model_admin.message_user(request, said, messages.SUCCESS)

    act.__name__ = "act_" + "".join(char if char.isalnum() else "_" for char in str(description)).lower()
    return act


@admin.register(Job)
class JobAdmin(ReadMostlyAdmin):
    list_display = ["kind", "state", "shown_progress", "message", "attempts", "created_at", "heartbeat_at", "ended_at"]
    list_filter = ["state", "kind", "queue"]
    search_fields = ["id", "kind", "subject", "error"]
    date_hierarchy = "created_at"
    actions = [
        service_action(gettext_lazy("Cancel"), lambda request, row: jobs.cancel(row)),
        service_action(gettext_lazy("Requeue"), lambda request, row: jobs.requeue(row)),
    ]

    @admin.display(description=gettext_lazy("progress"))
    def shown_progress(self, job: Job) -> str:
        return f"{job.done}/{job.total}" if job.total is not None else str(job.done)


@admin.register(Lock)
class LockAdmin(ReadMostlyAdmin):
    list_display = ["name", "taken_at"]
    search_fields = ["name"]


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadMostlyAdmin):
    list_display = ["key", "user_id", "status", "created_at"]
    list_filter = ["status"]
    search_fields = ["key"]
    exclude = ["body"]  # replies may hold secrets that were shown once


__all__ = ["ReadMostlyAdmin", "service_action"]
