"""Exports through the API."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response as Reply

from annotations import selectors
from annotations.models import Transfer
from annotations.services import exporting
from labeling_site.core.api import ScopedViewSet, remember_reply
from projects import access
from projects.access import Capability
from projects.models import Project


class ExportRequestSerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=Transfer.Format.choices)
    options = serializers.DictField(
        default=dict,
        help_text="coordinates (absolute, normalized), labeler_details, only_approved, submitted_from, submitted_until",
    )


class ExportSerializer(serializers.ModelSerializer[Transfer]):
    state = serializers.CharField(source="job.state", read_only=True)
    done = serializers.IntegerField(source="job.done", read_only=True)
    total = serializers.IntegerField(source="job.total", read_only=True)
    error = serializers.CharField(source="job.error", read_only=True)

    class Meta:
        model = Transfer
        fields = [
            *("id", "project", "format", "options", "state", "done", "total", "error", "file_name", "size"),
            *("item_count", "annotation_count", "report", "created_at"),
        ]


class ProjectExportViewSet(ScopedViewSet):
    """Start an export, and list those of a project, newest first."""

    queryset = Transfer.objects.none()
    serializer_class = ExportSerializer

    def project(self) -> Project:
        return get_object_or_404(Project.objects.visible_to(self.request.user), pk=self.kwargs["project_pk"])

    def scoped(self) -> QuerySet[Transfer]:
        project = self.project()
        access.require(self.request.user, Capability.EXPORT, project.workspace_id)
        return Transfer.objects.filter(project=project).select_related("job")

    def list(self, request: Request, project_pk: str) -> Reply:
        return self.page(self.get_queryset())

    @extend_schema(request=ExportRequestSerializer, responses={201: ExportSerializer})
    def create(self, request: Request, project_pk: str) -> Reply:
        data = self.validated(ExportRequestSerializer)

        def respond() -> Reply:
            transfer = exporting.start_export(
                actor=request.user, project=self.project(), format=data["format"], options=data["options"]
            )
            return Reply(ExportSerializer(transfer).data, status=status.HTTP_201_CREATED)

        return remember_reply(request, respond)


class ExportViewSet(ScopedViewSet):
    """One export: its progress, its download link, its end."""

    queryset = Transfer.objects.none()
    serializer_class = ExportSerializer

    def scoped(self) -> QuerySet[Transfer]:
        mine = Transfer.objects.visible_to(self.request.user).select_related("job", "project")
        return mine.filter(project__in=Project.objects.visible_to(self.request.user))

    def retrieve(self, request: Request, pk: str) -> Reply:
        transfer = self.get_object()
        access.require(request.user, Capability.EXPORT, transfer.project.workspace_id)
        return Reply(ExportSerializer(transfer).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Reply:
        exporting.delete_export(actor=request.user, transfer=self.get_object())
        return Reply(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=ExportSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Reply:
        exporting.cancel_export(actor=request.user, transfer=self.get_object())
        return Reply(ExportSerializer(self.get_object()).data)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["get"])
    def download(self, request: Request, pk: str) -> Reply:
        """{"url", "report_url", "expires_in"}: links that open the file, and what it could not hold, for an hour
        without signing in."""
        token = exporting.download_token(actor=request.user, transfer=self.get_object())
        url = request.build_absolute_uri(reverse("export-download", args=[token]))
        return Reply({"url": url, "report_url": f"{url}?report=1", "expires_in": exporting.LINK_SECONDS})


class DashboardViewSet(ScopedViewSet):
    """The numbers of a project's dashboard."""

    queryset = Project.objects.none()
    serializer_class = serializers.Serializer

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def retrieve(self, request: Request, project_pk: str) -> Reply:
        project = get_object_or_404(Project.objects.visible_to(request.user), pk=project_pk)
        access.require(request.user, Capability.READ_SUMMARY, project.workspace_id)
        board = selectors.dashboard(project)
        names = ["total", "labeled", "skipped", "needs_review", "incomplete", "approved", "percent"]
        names += ["manual", "clustered", "prelabeled", "label_total", "questions", "version"]
        return Reply(
            {name: getattr(board, name) for name in names}
            | {
                "state": project.state,
                "classes": [
                    {"id": one.label_class.pk, "path": one.label_class.path, "count": one.count}
                    for one in board.classes
                ],
                "labelers": [
                    {"id": one.labeler.pk, "name": one.labeler.name, "count": one.count} for one in board.labelers
                ],
            }
        )
