"""Keys for programs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling_site.core import errors
from projects import access
from projects.access import Capability
from projects.models import ApiKey, User, Workspace
from projects.services import tokens
from projects.services.accounts import require_person
from projects.services.names import clean_name

SECRET_BEGINS = "tsk_"  # noqa: S105  what leak scanners recognise, no secret
SHOWN_CHARACTERS = 12
USE_NOTED_EVERY = timedelta(minutes=1)


def create_api_key(
    *,
    actor: User,
    workspace: Workspace,
    name: str,
    capabilities: Iterable[str],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A key and its secret, which nobody can read again later. Every key may see its workspace and the projects there.

    Raises Forbidden for a capability that the actor lacks: a key never does what its person may not.
    """
    require_person(actor)
    wanted = set(capabilities)
    unknown = wanted - set(Capability.values)
    if unknown or not wanted:
        sentence = (
            _("There is no right called %s.") % ", ".join(sorted(unknown)) if unknown else _("A key needs a right.")
        )
        raise errors.Invalid(
            sentence,
            way_out=_("Choose from: %s.") % ", ".join(Capability.values),
            fields={"capabilities": [sentence]},
        )
    if expires_at is not None and expires_at <= timezone.now():
        sentence = _("The key would have expired already.")
        raise errors.Invalid(sentence, way_out=_("Choose a later time."), fields={"expires_at": [sentence]})
    name = clean_name(name, limit=80, slash=True)
    wanted |= set(access.READING)
    with transaction.atomic():
        for capability in sorted(wanted):
            access.require(actor, Capability(capability), workspace)
        secret = SECRET_BEGINS + tokens.new_token()
        key = ApiKey.objects.create(
            user=actor,
            workspace=workspace,
            name=name,
            prefix=secret[:SHOWN_CHARACTERS],
            key_hash=tokens.token_hash(secret),
            capabilities=sorted(wanted),
            expires_at=expires_at,
        )
    return key, secret


def revoke_api_key(*, actor: User, api_key: ApiKey) -> ApiKey:
    """Ends a key at once; twice is once. One's own needs no right, another's the right to manage members."""
    with transaction.atomic():
        api_key = ApiKey.objects.select_for_update().get(pk=api_key.pk)
        if api_key.user_id == actor.pk:
            require_person(actor)
        else:
            access.require(actor, Capability.MANAGE_MEMBERS, api_key.workspace_id)
        if api_key.revoked_at is None:
            api_key.revoked_at = timezone.now()
            api_key.save(update_fields=["revoked_at", "updated_at"])
    return api_key


def _working(now: datetime) -> QuerySet[ApiKey]:
    unexpired = Q(expires_at=None) | Q(expires_at__gt=now)
    rows: QuerySet[ApiKey] = ApiKey.objects.filter(unexpired, revoked_at=None)
    return rows.select_related("user", "workspace")


def actor_again(user_id: int, key_id: int | None) -> User | None:
    """Who acted earlier, in person or through a key, with the rights of now; None once the account or key has ended."""
    if key_id is None:
        return User.objects.filter(pk=user_id, is_active=True).first()
    key = _working(timezone.now()).filter(pk=key_id, user_id=user_id, user__is_active=True).first()
    if key is None:
        return None
    key.user.api_key = key  # type: ignore[attr-defined]
    return key.user


def find_api_key(secret: str) -> ApiKey | None:
    """The key of this secret if it works now: known, neither revoked nor expired, its person active and a member.

    Notes the use, at most once a minute.
    """
    if not secret.startswith(SECRET_BEGINS):
        return None
    now = timezone.now()
    key: ApiKey | None = _working(now).filter(key_hash=tokens.token_hash(secret)).first()
    # No capability is left to people who were deactivated or removed, nor to anybody in a deleted workspace.
    if key is None or not access.capabilities(key.user, key.workspace_id):
        return None
    # Asked here and not in the UPDATE: on SQLite even one that changes nothing waits for the write lock.
    if key.last_used_at is None or key.last_used_at < now - USE_NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key
