"""The annotations tables in the admin: searched and read; changed only through services."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from annotations import models
from annotations.services import comments, queue
from labeling_site.core.admin import ReadMostlyAdmin, service_action


@admin.register(models.QueueEntry)
class QueueEntryAdmin(ReadMostlyAdmin):
    list_display = ["item", "project", "status", "queue", "round", "slots", "open_slots", "approved", "labeled_at"]
    list_filter = ["status", "queue", "approved"]
    list_select_related = ["item", "project"]
    search_fields = ["item__path", "project__name"]


@admin.register(models.Task)
class TaskAdmin(ReadMostlyAdmin):
    list_display = ["id", "project", "labeler", "page_size", "state", "created_at", "submitted_at"]
    list_filter = ["state", "page_size"]
    list_select_related = ["project", "labeler"]
    search_fields = ["labeler__email", "project__name"]


@admin.register(models.Assignment)
class AssignmentAdmin(ReadMostlyAdmin):
    list_display = ["id", "entry", "labeler", "slot", "round", "state", "created_at", "expires_at"]
    list_filter = ["state"]
    list_select_related = ["entry__item", "entry__project", "labeler"]
    search_fields = ["labeler__email", "entry__item__path"]
    actions = [
        service_action(
            "release",
            _("Release the lease"),
            lambda request, row: queue.release_assignment(actor=request.user, assignment=row),
        )
    ]


@admin.register(models.Draft)
class DraftAdmin(ReadMostlyAdmin):
    list_display = ["assignment", "is_open", "revision", "updated_at"]
    list_filter = ["is_open"]
    list_select_related = ["assignment__entry__item", "assignment__entry__project", "assignment__labeler"]
    search_fields = ["assignment__labeler__email", "assignment__entry__item__path"]


@admin.register(models.Operation)
class OperationAdmin(ReadMostlyAdmin):
    list_display = ["operation_id", "assignment", "revision", "applied_at"]
    list_filter = ["applied_at"]
    list_select_related = ["assignment__entry__item", "assignment__entry__project", "assignment__labeler"]
    search_fields = ["assignment__labeler__email", "assignment__entry__item__path"]


@admin.register(models.Response)
class ResponseAdmin(ReadMostlyAdmin):
    list_display = ["id", "entry", "author", "kind", "outcome", "round", "active_seconds", "actions", "submitted_at"]
    list_filter = ["kind", "outcome"]
    list_select_related = ["entry__item", "entry__project", "author"]
    search_fields = ["author__email", "entry__item__path"]


@admin.register(models.Annotation)
class AnnotationAdmin(ReadMostlyAdmin):
    list_display = ["id", "label_class", "frame", "x", "y", "width", "height", "origin"]
    list_filter = ["origin"]
    list_select_related = ["label_class"]
    search_fields = ["client_id", "label_class__path"]


@admin.register(models.Review)
class ReviewAdmin(ReadMostlyAdmin):
    list_display = ["id", "entry", "reviewer", "action", "comment", "created_at"]
    list_filter = ["action"]
    list_select_related = ["entry__item", "entry__project", "reviewer"]
    search_fields = ["reviewer__email", "entry__item__path", "comment"]


@admin.register(models.Transfer)
class TransferAdmin(ReadMostlyAdmin):
    list_display = ["__str__", "project", "format", "item_count", "annotation_count", "size", "created_at"]
    list_filter = ["format"]
    list_select_related = ["project", "job"]
    search_fields = ["file_name", "project__name"]


@admin.register(models.Prelabel)
class PrelabelAdmin(ReadMostlyAdmin):
    list_display = ["id", "entry", "label_class", "confidence", "produced_by", "frame", "made_at"]
    list_filter = ["made_at"]
    list_select_related = ["entry__item", "entry__project", "label_class"]
    search_fields = ["produced_by", "entry__item__path", "label_class__path"]


@admin.register(models.PrelabelDecision)
class PrelabelDecisionAdmin(ReadMostlyAdmin):
    list_display = ["id", "response", "label_class", "confidence", "produced_by", "decision"]
    list_filter = ["decision"]
    list_select_related = ["response__entry__item", "response__entry__project", "label_class"]
    search_fields = ["produced_by", "label_class__path", "response__entry__item__path"]


@admin.register(models.Comment)
class CommentAdmin(ReadMostlyAdmin):
    list_display = ["id", "entry", "author", "text", "asks_lead", "created_at", "resolved_at", "resolved_by"]
    list_filter = ["asks_lead", "resolved_at"]
    list_select_related = ["entry__item", "entry__project", "author", "resolved_by"]
    search_fields = ["text", "author__email", "entry__item__path"]
    actions = [
        service_action(
            "resolve", _("Resolve"), lambda request, row: comments.resolve(actor=request.user, thread=row.thread or row)
        )
    ]
