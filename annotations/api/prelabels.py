"""Suggestions of models through the API: written in bulk, listed, cleared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response as Reply

from annotations import selectors
from annotations.api.rendering import prelabel_json
from annotations.api.tasks import BoxSerializer, PolygonSerializer
from annotations.models import Prelabel
from annotations.services import prelabels
from annotations.services.answers import parse_annotation
from annotations.services.prelabels import Suggestion
from labeling_site.core import errors
from labeling_site.core.api import ScopedViewSet, remember_reply
from labeling_site.core.parsing import row_id
from projects import access
from projects.access import Capability
from projects.models import Project


class PrelabelSerializer(serializers.Serializer[Any]):
    """One suggestion; the item is named by the number of its entry or by the path of its file."""

    entry = serializers.IntegerField(required=False, min_value=0, max_value=2**63 - 1)
    path = serializers.CharField(required=False, max_length=1000)
    label_class = serializers.IntegerField()
    confidence = serializers.FloatField(help_text="0 to 1")
    id = serializers.UUIDField(required=False)
    frame = serializers.IntegerField(required=False)
    box = BoxSerializer(required=False)
    polygon = PolygonSerializer(required=False)


class StorePrelabelsSerializer(serializers.Serializer[Any]):
    produced_by = serializers.CharField(max_length=200, help_text="Who made them, as in “detector 1.4”.")
    prelabels = serializers.ListField(
        child=serializers.DictField(), allow_empty=False, max_length=prelabels.MAX_PRELABELS
    )


class ClearPrelabelsSerializer(serializers.Serializer[Any]):
    entries = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=2**63 - 1),
        required=False,
        allow_empty=False,
        max_length=prelabels.MAX_ENTRIES,
        help_text="All of the project where left out.",
    )
    produced_by = serializers.CharField(max_length=200, allow_blank=True, default="")


class ProjectPrelabelViewSet(ScopedViewSet):
    """The suggestions of a project; POST stores some, in place of earlier ones of the same items."""

    queryset = Prelabel.objects.none()
    serializer_class = StorePrelabelsSerializer
    filters: ClassVar[dict[str, Any]] = {
        "entry": lambda rows, value: rows.filter(entry_id=row_id(value)),
        "label_class": lambda rows, value: rows.filter(label_class_id=row_id(value)),
        "produced_by": lambda rows, value: rows.filter(produced_by=value),
    }

    def project(self) -> Project:
        return get_object_or_404(Project.objects.visible_to(self.request.user), pk=self.kwargs["project_pk"])

    def scoped(self) -> QuerySet[Prelabel]:
        project = self.project()
        access.require(self.request.user, Capability.READ_LABELS, project.workspace_id)
        return Prelabel.objects.visible_to(self.request.user).filter(entry__project=project)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def list(self, request: Request, project_pk: str) -> Reply:
        rows = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(
            [{"entry": one.entry_id, "made_at": one.made_at} | prelabel_json(one) for one in rows]
        )

    @extend_schema(request=StorePrelabelsSerializer, responses={201: OpenApiTypes.OBJECT})
    def create(self, request: Request, project_pk: str) -> Reply:
        """Up to 1,000 items at a time, all or nothing; {"prelabels", "entries", "answered"}.

        "answered" lists entries that people have answered by now: they are left as they are.
        """
        data = self.validated(StorePrelabelsSerializer)
        project = self.project()

        def respond() -> Reply:
            suggestions = read_suggestions(project, data["prelabels"])
            done = prelabels.store(
                actor=request.user, project=project, produced_by=data["produced_by"], suggestions=suggestions
            )
            body = {"prelabels": done.prelabels, "entries": done.entries, "answered": done.answered}
            return Reply(body, status=status.HTTP_201_CREATED)

        return remember_reply(request, respond)

    @extend_schema(request=ClearPrelabelsSerializer, responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["post"])
    def clear(self, request: Request, project_pk: str) -> Reply:
        """Removes suggestions; {"removed": n}. What people decided about them stays on record."""
        data = self.validated(ClearPrelabelsSerializer)
        removed = prelabels.clear(
            actor=request.user,
            project=self.project(),
            entry_ids=data.get("entries"),
            produced_by=data["produced_by"],
        )
        return Reply({"removed": removed})


def read_suggestions(project: Project, rows: Sequence[dict[str, Any]]) -> list[Suggestion]:
    """A client's JSON as suggestions; raises Invalid naming the row and the field."""
    paths = {row["path"] for row in rows if isinstance(row.get("path"), str) and "entry" not in row}
    known = selectors.entries_by_path(project, paths) if paths else {}
    found = []
    for index, row in enumerate(rows):
        where = f"prelabels[{index}]"
        entry = row.get("entry", known.get(str(row.get("path", ""))))
        if entry is None:
            raise errors.NotFound(
                _("There is no such item in this project."),
                way_out=_("Name it by “entry”, a number, or by “path”, as the data tab shows it."),
                fields={where: ["entry/path"]},
            )
        confidence = row.get("confidence")
        is_number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
        if not isinstance(entry, int) or isinstance(entry, bool) or not 0 <= entry < 2**63 or not is_number:
            raise errors.Invalid(
                _("A prelabel names its item by “entry” or “path” and has a “confidence” from 0 to 1."),
                fields={where: ["entry", "confidence"]},
            )
        found.append(Suggestion(entry, parse_annotation(row, where), float(confidence or 0)))
    return found
