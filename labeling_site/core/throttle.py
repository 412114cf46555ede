"""Counts what somebody does within a time, so that nobody does too much of it. The counts live in the cache."""

from __future__ import annotations

import hashlib
from typing import Any

from django.core.cache import cache

from labeling_site.core import errors


def count(subject: str, *, limit: int, seconds: int, detail: Any, way_out: Any) -> None:
    """Counts one more for `subject`; raises TooMany with these sentences beyond `limit` within `seconds`.

    `subject` begins with what is counted; it is hashed, so it may hold anything.
    """
    key = "throttle:" + hashlib.sha256(subject.encode()).hexdigest()
    cache.add(key, 0, seconds)
    try:
        tries = cache.incr(key)
    except ValueError:  # the window ended between the two calls
        cache.set(key, 1, seconds)
        tries = 1
    if tries > limit:
        raise errors.TooMany(detail, way_out=way_out, retry_after=seconds)
