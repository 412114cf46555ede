"""Examples and counter-examples of label classes."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response as Reply

from labeling_site.core.api import ScopedViewSet, remember_reply
from projects import access
from projects.access import Capability
from projects.models import ClassExample, Item, LabelClass, Project
from projects.pages.media import item_image_url
from projects.services import class_examples


class ExampleSerializer(serializers.ModelSerializer[ClassExample]):
    thumbnail_url = serializers.SerializerMethodField()

    class Meta:
        model = ClassExample
        fields = ["id", "label_class", "item", "is_counter", "note", "thumbnail_url"]
        read_only_fields = ["id", "label_class"]

    def get_thumbnail_url(self, example: ClassExample) -> str:
        return item_image_url(example.item, max_side=256)


class NewExampleSerializer(serializers.Serializer[Any]):
    item = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
    is_counter = serializers.BooleanField(default=False, help_text="It only looks like the class.")
    note = serializers.CharField(max_length=200, allow_blank=True, default="")


class ClassExampleViewSet(ScopedViewSet):
    """The examples and counter-examples of one class; POST adds one."""

    queryset = ClassExample.objects.none()
    serializer_class = ExampleSerializer

    def label_class(self) -> LabelClass:
        mine = LabelClass.objects.visible_to(self.request.user).select_related("project")
        mine = mine.filter(project__in=Project.objects.visible_to(self.request.user))
        return get_object_or_404(mine, pk=self.kwargs["class_pk"])

    def scoped(self) -> QuerySet[ClassExample]:
        return ClassExample.objects.filter(label_class=self.label_class()).select_related("item__dataset_version")

    @extend_schema(responses=ExampleSerializer(many=True))
    def list(self, request: Request, class_pk: str) -> Reply:
        return Reply(ExampleSerializer(self.get_queryset(), many=True).data)

    @extend_schema(request=NewExampleSerializer, responses={201: ExampleSerializer})
    def create(self, request: Request, class_pk: str) -> Reply:
        data = self.validated(NewExampleSerializer)
        label_class = self.label_class()
        access.require(request.user, Capability.WRITE_PROJECTS, label_class.project.workspace_id)
        items = Item.objects.visible_to(request.user).filter(dataset_version=label_class.project.dataset_version_id)
        item = get_object_or_404(items, pk=data.pop("item"))

        def respond() -> Reply:
            made = class_examples.add_example(actor=request.user, label_class=label_class, item=item, **data)
            return Reply(ExampleSerializer(made).data, status=status.HTTP_201_CREATED)

        return remember_reply(request, respond)


class ExampleViewSet(ScopedViewSet):
    """One example: taken away."""

    queryset = ClassExample.objects.none()
    serializer_class = ExampleSerializer

    def scoped(self) -> QuerySet[ClassExample]:
        mine = ClassExample.objects.visible_to(self.request.user).select_related("label_class__project")
        return mine.filter(label_class__project__in=Project.objects.visible_to(self.request.user))

    def destroy(self, request: Request, pk: str) -> Reply:
        class_examples.remove_example(actor=request.user, example=self.get_object())
        return Reply(status=status.HTTP_204_NO_CONTENT)
