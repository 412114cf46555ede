"""Large images in squares, so that a browser loads what is looked at and no more.

All squares of an image are cut in one go, from one decode, into one file beside the renditions: a table of where each
begins, then the squares. They are made when the first is asked for, and trimmed like any rendition.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import struct
import threading
from pathlib import Path
from typing import BinaryIO

from django.utils.translation import gettext as _

from labeling_site.core import errors
from projects import media
from projects.models import Item
from projects.services import datastores, renditions

SIDE = 512
# Up to here a rendition shows the image whole; only finer levels are cut.
COARSE = 2048
_SUFFIX = ".tiles"
_PNG = b"\x89PNG"

log = logging.getLogger(__name__)

# One at a time: it holds a whole image in memory, and everybody else usually waits for the same one.
_cutting = threading.Lock()


def levels_of(item: Item) -> int:
    """How many levels are cut: level 0 has every pixel, each further one half of them along each side.

    0 for images that the largest rendition shows with every pixel, and for DICOM.
    """
    longer = max(item.width, item.height)
    if item.is_dicom or longer <= renditions.SIDES[-1]:
        return 0
    levels = 0
    while longer > COARSE << levels:
        levels += 1
    return levels


def _grid(item: Item, level: int) -> tuple[int, int]:
    """Columns and rows of squares."""
    width, height = item.width, item.height
    for _level in range(level):
        width, height = (width + 1) // 2, (height + 1) // 2
    return -(-width // SIDE), -(-height // SIDE)


def key_of(item: Item, *, level: int, column: int, row: int) -> str:
    """The ETag of a square. Raises NotFound where the image has no such square."""
    if not 0 <= level < levels_of(item):
        raise errors.NotFound(_("This image has no such tile."))
    columns, rows = _grid(item, level)
    if not (0 <= column < columns and 0 <= row < rows):
        raise errors.NotFound(_("This image has no such tile."))
    return f"{_pack_key(item)}-{level}-{column}-{row}"


def tile(item: Item, *, level: int, column: int, row: int) -> renditions.CachedRendition:
    """One square of the image, upright. Raises NotFound where there is none, else as a rendition does."""
    etag = key_of(item, level=level, column=column, row=row)
    before = sum(columns * rows for columns, rows in (_grid(item, finer) for finer in range(level)))
    index = before + row * _grid(item, level)[0] + column
    path = renditions.path_of(_pack_key(item), _SUFFIX)
    content = _read(path, index)
    if content is None:
        _cut(item, path)
        content = _read(path, index)
    if content is None:
        raise errors.Unavailable(_("The tiles of this image were just removed."), way_out=_("Try again in a moment."))
    return renditions.CachedRendition(content, "image/png" if content.startswith(_PNG) else "image/jpeg", etag)


def _pack_key(item: Item) -> str:
    name = f"tiles 1|{item.pk}|{item.fingerprint}|{item.sha256}"
    return hashlib.sha256(name.encode()).hexdigest()[:40]


# --- The file --------------------------------------------------------------------------------------------------------


def _read(path: Path, index: int) -> bytes | None:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as pack:
        os.utime(path)  # "last used" is what trimming goes by
        pack.seek(index * 8)
        start, end = struct.unpack("<QQ", pack.read(16))
        pack.seek(start)
        return pack.read(end - start)
    return None


def _cut(item: Item, path: Path) -> None:
    """Makes the file of squares, or waits for whoever makes it."""
    if not _cutting.acquire(timeout=renditions.WAIT_SECONDS):
        raise errors.Unavailable(_("Too many images are being drawn just now."), way_out=_("Try again in a moment."))
    draft = path.with_name(f".{path.stem}.{secrets.token_hex(4)}")
    try:
        if path.exists():
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with draft.open("wb") as pack, renditions.turn(), datastores.open_item(item) as source:
            _write(item, source, pack)
        draft.replace(path)
    except OSError as error:
        log.warning("tiles could not be kept", exc_info=True)
        raise errors.Unavailable(
            _("The site has no room for the tiles of this image."), way_out=_("Tell whoever runs it.")
        ) from error
    finally:
        draft.unlink(missing_ok=True)
        _cutting.release()


def _write(item: Item, source: BinaryIO, pack: BinaryIO) -> None:
    levels = levels_of(item)
    grids = [_grid(item, level) for level in range(levels)]
    count = sum(columns * rows for columns, rows in grids)
    offsets = [8 * (count + 1)]
    pack.seek(offsets[0])
    for square in media.tiles(source, item.name, side=SIDE, levels=levels):
        pack.write(square.content)
        offsets.append(pack.tell())
    if len(offsets) != count + 1:
        raise renditions.Unreadable(
            _("The image does not have the size that was found when it was added."),
            way_out=_("Scan the dataset again."),
        )
    pack.seek(0)
    pack.write(struct.pack(f"<{count + 1}Q", *offsets))
