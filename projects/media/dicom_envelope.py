"""What is around a DICOM data set (PS3.10 section 7.1): the file header, or its absence, and deflate."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Final

from .errors import BOMB, DAMAGED, TRUNCATED, MediaError
from .source import Source

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
DEFLATED_LITTLE: Final = "1.2.840.10008.1.2.1.99"
MAX_UNPACKED: Final = 256 << 20

_LONG_LENGTH: Final = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT"}


def plain(source: Source) -> tuple[Source, str]:
    """A stream that has a file header and no deflate, and the UID of its transfer syntax.

    Data without a header (older than 1993, or cut out of a network message), or whose header names no syntax, gets
    the one that its first element shows. Both these and deflated files are copied in memory: deflated ones up to
    256 MB unpacked, so the pixels of a small file cannot fill the memory.
    """
    begins = 132 if source.head(132)[128:] == b"DICM" else 0
    uid, data_at = _meta(source, begins)
    source.seek(0)
    if uid == DEFLATED_LITTLE:
        source.seek(data_at)
        return _wrapped(_inflate(source.read()), EXPLICIT_LITTLE), EXPLICIT_LITTLE
    if uid and begins:
        return source, uid
    source.seek(data_at)
    body = source.read()
    uid = uid or _guess(body[:8])
    return _wrapped(body, uid), uid


def _meta(source: Source, begins: int) -> tuple[str, int]:
    """The transfer syntax named in group 0002, which is always explicit little endian, and where the data begins."""
    uid, position = "", begins
    while True:
        source.seek(position)
        head = source.read(12)
        if len(head) < 8:
            return uid, position
        group, element, vr, length = struct.unpack_from("<HH2sH", head)
        if group != 0x0002:
            return uid, position
        value_at = position + 8
        if vr in _LONG_LENGTH:
            if len(head) < 12:
                return uid, position
            length, value_at = struct.unpack_from("<I", head, 8)[0], position + 12
        if element == 0x0010:
            source.seek(value_at)
            uid = source.read(min(length, 64)).rstrip(b"\0 ").decode("ascii", "replace").strip()
        position = value_at + length


def _guess(first: bytes) -> str:
    """The syntax of a data set by its first element: explicit where two capitals stand for the VR."""
    vr = first[4:6]
    if not (vr.isalpha() and vr.isupper()):
        return IMPLICIT_LITTLE
    return EXPLICIT_LITTLE if first[1:2] == b"\0" else EXPLICIT_BIG


def _wrapped(body: bytes, uid: str) -> Source:
    value = uid.encode("ascii")
    value += b"\0" * (len(value) % 2)
    element = struct.pack("<HH2sH", 0x0002, 0x0010, b"UI", len(value)) + value
    return Source(io.BytesIO(b"\0" * 128 + b"DICM" + element + body))


def _inflate(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = unpacker.decompress(data, MAX_UNPACKED + 1)
    except zlib.error as error:
        raise MediaError(DAMAGED, "The deflated DICOM data are damaged.") from error
    if len(body) > MAX_UNPACKED:
        raise MediaError(BOMB, f"The deflated DICOM data unpack to more than {MAX_UNPACKED >> 20} MB.")
    if not unpacker.eof:
        raise MediaError(TRUNCATED, "The deflated DICOM data end early.")
    return body
