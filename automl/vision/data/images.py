"""The only door to pixels: any picture that Pillow reads, or DICOM, upright and in 8-bit RGB."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from automl.vision.errors import DataError
from automl.vision.spec import tasks

from . import dicom

CROP_SHARE: Final = 224 / 256  # how much of the shorter side a crop of the usual size takes
_TRANSPOSE: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BROKEN: Final = (
    OSError,
    ValueError,
    EOFError,
    SyntaxError,
    struct.error,
    KeyError,
    TypeError,
    IndexError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@dataclass(frozen=True)
class Resize:
    """How images are shrunk when they are read; nothing is enlarged. `short` and `long` limit the sides in pixels.

    With both, the image is as large as it can be with its shorter side at most `short` and its longer at most `long`.
    """

    short: int | None = None
    long: int | None = None

    @property
    def key(self) -> str:
        return f"short{self.short or 0}-long{self.long or 0}"

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The size that an image of `width` × `height` is given."""
        scale = 1.0
        if self.short:
            scale = min(scale, self.short / min(width, height))
        if self.long:
            scale = min(scale, self.long / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass(frozen=True)
class Picture:
    """`pixels` `[H,W,3]` uint8 and the size of the upright original, in pixels."""

    pixels: np.ndarray
    original_width: int
    original_height: int


def resize_rule(task: str, settings: Mapping[str, Any]) -> Resize:
    """The rule under which training keeps images, and prediction reads them."""
    if task in tasks.CLASSIFIES:
        crop = math.ceil(settings["training_crop_size"] / CROP_SHARE)
        return Resize(short=max(settings["validation_resize_size"], crop))
    columns, rows = settings.get("tile_grid_size") or (1, 1)
    grid = max(columns, rows)
    if "image_size" not in settings:
        return Resize(short=settings["min_size"] * grid, long=settings["max_size"] * grid)
    side = settings["image_size"] * grid
    return Resize(long=side) if is_letterboxed(settings) else Resize(short=side)


def is_letterboxed(settings: Mapping[str, Any]) -> bool:
    """Whether the model of these settings sees images in a square that keeps their ratio (yolov5). Other models with an
    `image_size` squeeze them into it."""
    return "image_size" in settings and "box_detections_per_image" not in settings


def read(
    source: Path | bytes, *, frame: int = 0, resize: Resize | None = None, max_pixels: int | None = None
) -> Picture:
    """Decodes one image (`frame` for DICOM). Transparent parts become white, other modes RGB, EXIF orientation is
    applied, 16-bit grey is scaled to the bits it uses. DataError, with the reason, for what cannot be decoded and,
    before it is decoded, for what has more than `max_pixels` pixels."""
    name = str(source) if isinstance(source, Path) else "the image"
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                head = file.read(132)
        else:
            head = source[:132]
        if dicom.is_dicom(head):
            return _read_dicom(source, frame, resize, max_pixels)
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
            width, height = _upright(image)
            check_pixels(name, width, height, max_pixels)
            wanted = resize.size(width, height) if resize else (width, height)
            return Picture(_decode(image, wanted), width, height)
    except FileNotFoundError as error:
        raise DataError(f"{name} does not exist.") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{name} is no image, or of an unknown kind.") from error
    except _BROKEN as error:
        raise DataError(f"{name} cannot be decoded: {str(error)[:200]}") from error


def upright_size(path: Path) -> tuple[int, int]:
    """(width, height) as a person sees it, from the header alone; DataError as in `read`."""
    try:
        with path.open("rb") as file:
            head = file.read(132)
        if dicom.is_dicom(head):
            return dicom.size(path)
        with Image.open(path) as image:
            return _upright(image)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read: {str(error)[:200]}") from error


def resize_pixels(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """`[H,W,3]` uint8 at another size, antialiased."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def check_pixels(name: str, width: int, height: int, limit: int | None) -> None:
    """DataError where an image is larger than `limit` pixels."""
    if limit is not None and width * height > limit:
        raise DataError(
            f"{name} has {width} × {height} pixels, more than the {limit:,} that are taken.", "Send a smaller image."
        )


def _read_dicom(source: Path | bytes, frame: int, resize: Resize | None, max_pixels: int | None) -> Picture:
    if max_pixels is not None:
        size = dicom.size(source if isinstance(source, Path) else io.BytesIO(source))
        check_pixels(str(source) if isinstance(source, Path) else "the image", *size, max_pixels)
    pixels = dicom.read(source if isinstance(source, Path) else io.BytesIO(source), frame)
    height, width = pixels.shape[:2]
    return Picture(resize_pixels(pixels, *resize.size(width, height)) if resize else pixels, width, height)


def _orientation(image: Image.Image) -> int:
    try:
        value = int(image.getexif().get(0x0112, 1))
        return value if 1 <= value <= 8 else 1
    except _BROKEN:
        return 1  # a damaged EXIF block: shown as stored


def _upright(image: Image.Image) -> tuple[int, int]:
    turned = image.format != "TIFF" and _orientation(image) >= 5  # Pillow turns a TIFF's size itself
    return (image.height, image.width) if turned else (image.width, image.height)


def _decode(image: Image.Image, wanted: tuple[int, int]) -> np.ndarray:
    orientation = _orientation(image)
    turned = image.format != "TIFF" and orientation >= 5
    stored = (wanted[1], wanted[0]) if turned else wanted
    if image.format == "JPEG" and image.mode in ("RGB", "L"):
        image.draft(None, stored)  # the decoder draws at 1/2, 1/4 or 1/8 where that is still large enough
    flat = _rgb(image)
    if image.format != "TIFF" and orientation in _TRANSPOSE:  # Pillow turns a TIFF while loading it
        flat = flat.transpose(_TRANSPOSE[orientation])
    if flat.size != wanted:
        flat = flat.resize(wanted, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(flat, dtype=np.uint8)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_levels(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image.convert("RGB")


def _levels(values: np.ndarray) -> np.ndarray:
    """Whole numbers by the largest number of as many bits as the brightest pixel needs; floats over their range."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if values.dtype.kind in "iu" and low >= 0:
        low, high = 0.0, float((1 << max(8, int(high).bit_length())) - 1)
    elif low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    share = (np.nan_to_num(values.astype(np.float64), nan=low) - low) / (high - low or 1.0)
    return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
