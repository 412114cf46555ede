"""One frame of a DICOM file as 8-bit RGB, through pydicom: modality table, window or value range, colour."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from automl.vision.errors import DataError

# What pydicom and its decoders raise on damaged files.
_BROKEN: Final = (
    AttributeError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


def is_dicom(head: bytes) -> bool:
    """Whether a file with these first 132 bytes is DICOM."""
    return head[128:132] == b"DICM"


def size(source: Path | BinaryIO) -> tuple[int, int]:
    """(width, height) from the header; DataError where it has none."""
    _require_reader()
    import pydicom
    from pydicom.errors import InvalidDicomError

    name = str(source) if isinstance(source, Path) else "the image"
    try:
        dataset = pydicom.dcmread(source, stop_before_pixels=True)
        return int(dataset.Columns), int(dataset.Rows)
    except (InvalidDicomError, *_BROKEN) as error:
        raise DataError(f"{name} is a DICOM file that cannot be read: {str(error)[:200]}") from error


def read(source: Path | BinaryIO, frame: int = 0) -> np.ndarray:
    """`[H,W,3]` uint8 of one frame (from 0), as a labeler first sees it: grey through the modality table, then the
    file's window or, without one, its range of values; MONOCHROME1 inverted. DataError where it cannot be decoded."""
    _require_reader()
    import pydicom
    from pydicom.errors import InvalidDicomError
    from pydicom.pixels.utils import pixel_array

    name = str(source) if isinstance(source, Path) else "the image"
    try:
        dataset = pydicom.dcmread(source)
        frames = int(dataset.get("NumberOfFrames", 1) or 1)
        if not 0 <= frame < frames:
            raise DataError(f"{name} has {frames} frames, numbered from 0; frame {frame} was asked for.")
        pixels = np.asarray(pixel_array(dataset, index=frame))
        return _colour(pixels, dataset) if _has_colour(dataset) else _grey(pixels, dataset)
    except (InvalidDicomError, *_BROKEN) as error:
        raise DataError(f"{name} is a DICOM file that cannot be decoded: {str(error)[:200]}") from error


def _require_reader() -> None:
    """DataError where this installation, such as a bundle made without --dicom, cannot read DICOM at all."""
    if importlib.util.find_spec("pydicom") is None:
        raise DataError(
            "The image is a DICOM file, and this installation cannot read those.", "Install pydicom, or send a PNG."
        )


def _has_colour(dataset: Any) -> bool:
    return int(dataset.get("SamplesPerPixel", 1)) == 3 or dataset.PhotometricInterpretation == "PALETTE COLOR"


def _colour(pixels: np.ndarray, dataset: Any) -> np.ndarray:
    from pydicom.pixels.processing import apply_color_lut

    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = np.asarray(apply_color_lut(pixels, dataset))[..., :3]
        bits = 8 if pixels.max(initial=0) <= 255 else 16
    else:
        bits = int(dataset.BitsStored)
    if bits <= 8:
        return pixels.astype(np.uint8)
    return (pixels.astype(np.float64) / ((1 << bits) - 1) * 255).astype(np.uint8)


def _grey(pixels: np.ndarray, dataset: Any) -> np.ndarray:
    from pydicom.pixels.processing import apply_modality_lut

    values = np.asarray(apply_modality_lut(pixels, dataset), dtype=np.float64)
    window = _window(dataset)
    if window is None:
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
        share = (values - low) / (high - low or 1.0)
    else:
        center, width = window
        share = (values - (center - 0.5)) / max(width - 1, 1e-9) + 0.5  # PS3.3 C.11.2.1.2
    share = np.clip(np.nan_to_num(share), 0.0, 1.0)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        share = 1.0 - share
    return np.repeat(np.rint(share * 255).astype(np.uint8)[..., None], 3, axis=2)


def _window(dataset: Any) -> tuple[float, float] | None:
    """Centre and width of the file's first window, None where it has none that can be used."""
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    return (center, width) if center is not None and width is not None and width >= 1 else None


def _first(value: Any) -> float | None:
    if value is not None and hasattr(value, "__len__") and not isinstance(value, str):
        value = value[0] if len(value) else None
    return None if value in (None, "") else float(value)
