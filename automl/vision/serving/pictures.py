"""Which files are taken as images, how large they say they are, and one image to warm up with."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from PIL import Image

from automl.vision.data import dicom
from automl.vision.errors import DataError

KINDS: Final = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")
"""Of what strangers send, these alone reach a decoder: Pillow knows many more, some of which start other programs."""
WAY_OUT: Final = "Send JPEG, PNG, BMP, TIFF, WebP, GIF or DICOM."

TooManyPixels = Image.DecompressionBombError


def size_of(content: bytes) -> tuple[int, int]:
    """(width, height) from the header. DataError for what is none of KINDS and no DICOM; TooManyPixels for more than
    Pillow ever decodes."""
    if dicom.is_dicom(content[:132]):
        return dicom.size(io.BytesIO(content))
    try:
        with Image.open(io.BytesIO(content), formats=KINDS) as image:
            return image.size
    except TooManyPixels:
        raise
    except Exception as error:  # Pillow's readers raise of every kind on damaged files
        raise DataError("The image is no image, or of an unknown kind.", WAY_OUT) from error


def blank(side: int = 64) -> bytes:
    """A PNG of soft colours, to warm up with and to show as an example."""
    ramp = np.linspace(60, 200, side).astype(np.uint8)
    pixels = np.stack([np.tile(ramp, (side, 1)), np.tile(ramp[:, None], (1, side)), np.full((side, side), 128)], axis=2)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
