"""The admin's system page: workers, queues, storage, versions. A part that is away is named; the page still opens."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.files.storage import FileSystemStorage, storages
from django.db import connection
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from labeling_site import broker
from labeling_site.core.models import Job

PACKAGES = ["djangorestframework", "channels", "dramatiq", "uvicorn", "pillow", "pydicom", "numpy"]
WORKER_SILENT_SECONDS = 60
LOW_DISK_PERCENT = 5
BROKER_TIMEOUT_SECONDS = 2


@dataclass
class Part:
    """What one part of the site said, or in `trouble` why it did not."""

    rows: Any = field(default_factory=list)
    trouble: str = ""


@require_safe
def system_page(request: HttpRequest) -> HttpResponse:
    """Whether each part answers, what waits in the queues, how much room is left. Superusers only."""
    if not request.user.is_superuser:
        raise PermissionDenied
    parts = {
        "broker": _ask(_broker),
        "jobs": _ask(_jobs),
        "disk": _ask(_disk),
        "storage": _ask(_storage),
        "database": _ask(_database),
    }
    backends: dict[str, Any] = settings.STORAGES
    context: dict[str, Any] = admin.site.each_context(request) | parts
    context |= {
        "title": _("System"),
        "notes": _notes(parts),
        "versions": _versions(),
        "public_url": settings.PUBLIC_URL,
        "home": settings.HOME,
        "storage_backend": backends["default"]["BACKEND"].rpartition(".")[2],
    }
    return render(request, "admin/system.html", context)


def _ask(question: Callable[[], Any]) -> Part:
    try:
        return Part(rows=question())
    except Exception as error:  # whatever it is, it is shown: this page is for the day on which parts fail
        return Part(trouble=f"{type(error).__name__}: {error}"[:500])


def _broker() -> dict[str, Any]:
    """Workers that said they live within the last minute, and how many messages wait in each queue."""
    import redis

    client: Any = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=BROKER_TIMEOUT_SECONDS, socket_connect_timeout=BROKER_TIMEOUT_SECONDS
    )
    try:
        now = time.time()
        heard = client.zrangebyscore(broker.WORKERS, now - WORKER_SILENT_SECONDS, "+inf", withscores=True)
        return {
            "workers": [{"name": name.decode(), "seconds": max(0, round(now - beat))} for name, beat in heard],
            "queues": [{"name": name, "waiting": client.llen(f"dramatiq:{name}")} for name in broker.QUEUES],
        }
    finally:
        client.close()


def _jobs() -> dict[str, Any]:
    labels = dict(Job.State.choices)
    counted = Job.objects.order_by().values("state").annotate(count=Count("pk"))
    found = {row["state"]: row["count"] for row in counted}
    oldest = Job.objects.filter(state=Job.State.QUEUED).aggregate(oldest=Min("created_at"))["oldest"]
    states = [(state, label, found[state]) for state, label in labels.items() if state in found]
    return {"states": states, "oldest_waiting": oldest}


def _disk() -> dict[str, int]:
    disk = shutil.disk_usage(settings.HOME)
    return {"free": disk.free, "total": disk.total, "percent_free": 100 * disk.free // disk.total}


def _storage() -> str:
    """Asks the store one question. A folder is also listed, as a missing right to read it shows only then."""
    store = storages["default"]
    store.exists("there-is-no-such-file")
    if isinstance(store, FileSystemStorage) and Path(store.location).exists():
        os.scandir(store.location).close()
    return _("answers")


def _database() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()" if connection.vendor == "sqlite" else "SHOW server_version")
        version = cursor.fetchone()[0]
    return {"vendor": connection.vendor, "version": version, "name": str(connection.settings_dict["NAME"])}


def _notes(parts: dict[str, Part]) -> list[str]:
    """What an administrator should act on, in sentences."""
    notes = []
    if parts["broker"].trouble:
        notes.append(_("The broker does not answer. Jobs are kept and start when it is back; pages do not update."))
    elif not parts["broker"].rows["workers"]:
        notes.append(_("No worker has been heard in the last minute. Jobs wait until one starts."))
    if parts["storage"].trouble:
        notes.append(_("The file storage does not answer. Images, uploads and exports fail until it does."))
    if parts["disk"].trouble:
        notes.append(_("The data folder cannot be read."))
    elif parts["disk"].rows["percent_free"] < LOW_DISK_PERCENT:
        notes.append(_("The disk of the data folder is almost full."))
    if parts["database"].trouble or parts["jobs"].trouble:
        notes.append(_("The database refused a question."))
    return notes


def _versions() -> list[tuple[str, str]]:
    rows = [("Tessera", settings.VERSION), ("Python", sys.version.split()[0]), ("System", platform.platform())]
    rows.append(("Django", django.get_version()))
    for name in PACKAGES:
        try:
            rows.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            rows.append((name, _("not installed")))
    return rows
