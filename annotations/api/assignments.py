"""Leases of a project through the API: who holds what, and taking one back."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response as Reply

from annotations.models import Assignment
from annotations.services import queue
from labeling_site.core.api import ScopedViewSet, choice_filter
from projects import access
from projects.access import Capability
from projects.models import Project


class AssignmentSerializer(serializers.ModelSerializer[Assignment]):
    labeler_name = serializers.CharField(source="labeler.name", read_only=True)
    path = serializers.CharField(source="entry.item.path", read_only=True)

    class Meta:
        model = Assignment
        fields = [
            *("id", "project", "task", "entry", "path", "labeler", "labeler_name", "slot", "round", "state"),
            *("created_at", "expires_at"),
        ]


class ProjectAssignmentViewSet(ScopedViewSet):
    """The leases of a project, newest first, for those who may change it."""

    queryset = Assignment.objects.none()
    serializer_class = AssignmentSerializer
    filters: ClassVar[dict[str, Any]] = {"state": choice_filter("state", Assignment.State.values)}

    def scoped(self) -> QuerySet[Assignment]:
        mine = Project.objects.visible_to(self.request.user)
        project = get_object_or_404(mine, pk=self.kwargs["project_pk"])
        access.require(self.request.user, Capability.WRITE_PROJECTS, project.workspace_id)
        return Assignment.objects.filter(project=project).select_related("labeler", "entry__item")

    def list(self, request: Request, project_pk: str) -> Reply:
        return self.page(self.get_queryset())


class AssignmentViewSet(ScopedViewSet):
    """One lease."""

    queryset = Assignment.objects.none()
    serializer_class = AssignmentSerializer

    def scoped(self) -> QuerySet[Assignment]:
        mine = Assignment.objects.visible_to(self.request.user)
        mine = mine.filter(project__in=Project.objects.visible_to(self.request.user))
        return mine.select_related("project", "labeler", "entry__item")

    @extend_schema(request=None, responses=AssignmentSerializer)
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Reply:
        """Takes the item away from whoever holds it and puts it back into the queue."""
        queue.release_assignment(actor=request.user, assignment=self.get_object())
        return Reply(self.get_serializer(self.get_object()).data)
