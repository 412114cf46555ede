"""Datastores, datasets, their versions, uploads and items."""

from __future__ import annotations

from dataclasses import asdict
from typing import IO, Any, ClassVar

from django.conf import settings
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response as Reply
from rest_framework.throttling import ScopedRateThrottle

from labeling_site.core import errors
from labeling_site.core.api import OwnRow, ScopedViewSet, choice_filter, remember_reply
from labeling_site.core.parsing import row_id
from projects.access import Capability
from projects.api.views import by_workspace, my_workspace, workspaces_where
from projects.models import Dataset, DatasetVersion, Datastore, Item, Upload
from projects.services import datasets, datastores, uploads


class DatastoreSerializer(serializers.ModelSerializer[Datastore]):
    serializer_related_field = OwnRow
    # The framework takes declared fields out of the class, so its own attribute of this name stays untouched.
    root = serializers.CharField(write_only=True, help_text="A folder of the server.")  # type: ignore[assignment]

    class Meta:
        model = Datastore
        fields = ["id", "workspace", "name", "kind", "is_default", "root", "created_at"]
        read_only_fields = ["id", "kind", "is_default", "created_at"]


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    serializer_related_field = OwnRow

    class Meta:
        model = Dataset
        fields = ["id", "workspace", "name", "description", "kind", "datastore", "path", "created_at"]
        read_only_fields = ["id", "created_at"]
        extra_kwargs = {"datastore": {"required": False}}


class DatasetVersionSerializer(serializers.ModelSerializer[DatasetVersion]):
    done = serializers.IntegerField(source="job.done", read_only=True, default=None)
    total = serializers.IntegerField(source="job.total", read_only=True, default=None)

    class Meta:
        model = DatasetVersion
        fields = [
            *("id", "dataset", "number", "state", "file_count", "item_count", "refused_count", "left_out", "error"),
            *("done", "total", "created_at"),
        ]


class UploadSerializer(serializers.ModelSerializer[Upload]):
    class Meta:
        model = Upload
        fields = ["id", "path", "size", "received", "state", "reason", "sha256"]


class AnnouncedSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(max_length=8000, trim_whitespace=False)
    size = serializers.IntegerField(min_value=0)


class BeginSerializer(serializers.Serializer[Any]):
    files = AnnouncedSerializer(many=True)
    overwrite = serializers.BooleanField(default=False)


class ItemSerializer(serializers.ModelSerializer[Item]):
    class Meta:
        model = Item
        fields = [
            *("id", "dataset_version", "path", "state", "reason", "size", "width", "height", "orientation"),
            *("frames", "is_dicom", "facts"),
        ]


