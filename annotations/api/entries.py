"""The data tab through the API: look at answers, approve, reject, return, remove, correct."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response as Reply

from annotations import selectors
from annotations.api.rendering import entry_json, response_json
from annotations.models import QueueEntry, Review
from annotations.selectors import EntryFilter
from annotations.services import reviewing
from annotations.services.answers import parse_annotation
from labeling_site.core.api import ScopedViewSet
from projects import access
from projects.access import Capability
from projects.models import Project

DECISIONS = {
    "approve": reviewing.approve,
    "unapprove": reviewing.unapprove,
    "reject": reviewing.reject,
    "return": reviewing.return_skipped,
    "remove": reviewing.remove_skipped,
}
FILTERS = ["status", "label_class", "labeler", "approved", "submitted_from", "submitted_until", "path", "questions"]


class ReviewSerializer(serializers.Serializer[Any]):
    action = serializers.ChoiceField(choices=[(name, name) for name in DECISIONS])
    entries = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=2**63 - 1), allow_empty=False, max_length=500
    )
    comment = serializers.CharField(max_length=1000, allow_blank=True, default="")


class CorrectSerializer(serializers.Serializer[Any]):
    annotations = serializers.ListField(child=serializers.DictField())
    operation_id = serializers.UUIDField(required=False)
    comment = serializers.CharField(max_length=1000, allow_blank=True, default="")


def _readable(request: Request, project: Project) -> Project:
    access.require(request.user, Capability.READ_LABELS, project.workspace_id)
    return project


class ProjectEntryViewSet(ScopedViewSet):
    """The items of a project with the answers that count."""

    queryset = QueueEntry.objects.none()
    serializer_class = ReviewSerializer
    filters: ClassVar[dict[str, Any]] = {name: lambda rows, value: rows for name in FILTERS}  # read by EntryFilter

    def project(self) -> Project:
        return get_object_or_404(Project.objects.visible_to(self.request.user), pk=self.kwargs["project_pk"])

    def scoped(self) -> QuerySet[QueueEntry]:
        project = _readable(self.request, self.project())
        return selectors.entries(project, EntryFilter.from_query(self.request.query_params))

    @extend_schema(responses=OpenApiTypes.OBJECT, parameters=[OpenApiParameter(name, str) for name in FILTERS])
    def list(self, request: Request, project_pk: str) -> Reply:
        rows = self.paginate_queryset(self.get_queryset())
        annotations = selectors.final_annotations(rows)
        return self.get_paginated_response([entry_json(row, annotations[row.pk]) for row in rows])

    @extend_schema(request=ReviewSerializer, responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["post"])
    def review(self, request: Request, project_pk: str) -> Reply:
        """Applies one decision to up to 500 items, to all or to none; {"changed": n}."""
        data = self.validated(ReviewSerializer)
        changed = DECISIONS[data["action"]](
            actor=request.user, project=self.project(), entry_ids=data["entries"], comment=data["comment"]
        )
        return Reply({"changed": changed})


class EntryViewSet(ScopedViewSet):
    """One item of a project, its history, and a reviewer's correction."""

    queryset = QueueEntry.objects.none()
    serializer_class = CorrectSerializer

    def scoped(self) -> QuerySet[QueueEntry]:
        mine = QueueEntry.objects.visible_to(self.request.user)
        mine = mine.filter(project__in=Project.objects.visible_to(self.request.user))
        return mine.select_related("project", "item", "final_response__author")

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def retrieve(self, request: Request, pk: str) -> Reply:
        entry = self.get_object()
        _readable(request, entry.project)
        history = entry.responses.order_by("-id").prefetch_related("annotations").select_related("author")
        reviews = Review.objects.filter(entry=entry).select_related("reviewer")
        return Reply(
            entry_json(entry, selectors.final_annotations([entry])[entry.pk])
            | {
                "responses": [response_json(one) | {"author": str(one.author or "")} for one in history],
                "reviews": [
                    {
                        "action": one.action,
                        "comment": one.comment,
                        "reviewer": str(one.reviewer or ""),
                        "at": one.created_at,
                    }
                    for one in reviews
                ],
            }
        )

    @extend_schema(request=CorrectSerializer, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def correct(self, request: Request, pk: str) -> Reply:
        """Replaces the answer that counts; the old one stays in the history."""
        data = self.validated(CorrectSerializer)
        response = reviewing.correct(
            actor=request.user,
            entry=self.get_object(),
            annotations=[parse_annotation(one, f"annotations[{at}]") for at, one in enumerate(data["annotations"])],
            operation_id=data.get("operation_id") or uuid.uuid4(),
            comment=data["comment"],
        )
        return Reply(response_json(response))
