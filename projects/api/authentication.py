"""API keys as DRF authentication."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer tsk_…`. The user carries the key, so that access narrows to its workspace and rights."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        scheme, _space, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        from projects.services.api_keys import find_api_key

        key = find_api_key(secret.strip())
        if key is None:
            raise exceptions.AuthenticationFailed(_("This API key is unknown, expired or revoked."))
        key.user.api_key = key  # type: ignore[attr-defined]
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
