"""The header of a DICOM file: read without its pixels, checked before anything is decoded, and copied by allow-list."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

import pydicom
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from .dicom_envelope import plain
from .errors import BOMB, DAMAGED, NO_DECODER, NO_PIXELS, TRUNCATED, MediaError
from .facts import DicomFacts, Limits
from .source import Source

# Values are checked where they are used; pydicom's own warnings would print them into logs.
config.settings.reading_validation_mode = config.IGNORE

MAX_FRAMES: Final = 100_000
_MAX_ELEMENT: Final = 64 << 20
_TAGS: Final[list[Any]] = [
    0x00080060,  # Modality
    *range(0x00280002, 0x00280012),
    *(0x00280100, 0x00280101, 0x00280102, 0x00280103),
    *(0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00281056),  # window, rescale, VOI LUT Function
    *range(0x00281101, 0x00281105),
    *range(0x00281201, 0x00281205),
    *range(0x00281221, 0x00281225),  # palettes
    *(0x00283000, 0x00283010),  # modality and VOI LUT
    *(0x52009229, 0x52009230),  # functional groups
    *(0x7FE00001, 0x7FE00002),  # extended offsets
]
_PIXELS: Final = {
    (0x7FE0, 0x0008): "FloatPixelData",
    (0x7FE0, 0x0009): "DoubleFloatPixelData",
    (0x7FE0, 0x0010): "PixelData",
}
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_PHOTOMETRIC: Final = (
    *_GREY, "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420",
    "YBR_PARTIAL_422",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """A checked header; `stream` and `value_at` say where the pixel data begins."""

    dataset: Dataset
    stream: Source
    syntax: UID
    keyword: str
    pixel_vr: str
    value_at: int
    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    photometric: str

    @property
    def is_grey(self) -> bool:
        return self.samples == 1 and self.photometric in _GREY

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded frame, as pydicom holds it (one byte for each single bit)."""
        return self.rows * self.columns * self.samples * max(1, self.bits_allocated // 8)

    def macro(self, frame: int, name: str) -> Dataset:
        """Where the elements of a functional group are: of this frame, shared by all, or the file itself."""
        groups: list[Any] = []
        per_frame = self.dataset.get("PerFrameFunctionalGroupsSequence")
        if per_frame and frame < len(per_frame):
            groups.append(per_frame[frame])
        shared = self.dataset.get("SharedFunctionalGroupsSequence")
        if shared:
            groups.append(shared[0])
        for group in groups:
            found = group.get(name)
            if found:
                return cast(Dataset, found[0])
        return self.dataset

    def rescale(self, frame: int) -> tuple[float, float]:
        """Slope and intercept from stored to modality values; (1, 0) where the file gives none or a useless one."""
        place = self.macro(frame, "PixelValueTransformationSequence")
        slope, intercept = first_number(place, "RescaleSlope"), first_number(place, "RescaleIntercept")
        if slope is None or intercept is None or slope == 0:
            return 1.0, 0.0
        return slope, intercept

    def window(self, frame: int) -> tuple[float, float] | None:
        """The first window (center, width) of a frame, or None where there is none that can be used."""
        place = self.macro(frame, "FrameVOILUTSequence")
        center, width = first_number(place, "WindowCenter"), first_number(place, "WindowWidth")
        return (center, width) if center is not None and width is not None and width > 0 else None


def read_header(source: Source, limits: Limits) -> Header:
    """The header of the DICOM file in `source`, its sizes within `limits`. Raises MediaError, and what pydicom does."""
    stream, uid = plain(source)
    syntax = UID(uid)
    try:
        get_decoder(syntax)
    except NotImplementedError as error:
        called = syntax.name if syntax.name != syntax else "an unknown transfer syntax"
        raise MediaError(NO_DECODER, f"Pixels stored as {called} cannot be decoded here.") from error
    dataset = pydicom.dcmread(
        cast(BinaryIO, stream), stop_before_pixels=True, specific_tags=_TAGS, defer_size=_MAX_ELEMENT
    )
    implicit, little = syntax.is_implicit_VR, syntax.is_little_endian
    keyword, pixel_vr = _pixel_element(dataset, stream, implicit=implicit, little=little)
    rows, columns = _count(dataset, "Rows"), _count(dataset, "Columns")
    samples, frames = _count(dataset, "SamplesPerPixel", 1), _count(dataset, "NumberOfFrames", 1)
    if rows < 1 or columns < 1:
        raise MediaError(DAMAGED, "The DICOM file gives no size for its picture.")
    limits.check_size(columns, rows)
    if frames > MAX_FRAMES:
        raise MediaError(BOMB, f"The DICOM file claims {frames} frames; at most {MAX_FRAMES} are read.")
    default_bits = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(keyword, 0)
    allocated = default_bits or _count(dataset, "BitsAllocated")
    stored = default_bits or _count(dataset, "BitsStored", allocated)
    if samples not in (1, 3) or allocated not in (1, 8, 16, 32, 64) or not 1 <= stored <= allocated:
        raise MediaError(DAMAGED, "The DICOM file gives a pixel layout that does not exist.")
    photometric = str(dataset.get("PhotometricInterpretation", "")).strip().upper()
    if photometric not in _PHOTOMETRIC:
        raise MediaError(DAMAGED, "The DICOM file does not say how its colours are stored.")
    return Header(
        dataset=dataset, stream=stream, syntax=syntax, keyword=keyword, pixel_vr=pixel_vr, value_at=stream.tell(),
        rows=rows, columns=columns, frames=max(1, frames), samples=samples, bits_allocated=allocated,
        bits_stored=stored, signed=_count(dataset, "PixelRepresentation", 0) == 1, photometric=photometric,
    )  # fmt: skip


def dicom_facts(header: Header) -> DicomFacts:
    """The allow-list: only what is about pixels, each value in the form that its attribute can have."""
    modality = str(header.dataset.get("Modality", "") or "").strip().upper()
    slope, intercept = header.rescale(0)
    window = header.window(0)
    low, high = value_range(header)
    return DicomFacts(
        modality=modality if re.fullmatch(r"[A-Z0-9]{2,12}", modality) else "",
        photometric=header.photometric,
        transfer_syntax=header.syntax.name,
        rows=header.rows,
        columns=header.columns,
        frames=header.frames,
        samples=header.samples,
        bits_allocated=header.bits_allocated,
        bits_stored=header.bits_stored,
        signed=header.signed,
        rescale_slope=slope,
        rescale_intercept=intercept,
        window_center=window[0] if window else None,
        window_width=window[1] if window else None,
        value_low=low,
        value_high=high,
        has_modality_lut=bool(header.dataset.get("ModalityLUTSequence")),
        has_voi_lut=bool(header.macro(0, "FrameVOILUTSequence").get("VOILUTSequence")),
    )


def value_range(header: Header) -> tuple[float, float]:
    """The least and greatest modality value that the stored bits can give (PS3.3 C.11.1); (0, 1) for float pixels."""
    tables = header.dataset.get("ModalityLUTSequence")
    if tables:
        return 0.0, float((1 << int(tables[0].LUTDescriptor[2])) - 1)
    if header.keyword != "PixelData":
        return 0.0, 1.0
    bits, (slope, intercept) = header.bits_stored, header.rescale(0)
    stored = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if header.signed else (0, (1 << bits) - 1)
    low, high = sorted(value * slope + intercept for value in stored)
    return low, high


def first_number(dataset: Dataset, keyword: str) -> float | None:
    """The first value of a numeric element as a finite float; None where it is absent, empty or no number."""
    try:
        value: Any = dataset.get(keyword)
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = value[0]
        number = float(value)
    except (TypeError, ValueError, IndexError):
        return None
    return number if math.isfinite(number) else None


def _count(dataset: Dataset, keyword: str, default: int = 0) -> int:
    try:
        value: Any = dataset.get(keyword)
        return default if value is None or value == "" else int(value)
    except (TypeError, ValueError) as error:
        raise MediaError(DAMAGED, f"The DICOM file gives a number that cannot be read ({keyword}).") from error


def _pixel_element(dataset: Dataset, stream: Source, *, implicit: bool, little: bool) -> tuple[str, str]:
    """Keyword and VR of the pixel data; afterwards `stream` stands at its value (PS3.5 7.1.2 and 7.1.3)."""
    start = stream.read(8)
    order = "<" if little else ">"
    keyword = _PIXELS.get(struct.unpack(order + "HH", start[:4])) if len(start) == 8 else None
    if keyword is None:
        if "Rows" in dataset:
            raise MediaError(TRUNCATED, "The DICOM file describes a picture but ends before its pixels.")
        modality = str(dataset.get("Modality", "") or "").strip().upper()
        kind = f" ({modality})" if re.fullmatch(r"[A-Z0-9]{2,12}", modality) else ""
        raise MediaError(NO_PIXELS, f"The DICOM file{kind} holds no picture.")
    if implicit:
        return keyword, "OW"
    vr = start[4:6].decode("ascii", "replace")
    stream.read(4)
    return keyword, vr
