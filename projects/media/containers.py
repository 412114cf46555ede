"""Small walks through containers that answer one question without decoding: how many, how large, is it whole."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from .source import Source

MAX_PAGES: Final = 1_000
_PNG_CHUNKS: Final = 100_000
_BLOCK: Final = 1 << 20


def tiff_pages(source: Source) -> int:
    """How many pages a TIFF links, at most MAX_PAGES; loops and broken links end the count.

    Follows only the chain of directories (TIFF 6.0 section 2, and BigTIFF), so a broken later page does no harm.
    """
    head = source.head(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"\x2b\x00", b"\x00\x2b")
    count_format, entry_size, link_format = (order + "Q", 20, order + "Q") if big else (order + "H", 12, order + "I")
    count_size, link_size = struct.calcsize(count_format), struct.calcsize(link_format)
    link = struct.unpack_from(link_format, head, 8 if big else 4)[0]
    seen: set[int] = set()
    while link and link not in seen and link + count_size <= source.size and len(seen) < MAX_PAGES:
        seen.add(link)
        source.seek(link)
        entries = struct.unpack(count_format, source.read(count_size))[0]
        after = link + count_size + entries * entry_size
        if after + link_size > source.size:
            break
        source.seek(after)
        link = struct.unpack(link_format, source.read(link_size))[0]
    source.seek(0)
    return max(1, len(seen))


@dataclass(frozen=True, slots=True)
class PngOutline:
    """`bit_depth` as the header says; `late_metadata` where text or EXIF follows the pixels."""

    bit_depth: int
    late_metadata: bool


def png_outline(source: Source) -> PngOutline:
    """Walk the chunks of a PNG (ISO 15948, section 5) without reading what they hold."""
    head = source.head(33)
    bit_depth = head[24] if len(head) > 24 else 8
    position, pixels_seen, late = 8, False, False
    for _ in range(_PNG_CHUNKS):
        source.seek(position)
        chunk = source.read(8)
        if len(chunk) < 8:
            break
        length, kind = struct.unpack(">I4s", chunk)
        position += 12 + length
        if kind == b"IEND":
            break
        pixels_seen = pixels_seen or kind == b"IDAT"
        late = late or (pixels_seen and kind in (b"eXIf", b"iTXt", b"zTXt", b"tEXt"))
    source.seek(0)
    return PngOutline(bit_depth, late)


def jpeg_scans(source: Source, enough: int) -> int:
    """How many scans a JPEG has, at most `enough`: inside coded data FF DA cannot occur (ITU-T T.81, B.1.1.2)."""
    source.seek(0)
    scans, tail = 0, b""
    while scans < enough and (block := source.read(_BLOCK)):
        scans += (tail + block).count(b"\xff\xda")
        tail = block[-1:] if block[-1:] == b"\xff" else b""
    source.seek(0)
    return scans


def coded_size(data: bytes) -> tuple[int, int, int] | None:
    """Width, height and components that a JPEG, JPEG-LS or JPEG 2000 stream claims; None where it says none.

    Sources: ITU-T T.81 B.2.2 (frame header), T.87 C.2.2 (JPEG-LS), T.800 A.5.1 (SIZ).
    """
    if data[:2] == b"\xff\xd8":
        return _frame_header(data)
    start = data.find(b"\xff\x4f\xff\x51", 0, _BLOCK)
    if start < 0 or len(data) < start + 42:
        return None
    x_size, y_size, x_offset, y_offset = struct.unpack_from(">4I", data, start + 8)
    components = struct.unpack_from(">H", data, start + 40)[0]
    return x_size - x_offset, y_size - y_offset, components


def _frame_header(data: bytes) -> tuple[int, int, int] | None:
    position = 2
    while position + 10 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            height, width, components = struct.unpack_from(">HHB", data, position + 5)
            return width, height, components
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    return None
