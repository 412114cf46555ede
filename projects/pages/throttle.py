"""Counts attempts to sign in and up, so that neither passwords nor addresses can be guessed at leisure."""

from __future__ import annotations

from django.utils.translation import gettext as _

from labeling_site.core import throttle

WINDOW_SECONDS = 60
TRIES_PER_ADDRESS_AND_EMAIL = 10
# A shared office has one address; a password sprayer also has one.
TRIES_PER_ADDRESS = 100
TRIES_PER_LINK = 10


def count_sign_in(address: str, email: str) -> None:
    """Counts one attempt; TooMany beyond ten a minute for one address and e-mail, or a hundred for one address."""
    _count(f"{address}|{email.strip().lower()}", TRIES_PER_ADDRESS_AND_EMAIL)
    _count(address, TRIES_PER_ADDRESS)


def count_sign_up(link: str) -> None:
    """Counts one attempt to use an invitation or set-up link; TooMany beyond ten a minute, from wherever they come.

    Whoever holds a link could else ask for one address after the other whether it has an account.
    """
    _count(f"link|{link}", TRIES_PER_LINK, _("Too many attempts with this link."))


def _count(subject: str, limit: int, detail: str = "") -> None:
    throttle.count(
        f"sign-in|{subject}",
        limit=limit,
        seconds=WINDOW_SECONDS,
        detail=detail or _("Too many attempts to sign in."),
        way_out=_("Wait a minute and try again."),
    )
