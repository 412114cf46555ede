"""Brings database and static files up to date, in a process of its own, and makes the first administrator's link.

Run as `python -m labeling_site.running.prepare`. The last line on standard output is JSON, {"setup_link": "…" or null}.
What refuses ends with exit code 3 and one sentence on standard error.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import django

REFUSED = 3


def without_password(url: str) -> str:
    """`url` fit for a terminal and a log."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":…@")))


def refuse(sentence: str) -> SystemExit:
    print(sentence, file=sys.stderr)  # noqa: T201  the supervisor reads it here
    return SystemExit(REFUSED)


def check_settings() -> None:
    """Refuses settings that system checks call an error; in production the deployment checks are among them."""
    from django.conf import settings
    from django.core import checks

    found = checks.run_checks()
    if settings.PRODUCTION:
        found += checks.run_checks(tags=[checks.Tags.security], include_deployment_checks=True)
    wrong = {f"{message.msg} {message.hint or ''}".strip() for message in found if message.level >= checks.ERROR}
    if wrong:
        raise refuse("The settings are not fit to run with. " + " ".join(sorted(wrong)))


def check_broker() -> None:
    import redis
    from django.conf import settings

    try:
        redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=10, socket_timeout=10).ping()
    except (redis.RedisError, ValueError, OSError) as error:
        raise refuse(
            f"The broker at {without_password(settings.REDIS_URL)} does not answer ({error}). Start it, or correct "
            "REDIS_URL; with REDIS_URL unset Tessera brings its own."
        ) from error


def migrate() -> None:
    from django.conf import settings
    from django.core.management import call_command
    from django.db import DatabaseError

    try:
        call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        if settings.USES_SQLITE and "full" in str(error):
            raise refuse(f"The disk that holds {settings.DATABASES['default']['NAME']} is full.") from error
        where = without_password(settings.DATABASE_URL)
        reason = str(error).strip().splitlines()[0]
        raise refuse(f"The database at {where} cannot be brought up to date ({reason}). Check DATABASE_URL.") from error


def static_state() -> str:
    """A hash of every static file's name, size and time: what a collection was made from."""
    from django.contrib.staticfiles.finders import get_finders

    digest = hashlib.sha256(django.get_version().encode())
    for finder in get_finders():
        for name, storage in finder.list(ignore_patterns=[]):
            facts = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def collect_static() -> None:
    """Collects static files under hashed names, unless that was done from the very same files."""
    from django.conf import settings
    from django.core.management import call_command

    state = static_state()
    note = settings.STATIC_ROOT / ".collected-from"
    if note.exists() and note.read_text(encoding="ascii") == state:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    note.write_text(state, encoding="ascii")


def make_setup_link() -> str | None:
    """The one-time address for the first administrator, None where there is one already."""
    from django.core.management import call_command

    answer = io.StringIO()
    call_command("setup_link", stdout=answer)
    return answer.getvalue().strip() or None


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling_site.settings")
    try:
        django.setup()
        check_settings()
        check_broker()
        migrate()
        collect_static()
        link = make_setup_link()
    except OSError as error:
        from labeling_site.core import env
        from labeling_site.running.preflight import explain

        raise refuse(str(explain(error, error.filename or env.home()))) from error
    print(json.dumps({"setup_link": link}))  # noqa: T201  the supervisor reads it here


if __name__ == "__main__":
    main()
