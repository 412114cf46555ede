"""Workspaces, members, roles, invitations, API keys and oneself."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response as Reply

from labeling_site.core.api import OwnRow, ScopedViewSet, refuse_unknown, remember_reply
from projects import access
from projects.access import Capability
from projects.api.views import InWorkspace
from projects.models import ApiKey, Invitation, Membership, Role, User, Workspace
from projects.services import accounts, api_keys, invitations, workspaces


class WorkspaceSerializer(serializers.ModelSerializer[Workspace]):
    capabilities = serializers.SerializerMethodField(help_text="What you may do here.")

    class Meta:
        model = Workspace
        fields = ["id", "name", "created_at", "capabilities"]
        read_only_fields = ["id", "created_at"]

    def get_capabilities(self, workspace: Workspace) -> list[str]:
        return sorted(access.capabilities(self.context["request"].user, workspace))


class RoleSerializer(serializers.ModelSerializer[Role]):
    class Meta:
        model = Role
        fields = ["id", "key", "name", "description", "capabilities"]


class MemberSerializer(serializers.ModelSerializer[Membership]):
    serializer_related_field = OwnRow
    name = serializers.CharField(source="user.name", read_only=True)
    email = serializers.CharField(source="user.email", read_only=True)
    role_key = serializers.CharField(source="role.key", read_only=True)

    class Meta:
        model = Membership
        fields = ["id", "user", "name", "email", "role", "role_key", "created_at"]
        read_only_fields = ["id", "user", "created_at"]


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    serializer_related_field = OwnRow
    days = serializers.IntegerField(write_only=True, default=7)

    class Meta:
        model = Invitation
        fields = ["id", "role", "email", "days", "created_at", "expires_at", "accepted_at", "revoked_at"]
        read_only_fields = ["id", "created_at", "expires_at", "accepted_at", "revoked_at"]


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    capabilities = serializers.ListField(child=serializers.CharField(max_length=100), max_length=100)

    class Meta:
        model = ApiKey
        fields = ["id", "name", "prefix", "capabilities", "expires_at", "last_used_at", "revoked_at", "created_at"]
        read_only_fields = ["id", "prefix", "last_used_at", "revoked_at", "created_at"]


class MeSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "email", "name", "preferences"]
        read_only_fields = ["id", "email"]


class PasswordSerializer(serializers.Serializer[Any]):
    current = serializers.CharField()
    new = serializers.CharField()


def roles_of(workspace: Workspace) -> QuerySet[Role]:
    """Built-in roles and those of this workspace."""
    return Role.objects.filter(Q(workspace=None) | Q(workspace=workspace))


class WorkspaceViewSet(ScopedViewSet):
    """The workspaces that you belong to."""

    queryset = Workspace.objects.none()
    serializer_class = WorkspaceSerializer

    def scoped(self) -> QuerySet[Workspace]:
        return Workspace.objects.visible_to(self.request.user)

    def list(self, request: Request) -> Reply:
        return self.page(self.get_queryset())

    def retrieve(self, request: Request, pk: str) -> Reply:
        return Reply(self.get_serializer(self.get_object()).data)

    def create(self, request: Request) -> Reply:
        data = self.validated(WorkspaceSerializer)

        def respond() -> Reply:
            made = workspaces.create_workspace(actor=request.user, name=data["name"])
            return Reply(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

        return remember_reply(request, respond)

    def partial_update(self, request: Request, pk: str) -> Reply:
        data = self.validated(WorkspaceSerializer)
        changed = workspaces.rename_workspace(actor=request.user, workspace=self.get_object(), name=data["name"])
        return Reply(self.get_serializer(changed).data)

    def destroy(self, request: Request, pk: str) -> Reply:
        workspaces.delete_workspace(actor=request.user, workspace=self.get_object())
        return Reply(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=RoleSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None)
    def roles(self, request: Request, pk: str) -> Reply:
        """The roles one can give here."""
        return Reply(RoleSerializer(roles_of(self.get_object()), many=True).data)


class MemberViewSet(InWorkspace):
    """Who belongs to a workspace, in which role; people without the right to see dashboards see themselves only."""

    queryset = Membership.objects.none()
    serializer_class = MemberSerializer

    def scoped(self) -> QuerySet[Membership]:
        rows: QuerySet[Membership] = super().scoped().select_related("user", "role")
        if access.may(self.request.user, Capability.READ_SUMMARY, self.workspace()):
            return rows
        return rows.filter(user=self.request.user)  # a labeler sees nobody but herself

    def list(self, request: Request, workspace_pk: str) -> Reply:
        return self.page(self.get_queryset())

    def retrieve(self, request: Request, workspace_pk: str, pk: str) -> Reply:
        return Reply(self.get_serializer(self.get_object()).data)

    def partial_update(self, request: Request, workspace_pk: str, pk: str) -> Reply:
        member = self.get_object()
        role = get_object_or_404(roles_of(member.workspace), pk=self.validated(MemberSerializer)["role"].pk)
        return Reply(self.get_serializer(workspaces.change_role(actor=request.user, membership=member, role=role)).data)

    def destroy(self, request: Request, workspace_pk: str, pk: str) -> Reply:
        workspaces.remove_member(actor=request.user, membership=self.get_object())
        return Reply(status=status.HTTP_204_NO_CONTENT)


class InvitationViewSet(InWorkspace):
    """Links by which people join, for those who manage members."""

    queryset = Invitation.objects.none()
    serializer_class = InvitationSerializer

    def scoped(self) -> QuerySet[Invitation]:
        access.require(self.request.user, Capability.MANAGE_MEMBERS, self.workspace())
        rows: QuerySet[Invitation] = super().scoped()
        return rows

    def list(self, request: Request, workspace_pk: str) -> Reply:
        return self.page(self.get_queryset())

    @extend_schema(responses={201: OpenApiTypes.OBJECT})
    def create(self, request: Request, workspace_pk: str) -> Reply:
        """The reply holds "url", the link to send; it cannot be read again, not even with an Idempotency-Key."""
        workspace = self.workspace()
        data = self.validated(InvitationSerializer)
        role = get_object_or_404(roles_of(workspace), pk=data["role"].pk)
        made, url = invitations.invite(
            actor=request.user, workspace=workspace, role=role, email=data.get("email", ""), days=data["days"]
        )
        return Reply(self.get_serializer(made).data | {"url": url}, status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, workspace_pk: str, pk: str) -> Reply:
        invitations.revoke_invitation(actor=request.user, invitation=self.get_object())
        return Reply(status=status.HTTP_204_NO_CONTENT)


class ApiKeyViewSet(InWorkspace):
    """One's own keys; whoever manages members sees and revokes all."""

    queryset = ApiKey.objects.none()
    serializer_class = ApiKeySerializer

    def scoped(self) -> QuerySet[ApiKey]:
        rows: QuerySet[ApiKey] = super().scoped()
        if access.may(self.request.user, Capability.MANAGE_MEMBERS, self.workspace()):
            return rows
        return rows.filter(user=self.request.user)

    def list(self, request: Request, workspace_pk: str) -> Reply:
        return self.page(self.get_queryset())

    @extend_schema(responses={201: OpenApiTypes.OBJECT})
    def create(self, request: Request, workspace_pk: str) -> Reply:
        """The reply holds "secret", the key itself; it cannot be read again, nor made with another API key."""
        data = self.validated(ApiKeySerializer)
        made, secret = api_keys.create_api_key(
            actor=request.user,
            workspace=self.workspace(),
            name=data["name"],
            capabilities=data["capabilities"],
            expires_at=data.get("expires_at"),
        )
        return Reply(self.get_serializer(made).data | {"secret": secret}, status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, workspace_pk: str, pk: str) -> Reply:
        api_keys.revoke_api_key(actor=request.user, api_key=self.get_object())
        return Reply(status=status.HTTP_204_NO_CONTENT)