class DatastoreViewSet(ScopedViewSet):
    """Places in which files lie: the storage of this site, and folders of its server."""

    queryset = Datastore.objects.none()
    serializer_class = DatastoreSerializer
    filters: ClassVar[dict[str, Any]] = {"workspace": by_workspace}

    def scoped(self) -> QuerySet[Datastore]:
        allowed = workspaces_where(self.request, Capability.PREVIEW_DATASETS)
        return Datastore.objects.visible_to(self.request.user).filter(workspace__in=allowed)

    def list(self, request: Request) -> Reply:
        return self.page(self.get_queryset())

    def retrieve(self, request: Request, pk: str) -> Reply:
        return Reply(self.get_serializer(self.get_object()).data)

    def create(self, request: Request) -> Reply:
        data = self.validated(DatastoreSerializer)
        workspace = my_workspace(request, data["workspace"].pk)

        def respond() -> Reply:
            made = datastores.create_local_datastore(
                actor=request.user, workspace=workspace, name=data["name"], root=data["root"]
            )
            return Reply(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

        return remember_reply(request, respond)

    def destroy(self, request: Request, pk: str) -> Reply:
        datastores.delete_datastore(actor=request.user, datastore=self.get_object())
        return Reply(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=OpenApiTypes.OBJECT, parameters=[OpenApiParameter("path", str)])
    @action(detail=True, methods=["get"])
    def preview(self, request: Request, pk: str) -> Reply:
        """How many files a folder and glob would select, and the first of them."""
        datastore = get_object_or_404(self.scoped(), pk=pk)
        path = request.query_params.get("path", "")
        return Reply(asdict(datasets.preview(actor=request.user, datastore=datastore, path=path)))


def visible_datasets(request: Request) -> QuerySet[Dataset]:
    """Datasets the user may look into."""
    allowed = workspaces_where(request, Capability.PREVIEW_DATASETS)
    return Dataset.objects.visible_to(request.user).filter(workspace__in=allowed, deleted_at=None)


class DatasetViewSet(ScopedViewSet):
    """Named selections of files: make, look, scan, announce uploads, delete."""

    queryset = Dataset.objects.none()
    serializer_class = DatasetSerializer
    filters: ClassVar[dict[str, Any]] = {"workspace": by_workspace}

    def scoped(self) -> QuerySet[Dataset]:
        return visible_datasets(self.request)

    def list(self, request: Request) -> Reply:
        return self.page(self.get_queryset())

    def retrieve(self, request: Request, pk: str) -> Reply:
        return Reply(self.get_serializer(self.get_object()).data)

    def create(self, request: Request) -> Reply:
        data = self.validated(DatasetSerializer)
        workspace = my_workspace(request, data["workspace"].pk)
        datastore = None
        if data.get("datastore"):
            mine = Datastore.objects.visible_to(request.user).filter(workspace=workspace)
            datastore = get_object_or_404(mine, pk=data["datastore"].pk)

        def respond() -> Reply:
            made = datasets.create_dataset(
                actor=request.user,
                workspace=workspace,
                name=data["name"],
                kind=data["kind"],
                datastore=datastore,
                path=data.get("path", ""),
                description=data.get("description", ""),
            )
            return Reply(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

        return remember_reply(request, respond)

    def destroy(self, request: Request, pk: str) -> Reply:
        datasets.delete_dataset(actor=request.user, dataset=self.get_object())
        return Reply(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(methods=["get"], responses=DatasetVersionSerializer(many=True))
    @extend_schema(methods=["post"], request=None, responses={201: DatasetVersionSerializer})
    @action(detail=True, methods=["get", "post"])
    def versions(self, request: Request, pk: str) -> Reply:
        """GET: what was seen and when. POST: read the files again as a new version."""
        dataset = self.get_object()
        if request.method == "POST":

            def respond() -> Reply:
                made = datasets.start_version(actor=request.user, dataset=dataset)
                return Reply(DatasetVersionSerializer(made).data, status=status.HTTP_201_CREATED)

            return remember_reply(request, respond)
        rows = self.paginate_queryset(dataset.versions.select_related("job"))
        return self.get_paginated_response(DatasetVersionSerializer(rows, many=True).data)

    @extend_schema(methods=["get"], responses=UploadSerializer(many=True))
    @extend_schema(methods=["post"], request=BeginSerializer, responses={201: UploadSerializer(many=True)})
    @action(detail=True, methods=["get", "post"])
    def uploads(self, request: Request, pk: str) -> Reply:
        """POST announces up to 500 files and tells, for each, from which byte to send; GET lists them."""
        dataset = self.get_object()
        if request.method == "POST":
            data = self.validated(BeginSerializer)
            made = uploads.begin(actor=request.user, dataset=dataset, files=data["files"], overwrite=data["overwrite"])
            return Reply({"uploads": UploadSerializer(made, many=True).data}, status=status.HTTP_201_CREATED)
        rows = self.paginate_queryset(dataset.uploads.all())
        return self.get_paginated_response(UploadSerializer(rows, many=True).data)


class Bytes(BaseParser):
    """The body as it is, at most one chunk of it."""

    media_type = "application/octet-stream"

    def parse(self, stream: IO[bytes], media_type: str | None = None, context: Any = None) -> bytes:  # type: ignore[override]
        limit = settings.UPLOAD_CHUNK_BYTES
        chunk = stream.read(limit + 1)
        if len(chunk) > limit:
            raise errors.TooLarge(_("A chunk may have %d bytes at most.") % limit)
        return chunk


class UploadThrottle(ScopedRateThrottle):
    """Only sending is counted, not asking how far one is."""

    def allow_request(self, request: Request, view: Any) -> bool:
        return request.method != "PATCH" or super().allow_request(request, view)


class UploadViewSet(ScopedViewSet):
    """One file on its way in."""

    queryset = Upload.objects.none()
    serializer_class = UploadSerializer
    parser_classes = [Bytes]
    throttle_classes = [UploadThrottle]
    throttle_scope = "upload"

    def scoped(self) -> QuerySet[Upload]:
        mine = Upload.objects.visible_to(self.request.user).select_related("dataset__workspace")
        return mine.filter(dataset__in=visible_datasets(self.request))

    def retrieve(self, request: Request, pk: str) -> Reply:
        return Reply(self.get_serializer(self.get_object()).data)

    @extend_schema(
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses=UploadSerializer,
        parameters=[
            OpenApiParameter("Upload-Offset", int, OpenApiParameter.HEADER, required=True),
            OpenApiParameter("Upload-Sha256", str, OpenApiParameter.HEADER),
        ],
    )
    def partial_update(self, request: Request, pk: str) -> Reply:
        """Adds a chunk at Upload-Offset; a 409 tells under "received" which byte is next."""
        offset = request.headers.get("Upload-Offset", "")
        if not offset.isdecimal() or len(offset) > 18:
            raise errors.Invalid(_("The header Upload-Offset says at which byte this chunk begins."))
        changed = uploads.append(
            actor=request.user,
            upload=self.get_object(),
            offset=int(offset),
            chunk=request.data if isinstance(request.data, bytes) else b"",
            sha256=request.headers.get("Upload-Sha256", ""),
        )
        return Reply(self.get_serializer(changed).data)


class ItemViewSet(ScopedViewSet):
    """Files of dataset versions, refused ones with their reasons."""

    queryset = Item.objects.none()
    serializer_class = ItemSerializer
    filters: ClassVar[dict[str, Any]] = {
        "dataset_version": lambda rows, value: rows.filter(dataset_version_id=row_id(value)),
        "state": choice_filter("state", Item.State.values),
    }

    def scoped(self) -> QuerySet[Item]:
        mine = Item.objects.visible_to(self.request.user)
        return mine.filter(dataset_version__dataset__in=visible_datasets(self.request))

    def list(self, request: Request) -> Reply:
        return self.page(self.get_queryset())

    def retrieve(self, request: Request, pk: str) -> Reply:
        return Reply(self.get_serializer(self.get_object()).data)
