"""Images as browsers show them: re-encoded, right-sized, cached on disk under a limit.

The bytes of an original never leave; a rendition is drawn from them, so nothing that hides in a file reaches a page.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import logging
import os
import secrets
import struct
import threading
from collections.abc import Callable, Iterator
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
BINARY = "application/octet-stream"
_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", BINARY: ".bin"}

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

    def draw() -> CachedRendition:
        with datastores.open_item(item) as source:
            drawn = media.render(
                source, item.name, frame=frame, max_side=snap(max_side), window=window if item.is_dicom else None
            )
        return CachedRendition(drawn.content, drawn.content_type, key)

    return _cached(key) or _made(key, draw)


def samples_key(item: Item, *, frame: int) -> str:
    """The cache key of the samples of a frame, which is the ETag too. Raises NotFound where there can be none."""
    if not item.is_dicom or not 0 <= frame < max(1, item.frames):
        raise errors.NotFound(_("This file has no values of frame %d.") % frame)
    name = f"samples 1|{item.pk}|{item.fingerprint}|{item.sha256}|{frame}"
    return hashlib.sha256(name.encode()).hexdigest()[:40]


def samples(item: Item, *, frame: int = 0) -> CachedRendition:
    """The values of a grey DICOM frame in 16 bits, for windowing in the browser; gzip-compressed.

    Unpacked: the length of a header as a 32-bit number, the header as JSON, the file's own grey level of each sample
    (one byte each), the samples row by row (two bytes each); all little-endian, each part filled up to whole words of
    four bytes. The header says width, height, low, step (a sample s means `low + s * step` in modality units), entries
    (how many samples can occur), invert and window. The longer side is at most SIDES[-1] pixels. Raises as `rendition`.
    """
    key = samples_key(item, frame=frame)

    def draw() -> CachedRendition:
        with datastores.open_item(item) as source:
            found = media.samples(source, item.name, frame=frame, max_side=SIDES[-1])
        return CachedRendition(gzip.compress(packed(found), compresslevel=1, mtime=0), BINARY, key)

    return _cached(key) or _made(key, draw)


def packed(found: media.Samples) -> bytes:
    """The bytes that `samples` describes, not yet compressed."""
    height, width = found.values.shape
    header = {
        "width": width,
        "height": height,
        "low": found.low,
        "step": found.step,
        "entries": len(found.own),
        "invert": found.invert,
        "window": found.window,
    }
    text = _whole_words(json.dumps(header).encode(), b" ")
    values = found.values.astype("<u2", copy=False).tobytes()
    return b"".join((struct.pack("<I", len(text)), text, _whole_words(found.own.tobytes(), b"\0"), values))


def _whole_words(data: bytes, filler: bytes) -> bytes:
    return data + filler * (-len(data) % 4)


def _made(key: str, draw: Callable[[], CachedRendition]) -> CachedRendition:
    """What `draw` makes, put into the cache. Only a few draw at a time; the others wait."""
    with turn():
        # Whoever waited beside us for the same image may have drawn it meanwhile.
        if (cached := _cached(key)) is not None:
            return cached
        made = draw()
    _keep(key, _SUFFIXES[made.content_type], made.content)
    return made


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """A place among those who decode. Raises Unavailable when none gets free, Unreadable for what a decoder refuses."""
    if not _decoding.acquire(timeout=WAIT_SECONDS):
        raise errors.Unavailable(_("Too many images are being drawn just now."), way_out=_("Try again in a moment."))
    try:
        yield
    except media.MediaError as error:
        raise Unreadable(str(error), way_out=_("Skip it, or replace the file.")) from error
    finally:
        _decoding.release()


# --- The cache -------------------------------------------------------------------------------------------------------


def folder() -> Path:
    return Path(settings.HOME) / "cache" / "renditions"


def path_of(key: str, suffix: str) -> Path:
    return folder() / key[:2] / f"{key}{suffix}"


def _cached(key: str) -> CachedRendition | None:
    for content_type, suffix in _SUFFIXES.items():
        path = path_of(key, suffix)
        with contextlib.suppress(FileNotFoundError):
            content = path.read_bytes()
            os.utime(path)  # "last used" is what trimming goes by
            return CachedRendition(content, content_type, key)
    return None


def _keep(key: str, suffix: str, content: bytes) -> None:
    """Puts a rendition into the cache in one step. A full disk costs speed, not the answer."""
    path = path_of(key, suffix)
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
