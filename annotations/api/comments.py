"""Comments on items through the API."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response as Reply

from annotations.api.rendering import comment_json
from annotations.models import Comment, QueueEntry
from annotations.services import comments
from labeling_site.core import errors
from labeling_site.core.api import ScopedViewSet, remember_reply
from projects import access
from projects.access import Capability
from projects.models import Project


class CommentSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=comments.MAX_TEXT)
    point = serializers.ListField(
        child=serializers.FloatField(),
        min_length=2,
        max_length=2,
        required=False,
        allow_null=True,
        help_text="[x, y] in pixels of the image; the whole image where left out.",
    )
    frame = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=0)
    asks_lead = serializers.BooleanField(default=False)


class ReplySerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=comments.MAX_TEXT)


class EntryCommentViewSet(ScopedViewSet):
    """The threads about one item that the caller may read, oldest first; POST begins one."""

    queryset = Comment.objects.none()
    serializer_class = CommentSerializer

    def entry(self) -> QueueEntry:
        mine = QueueEntry.objects.visible_to(self.request.user)
        mine = mine.filter(project__in=Project.objects.visible_to(self.request.user))
        return get_object_or_404(mine.select_related("project", "item"), pk=self.kwargs["entry_pk"])

    def scoped(self) -> QuerySet[Comment]:
        return comments.visible_threads(self.request.user, self.entry())

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def list(self, request: Request, entry_pk: str) -> Reply:
        return Reply({"threads": [comment_json(one, request.user) for one in self.get_queryset()]})

    @extend_schema(request=CommentSerializer, responses={201: OpenApiTypes.OBJECT})
    def create(self, request: Request, entry_pk: str) -> Reply:
        data = self.validated(CommentSerializer)
        x_y = data.get("point")

        def respond() -> Reply:
            made = comments.comment(
                actor=request.user,
                entry=self.entry(),
                text=data["text"],
                point=(x_y[0], x_y[1]) if x_y else None,
                frame=data["frame"],
                asks_lead=data["asks_lead"],
            )
            return Reply(comment_json(made, request.user), status=status.HTTP_201_CREATED)

        return remember_reply(request, respond)


class CommentViewSet(ScopedViewSet):
    """One thread: answer, settle, open again."""

    queryset = Comment.objects.none()
    serializer_class = ReplySerializer

    def scoped(self) -> QuerySet[Comment]:
        mine = Comment.objects.visible_to(self.request.user).filter(thread=None)
        mine = mine.filter(entry__project__in=Project.objects.visible_to(self.request.user))
        return mine.select_related("entry__project", "entry__item", "author", "resolved_by")

    @extend_schema(request=ReplySerializer, responses={201: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["post"])
    def reply(self, request: Request, pk: str) -> Reply:
        text = self.validated(ReplySerializer)["text"]

        def respond() -> Reply:
            made = comments.reply(actor=request.user, thread=self.get_object(), text=text)
            return Reply(comment_json(made, request.user), status=status.HTTP_201_CREATED)

        return remember_reply(request, respond)

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Reply:
        return Reply(comment_json(comments.resolve(actor=request.user, thread=self.get_object()), request.user))

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Reply:
        return Reply(comment_json(comments.reopen(actor=request.user, thread=self.get_object()), request.user))


def _yes_no(rows: QuerySet[Comment], value: str, **yes: Any) -> QuerySet[Comment]:
    if value not in ("yes", "no"):
        raise errors.Invalid(f"{next(iter(yes))}: yes / no")
    return rows.filter(**yes) if value == "yes" else rows.exclude(**yes)


class ProjectCommentViewSet(ScopedViewSet):
    """All threads of a project, newest first, for reviewers: ?asks_lead=yes&open=yes is the lead's list."""

    queryset = Comment.objects.none()
    serializer_class = CommentSerializer
    filters: ClassVar[dict[str, Any]] = {
        "asks_lead": lambda rows, value: _yes_no(rows, value, asks_lead=True),
        "open": lambda rows, value: _yes_no(rows, value, resolved_at=None),
    }

    def scoped(self) -> QuerySet[Comment]:
        mine = Project.objects.visible_to(self.request.user)
        project = get_object_or_404(mine, pk=self.kwargs["project_pk"])
        access.require(self.request.user, Capability.READ_LABELS, project.workspace_id)
        rows = Comment.objects.visible_to(self.request.user).filter(entry__project=project, thread=None)
        answers = Comment.objects.select_related("author").order_by("id")
        return rows.select_related("author", "resolved_by").prefetch_related(Prefetch("replies", answers))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def list(self, request: Request, project_pk: str) -> Reply:
        rows = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response([comment_json(one, request.user) for one in rows])
