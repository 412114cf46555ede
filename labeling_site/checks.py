"""System checks that refuse a production site with unsafe settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.security)
def production_is_safe(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Errors for what must not run in front of other people; silent on a loopback installation."""
    if not settings.PRODUCTION:
        return []
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(Error("DEBUG is on.", hint="Unset DEBUG.", id="tessera.E001"))
    key = settings.SECRET_KEY
    if len(key) < 40 or len(set(key)) < 10 or key.startswith(("django-insecure", "changeme")):
        found.append(
            Error(
                "SECRET_KEY is short or known.",
                hint="Unset it to have one generated, or use 50 random characters.",
                id="tessera.E002",
            )
        )
    if not settings.IS_HTTPS and not settings.IS_LOOPBACK:
        found.append(
            Error(
                f"PUBLIC_URL {settings.PUBLIC_URL} is plain http: passwords and sessions would travel in the clear.",
                hint="Put the site behind a proxy with TLS and set PUBLIC_URL=https://…",
                id="tessera.E003",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(Error("EXTRA_HOSTS holds *.", hint="Name the hosts.", id="tessera.E004"))
    if settings.USES_SQLITE:
        found.append(
            Warning(
                "The database is SQLite.", hint="Fine for one machine; set DATABASE_URL for more.", id="tessera.W001"
            )
        )
    return found
