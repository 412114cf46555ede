"""People: the first administrator, and what everybody may change about oneself."""

from __future__ import annotations

import json
import re
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling_site.core import errors, throttle
from projects.models import SetupToken, User
from projects.services import preferences, tokens
from projects.services.names import clean_name

PREFERENCES_BYTES = 32 * 1024
PASSWORD_LENGTH = 1000  # hashing takes the longer, the longer it is
PASSWORD_TRIES = 10
_PREFERENCE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


# --- The first administrator -----------------------------------------------------------------------------------------


def make_setup_link() -> str | None:
    """A link that makes the first administrator, once. Older links stop working; None where there is one already."""
    with transaction.atomic():
        if _has_administrator():
            return None
        SetupToken.objects.filter(used_at=None).delete()
        token = tokens.new_token()
        SetupToken.objects.create(token_hash=tokens.token_hash(token))
    return tokens.link(f"/setup/{token}/")


def check_setup_token(token: str) -> None:
    """Raises NotFound unless this link can make the first administrator now."""
    known = SetupToken.objects.filter(token_hash=tokens.token_hash(token), used_at=None).exists()
    if not known or _has_administrator():
        raise _no_setup_link()


def create_first_admin(*, token: str, email: str, name: str, password: str, workspace_name: str) -> User:
    """Uses the set-up link: makes the administrator of the site and a workspace that this person owns.

    Raises NotFound for a link that is unknown, replaced or used, Invalid for details we cannot take.
    """
    from projects.services.workspaces import found_workspace

    with transaction.atomic():
        found = SetupToken.objects.select_for_update().filter(token_hash=tokens.token_hash(token), used_at=None).first()
        if found is None or _has_administrator():
            raise _no_setup_link()
        user = make_user(email=email, name=name, password=password, is_staff=True, is_superuser=True)
        found_workspace(owner=user, name=workspace_name)
        found.used_at = timezone.now()
        found.save(update_fields=["used_at"])
    return user


def _has_administrator() -> bool:
    return User.objects.filter(is_superuser=True, is_active=True).exists()


def _no_setup_link() -> errors.NotFound:
    return errors.NotFound(
        _("This set-up link is unknown, replaced or already used."),
        way_out=_("Sign in, or take the newest link from the terminal in which the site was started."),
    )


# --- Making people (only set-up links and invitations do) ------------------------------------------------------------


def make_user(*, email: str, name: str, password: str, **flags: bool) -> User:
    """A person with a checked address, name and password. It checks no right: callers hold a one-time link.

    Raises Conflict when the address has an account, Invalid for what cannot be taken, with a sentence per field.
    """
    address = clean_email(email)
    name = clean_name(name, slash=True)
    check_password_rules(password, User(email=address, name=name))
    try:
        with transaction.atomic():
            return User.objects.create_user(address, password, name=name, **flags)
    except IntegrityError:
        raise errors.Conflict(
            _("There is an account with this e-mail address already."),
            way_out=_("Sign in with it, then open the link again."),
            fields={"email": [_("This address has an account.")]},
        ) from None


def clean_email(value: str) -> str:
    """The address in lower case; raises Invalid when it is none."""
    address = value.strip().lower()
    try:
        validate_email(address)
        if len(address) > 254:
            raise ValidationError("long")
    except ValidationError:
        sentence = _("This is not an e-mail address.")
        raise errors.Invalid(
            sentence, way_out=_("It looks like name@example.org."), fields={"email": [sentence]}
        ) from None
    return address


def check_password_rules(password: str, user: User) -> None:
    """Raises Invalid with every rule that the password breaks."""
    try:
        if len(password) > PASSWORD_LENGTH:
            raise ValidationError(_("This password is longer than %d characters.") % PASSWORD_LENGTH)
        validate_password(password, user)
    except ValidationError as refusal:
        raise errors.Invalid(
            " ".join(refusal.messages), way_out=_("Choose another password."), fields={"password": refusal.messages}
        ) from None


# --- Oneself ---------------------------------------------------------------------------------------------------------


def require_person(actor: User) -> None:
    """Raises Forbidden for an API key: accounts, keys and memberships of oneself are changed by a signed-in person."""
    if getattr(actor, "api_key", None) is not None:
        raise errors.Forbidden(
            _("An API key cannot do this."), way_out=_("Sign in with your e-mail address and password.")
        )


def change_profile(*, actor: User, name: str) -> User:
    """Changes one's own name."""
    require_person(actor)
    actor.name = clean_name(name, slash=True)
    actor.save(update_fields=["name"])
    return actor


def change_password(*, actor: User, current: str, new: str) -> User:
    """Changes one's own password; every other session of this person ends. Raises Invalid when `current` is wrong.

    Raises TooMany beyond ten attempts a minute: a session that somebody left open is no place to guess it.
    """
    require_person(actor)
    throttle.count(
        f"password|{actor.pk}",
        limit=PASSWORD_TRIES,
        seconds=60,
        detail=_("Too many attempts to change the password."),
        way_out=_("Wait a minute and try again."),
    )
    if not actor.check_password(current):
        sentence = _("This is not your present password.")
        raise errors.Invalid(sentence, way_out=_("Type it again."), fields={"current": [sentence]})
    check_password_rules(new, actor)
    actor.set_password(new)
    actor.save(update_fields=["password"])
    return actor


def change_preferences(*, actor: User, changes: dict[str, Any]) -> dict[str, Any]:
    """Sets some of one's own preferences (None forgets one) and returns all. Their meaning belongs to the pages.

    Raises Invalid for a name that is not lower-case letters, digits, - and _, for a preference of the site that is not
    of its form (projects.services.preferences), and TooLarge when all together pass 32 KB.
    """
    require_person(actor)
    for name in changes:
        if not _PREFERENCE_NAME.fullmatch(name):
            raise errors.Invalid(_("A preference cannot be called “%s”.") % name[:60])
    preferences.check(changes)
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=actor.pk)
        kept = {name: value for name, value in (user.preferences | changes).items() if value is not None}
        if len(json.dumps(kept).encode()) > PREFERENCES_BYTES:
            raise errors.TooLarge(_("These preferences are too large to keep."), way_out=_("Remove some of them."))
        user.preferences = kept
        user.save(update_fields=["preferences"])
    actor.preferences = kept
    return kept
