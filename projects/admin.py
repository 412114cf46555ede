"""The projects tables in the admin: searched and read; changed only through services."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from labeling_site.core.admin import ReadMostlyAdmin, service_action
from projects import models
from projects.services import api_keys, invitations, projects

admin.site.unregister(Group)  # roles of a workspace decide; groups would be a second, hidden way to give rights


class UserForm(forms.ModelForm):
    class Meta:
        model = models.User
        fields = ["email", "name", "is_active", "is_staff", "is_superuser", "user_permissions"]


@admin.register(models.User)
class UserAdmin(BaseUserAdmin):
    """Only superusers change people here, and nobody changes their own flags: staff cannot raise their own rights."""

    form = UserForm
    list_display = ["email", "name", "is_active", "is_staff", "is_superuser", "last_login", "created_at"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    filter_horizontal = ["user_permissions"]
    readonly_fields = ["last_login", "created_at"]
    fieldsets = [
        (None, {"fields": ["email", "name", "is_active", "last_login", "created_at"]}),
        (_("Administration"), {"fields": ["is_staff", "is_superuser", "user_permissions"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # people come by invitation

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a person's labels name them; deactivate instead

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        own = ["is_active", "is_staff", "is_superuser", "user_permissions"] if obj == request.user else []
        return [*self.readonly_fields, *own]


@admin.register(models.Workspace)
class WorkspaceAdmin(ReadMostlyAdmin):
    list_display = ["name", "created_at", "deleted_at"]
    list_filter = ["deleted_at"]
    search_fields = ["name"]


@admin.register(models.Role)
class RoleAdmin(ReadMostlyAdmin):
    list_display = ["name", "key", "workspace", "description"]
    list_filter = ["key"]
    search_fields = ["name", "key"]


@admin.register(models.Membership)
class MembershipAdmin(ReadMostlyAdmin):
    list_display = ["user", "workspace", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "workspace", "role"]
    search_fields = ["user__email", "user__name", "workspace__name"]


@admin.register(models.Invitation)
class InvitationAdmin(ReadMostlyAdmin):
    list_display = ["__str__", "workspace", "role", "created_by", "expires_at", "accepted_at", "revoked_at"]
    list_filter = ["role", "accepted_at", "revoked_at"]
    list_select_related = ["workspace", "role", "created_by"]
    search_fields = ["email", "workspace__name"]
    exclude = ["token_hash"]
    actions = [
        service_action(
            _("Revoke"), lambda request, row: invitations.revoke_invitation(actor=request.user, invitation=row)
        )
    ]


@admin.register(models.ApiKey)
class ApiKeyAdmin(ReadMostlyAdmin):
    list_display = ["name", "prefix", "user", "workspace", "last_used_at", "expires_at", "revoked_at"]
    list_filter = ["revoked_at"]
    list_select_related = ["user", "workspace"]
    search_fields = ["name", "prefix", "user__email"]
    exclude = ["key_hash"]
    actions = [
        service_action(_("Revoke"), lambda request, row: api_keys.revoke_api_key(actor=request.user, api_key=row))
    ]


@admin.register(models.Datastore)
class DatastoreAdmin(ReadMostlyAdmin):
    list_display = ["name", "kind", "workspace", "is_default", "created_at"]
    list_filter = ["kind"]
    list_select_related = ["workspace"]
    search_fields = ["name", "workspace__name"]


@admin.register(models.Dataset)
class DatasetAdmin(ReadMostlyAdmin):
    list_display = ["name", "workspace", "kind", "datastore", "path", "created_at", "deleted_at"]
    list_filter = ["kind"]
    list_select_related = ["workspace", "datastore"]
    search_fields = ["name", "path", "workspace__name"]


@admin.register(models.DatasetVersion)
class DatasetVersionAdmin(ReadMostlyAdmin):
    list_display = ["__str__", "state", "file_count", "item_count", "refused_count", "created_at"]
    list_filter = ["state"]
    list_select_related = ["dataset"]
    search_fields = ["dataset__name"]


@admin.register(models.Upload)
class UploadAdmin(ReadMostlyAdmin):
    list_display = ["path", "dataset", "state", "received", "size", "reason"]
    list_filter = ["state"]
    list_select_related = ["dataset"]
    search_fields = ["path", "dataset__name"]


@admin.register(models.Item)
class ItemAdmin(ReadMostlyAdmin):
    list_display = ["path", "state", "width", "height", "frames", "is_dicom", "reason"]
    list_filter = ["state", "is_dicom"]
    search_fields = ["path", "sha256"]


@admin.register(models.Project)
class ProjectAdmin(ReadMostlyAdmin):
    list_display = ["name", "workspace", "task_type", "state", "created_at", "deleted_at"]
    list_filter = ["state", "task_type"]
    list_select_related = ["workspace"]
    search_fields = ["name", "workspace__name"]
    actions = [
        service_action(_("Pause"), lambda request, row: projects.pause_project(actor=request.user, project=row)),
        service_action(_("Start"), lambda request, row: projects.start_project(actor=request.user, project=row)),
    ]


@admin.register(models.Favourite)
class FavouriteAdmin(ReadMostlyAdmin):
    list_display = ["project", "user"]
    list_select_related = ["project", "user"]
    search_fields = ["project__name", "user__email"]


@admin.register(models.LabelClass)
class LabelClassAdmin(ReadMostlyAdmin):
    list_display = ["path", "project", "colour", "position", "retired_at"]
    list_filter = ["retired_at"]
    list_select_related = ["project"]
    search_fields = ["path", "project__name"]


@admin.register(models.Counter)
class CounterAdmin(ReadMostlyAdmin):
    list_display = ["project", "key", "shard", "value"]
    list_filter = ["key"]
    list_select_related = ["project"]
    search_fields = ["key", "project__name"]


@admin.register(models.SetupToken)
class SetupTokenAdmin(ReadMostlyAdmin):
    list_display = ["__str__", "used_at"]
    list_filter = ["used_at"]
    search_fields = ["created_at"]
    exclude = ["token_hash"]
