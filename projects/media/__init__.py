"""Bytes in, bytes out: what an image or DICOM file is, and how it looks. Knows nothing of Django or of storage.

    facts = probe(path, path.name, verify=True)
    picture = render(path, path.name, max_side=1024)

Every refusal is a `MediaError` with a code and a sentence; what the storage under a stream raises passes unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from . import dicom, images
from .errors import NO_DECODER, MediaError
from .facts import DEFAULT_LIMITS, SUPPORTED_EXTENSIONS, DicomFacts, Limits, MediaFacts, Rendition
from .grey_levels import Samples
from .sniffing import HEAD, has_supported_extension, name_note, sniff
from .source import opened

__all__ = [
    "DEFAULT_LIMITS",
    "SUPPORTED_EXTENSIONS",
    "DicomFacts",
    "Limits",
    "MediaError",
    "MediaFacts",
    "Rendition",
    "Samples",
    "has_supported_extension",
    "probe",
    "render",
    "samples",
    "tiles",
]


def probe(source: BinaryIO | Path, name: str, *, verify: bool = False, limits: Limits = DEFAULT_LIMITS) -> MediaFacts:
    """What is in a file, by its content; `name` is only compared with what was found.

    Reads headers. With `verify` the picture is really decoded (of several DICOM frames the first and the last), so
    that a damaged file is refused here and not on a labeler's screen. A stream must be seekable and stays open.

    Raises MediaError for anything that cannot be labeled, and whatever the stream raises (OSError for a path).
    """
    with opened(source) as watched:
        found = sniff(watched.head(HEAD), name)
        if found == "DICOM":
            facts = dicom.probe(watched, verify=verify, limits=limits)
        else:
            facts = images.probe(watched, found, verify=verify, limits=limits)
        facts.notes[:0] = name_note(found, name)
        return facts


def render(
    source: BinaryIO | Path,
    name: str,
    *,
    frame: int = 0,
    max_side: int | None = None,
    window: tuple[float, float] | None = None,
    quality: int = 88,
    format: Literal["auto", "jpeg", "png"] = "auto",
    limits: Limits = DEFAULT_LIMITS,
) -> Rendition:
    """One frame as a browser shows it: upright, 8 bits of grey or sRGB, without metadata.

    `max_side` bounds the longer side in pixels; a smaller picture is not enlarged. `window` is (center, width) in
    modality units, for grey DICOM frames; it replaces the window or lookup table of the file and is ignored by
    everything in colour. `format` "auto" gives JPEG, and PNG for small, palette and one-bit pictures.

    Raises MediaError as `probe` does, and for a frame or window that does not exist.
    """
    if max_side is not None and max_side < 1:
        raise ValueError("max_side is at least 1")
    with opened(source) as watched:
        found = sniff(watched.head(HEAD), name)
        if found == "DICOM":
            return dicom.render(
                watched, frame=frame, max_side=max_side, window=window, quality=quality, format=format, limits=limits
            )
        return images.render(
            watched, found, frame=frame, max_side=max_side, quality=quality, format=format, limits=limits
        )


def samples(
    source: BinaryIO | Path, name: str, *, frame: int = 0, max_side: int, limits: Limits = DEFAULT_LIMITS
) -> Samples:
    """One grey DICOM frame as values after the modality LUT, so that a browser can window it by itself.

    Raises MediaError as `render` does, and for anything that is not a grey DICOM file.
    """
    with opened(source) as watched:
        if sniff(watched.head(HEAD), name) != "DICOM":
            raise MediaError(NO_DECODER, "Only DICOM files have values to window.")
        return dicom.samples(watched, frame=frame, max_side=max_side, limits=limits)


def tiles(
    source: BinaryIO | Path, name: str, *, side: int, levels: int, quality: int = 88, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Rendition]:
    """An image cut into squares of `side` pixels, at `levels` resolutions, each half of the one before.

    Upright, row by row, the finest level first; squares at the right and lower edge are what is left. The image is
    decoded once, within `limits`; each square is encoded when it is asked for. Raises MediaError as `render` does, and
    for DICOM files.
    """
    with opened(source) as watched:
        found = sniff(watched.head(HEAD), name)
        if found == "DICOM":
            raise MediaError(NO_DECODER, "DICOM files are not cut into tiles.")
        yield from images.tiles(watched, found, side=side, levels=levels, quality=quality, limits=limits)
