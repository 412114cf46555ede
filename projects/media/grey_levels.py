"""Grey frames of DICOM files: from stored values to modality values, and from those to what a screen shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset

from . import flattening
from .dicom_header import Header
from .errors import DAMAGED, MediaError

LARGEST: Final = 65_535


@dataclass(frozen=True, slots=True)
class Samples:
    """Modality values of one frame in 16 bits: the value of sample s is `low + s * step`.

    `values` is rows × columns, uint16. `own` gives the grey level, 0 to 255, of each sample up to the largest, as the
    file itself asks for. `invert` says that low values are shown bright (MONOCHROME1); it is in `own` already. `window`
    is the (center, width) behind `own` in modality units, None where a table is.
    """

    values: np.ndarray
    low: float
    step: float
    own: np.ndarray
    invert: bool
    window: tuple[float, float] | None


def shown(
    pixels: np.ndarray, header: Header, frame: int, window: tuple[float, float] | None
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """The frame in 8 bits as `window` shows it, or as the file asks for (PS3.3 C.11.2), and the window used."""
    modality = _modality(header, frame)
    display, used = _display(pixels, header, frame, window, modality)
    return flattening.map_to_bytes(pixels, lambda block: display(modality(block))), used


def samples(pixels: np.ndarray, header: Header, frame: int, max_side: int) -> Samples:
    """The frame as `Samples`. Exact where the file's values lie on a grid of at most 65,536 steps, as nearly all do."""
    modality = _modality(header, frame)
    low, high = _range(pixels, modality)
    step = _grid(pixels, header, frame)
    if not step or (high - low) / step > LARGEST:
        step = (high - low) / LARGEST or 1.0
    top = round((high - low) / step)
    display, used = _display(pixels, header, frame, None, modality)

    def to_sample(block: np.ndarray) -> np.ndarray:
        values = np.nan_to_num(modality(block), nan=low, posinf=high, neginf=low)
        return np.clip(np.rint((values - low) / step), 0, top).astype(np.uint16)

    values = flattening.map_values(pixels, to_sample, np.uint16)
    if max(values.shape) > max_side:
        picture = Image.fromarray(values.astype(np.float32))
        picture.thumbnail((max_side, max_side), Image.Resampling.BOX)
        values = np.clip(np.rint(np.asarray(picture)), 0, top).astype(np.uint16)
    own = display(low + np.arange(top + 1) * step)
    return Samples(values, low, step, own, header.photometric == "MONOCHROME1", used)


def _grid(pixels: np.ndarray, header: Header, frame: int) -> float:
    """The distance that modality values of this frame are multiples of; 0 where there is none."""
    if pixels.dtype.kind not in "iu":
        return 0.0
    if _lookup(header.dataset, "ModalityLUTSequence", header, normalised=False) is not None:
        return 1.0
    return abs(header.rescale(frame)[0])


def _display(
    pixels: np.ndarray,
    header: Header,
    frame: int,
    window: tuple[float, float] | None,
    modality: Callable[[np.ndarray], np.ndarray],
) -> tuple[Callable[[np.ndarray], np.ndarray], tuple[float, float] | None]:
    """From modality values to 8 bits: by `window`, the file's own VOI LUT or window, or the range of the frame."""
    invert = header.photometric == "MONOCHROME1"
    place = header.macro(frame, "FrameVOILUTSequence")
    table = _lookup(place, "VOILUTSequence", header) if window is None else None
    used: tuple[float, float] | None = None
    if table is not None:
        display: Callable[[np.ndarray], np.ndarray] = table
    else:
        function = "LINEAR"
        used = window
        if used is None:
            used = header.window(frame)
            function = str(place.get("VOILUTFunction", "") or "LINEAR").upper()
            if used is not None and used[1] < 1 and function == "LINEAR":
                used = None  # C.11.2.1.2.1: a linear window is at least 1 wide
        if used is None:
            used, function = _whole_range(pixels, modality), "LINEAR"
        display = _windowing(used, function)

    def to_byte(values: np.ndarray) -> np.ndarray:
        share = np.clip(np.nan_to_num(display(values), nan=0.0), 0.0, 1.0)
        return np.rint((1.0 - share if invert else share) * 255).astype(np.uint8)

    return to_byte, used


def _modality(header: Header, frame: int) -> Callable[[np.ndarray], np.ndarray]:
    """From stored to modality values (PS3.3 C.11.1): by table, else by slope and intercept."""
    table = _lookup(header.dataset, "ModalityLUTSequence", header, normalised=False)
    if table is not None:
        return table
    slope, intercept = header.rescale(frame)
    return lambda block: block.astype(np.float64) * slope + intercept


def _lookup(
    dataset: Dataset, sequence: str, header: Header, *, normalised: bool = True
) -> Callable[[np.ndarray], np.ndarray] | None:
    """The first table of a LUT sequence (PS3.3 C.11.1.1 and C.11.2.1.1) as a function; None where there is none.

    Values before the first entry take the first, those after the last the last. `normalised` divides by the largest
    number of the bits that the descriptor names.
    """
    items = dataset.get(sequence)
    if not items or items[0].get("LUTDescriptor") is None or items[0].get("LUTData") is None:
        return None
    item = items[0]
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    count = count or 1 << 16
    data = item.LUTData
    if isinstance(data, bytes):
        entry = "u1" if len(data) < 2 * count else ("<u2" if header.syntax.is_little_endian else ">u2")
        entries = np.frombuffer(data, dtype=entry, count=min(count, len(data) // np.dtype(entry).itemsize))
    else:
        entries = np.asarray(data, dtype=np.int64).ravel()[:count]
    if not entries.size or not 8 <= bits <= 16:
        raise MediaError(DAMAGED, "A lookup table of the DICOM file is damaged.")
    values = entries.astype(np.float64) / (((1 << bits) - 1) if normalised else 1)

    def look_up(block: np.ndarray) -> np.ndarray:
        index = np.clip(np.floor(block.astype(np.float64)) - first, 0, len(values) - 1)
        return values[index.astype(np.int64)]

    return look_up


def _whole_range(pixels: np.ndarray, modality: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """The linear window that shows the least value of the frame black and the greatest white."""
    low, high = _range(pixels, modality)
    return (low + high) / 2 + 0.5, high - low + 1


def _range(pixels: np.ndarray, modality: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """The least and the greatest finite value of the frame; zeros where there is none."""
    low, high = math.inf, -math.inf
    for rows in flattening.blocks(pixels):
        values = modality(pixels[rows])
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if math.isfinite(low) else (0.0, 0.0)


def _windowing(window: tuple[float, float], function: str) -> Callable[[np.ndarray], np.ndarray]:
    """The VOI function (PS3.3 C.11.2.1.2 and C.11.2.1.3) onto 0 to 1, not yet clipped."""
    center, width = window
    if function == "SIGMOID":
        return lambda values: 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700, 700)))
    if function == "LINEAR_EXACT":
        return lambda values: (values - center) / width + 0.5
    if width <= 1:
        return lambda values: (values > center - 0.5).astype(np.float64)
    return lambda values: (values - (center - 0.5)) / (width - 1) + 0.5
