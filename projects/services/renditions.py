"""Images as browsers show them: re-encoded, right-sized, cached on disk under a limit.

The bytes of an original never leave; a rendition is drawn from them, so nothing that hides in a file reaches a page.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from labeling_site.core import errors
from projects import media
from projects.models import Item
from projects.services import datastores

SIDES = (256, 512, 1024, 1600, 2048, 3072, 4096)
DEFAULT_SIDE = 2048
WAIT_SECONDS = 20.0
TRIMMED_SHARE = 0.9  # trimming goes this far below the limit, so that it need not happen at once again
_TYPES = {".jpg": "image/jpeg", ".png": "image/png"}

log = logging.getLogger(__name__)

# Decoding takes the memory of a whole image; two at a time fill the cores of a small machine.
_decoding = threading.BoundedSemaphore(2)


class Unreadable(errors.AppError):
    """The file is there, but no image can be drawn from it."""

    code, status, title = "unreadable", 422, "This file cannot be shown"


@dataclass(frozen=True)
class CachedRendition:
    """An image ready to send. `etag` changes whenever the bytes would."""

    content: bytes
    content_type: str
    etag: str


def version_of(item: Item) -> str:
    """A short name of the item's bytes, for addresses that may be cached for ever."""
    return hashlib.sha256(f"{item.pk}|{item.fingerprint}|{item.sha256}".encode()).hexdigest()[:16]


def snap(max_side: int) -> int:
    """The smallest side we make that is at least as long as asked, so that the cache holds few sizes per item."""
    return next((side for side in SIDES if side >= max_side), SIDES[-1])


def key_of(item: Item, *, max_side: int, frame: int, window: tuple[float, float] | None) -> str:
    """The cache key, which is the ETag too. Raises Invalid for a frame or a window that the item cannot have."""
    if not 0 <= frame < max(1, item.frames):
        raise errors.NotFound(_("This file has no frame %d.") % frame)
    if window and not (abs(window[0]) < 1e7 and 0 < window[1] < 1e7):
        raise errors.Invalid(_("A window needs a centre and a positive width."))
    shown = f"{window[0]:.1f},{window[1]:.1f}" if window and item.is_dicom else ""
    name = f"1|{item.pk}|{item.fingerprint}|{item.sha256}|{snap(max_side)}|{frame}|{shown}"
    return hashlib.sha256(name.encode()).hexdigest()[:40]


def rendition(
    item: Item, *, max_side: int = DEFAULT_SIDE, frame: int = 0, window: tuple[float, float] | None = None
) -> CachedRendition:
    """The item's image, turned upright, at most `snap(max_side)` pixels along its longer side; never enlarged.

    `window` is centre and width in stored DICOM values; other images ignore it. Raises NotFound when the item was
    refused or its file is gone, Unreadable when nothing can be drawn, Unavailable when too many others wait.
    """
    key = key_of(item, max_side=max_side, frame=frame, window=window)
    if (cached := _cached(key)) is not None:
        return cached
    if not _decoding.acquire(timeout=WAIT_SECONDS):
        raise errors.Unavailable(_("Too many images are being drawn just now."), way_out=_("Try again in a moment."))
    try:
        # Whoever waited beside us for the same image may have drawn it meanwhile.
        if (cached := _cached(key)) is not None:
            return cached
        with datastores.open_item(item) as source:
            drawn = media.render(
                source, item.name, frame=frame, max_side=snap(max_side), window=window if item.is_dicom else None
            )
    except media.MediaError as error:
        raise Unreadable(str(error), way_out=_("Skip it, or replace the file.")) from error
    finally:
        _decoding.release()
    _keep(key, ".png" if drawn.content_type == "image/png" else ".jpg", drawn.content)
    return CachedRendition(drawn.content, drawn.content_type, key)


# --- The cache -------------------------------------------------------------------------------------------------------


def folder() -> Path:
    return Path(settings.HOME) / "cache" / "renditions"


def _cached(key: str) -> CachedRendition | None:
    for suffix, content_type in _TYPES.items():
        path = folder() / key[:2] / f"{key}{suffix}"
        with contextlib.suppress(FileNotFoundError):
            content = path.read_bytes()
            os.utime(path)  # "last used" is what trimming goes by
            return CachedRendition(content, content_type, key)
    return None


def _keep(key: str, suffix: str, content: bytes) -> None:
    """Puts a rendition into the cache in one step. A full disk costs speed, not the answer."""
    path = folder() / key[:2] / f"{key}{suffix}"
    draft = path.with_name(f".{key}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    except OSError:
        log.warning("a rendition could not be kept", exc_info=True)
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _files() -> Iterator[os.DirEntry[str]]:
    if not folder().is_dir():
        return
    with os.scandir(folder()) as shelves:
        for shelf in shelves:
            if shelf.is_dir(follow_symlinks=False):
                with os.scandir(shelf.path) as entries:
                    yield from entries


def trim(limit: int | None = None) -> int:
    """Deletes the renditions that were not used for the longest time until the cache is below its limit.

    Returns the bytes that are left. `limit` is RENDITION_CACHE_BYTES unless given.
    """
    limit = settings.RENDITION_CACHE_BYTES if limit is None else limit
    known: list[tuple[float, int, str]] = []
    for entry in _files():
        with contextlib.suppress(FileNotFoundError):
            info = entry.stat(follow_symlinks=False)
            known.append((info.st_mtime, info.st_size, entry.path))
    total = sum(size for _used, size, _path in known)
    if total <= limit:
        return total
    for _used, size, path in sorted(known):
        if total <= limit * TRIMMED_SHARE:
            break
        Path(path).unlink(missing_ok=True)
        total -= size
    return total
