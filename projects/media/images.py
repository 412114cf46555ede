"""JPEG, PNG, BMP and TIFF: facts from the header, a real decode when asked, and upright 8-bit renditions."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, cast

from PIL import Image, UnidentifiedImageError

from . import containers, flattening
from .errors import BAD_FRAME, BOMB, DAMAGED, TOO_MANY_PIXELS, TRUNCATED, MediaError
from .facts import MAX_PIXELS, Limits, MediaFacts, Rendition
from .source import Source, memory_for, refusing

# Pillow's own alarm comes at 89 million pixels; ours is the limit that is checked right after the header is read.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

MAX_SCANS: Final = 100  # of a progressive JPEG; cameras and editors write about ten, an attack thousands
_ORIENTATION: Final = 0x0112
_TRANSPOSE: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Bytes per pixel while a picture of this mode is decoded, flattened and shrunk, copies included.
_NEED: Final = {"1": 2, "L": 2, "P": 5, "I;16": 6, "I;16B": 6, "I;16L": 6, "I": 16, "F": 16, "LA": 8, "RGBA": 8}


def probe(source: Source, found: str, *, verify: bool, limits: Limits) -> MediaFacts:
    """Facts of an image whose content was found to be `found`. `verify` decodes it once, JPEG at an eighth."""
    with _opened(source, found, limits) as image:
        orientation, notes = _orientation(image, source)
        width, height = _seen(_stored(image), orientation)
        pages = _pages(image, source)
        facts = MediaFacts(
            kind="image",
            format=found,
            width=width,
            height=height,
            stored_width=_stored(image)[0],
            stored_height=_stored(image)[1],
            orientation=orientation,
            frames=1,
            pages=pages,
            bit_depth=_bit_depth(image, source, found),
            notes=notes,
        )
        if pages > 1:
            many = f"more than {pages - 1}" if pages >= containers.MAX_PAGES else str(pages)
            notes.append(f"Only the first of {many} pages is labeled.")
        if image.has_transparency_data:
            notes.append("Transparent parts are shown white.")
        if verify:
            stored = _stored(image)
            if found == "JPEG":
                image.draft(None, (max(1, stored[0] // 8), max(1, stored[1] // 8)))
            with memory_for(_need(image, source, stored, 8 if found == "JPEG" else 1), limits):
                image.load()
    return facts


def render(
    source: Source,
    found: str,
    *,
    frame: int,
    max_side: int | None,
    quality: int,
    format: Literal["auto", "jpeg", "png"],
    limits: Limits,
) -> Rendition:
    """The first page, upright, on white, 8 bits of grey or sRGB, its longer side at most `max_side`."""
    if frame != 0:
        raise MediaError(BAD_FRAME, "An image has one frame; its number is 0.")
    with _opened(source, found, limits) as image:
        flat = image.mode in ("1", "P")
        stored = _stored(image)
        shrink = next((s for s in (8, 4, 2) if found == "JPEG" and max_side and max(stored) >= 2 * max_side * s), 1)
        with memory_for(_need(image, source, stored, shrink), limits):
            return flattening.encode(
                _upright(image, source, found, max_side), quality=quality, format=format, flat=flat
            )


def tiles(source: Source, found: str, *, side: int, levels: int, quality: int, limits: Limits) -> Iterator[Rendition]:
    """Squares of the first page, upright, row by row, the full resolution first, then each time half of it."""
    with _opened(source, found, limits) as image:
        flat = image.mode in ("1", "P")
        stored = _stored(image)
        # The flattened picture, and its half beside it while that is made.
        with memory_for(_need(image, source, stored, 1) + stored[0] * stored[1] * 2, limits):
            drawn = _upright(image, source, found, None)
            for level in range(levels):
                if level:
                    drawn = drawn.reduce(2)
                for top in range(0, drawn.height, side):
                    for left in range(0, drawn.width, side):
                        square = drawn.crop((left, top, min(left + side, drawn.width), min(top + side, drawn.height)))
                        yield flattening.encode(square, quality=quality, format="auto", flat=flat)


def _upright(image: Image.Image, source: Source, found: str, max_side: int | None) -> Image.Image:
    """As a person sees it: turned by its orientation, in L or RGB, its longer side at most `max_side`."""
    orientation, _ = _orientation(image, source)
    drawn = flattening.flatten(image, max_side)
    if found != "TIFF" and orientation in _TRANSPOSE:  # Pillow turns a TIFF while loading it
        return drawn.transpose(_TRANSPOSE[orientation])
    return drawn


@contextmanager
def _opened(source: Source, found: str, limits: Limits) -> Iterator[Image.Image]:
    """The image with its header read and its size allowed; every failure inside is a MediaError."""
    with refusing(source, f"The {found} content is damaged and cannot be decoded."), _explaining(source, found):
        source.seek(0)
        image = Image.open(cast(Any, source), formats=[found])
        with image:
            limits.check_size(*_stored(image))
            if found == "JPEG" and image.info.get("progressive"):
                position = source.tell()
                if containers.jpeg_scans(source, MAX_SCANS + 1) > MAX_SCANS:
                    raise MediaError(BOMB, f"The JPEG is drawn in more than {MAX_SCANS} passes, which no camera does.")
                source.seek(position)
            yield image


@contextmanager
def _explaining(source: Source, found: str) -> Iterator[None]:
    """Name the reasons that Pillow gives only in its wording."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(
            TOO_MANY_PIXELS, f"The picture claims more pixels than the {MAX_PIXELS // 1_000_000} million we read."
        ) from error
    except UnidentifiedImageError as error:
        raise MediaError(DAMAGED, f"The file starts like a {found}, but its header cannot be read.") from error
    except (OSError, ValueError, EOFError, struct.error) as error:
        if source.failure is not None:
            raise
        said = str(error).lower()
        if "too large" in said or "too much memory" in said:
            raise MediaError(BOMB, "A block of text or a profile inside the picture unpacks to too much.") from error
        if "truncated" in said or isinstance(error, EOFError):
            raise MediaError(TRUNCATED, f"The {found} file ends before the picture is complete.") from error
        raise


