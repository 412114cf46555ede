"""Counts attempts to sign in, so that passwords cannot be guessed at leisure."""

from __future__ import annotations

import hashlib

from django.core.cache import cache
from django.utils.translation import gettext as _

from labeling_site.core import errors

WINDOW_SECONDS = 60
TRIES_PER_ADDRESS_AND_EMAIL = 10
# A shared office has one address; a password sprayer also has one.
TRIES_PER_ADDRESS = 100


def count_sign_in(address: str, email: str) -> None:
    """Counts one attempt; TooMany beyond ten a minute for one address and e-mail, or a hundred for one address."""
    _count(f"{address}|{email.strip().lower()}", TRIES_PER_ADDRESS_AND_EMAIL)
    _count(address, TRIES_PER_ADDRESS)


def _count(subject: str, limit: int) -> None:
    key = "sign-in:" + hashlib.sha256(subject.encode()).hexdigest()
    cache.add(key, 0, WINDOW_SECONDS)
    try:
        tries = cache.incr(key)
    except ValueError:  # the window ended between the two calls
        cache.set(key, 1, WINDOW_SECONDS)
        tries = 1
    if tries > limit:
        raise errors.TooMany(
            _("Too many attempts to sign in."), way_out=_("Wait a minute and try again."), retry_after=WINDOW_SECONDS
        )
