"""Labeling through the API: get a page, keep it, submit it, give it back."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response as Reply

from annotations import selectors
from annotations.api.rendering import task_json
from annotations.models import Response, Task
from annotations.services import editing, queue, submission
from annotations.services.answers import Answer, parse_annotation
from annotations.services.editing import Edit
from labeling_site.core.api import ScopedViewSet, remember_reply
from projects.models import Project


class NextTaskSerializer(serializers.Serializer[Any]):
    page_size = serializers.IntegerField(
        default=1, help_text="1, 4, 6, 9, 16, 25 or 36; always 1 for boxes and polygons."
    )
    holding = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=2**63 - 1),
        default=list,
        max_length=100,
        help_text="Tasks that you have already: you get another one.",
    )
    ahead = serializers.BooleanField(
        default=False, help_text="A page to be opened later: none is given while few items are free."
    )


class HeartbeatSerializer(serializers.Serializer[Any]):
    tasks = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=2**63 - 1), allow_empty=False, max_length=100
    )
    page_size = serializers.IntegerField(default=1, min_value=1, max_value=100)


class PointsSerializer(serializers.Serializer[Any]):
    outer = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))
    holes = serializers.ListField(
        child=serializers.ListField(child=serializers.ListField(child=serializers.FloatField())), required=False
    )


class PolygonSerializer(serializers.Serializer[Any]):
    parts = PointsSerializer(many=True)


class BoxSerializer(serializers.Serializer[Any]):
    x = serializers.FloatField()
    y = serializers.FloatField()
    width = serializers.FloatField()
    height = serializers.FloatField()


class AnnotationSerializer(serializers.Serializer[Any]):
    """For the schema; shapes are read by annotations.geometry, which names the field that is wrong."""

    id = serializers.UUIDField(required=False)
    label_class = serializers.IntegerField()
    frame = serializers.IntegerField(default=0)
    box = BoxSerializer(required=False)
    polygon = PolygonSerializer(required=False)


class AnswerSerializer(serializers.Serializer[Any]):
    assignment = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=Response.Outcome.choices, default=Response.Outcome.LABELED)
    skip_reason = serializers.CharField(max_length=300, allow_blank=True, default="")
    annotations = serializers.ListField(child=serializers.DictField(), default=list)
    active_seconds = serializers.FloatField(min_value=0, default=0)
    actions = serializers.FloatField(min_value=0, default=0, help_text="Clicks and keys that it took.")
    operations = serializers.ListField(
        child=serializers.UUIDField(),
        default=list,
        max_length=10_000,
        help_text="Edits that this answer contains and that were not sent alone.",
    )
    base = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, allow_null=True, default=None, help_text="Revision of the draft you saw."
    )


class SubmitSerializer(serializers.Serializer[Any]):
    operation_id = serializers.UUIDField(help_text="Made by the client; the same one sent twice is one submit.")
    answers = AnswerSerializer(many=True)
    client = serializers.UUIDField(allow_null=True, default=None, help_text="Which browser or program this is.")
    correction = serializers.BooleanField(
        allow_null=True, default=None, help_text="Whether you know that the page was submitted before."
    )
    opinion = serializers.BooleanField(
        default=False, help_text="Keep an answer whose image went to somebody else as a second opinion."
    )


class ChangeSerializer(serializers.Serializer[Any]):
    """For the schema: what an annotation is after an edit."""

    id = serializers.UUIDField()
    after = serializers.DictField(allow_null=True, help_text="The annotation; null where it is gone.")
    at = serializers.IntegerField(default=0, help_text="Its place in the drawing order.")


class OperationSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="Made by the client; the same one sent twice is applied once.")
    assignment = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
    base = serializers.IntegerField(
        default=0, min_value=0, max_value=2**31 - 1, help_text="Revision of the draft you saw."
    )
    changes = serializers.ListField(child=serializers.DictField(), help_text="Each {id, after, at}.")


class OperationsSerializer(serializers.Serializer[Any]):
    client = serializers.UUIDField(help_text="Which browser or program this is.")
    correction = serializers.BooleanField(default=False, help_text="Edits of a page that was submitted before.")
    operations = OperationSerializer(many=True)


def handed_out(given: queue.HandOut) -> dict[str, Any]:
    """{"task", "remaining", "reason"}: the reply to a request for work."""
    task = selectors.with_page(Task.objects.filter(pk=given.task.pk)).get() if given.task else None
    return {"task": task_json(task) if task else None, "remaining": given.remaining, "reason": given.reason}


class ProjectTaskViewSet(ScopedViewSet):
    """POST hands out the next page; GET lists one's own pages, newest first."""

    queryset = Task.objects.none()
    serializer_class = NextTaskSerializer

    def project(self) -> Project:
        return get_object_or_404(
            Project.objects.visible_to(self.request.user).select_related("workspace"), pk=self.kwargs["project_pk"]
        )

    def scoped(self) -> QuerySet[Task]:
        return selectors.tasks_of(self.request.user, self.project())

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def list(self, request: Request, project_pk: str) -> Reply:
        rows = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response([task_json(task) for task in rows])

    @extend_schema(request=NextTaskSerializer, responses=OpenApiTypes.OBJECT)
    def create(self, request: Request, project_pk: str) -> Reply:
        asked = self.validated(NextTaskSerializer)

        def respond() -> Reply:
            given = queue.next_task(actor=request.user, project=self.project(), **asked)
            code = status.HTTP_201_CREATED if given.task else status.HTTP_200_OK
            return Reply(handed_out(given), status=code)

        return remember_reply(request, respond)

    @extend_schema(request=HeartbeatSerializer, responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["post"])
    def heartbeat(self, request: Request, project_pk: str) -> Reply:
        """Keeps several pages for another ten minutes; {"lost": tasks that are not yours any more, "scarce": whether
        pages that nobody looks at have to be given back}."""
        asked = self.validated(HeartbeatSerializer)
        kept = queue.heartbeat_tasks(actor=request.user, project=self.project(), **asked)
        return Reply({"lost": kept.lost, "scarce": kept.is_scarce})


