"""Long jobs: how far they are, and how to stop them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response as Reply

from labeling_site.core import jobs
from labeling_site.core.api import Cursor, ScopedViewSet, choice_filter
from labeling_site.core.models import Job
from projects import access
from projects.access import Capability
from projects.api.views import workspaces_where


class JobSerializer(serializers.ModelSerializer[Job]):
    class Meta:
        model = Job
        fields = [
            *("id", "kind", "subject", "state", "done", "total", "percent", "message", "error", "result", "attempts"),
            *("cancel_requested", "created_at", "started_at", "ended_at"),
        ]


class NewestFirst(Cursor):
    """Jobs have random ids, so they are paged by their time."""

    ordering = "-created_at"


class JobViewSet(ScopedViewSet):
    """Long work that a worker does: reading files, filling a project, writing an export."""

    queryset = Job.objects.none()
    serializer_class = JobSerializer
    pagination_class: type[CursorPagination] = NewestFirst
    filters: ClassVar[dict[str, Any]] = {
        "state": choice_filter("state", Job.State.values),
        "kind": lambda rows, value: rows.filter(kind=value),
        "subject": lambda rows, value: rows.filter(subject=value),
    }

    def scoped(self) -> QuerySet[Job]:
        return Job.objects.filter(tenant_id__in=workspaces_where(self.request, Capability.READ_SUMMARY))

    def list(self, request: Request) -> Reply:
        return self.page(self.get_queryset())

    def retrieve(self, request: Request, pk: str) -> Reply:
        return Reply(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses=JobSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Reply:
        """Asks the job to stop. Whoever asked for it may, and whoever may change projects."""
        job = self.get_object()
        if job.requested_by_id != request.user.pk:
            access.require(request.user, Capability.WRITE_PROJECTS, job.tenant_id or 0)
        jobs.cancel(job)
        return Reply(self.get_serializer(self.get_object()).data)
