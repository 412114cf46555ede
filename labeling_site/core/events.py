"""Hints that something changed. The database is the truth; a lost hint is healed by the socket's heartbeat.

`publish` may be called anywhere inside a transaction; after commit the topic is marked dirty, and one thread per
process sends each dirty topic at most four times a second. So a thousand submits a second cost no more than four.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import threading
import time
from collections.abc import Callable

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

log = logging.getLogger(__name__)

INTERVAL = 0.25

_dirty: set[str] = set()
_wake = threading.Event()
_lock = threading.Lock()
_thread: threading.Thread | None = None
_ended = threading.Event()
_versions: dict[str, Callable[[str], int]] = {}


def register_version(prefix: str, read: Callable[[str], int]) -> None:
    """`read(topic)` returns a number that grows with every change behind topics that begin with `prefix`:."""
    _versions[prefix] = read


def version(topic: str) -> int:
    """The present version of a topic; 0 where nobody registered one."""
    read = _versions.get(topic.partition(":")[0])
    return read(topic) if read else 0


def group(topic: str) -> str:
    """The channel-layer group of a topic; group names allow few characters, so it is hashed."""
    return "topic." + hashlib.sha256(topic.encode()).hexdigest()[:40]


def publish(topic: str) -> None:
    """Says after commit that what lies behind the topic changed. An empty topic is nobody's concern."""
    if topic:
        transaction.on_commit(lambda: _mark(topic))


def _mark(topic: str) -> None:
    global _thread
    with _lock:
        _dirty.add(topic)
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_pump, name="events", daemon=True)
            _thread.start()
    _wake.set()


def _pump() -> None:
    while _wake.wait() and not _ended.is_set():
        _wake.clear()
        flush()
        time.sleep(INTERVAL)


@atexit.register
def _end() -> None:
    """Lets the thread come to rest: one that speaks while the interpreter goes away takes the process down with it."""
    _ended.set()
    _wake.set()
    if _thread is not None:
        _thread.join(timeout=5)


def flush() -> None:
    """Sends all pending hints now."""
    with _lock:
        topics = sorted(_dirty)
        _dirty.clear()
    layer = get_channel_layer()
    for topic in topics:
        try:
            async_to_sync(layer.group_send)(group(topic), {"type": "hint", "topic": topic})
        except Exception as error:  # the broker is away: the heartbeat tells every page within 15 s
            log.warning("hint for %s was not sent: %s", topic, error)
