"""Projects and their label classes."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response as Reply

from labeling_site.core.api import ScopedViewSet, choice_filter, remember_reply
from projects import access
from projects.access import Capability
from projects.api.views import by_workspace, my_workspace, named_in_body
from projects.models import Favourite, LabelClass, Project, TaskType, Workspace
from projects.services import counters, label_classes, projects, samples


class LabelClassSerializer(serializers.ModelSerializer[LabelClass]):
    class Meta:
        model = LabelClass
        fields = [
            *("id", "project", "parent", "name", "path", "colour", "description", "position", "retired_at"),
            "merged_into",
        ]
        read_only_fields = ["id", "project", "path", "position", "retired_at", "merged_into"]
        extra_kwargs: ClassVar[dict[str, Any]] = {"colour": {"required": False}, "parent": {"required": False}}


class ProjectSerializer(serializers.ModelSerializer[Project]):
    dataset = serializers.IntegerField(source="dataset_version.dataset_id", read_only=True)
    favourite = serializers.SerializerMethodField()
    counts = serializers.SerializerMethodField(help_text="Items by status; only with the right to see dashboards.")

    class Meta:
        model = Project
        fields = [
            *("id", "workspace", "name", "description", "task_type", "state", "state_reason", "dataset"),
            *("dataset_version", "instructions", "instructions_url", "refresh_enabled", "refreshed_at", "workforce"),
            *("quality", "assist", "created_at", "started_at", "favourite", "counts"),
        ]

    def get_favourite(self, project: Project) -> bool:
        return bool(project.favourites.all())

    def get_counts(self, project: Project) -> dict[str, int] | None:
        known: dict[int, dict[str, int]] = self.context.get("counts", {})
        found = known.get(project.pk)
        if found is None:
            return None
        names = ["total", "unlabeled", "labeled", "skipped", "needs_review", "approved", "removed"]
        return {name: found.get(name, 0) for name in names}


class NewProjectSerializer(serializers.Serializer[Any]):
    workspace = serializers.IntegerField()
    name = serializers.CharField(max_length=400)
    task_type = serializers.ChoiceField(choices=TaskType.choices)
    dataset = serializers.IntegerField()
    classes = serializers.ListField(
        child=serializers.DictField(), help_text='A tree: [{"name": "animal", "children": [{"name": "cat"}]}].'
    )
    description = serializers.CharField(allow_blank=True, default="")
    instructions = serializers.CharField(allow_blank=True, default="", help_text="HTML; cleaned when stored.")
    instructions_url = serializers.CharField(allow_blank=True, default="")
    refresh_enabled = serializers.BooleanField(default=False)
    workforce = serializers.DictField(default=dict)
    quality = serializers.DictField(default=dict)
    assist = serializers.DictField(default=dict)


class ProjectChangeSerializer(serializers.Serializer[Any]):
    description = serializers.CharField(allow_blank=True, required=False)
    instructions = serializers.CharField(allow_blank=True, required=False)
    instructions_url = serializers.CharField(allow_blank=True, required=False)
    refresh_enabled = serializers.BooleanField(required=False)
    workforce = serializers.DictField(required=False)
    quality = serializers.DictField(required=False)
    assist = serializers.DictField(required=False)


class SampleSerializer(serializers.Serializer[Any]):
    workspace = serializers.IntegerField()
    task_type = serializers.ChoiceField(choices=TaskType.choices)


class FavouriteSerializer(serializers.Serializer[Any]):
    favourite = serializers.BooleanField()


class ProjectViewSet(ScopedViewSet):
    """Projects: make, describe, pause, start, delete, mark as favourite."""

    queryset = Project.objects.none()
    serializer_class = ProjectSerializer
    filters: ClassVar[dict[str, Any]] = {
        "workspace": by_workspace,
        "state": choice_filter("state", Project.State.values),
        "task_type": choice_filter("task_type", TaskType.values),
        "search": lambda rows, value: rows.filter(name__icontains=value),
    }

    def scoped(self) -> QuerySet[Project]:
        stars = Prefetch("favourites", Favourite.objects.filter(user=self.request.user))
        return Project.objects.visible_to(self.request.user).select_related("dataset_version").prefetch_related(stars)

    def shown(self, rows: list[Project]) -> list[dict[str, Any]]:
        """Projects with their counts, for those who may see dashboards, in two queries for all."""
        held = {pk: access.capabilities(self.request.user, pk) for pk in {row.workspace_id for row in rows}}
        allowed = [row.pk for row in rows if Capability.READ_SUMMARY in held[row.workspace_id]]
        context = {**self.get_serializer_context(), "counts": counters.read_many(allowed)}
        return list(ProjectSerializer(rows, many=True, context=context).data)

    def one(self, project: Project) -> dict[str, Any]:
        return self.shown([get_object_or_404(self.scoped(), pk=project.pk)])[0]

    def list(self, request: Request) -> Reply:
        return self.get_paginated_response(self.shown(self.paginate_queryset(self.get_queryset())))

    def retrieve(self, request: Request, pk: str) -> Reply:
        return Reply(self.one(self.get_object()))

    @extend_schema(request=NewProjectSerializer, responses={201: ProjectSerializer})
    def create(self, request: Request) -> Reply:
        from projects.api.datasets import visible_datasets

        data = self.validated(NewProjectSerializer)
        workspace = named_in_body("workspace", Workspace.objects.visible_to(request.user), data.pop("workspace"))
        dataset = named_in_body("dataset", visible_datasets(request).filter(workspace=workspace), data.pop("dataset"))

        def respond() -> Reply:
            made = projects.create_project(actor=request.user, workspace=workspace, dataset=dataset, **data)
            return Reply(self.one(made), status=status.HTTP_201_CREATED)

        return remember_reply(request, respond)

    @extend_schema(request=ProjectChangeSerializer, responses=ProjectSerializer)
    def partial_update(self, request: Request, pk: str) -> Reply:
        """Name, task type and dataset never change."""
        data = self.validated(ProjectChangeSerializer)
        return Reply(self.one(projects.update_project(actor=request.user, project=self.get_object(), **data)))

    def destroy(self, request: Request, pk: str) -> Reply:
        projects.delete_project(actor=request.user, project=self.get_object())
        return Reply(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=ProjectSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Reply:
        return Reply(self.one(projects.pause_project(actor=request.user, project=self.get_object())))

    @extend_schema(request=None, responses=ProjectSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Reply:
        return Reply(self.one(projects.start_project(actor=request.user, project=self.get_object())))

    @extend_schema(request=FavouriteSerializer, responses=ProjectSerializer)
    @action(detail=True, methods=["post"])
    def favourite(self, request: Request, pk: str) -> Reply:
        project = self.get_object()
        wanted = self.validated(FavouriteSerializer)["favourite"]
        projects.set_favourite(actor=request.user, project=project, favourite=wanted)
        return Reply(self.one(project))

    @extend_schema(request=SampleSerializer, responses={201: ProjectSerializer})
    @action(detail=False, methods=["post"])
    def sample(self, request: Request) -> Reply:
        """A project with a small drawn set, which its job is about to fill."""
        data = self.validated(SampleSerializer)

        def respond() -> Reply:
            project = samples.create_sample_project(
                actor=request.user,
                workspace=my_workspace(request, data["workspace"]),
                task_type=data["task_type"],
            )
            return Reply(self.one(project), status=status.HTTP_201_CREATED)

        return remember_reply(request, respond)


class NewClassesSerializer(serializers.Serializer[Any]):
    classes = serializers.ListField(child=serializers.DictField(), allow_empty=False)
    parent = serializers.IntegerField(required=False)  # type: ignore[assignment]


class ClassChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(required=False)
    colour = serializers.CharField(required=False)
    description = serializers.CharField(required=False, allow_blank=True)


class MoveSerializer(serializers.Serializer[Any]):
    before = serializers.IntegerField(required=False, allow_null=True, help_text="A sibling; the end when left out.")


class ProjectClassViewSet(ScopedViewSet):
    """The classes of a project, in the order people see them."""

    queryset = LabelClass.objects.none()
    serializer_class = LabelClassSerializer

    def project(self) -> Project:
        return get_object_or_404(Project.objects.visible_to(self.request.user), pk=self.kwargs["project_pk"])

    @extend_schema(responses=LabelClassSerializer(many=True))
    def list(self, request: Request, project_pk: str) -> Reply:
        rows = LabelClass.objects.filter(project=self.project())
        return Reply(LabelClassSerializer(rows, many=True).data)

    @extend_schema(request=NewClassesSerializer, responses={201: LabelClassSerializer(many=True)})
    def create(self, request: Request, project_pk: str) -> Reply:
        data = self.validated(NewClassesSerializer)
        project = self.project()
        parent = get_object_or_404(project.label_classes.all(), pk=data["parent"]) if data.get("parent") else None

        def respond() -> Reply:
            if len(data["classes"]) == 1 and set(data["classes"][0]) <= {"name", "colour", "description"}:
                made = [
                    label_classes.add_class(actor=request.user, project=project, parent=parent, **data["classes"][0])
                ]
            else:
                made = label_classes.add_classes(
                    actor=request.user, project=project, classes=data["classes"], parent=parent
                )
            return Reply(LabelClassSerializer(made, many=True).data, status=status.HTTP_201_CREATED)

        return remember_reply(request, respond)


class ClassViewSet(ScopedViewSet):
    """One class: rename, recolour, describe, move, retire, restore."""

    queryset = LabelClass.objects.none()
    serializer_class = LabelClassSerializer

    def scoped(self) -> QuerySet[LabelClass]:
        mine = LabelClass.objects.visible_to(self.request.user).select_related("project")
        return mine.filter(project__in=Project.objects.visible_to(self.request.user))

    def retrieve(self, request: Request, pk: str) -> Reply:
        return Reply(self.get_serializer(self.get_object()).data)

    @extend_schema(request=ClassChangeSerializer, responses=LabelClassSerializer)
    def partial_update(self, request: Request, pk: str) -> Reply:
        row = self.get_object()
        data = self.validated(ClassChangeSerializer)
        if "name" in data:
            row = label_classes.rename_class(actor=request.user, label_class=row, name=data["name"])
        if "colour" in data:
            row = label_classes.recolour_class(actor=request.user, label_class=row, colour=data["colour"])
        if "description" in data:
            row = label_classes.describe_class(actor=request.user, label_class=row, description=data["description"])
        return Reply(self.get_serializer(row).data)

    @extend_schema(request=MoveSerializer, responses=LabelClassSerializer)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str) -> Reply:
        row = self.get_object()
        before_pk = self.validated(MoveSerializer).get("before")
        before = get_object_or_404(self.scoped().filter(project=row.project_id), pk=before_pk) if before_pk else None
        moved = label_classes.move_class(actor=request.user, label_class=row, before=before)
        return Reply(self.get_serializer(moved).data)

    @extend_schema(request=None, responses=LabelClassSerializer)
    @action(detail=True, methods=["post"])
    def retire(self, request: Request, pk: str) -> Reply:
        row = label_classes.retire_class(actor=request.user, label_class=self.get_object())
        return Reply(self.get_serializer(row).data)

    @extend_schema(request=None, responses=LabelClassSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Reply:
        row = label_classes.restore_class(actor=request.user, label_class=self.get_object())
        return Reply(self.get_serializer(row).data)
