"""The projects tables in the admin: searched and read; changed only through services."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from labeling_site.core import errors
from labeling_site.core.admin import BoundedSearch, ReadMostlyAdmin, service_action
from projects import models
from projects.services import accounts, api_keys, class_examples, invitations, names, projects

admin.site.unregister(Group)  # roles of a workspace decide; groups would be a second, hidden way to give rights


class UserForm(forms.ModelForm):
    class Meta:
        model = models.User
        fields = ["email", "name", "is_active", "is_staff", "is_superuser", "user_permissions"]

    def clean_email(self) -> str:
        return self._checked(accounts.clean_email, self.cleaned_data["email"])

    def clean_name(self) -> str:
        return self._checked(partial(names.clean_name, slash=True), self.cleaned_data["name"])

    @staticmethod
    def _checked(check: Callable[[str], str], value: str) -> str:
        """The same rules as at every other door, said beside the field."""
        try:
            return check(value)
        except errors.AppError as error:
            raise forms.ValidationError(str(error)) from None


@admin.register(models.User)
class UserAdmin(BoundedSearch, BaseUserAdmin):
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
        (
            _("Administration"),
            {
                "fields": ["is_staff", "is_superuser", "user_permissions"],
                "description": _(
                    "Superusers may do everything here. Others who may open the admin see the tables that they are "
                    "given “view” for, and use the actions of those that they are given “change” for."
                ),
            },
        ),
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

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offers the permissions that mean something here: nothing can be added or deleted in the admin."""
        if db_field.name == "user_permissions":
            offered = Q(pk__in=[])
            for model, model_admin in self.admin_site._registry.items():
                verbs = ["view", "change"] if model_admin.actions else ["view"]
                names = [f"{verb}_{model._meta.model_name}" for verb in verbs]
                offered |= Q(content_type__app_label=model._meta.app_label, codename__in=names)
            kwargs["queryset"] = Permission.objects.filter(offered).select_related("content_type")
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Gives somebody else a new password; one's own is changed where the present one is asked for."""
        if self.has_change_permission(request) and self.get_object(request, unquote(id)) == request.user:
            return redirect("account")
        return super().user_change_password(request, id, form_url)


@admin.register(models.Workspace)
class WorkspaceAdmin(ReadMostlyAdmin):
    list_display = ["name", "created_at", "deleted_at"]
    list_filter = ["deleted_at"]
    search_fields = ["name"]


@admin.register(models.Role)
class RoleAdmin(ReadMostlyAdmin):
    list_display = ["name", "key", "workspace", "description"]
    list_filter = ["key"]
    list_select_related = ["workspace"]
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
    secret_fields = frozenset({"token_hash"})
    actions = [
        service_action(
            "revoke",
            _("Revoke"),
            lambda request, row: invitations.revoke_invitation(actor=request.user, invitation=row),
        )
    ]


@admin.register(models.ApiKey)
class ApiKeyAdmin(ReadMostlyAdmin):
    list_display = ["name", "prefix", "user", "workspace", "last_used_at", "expires_at", "revoked_at"]
    list_filter = ["revoked_at"]
    list_select_related = ["user", "workspace"]
    search_fields = ["name", "prefix", "user__email"]
    secret_fields = frozenset({"key_hash"})
    actions = [
        service_action(
            "revoke", _("Revoke"), lambda request, row: api_keys.revoke_api_key(actor=request.user, api_key=row)
        )
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
    list_display = ["path", "dataset_version", "state", "width", "height", "frames", "is_dicom", "reason"]
    list_filter = ["state", "is_dicom"]
    list_select_related = ["dataset_version__dataset"]
    search_fields = ["path", "sha256"]


@admin.register(models.Project)
class ProjectAdmin(ReadMostlyAdmin):
    list_display = ["name", "workspace", "task_type", "state", "created_at", "deleted_at"]
    list_filter = ["state", "task_type"]
    list_select_related = ["workspace"]
    search_fields = ["name", "workspace__name"]
    actions = [
        service_action(
            "pause", _("Pause"), lambda request, row: projects.pause_project(actor=request.user, project=row)
        ),
        service_action(
            "start", _("Start"), lambda request, row: projects.start_project(actor=request.user, project=row)
        ),
    ]


@admin.register(models.Favourite)
class FavouriteAdmin(ReadMostlyAdmin):
    list_display = ["project", "user"]
    list_filter = ["project__state"]
    list_select_related = ["project", "user"]
    search_fields = ["project__name", "user__email"]


@admin.register(models.LabelClass)
class LabelClassAdmin(ReadMostlyAdmin):
    list_display = ["path", "project", "colour", "position", "retired_at"]
    list_filter = ["retired_at"]
    list_select_related = ["project"]
    search_fields = ["path", "project__name"]


@admin.register(models.ClassExample)
class ClassExampleAdmin(ReadMostlyAdmin):
    list_display = ["label_class", "item", "is_counter", "note", "created_at"]
    list_filter = ["is_counter"]
    list_select_related = ["label_class", "item"]
    search_fields = ["label_class__path", "item__path", "note"]
    actions = [
        service_action(
            "remove",
            _("Remove the example"),
            lambda request, row: class_examples.remove_example(actor=request.user, example=row),
        )
    ]


@admin.register(models.Counter)
class CounterAdmin(ReadMostlyAdmin):
    list_display = ["project", "key", "shard", "value"]
    list_filter = ["key"]
    list_select_related = ["project"]
    search_fields = ["key", "project__name"]


@admin.register(models.SetupToken)
class SetupTokenAdmin(ReadMostlyAdmin):
    list_display = ["created_at", "used_at"]
    list_filter = ["used_at"]
    search_fields = ["created_at"]
    secret_fields = frozenset({"token_hash"})
