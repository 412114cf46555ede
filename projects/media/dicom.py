"""DICOM: facts by allow-list, one frame decoded at a time, and grey levels by the formulas of the standard."""

from __future__ import annotations

import math
from typing import Any, Final, Literal, cast

import numpy as np
from PIL import Image
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import (
    HTJ2K,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from . import flattening, grey_levels, isolated
from .containers import coded_size
from .dicom_header import Header, dicom_facts, read_header
from .errors import BAD_FRAME, BAD_WINDOW, BOMB, DAMAGED, NO_DECODER, TRUNCATED, MediaError
from .facts import Limits, MediaFacts, Rendition
from .source import MAX_READ, Source, memory_for, refusing

# One decoder for each way to compress. Left to itself pydicom would try GDCM, inside this process, on most of them.
_DECODERS: Final = {
    **dict.fromkeys((JPEGBaseline8Bit, JPEGExtended12Bit), "pillow"),
    **dict.fromkeys((JPEGLossless, JPEGLosslessSV1), isolated.NAME),
    **dict.fromkeys(JPEGLSTransferSyntaxes, "pyjpegls"),
    **dict.fromkeys((*JPEG2000TransferSyntaxes, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL), "pylibjpeg"),
    RLELossless: "pylibjpeg",
}
_DAMAGED: Final = "The DICOM file is damaged and cannot be read."
_RGB: Final = {"RGB", "YBR_ICT", "YBR_RCT"}  # what pydicom's decoders give as RGB, whatever they still call it


def probe(source: Source, *, verify: bool, limits: Limits) -> MediaFacts:
    """Facts of a DICOM file. `verify` decodes its first and its last frame."""
    with refusing(source, _DAMAGED):
        header = read_header(source, limits)
        _check_decodable(header, limits)
        if verify:
            for frame in sorted({0, header.frames - 1}):
                with memory_for(_need(header), limits):
                    _decode(header, frame)
        notes = [f"{header.frames} frames; each is labeled by itself."] if header.frames > 1 else []
        return MediaFacts(
            kind="dicom",
            format="DICOM",
            width=header.columns,
            height=header.rows,
            stored_width=header.columns,
            stored_height=header.rows,
            orientation=1,
            frames=header.frames,
            pages=header.frames,
            bit_depth=header.bits_stored,
            notes=notes,
            dicom=dicom_facts(header),
        )


def render(
    source: Source,
    *,
    frame: int,
    max_side: int | None,
    window: tuple[float, float] | None,
    quality: int,
    format: Literal["auto", "jpeg", "png"],
    limits: Limits,
) -> Rendition:
    """One frame in 8 bits. Colour comes as it is; grey through modality LUT, then `window`, the file's VOI LUT or
    window, or else the least and greatest value of the frame; MONOCHROME1 inverted last."""
    if window is not None and not (all(math.isfinite(value) for value in window) and window[1] >= 1):
        raise MediaError(BAD_WINDOW, "A window needs a center and a width of at least 1.")
    with refusing(source, _DAMAGED):
        header = read_header(source, limits)
        if not 0 <= frame < header.frames:
            raise MediaError(BAD_FRAME, f"The file has {header.frames} frames; the first is number 0.")
        _check_decodable(header, limits)
        with memory_for(_need(header), limits):
            pixels, photometric = _decode(header, frame)
            if header.is_grey:
                levels, used = grey_levels.shown(pixels, header, frame, window)
            else:
                levels, used = _colour(pixels, header, photometric), None
            image = Image.fromarray(levels)
            flat = header.bits_stored == 1
            del pixels
            if max_side and max(image.size) > max_side:
                image.thumbnail((max_side, max_side), Image.Resampling.BICUBIC, reducing_gap=2.0)
            drawn = flattening.encode(image, quality=quality, format=format, flat=flat)
        return Rendition(drawn.content, drawn.content_type, drawn.width, drawn.height, used)


def samples(source: Source, *, frame: int, max_side: int, limits: Limits) -> grey_levels.Samples:
    """The values of one grey frame after the modality LUT, in 16 bits, its longer side at most `max_side`.

    Raises MediaError as `render` does, and for a file in colour, which has no such values.
    """
    with refusing(source, _DAMAGED):
        header = read_header(source, limits)
        if not 0 <= frame < header.frames:
            raise MediaError(BAD_FRAME, f"The file has {header.frames} frames; the first is number 0.")
        if not header.is_grey:
            raise MediaError(NO_DECODER, "A picture in colour has no grey values.")
        _check_decodable(header, limits)
        # Beside what decoding takes: two bytes a value, and four where they are averaged.
        with memory_for(_need(header) + header.rows * header.columns * 6, limits):
            pixels, _photometric = _decode(header, frame)
            return grey_levels.samples(pixels, header, frame, max_side)


# --- Decoding --------------------------------------------------------------------------------------------------------


def _need(header: Header) -> int:
    """Stored pixels, the copies that decoders make, 8-bit levels; float copies where colours are converted."""
    pixels = header.rows * header.columns
    return header.frame_bytes * 3 + pixels * header.samples + (0 if header.is_grey else pixels * 24)


def _check_decodable(header: Header, limits: Limits) -> None:
    limits.check_memory(_need(header))
    if header.syntax == JPEGExtended12Bit and header.bits_stored > 8:
        raise MediaError(NO_DECODER, "Pixels stored as 12-bit JPEG Extended cannot be decoded here.")
    if header.syntax.is_encapsulated:
        if header.syntax not in _DECODERS:
            raise MediaError(NO_DECODER, f"Pixels stored as {header.syntax.name} cannot be decoded here.")
        if header.bits_allocated == 1:
            raise MediaError(NO_DECODER, f"Single bits stored as {header.syntax.name} cannot be decoded here.")
        return
    bits = header.rows * header.columns * header.samples * header.bits_allocated
    if header.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422") and header.samples == 3:
        bits = bits // 3 * 2
    if header.value_at + (bits * header.frames) // 8 > header.stream.size:
        raise MediaError(TRUNCATED, "The DICOM file ends before its pixels are complete.")


def _decode(header: Header, frame: int) -> tuple[np.ndarray, str]:
    """The stored values of one frame, rows × columns (× 3), and the colour space they are in. Reads only that frame."""
    options: dict[str, Any] = as_pixel_options(header.dataset)
    options["number_of_frames"] = header.frames
    options["pixel_keyword"] = header.keyword
    options["pixel_vr"] = header.pixel_vr
    options["transfer_syntax_uid"] = header.syntax
    if header.syntax.is_encapsulated:
        _check_coded(header, frame, options.get("extended_offsets"))
    header.stream.seek(header.value_at)
    array, meaning = get_decoder(header.syntax).as_array(
        cast(Any, header.stream), index=frame, decoding_plugin=_DECODERS.get(header.syntax, ""), **options
    )
    expected = (header.rows, header.columns, 3) if header.samples == 3 else (header.rows, header.columns)
    if array.shape != expected:
        raise MediaError(DAMAGED, "The DICOM pixels do not have the size that the file states.")
    return array, str(meaning["photometric_interpretation"])


def _check_coded(header: Header, frame: int, extended_offsets: Any) -> None:
    """Refuse a compressed frame that would unpack to more than the header states, before a decoder allocates it."""
    header.stream.seek(header.value_at)
    coded = get_frame(
        cast(Any, header.stream), frame, extended_offsets=extended_offsets, number_of_frames=header.frames
    )
    if not coded:
        raise MediaError(TRUNCATED, "The DICOM file ends before its pixels are complete.")
    if len(coded) > min(MAX_READ, 2 * header.frame_bytes + (1 << 20)):
        raise MediaError(BOMB, "A compressed DICOM frame is larger than its pixels could be.")
    if header.syntax in JPEGLSTransferSyntaxes and b"\xff\xd9" not in coded[-64:]:
        # CharLS spends ten seconds of processor time on 4 kB that lack their end marker.
        raise MediaError(TRUNCATED, "A compressed DICOM frame ends before its picture is complete.")
    if header.syntax == RLELossless:
        return
    claimed = coded_size(coded)
    if claimed is None:
        raise MediaError(DAMAGED, "The compressed DICOM pixels have no readable header.")
    width, height, components = claimed
    if width * height > header.columns * header.rows or components > 4:
        raise MediaError(
            DAMAGED,
            f"The compressed pixels claim {width} × {height}, the file states {header.columns} × {header.rows}.",
        )


# --- Colour ----------------------------------------------------------------------------------------------------------


def _colour(pixels: np.ndarray, header: Header, photometric: str) -> np.ndarray:
    """Rows × columns × 3 in 8 bits, from a palette or from RGB of any number of bits."""
    if header.photometric == "PALETTE COLOR" and header.samples == 1 and pixels.dtype.kind in "iu":
        if pixels.dtype.itemsize > 2:
            raise MediaError(DAMAGED, "A DICOM palette cannot have more than 16 bits.")
        return _palette(pixels, header)
    if header.samples != 3 or photometric not in _RGB or pixels.dtype.kind not in "iu":
        raise MediaError(NO_DECODER, f"Pixels in {photometric} with {header.samples} samples cannot be shown.")
    if header.bits_stored == 8 and pixels.dtype == np.uint8:
        return pixels
    highest = (1 << header.bits_stored) - 1
    return flattening.map_to_bytes(
        pixels, lambda block: np.rint(np.clip(block.astype(np.float64) / highest, 0, 1) * 255).astype(np.uint8)
    )


def _palette(pixels: np.ndarray, header: Header) -> np.ndarray:
    size = pixels.dtype.itemsize
    unsigned = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("=")).view(f"u{size}")
    every = np.arange(1 << (8 * size), dtype=unsigned.dtype).view(pixels.dtype.newbyteorder("="))
    colours = apply_color_lut(every.reshape(1, -1), header.dataset)[0, :, :3]
    if colours.dtype.itemsize == 2:
        # Some writers put 8-bit entries into 16-bit words; then nothing reaches the upper byte.
        colours = (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
    out = np.empty((*pixels.shape, 3), np.uint8)
    for rows in flattening.blocks(pixels):
        out[rows] = colours[unsigned[rows]]
    return out
