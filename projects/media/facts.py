"""What reading a file tells, what drawing it gives, and the limits both keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from .errors import TOO_LARGE, TOO_MANY_PIXELS, MediaError

SUPPORTED_EXTENSIONS: Final = frozenset(
    {".jpg", ".jpeg", ".png", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".dcm", ".dicom"}
)

MAX_PIXELS: Final = 250_000_000
MAX_SIDE: Final = 65_500  # the longest side that a JPEG of ours can have
MAX_MEMORY: Final = 2 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may claim: pixels per frame, pixels per side, and bytes of memory while it is decoded."""

    max_pixels: int = MAX_PIXELS
    max_side: int = MAX_SIDE
    max_memory: int = MAX_MEMORY

    def check_size(self, width: int, height: int) -> None:
        """Refuse a picture of `width` × `height` pixels that no part of this program should decode."""
        if width * height > self.max_pixels:
            raise MediaError(
                TOO_MANY_PIXELS,
                f"The picture has {width} × {height} pixels; at most {self.max_pixels // 1_000_000} million are read.",
            )
        if max(width, height) > self.max_side:
            raise MediaError(
                TOO_LARGE,
                f"The picture is {width} × {height} pixels; no side may be longer than {self.max_side}.",
            )

    def check_memory(self, needed: int) -> None:
        """Refuse a picture whose decoding would need more than `needed` bytes."""
        if needed > self.max_memory:
            raise MediaError(
                TOO_LARGE,
                f"Decoding the picture would need about {needed >> 20} MB of memory; "
                f"at most {self.max_memory >> 20} MB are given to one picture.",
            )


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class DicomFacts:
    """What a DICOM file says about its pixels: an allow-list, so nothing that names a person can be in it.

    `window_center` and `window_width` are in modality units (after the rescale), those of the first frame, and None
    where the file gives none. `value_low` and `value_high` bound the modality values that can occur.
    """

    modality: str
    photometric: str
    transfer_syntax: str
    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    rescale_slope: float
    rescale_intercept: float
    window_center: float | None
    window_width: float | None
    value_low: float
    value_high: float
    has_modality_lut: bool
    has_voi_lut: bool


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What is known of one file.

    `width` and `height` are in pixels as a person sees them (EXIF orientation applied); `stored_width` and
    `stored_height` as the file holds them. `frames` is what can be labeled one by one (1 for every image);
    `pages` is how many the file holds. `bit_depth` counts bits per channel as stored.
    """

    kind: Literal["image", "dicom"]
    format: str
    width: int
    height: int
    stored_width: int
    stored_height: int
    orientation: int
    frames: int
    pages: int
    bit_depth: int
    notes: list[str] = field(default_factory=list)
    dicom: DicomFacts | None = None

    @property
    def is_dicom(self) -> bool:
        return self.kind == "dicom"


@dataclass(frozen=True, slots=True)
class Rendition:
    """A picture that any browser shows: JPEG or PNG, 8 bits, upright, free of metadata.

    `width` and `height` are those of `content`. `window` is the (center, width) that was applied to a grey DICOM
    frame, in modality units; None elsewhere.
    """

    content: bytes
    content_type: str
    width: int
    height: int
    window: tuple[float, float] | None = None

    def __bytes__(self) -> bytes:
        return self.content
