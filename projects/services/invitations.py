"""Invitations: links by which people join a workspace, each used once."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling_site.core import errors, events
from projects import access
from projects.access import Capability
from projects.models import Invitation, Membership, Role, User, Workspace
from projects.services import tokens, workspaces
from projects.services.accounts import clean_email, make_user, require_person

MAX_DAYS = 30


def invite(*, actor: User, workspace: Workspace, role: Role, email: str = "", days: int = 7) -> tuple[Invitation, str]:
    """An invitation and its link, which nobody can read again later. With `email` only that address can use it.

    Raises Forbidden when the role holds rights that the actor lacks.
    """
    if not 1 <= days <= MAX_DAYS:
        sentence = _("An invitation is valid for 1 to %d days.") % MAX_DAYS
        raise errors.Invalid(sentence, fields={"days": [sentence]})
    address = clean_email(email) if email.strip() else ""
    with transaction.atomic():
        workspace = workspaces.lock(workspace)
        access.require(actor, Capability.MANAGE_MEMBERS, workspace)
        workspaces.check_grant(actor, workspace, role)
        if address and workspace.memberships.filter(user__email=address).exists():
            raise errors.Conflict(_("This person is a member already."), way_out=_("Change the role instead."))
        token = tokens.new_token()
        invitation = Invitation.objects.create(
            workspace=workspace,
            role=role,
            email=address,
            token_hash=tokens.token_hash(token),
            created_by=actor,
            expires_at=timezone.now() + timedelta(days=days),
        )
        events.publish(workspaces.topic(workspace))
    return invitation, tokens.link(f"/invitations/{token}/")


def revoke_invitation(*, actor: User, invitation: Invitation) -> Invitation:
    """Makes an open invitation useless. Raises Conflict when somebody used it already."""
    with transaction.atomic():
        workspace = workspaces.lock(invitation.workspace)
        access.require(actor, Capability.MANAGE_MEMBERS, workspace)
        invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
        if invitation.accepted_at:
            raise errors.Conflict(_("This invitation was used already."), way_out=_("Remove the member instead."))
        if not invitation.revoked_at:
            invitation.revoked_at = timezone.now()
            invitation.save(update_fields=["revoked_at", "updated_at"])
            events.publish(workspaces.topic(workspace))
    return invitation


def find_invitation(token: str) -> Invitation:
    """The open invitation behind a link. Raises NotFound for an unknown one, Gone for one that no longer works.

    An invitation works only while the person who made it could still make it.
    """
    found = (
        Invitation.objects.select_related("workspace", "role", "created_by")
        .filter(token_hash=tokens.token_hash(token), workspace__deleted_at=None)
        .first()
    )
    if found is None:
        raise errors.NotFound(_("This invitation is unknown."), way_out=_("Check that the whole link was copied."))
    is_over = found.accepted_at or found.revoked_at or found.expires_at <= timezone.now()
    if is_over or not _may_still_invite(found):
        raise errors.Gone(_("This invitation was used, withdrawn, or is too old."), way_out=_("Ask for a new one."))
    return found


def _may_still_invite(invitation: Invitation) -> bool:
    if access.is_administrator(invitation.created_by):
        return True
    held = access.capabilities(invitation.created_by, invitation.workspace_id)
    return Capability.MANAGE_MEMBERS in held and held >= set(invitation.role.capabilities)


def accept_invitation(
    *, token: str, actor: User | None = None, email: str = "", name: str = "", password: str = ""
) -> Membership:
    """Joins with the actor's account, or, when nobody is signed in, with a new one made of email, name, password.

    Raises Forbidden when the invitation is for another address, Conflict when the person is a member already.
    """
    if actor is not None:
        require_person(actor)
    with transaction.atomic():
        workspace = workspaces.lock(find_invitation(token).workspace)
        invitation = find_invitation(token)  # again: somebody may have used it while we waited
        address = actor.email if actor is not None else clean_email(email or invitation.email)
        if invitation.email and address != invitation.email:
            raise errors.Forbidden(
                _("This invitation is for another e-mail address."),
                way_out=_("Use the address that it was sent to, or ask for a new invitation."),
            )
        person = actor or make_user(email=address, name=name, password=password)
        if workspace.memberships.filter(user=person).exists():
            raise errors.Conflict(_("You are a member of this workspace already."))
        membership = Membership.objects.create(workspace=workspace, user=person, role=invitation.role)
        invitation.accepted_by, invitation.accepted_at = person, timezone.now()
        invitation.save(update_fields=["accepted_by", "accepted_at", "updated_at"])
        events.publish(workspaces.topic(workspace))
    return membership