def _stored(image: Image.Image) -> tuple[int, int]:
    """Width and height as stored. Pillow already swaps the sides of a turned TIFF; its tags hold the stored ones."""
    tags = getattr(image, "tag_v2", None)
    if image.format == "TIFF" and tags is not None:
        return int(tags[256]), int(tags[257])
    return image.size


def _seen(stored: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (stored[1], stored[0]) if orientation >= 5 else stored


def _orientation(image: Image.Image, source: Source) -> tuple[int, list[str]]:
    """Orientation 1 to 8 from EXIF or XMP, 1 where it is absent or senseless, and a note where EXIF is broken."""
    try:
        position = source.tell()
        if image.format == "PNG" and not containers.png_outline(source).late_metadata:
            source.seek(position)
            exif = Image.Image.getexif(image)  # PNG's own version decodes all pixels first, to see what follows them
        else:
            source.seek(position)
            exif = image.getexif()
        value = exif.get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error, EOFError) as error:
        if source.failure is not None:
            raise error
        return 1, ["The EXIF block is damaged; the picture is shown as it is stored."]
    return (value if isinstance(value, int) and 1 <= value <= 8 else 1), []


def _pages(image: Image.Image, source: Source) -> int:
    if image.format != "TIFF":
        return int(getattr(image, "n_frames", 1))
    position = source.tell()
    pages = containers.tiff_pages(source)
    source.seek(position)
    return pages


def _bit_depth(image: Image.Image, source: Source, found: str) -> int:
    if found == "TIFF":
        bits = cast(Any, image).tag_v2.get(258, 1)
        return int(max(bits)) if isinstance(bits, tuple) else int(bits)
    if found == "PNG":
        position = source.tell()
        bits = containers.png_outline(source).bit_depth
        source.seek(position)
        return bits
    if found == "BMP":
        position = source.tell()
        head = source.head(30)
        source.seek(position)
        core_header = int.from_bytes(head[14:18], "little") == 12
        bits = int.from_bytes(head[24:26] if core_header else head[28:30], "little")
        return bits if bits <= 8 else 5 if bits == 16 else 8
    return 8


def _need(image: Image.Image, source: Source, stored: tuple[int, int], shrink: int) -> int:
    """About how many bytes decoding `stored` pixels takes: pixels and copies, drawn at 1/`shrink`, and file buffers.

    libjpeg keeps all coefficients of a progressive JPEG, two bytes each, however small it is then drawn.
    """
    pixels = stored[0] * stored[1]
    per_pixel = _NEED.get(image.mode, 4) + (4 if image.mode == "P" and image.has_transparency_data else 0)
    need = pixels * per_pixel // shrink**2 + (source.size if image.format == "TIFF" else min(source.size, 64 << 20))
    if image.info.get("progressive"):
        need += pixels * 2 * len(image.getbands())
    return need