class MeViewSet(ScopedViewSet):
    """The person who is asking."""

    queryset = User.objects.none()
    serializer_class = MeSerializer

    @extend_schema(responses=MeSerializer)
    def retrieve(self, request: Request) -> Reply:
        return Reply(MeSerializer(request.user).data)

    @extend_schema(request=MeSerializer, responses=MeSerializer)
    def partial_update(self, request: Request) -> Reply:
        """Changes the name, or merges preferences."""
        serializer = MeSerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        refuse_unknown(serializer)
        data = serializer.validated_data
        if "name" in data:
            accounts.change_profile(actor=request.user, name=data["name"])
        if "preferences" in data:
            accounts.change_preferences(actor=request.user, changes=data["preferences"])
        request.user.refresh_from_db()
        return Reply(MeSerializer(request.user).data)

    @extend_schema(request=PasswordSerializer, responses={204: None})
    def password(self, request: Request) -> Reply:
        data = self.validated(PasswordSerializer)
        accounts.change_password(actor=request.user, current=data["current"], new=data["new"])
        update_session_auth_hash(request._request, request.user)  # this session goes on, all others end
        return Reply(status=status.HTTP_204_NO_CONTENT)


class AcceptInvitationSerializer(serializers.Serializer[Any]):
    token = serializers.CharField()


class AcceptInvitationViewSet(ScopedViewSet):
    """Joins a workspace with the signed-in account; new accounts are made on the invitation's page."""

    queryset = Membership.objects.none()
    serializer_class = AcceptInvitationSerializer

    @extend_schema(request=AcceptInvitationSerializer, responses={201: MemberSerializer})
    def create(self, request: Request) -> Reply:
        token = self.validated(AcceptInvitationSerializer)["token"]
        member = invitations.accept_invitation(token=token, actor=request.user)
        return Reply(MemberSerializer(member).data, status=status.HTTP_201_CREATED)
