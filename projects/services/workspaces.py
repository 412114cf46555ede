"""Workspaces and who may do what in them."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling_site.core import errors, events, jobs
from labeling_site.core.models import Job
from projects import access
from projects.access import Capability
from projects.models import Membership, Role, User, Workspace
from projects.services import datastores
from projects.services.accounts import require_person
from projects.services.names import clean_name

OWNER = "owner"


# --- Workspaces ------------------------------------------------------------------------------------------------------


def found_workspace(*, owner: User, name: str) -> Workspace:
    """A new workspace with its first owner and the site's storage as default datastore. Callers check who may."""
    name = clean_name(name, field="workspace_name", slash=True)
    with transaction.atomic():
        workspace = Workspace.objects.create(name=name)
        role = Role.objects.get(workspace=None, key=OWNER)
        Membership.objects.create(workspace=workspace, user=owner, role=role)
        datastores.site_datastore(workspace)
    return workspace


def may_create_workspaces(user: User) -> bool:
    """Administrators of the site, and people who run a workspace already."""
    if getattr(user, "api_key", None) is not None or not user.is_active:
        return False
    if access.is_administrator(user):
        return True
    held = Membership.objects.filter(user=user, workspace__deleted_at=None).values_list("role__capabilities", flat=True)
    return any(Capability.MANAGE_WORKSPACE in capabilities for capabilities in held)


def create_workspace(*, actor: User, name: str) -> Workspace:
    """A workspace of one's own. Raises Forbidden for people who run no workspace: they join by invitation."""
    require_person(actor)
    if not may_create_workspaces(actor):
        raise errors.Forbidden(
            _("Your role does not include the right to create workspaces."),
            way_out=_("Ask an administrator of the site, or an owner of a workspace, to invite you."),
        )
    return found_workspace(owner=actor, name=clean_name(name, slash=True))


def rename_workspace(*, actor: User, workspace: Workspace, name: str) -> Workspace:
    with transaction.atomic():
        workspace = lock(workspace)
        access.require(actor, Capability.MANAGE_WORKSPACE, workspace)
        workspace.name = clean_name(name, slash=True)
        workspace.save(update_fields=["name", "updated_at"])
        events.publish(topic(workspace))
    return workspace


def delete_workspace(*, actor: User, workspace: Workspace) -> Workspace:
    """Takes the workspace out of everybody's sight and stops its jobs. Its rows and files stay."""
    with transaction.atomic():
        workspace = lock(workspace)
        access.require(actor, Capability.MANAGE_WORKSPACE, workspace)
        workspace.deleted_at = timezone.now()
        workspace.save(update_fields=["deleted_at", "updated_at"])
        jobs.cancel_all(Job.objects.filter(tenant_id=workspace.pk))
        events.publish(topic(workspace))
    return workspace


# --- Members ---------------------------------------------------------------------------------------------------------


def change_role(*, actor: User, membership: Membership, role: Role) -> Membership:
    """Gives a member another role. Nobody gives, or takes from others, rights that he or she lacks.

    Raises Conflict when the workspace would be left without a person who may manage its members.
    """
    with transaction.atomic():
        workspace = lock(membership.workspace)
        access.require(actor, Capability.MANAGE_MEMBERS, workspace)
        membership = _locked_membership(membership)
        check_grant(actor, workspace, membership.role)
        check_grant(actor, workspace, role)
        if Capability.MANAGE_MEMBERS not in role.capabilities:
            _check_someone_stays(workspace, membership)
        membership.role = role
        membership.save(update_fields=["role", "updated_at"])
        events.publish(topic(workspace))
    return membership


def remove_member(*, actor: User, membership: Membership) -> None:
    """Ends a membership; one's own needs no right. What the person labeled stays, API keys for the workspace end.

    Raises Conflict when the workspace would be left without a person who may manage its members.
    """
    with transaction.atomic():
        workspace = lock(membership.workspace)
        membership = _locked_membership(membership)
        if membership.user_id == actor.pk:
            require_person(actor)
        else:
            access.require(actor, Capability.MANAGE_MEMBERS, workspace)
            check_grant(actor, workspace, membership.role)
        _check_someone_stays(workspace, membership)
        workspace.api_keys.filter(user_id=membership.user_id, revoked_at=None).update(revoked_at=timezone.now())
        membership.delete()
        events.publish(topic(workspace))


def check_grant(actor: User, workspace: Workspace, role: Role) -> None:
    """Raises Forbidden when `role` holds a capability that the actor lacks, NotFound for another workspace's role.

    Administrators of the site pass, so that a workspace whose last owner left for good can be given a new one.
    """
    if role.workspace_id not in (None, workspace.pk):
        raise errors.NotFound(_("There is no such role here."))
    if access.is_administrator(actor):
        return
    missing = set(role.capabilities) - access.capabilities(actor, workspace)
    if missing:
        raise errors.Forbidden(
            _("The role %s includes rights that you do not have.") % role.name,
            way_out=_("Ask an owner of the workspace."),
            missing=sorted(missing),
        )


def topic(workspace: Workspace) -> str:
    """The hint topic of a workspace, as in workspace:7."""
    return f"workspace:{workspace.pk}"


def lock(workspace: Workspace) -> Workspace:
    """The workspace's row, locked: changes of its people wait for each other. Raises NotFound once it is deleted."""
    row = Workspace.objects.select_for_update().filter(pk=workspace.pk, deleted_at=None).first()
    if row is None:
        raise errors.NotFound(_("There is no such thing here, or it is not yours to see."))
    return row


def _locked_membership(membership: Membership) -> Membership:
    row = Membership.objects.select_related("role", "user").filter(pk=membership.pk).first()
    if row is None:
        raise errors.NotFound(_("This person is no longer a member."))
    return row


def _check_someone_stays(workspace: Workspace, leaving: Membership) -> None:
    """Call it with the workspace locked."""
    if Capability.MANAGE_MEMBERS not in leaving.role.capabilities:
        return
    others = workspace.memberships.filter(user__is_active=True).exclude(pk=leaving.pk)
    if not any(Capability.MANAGE_MEMBERS in held for held in others.values_list("role__capabilities", flat=True)):
        raise errors.Conflict(
            _("%s is the last person here who may manage members.") % leaving.user,
            way_out=_("Make somebody else an owner first."),
        )
