"""The admin's system page: workers, queues, storage, versions."""

from __future__ import annotations

import platform
import shutil
import sys
import time
from importlib import metadata
from typing import Any

import django
from django.conf import settings
from django.contrib import admin
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from labeling_site import broker
from labeling_site.core.models import Job

PACKAGES = ["Django", "djangorestframework", "channels", "dramatiq", "uvicorn", "pillow", "pydicom", "numpy"]


def system_page(request: HttpRequest) -> HttpResponse:
    """Whether each part answers, what waits in the queues, how much room is left. Superusers only."""
    if not request.user.is_superuser:
        return render(request, "errors/403.html", status=403)
    context = admin.site.each_context(request) | {
        "title": _("System"),
        "workers": _workers(),
        "queues": _queues(),
        "jobs": Job.objects.values("state").annotate(count=Count("pk")).order_by("state"),
        "storage": _storage(),
        "database": _database(),
        "versions": _versions(),
        "public_url": settings.PUBLIC_URL,
        "home": settings.HOME,
    }
    return render(request, "admin/system.html", context)


def _redis() -> Any:
    import redis

    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2)


def _workers() -> dict[str, Any]:
    """Workers that spoke to the broker within the last minute; dramatiq keeps one heartbeat each."""
    import redis

    try:
        beats = _redis().zrange("dramatiq:__heartbeats__", 0, -1, withscores=True)
    except redis.RedisError as error:
        return {"error": str(error), "rows": []}
    now = time.time() * 1000
    rows = [{"name": name.decode()[:8], "seconds": round((now - score) / 1000, 1)} for name, score in beats]
    return {"error": "", "rows": [row for row in rows if row["seconds"] < 60]}


def _queues() -> list[dict[str, Any]]:
    import redis

    client = _redis()
    rows = []
    for name in broker.QUEUES:
        try:
            rows.append({"name": name, "waiting": client.llen(f"dramatiq:{name}"), "error": ""})
        except redis.RedisError as error:
            rows.append({"name": name, "waiting": None, "error": str(error)})
    return rows


def _storage() -> dict[str, Any]:
    disk = shutil.disk_usage(settings.HOME)
    return {
        "backend": f"{type(default_storage._wrapped).__module__}.{type(default_storage._wrapped).__name__}"  # type: ignore[attr-defined]
        if hasattr(default_storage, "_wrapped")
        else type(default_storage).__name__,
        "free": disk.free,
        "total": disk.total,
        "percent_free": 100 * disk.free // disk.total,
    }


def _database() -> dict[str, Any]:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sqlite_version()")
        else:
            cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    name = str(connection.settings_dict["NAME"])
    return {"vendor": connection.vendor, "version": version, "name": name}


def _versions() -> list[tuple[str, str]]:
    rows = [("Tessera", settings.VERSION), ("Python", sys.version.split()[0]), ("System", platform.platform())]
    rows += [(name, metadata.version(name)) for name in PACKAGES if name != "Django"]
    return [*rows, ("Django", django.get_version())]