class TaskViewSet(ScopedViewSet):
    """One page of one's own."""

    queryset = Task.objects.none()
    serializer_class = SubmitSerializer

    def mine(self) -> QuerySet[Task]:
        rows = Task.objects.visible_to(self.request.user).filter(labeler=self.request.user, project__deleted_at=None)
        return rows.select_related("project")

    def scoped(self) -> QuerySet[Task]:
        return selectors.with_page(self.mine())

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def retrieve(self, request: Request, pk: str) -> Reply:
        return Reply(task_json(self.get_object()))

    @extend_schema(request=SubmitSerializer, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def submit(self, request: Request, pk: str) -> Reply:
        """Stores the answers; those that could not be taken are listed under "refused" with a reason each."""
        data = self.validated(SubmitSerializer)
        task = get_object_or_404(self.mine(), pk=pk)
        answers = [
            Answer(
                assignment_id=answer["assignment"],
                outcome=answer["outcome"],
                skip_reason=answer["skip_reason"],
                active_seconds=answer["active_seconds"],
                actions=answer["actions"],
                operations=answer["operations"],
                base=answer["base"],
                annotations=[
                    parse_annotation(one, f"answers[{index}].annotations[{at}]")
                    for at, one in enumerate(answer["annotations"])
                ],
            )
            for index, answer in enumerate(data["answers"])
        ]
        done = submission.submit_task(
            actor=request.user,
            task=task,
            operation_id=data["operation_id"],
            answers=answers,
            client=data["client"],
            correction=data["correction"],
            opinion=data["opinion"],
        )
        refused = [{"assignment": one.assignment_id, "code": one.code, "detail": one.detail} for one in done.refused]
        page = selectors.with_page(Task.objects.filter(pk=task.pk)).get()
        return Reply({"task": task_json(page), "remaining": queue.remaining(task.project), "refused": refused})

    @extend_schema(request=OperationsSerializer, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def operations(self, request: Request, pk: str) -> Reply:
        """Applies edits of the page, each once; a refused one leaves no trace, and the rest goes through.

        {"results": [{"id", "status", "code", "detail"}], "revisions": {assignment: revision of its draft}}.
        """
        data = self.validated(OperationsSerializer)
        edits = [Edit(one["id"], one["assignment"], one["changes"], one["base"]) for one in data["operations"]]
        done = editing.apply_operations(
            actor=request.user,
            task=get_object_or_404(self.mine(), pk=pk),
            client=data["client"],
            edits=edits,
            correction=data["correction"],
        )
        results = [
            {
                "id": one.operation_id,
                "status": "refused" if one.code else "applied",
                "code": one.code,
                "detail": one.detail,
            }
            for one in done.verdicts
        ]
        return Reply({"results": results, "revisions": done.revisions})

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def heartbeat(self, request: Request, pk: str) -> Reply:
        """Keeps the leases of the page for another ten minutes."""
        queue.heartbeat(actor=request.user, task=get_object_or_404(self.mine(), pk=pk))
        return Reply(task_json(self.get_object()))

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Reply:
        """Gives the page back unanswered."""
        queue.release_task(actor=request.user, task=get_object_or_404(self.mine(), pk=pk))
        return Reply(task_json(self.get_object()))
