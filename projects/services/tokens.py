"""Secrets that travel once and are kept only as hashes."""

from __future__ import annotations

import hashlib
import secrets

from django.conf import settings


def new_token() -> str:
    """256 random bits, safe in an address."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What we keep and look tokens up by. They are random, so a fast hash without salt guards them enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def link(path: str) -> str:
    """An address that people can open, from a path such as /setup/…/."""
    return f"{settings.PUBLIC_URL}{path}"
