"""Telling what a file is by its first bytes. The name is only compared with what was found."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from .errors import DAMAGED, UNSUPPORTED, MediaError
from .facts import SUPPORTED_EXTENSIONS

HEAD: Final = 512

_IMAGES: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)
_EXTENSIONS: Final = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "PNG": {".png"},
    "BMP": {".bmp"},
    "TIFF": {".tif", ".tiff"},
    "DICOM": {".dcm", ".dicom"},
}
_CALLED: Final = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".bmp": "BMP",
    ".tif": "TIFF", ".tiff": "TIFF", ".dcm": "DICOM", ".dicom": "DICOM",
}  # fmt: skip
_OTHERS: Final = (
    (b"GIF8", "GIF"),
    (b"8BPS", "Photoshop"),
    (b"%PDF", "PDF"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
    (b"\x00\x00\x02\x00", "a cursor (CUR)"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip"),
    (b"P4", "PNM"), (b"P5", "PNM"), (b"P6", "PNM"),
)  # fmt: skip
_ACCEPTED: Final = "JPEG, PNG, BMP, TIFF and DICOM files can be labeled."


def extension(name: str) -> str:
    """The extension of a file name in lower case with its dot, or an empty string."""
    return PurePosixPath(name.replace("\\", "/")).suffix.lower()


def has_supported_extension(name: str) -> bool:
    """Whether a name ends like a file that can be labeled; what is in it is for `probe` to say."""
    return extension(name) in SUPPORTED_EXTENSIONS


def sniff(head: bytes, name: str) -> str:
    """JPEG, PNG, BMP, TIFF or DICOM, by content; anything else raises MediaError and says what it seems to be."""
    for magic, found in _IMAGES[:2]:
        if head.startswith(magic):
            return found
    if head[128:132] == b"DICM":
        return "DICOM"
    for magic, found in _IMAGES:
        if head.startswith(magic):
            return found
    if _headless_dicom(head, name):
        return "DICOM"
    other = _other(head)
    if other:
        raise MediaError(UNSUPPORTED, f"The content is {other}. {_ACCEPTED}")
    called = _CALLED.get(extension(name))
    if called:
        raise MediaError(DAMAGED, f"The name says {called}, but the file does not start like any picture we read.")
    raise MediaError(UNSUPPORTED, f"This is not a picture that can be read. {_ACCEPTED}")


def name_note(found: str, name: str) -> list[str]:
    """A note where the extension says something else than the content."""
    ending = extension(name)
    if not ending or ending in _EXTENSIONS[found]:
        return []
    called = _CALLED.get(ending, ending[1:].upper())
    return [f"The extension says {called}, the content is {found}."]


def _headless_dicom(head: bytes, name: str) -> bool:
    """DICOM data without the 128 bytes and "DICM" in front: group 2 or 8 first, and a name that says DICOM or less."""
    if extension(name) not in {"", ".dcm", ".dicom"} or len(head) < 12:
        return False
    group, element = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little")
    return group in (2, 8) and element < 0x0100


def _other(head: bytes) -> str:
    for magic, called in _OTHERS:
        if head.startswith(magic):
            return called
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in (b"avif", b"avis"):
            return "AVIF"
        return "HEIC" if brand in (b"heic", b"heix", b"mif1", b"msf1", b"hevc") else "a video or HEIF file"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")):
        return "SVG or XML text"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return "an HTML page"
    if text and all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return "text"
    return ""
