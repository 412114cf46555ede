"""From anything Pillow decodes to what a browser shows: 8 bits, grey or sRGB, on white, no metadata."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
from PIL import Image, ImageCms

from .facts import Rendition

_BLOCK: Final = 1_000_000
_SMALL: Final = 128 * 128
_MAX_PROFILE: Final = 4 << 20
_SHRINKS_AS_IT_IS: Final = {"L", "RGB", "CMYK", "YCbCr", "LAB", "LA", "RGBA"}


def flatten(image: Image.Image, max_side: int | None) -> Image.Image:
    """`image` as mode L or RGB, its longer side at most `max_side`. Shrinks before converting where that is equal."""
    profile = image.info.get("icc_profile")
    if image.has_transparency_data and image.mode not in ("LA", "RGBA", "PA"):
        image = image.convert("RGBA")
    if image.mode not in _SHRINKS_AS_IT_IS:
        image = _eight_bits(image)
    if max_side and max(image.size) > max_side:
        # On a JPEG not yet decoded this also lets the decoder draw it at 1/2, 1/4 or 1/8.
        image.thumbnail((max_side, max_side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    image.load()
    return _to_srgb(_on_white(image), profile)


def encode(image: Image.Image, *, quality: int, format: Literal["auto", "jpeg", "png"], flat: bool) -> Rendition:
    """JPEG, or PNG where asked, where the picture is small, or `flat` (palette or one bit: edges that JPEG blurs)."""
    image.info = {}  # Pillow would copy comments, profiles and resolution from here
    png = format == "png" or (format == "auto" and (flat or image.width * image.height <= _SMALL))
    out = io.BytesIO()
    if png:
        image.save(out, "PNG", compress_level=3)
    else:
        image.save(out, "JPEG", quality=quality)
    return Rendition(out.getvalue(), "image/png" if png else "image/jpeg", image.width, image.height)


def blocks(array: np.ndarray) -> Iterator[slice]:
    """Slices of rows of about a million values each, so that wide intermediate types stay small."""
    step = max(1, _BLOCK // max(1, array[0].size))
    for start in range(0, array.shape[0], step):
        yield slice(start, start + step)


def map_to_bytes(array: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`function` (elementwise, to uint8) over `array`; for integers of up to 16 bits through a table of all values."""
    return map_values(array, function, np.uint8)


def map_values(
    array: np.ndarray, function: Callable[[np.ndarray], np.ndarray], dtype: type[np.unsignedinteger[Any]]
) -> np.ndarray:
    """`function` (elementwise, to `dtype`) over `array`; for integers of up to 16 bits by a table of all values."""
    out = np.empty(array.shape, dtype)
    if array.dtype.kind in "iu" and array.dtype.itemsize <= 2 and array.size > 1 << 16:
        native = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
        unsigned = native.view(f"u{native.dtype.itemsize}")
        table = function(np.arange(1 << (8 * native.dtype.itemsize), dtype=unsigned.dtype).view(native.dtype))
        for rows in blocks(array):
            out[rows] = table[unsigned[rows]]
    else:
        for rows in blocks(array):
            out[rows] = function(array[rows])
    return out


def _eight_bits(image: Image.Image) -> Image.Image:
    """One bit, palettes and the grey modes of more than 8 bits, as L or RGB."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_grey_levels(np.asarray(image)))
    return image.convert("RGBA" if image.mode in ("PA", "La", "RGBa") else "RGB")


def _grey_levels(values: np.ndarray) -> np.ndarray:
    """Integers are divided by the largest number of as many bits as the brightest pixel needs, 8 at least.

    So 12 bits in a 16-bit file look as they should, and black stays black. Floats between 0 and 1, or 0 and 255, mean
    just that; other floats and negative integers are stretched from their least to their greatest finite value.
    """
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if values.dtype.kind in "iu" and low >= 0:
        low, high = 0.0, float((1 << max(8, int(high).bit_length())) - 1)
    elif low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    scale = 255.0 / (high - low) if high > low else 0.0

    def to_byte(block: np.ndarray) -> np.ndarray:
        block = np.nan_to_num(block.astype(np.float64), nan=low, posinf=high, neginf=low)
        return np.rint(np.clip((block - low) * scale, 0, 255)).astype(np.uint8)

    return map_to_bytes(values, to_byte)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode not in ("LA", "RGBA"):
        return image
    if image.mode == "LA":
        grey, alpha = image.split()
        background = Image.new("L", image.size, 255)
        background.paste(grey, mask=alpha)
        return background
    background = Image.new("RGB", image.size, (255, 255, 255))
    background.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return background


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Through the embedded profile where it fits the mode and can be used, else by Pillow's plain formulas."""
    if image.mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB")
        return ImageCms.applyTransform(image, transform) or image.convert("L")
    if profile and image.mode in ("RGB", "CMYK") and len(profile) <= _MAX_PROFILE:
        converted = _through_profile(image, profile)
        if converted is not None:
            return converted
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """None where the profile is broken, meant for another colour space, or sRGB already: then nothing is to be done."""
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if (
            embedded.profile.xcolor_space.strip() != image.mode
            or "srgb" in ImageCms.getProfileDescription(embedded).lower()
        ):
            return None
        return ImageCms.profileToProfile(image, embedded, _srgb(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
