"""What may be asked differently for each prediction. No torch here: the runtime without it understands the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from automl.vision.tiling import Grid


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Which predictions are returned. None: what the model was trained with."""

    box_score: float | None = None
    nms_iou: float | None = None
    detections_per_image: int | None = None
    mask_pixel_score: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """All thresholds with their values; `most` None: as many as the family gives."""

    box_score: float = 0.3
    nms_iou: float = 0.5
    most: int | None = None
    mask_pixel_score: float = 0.5

    def set_by(self, settings: Mapping[str, Any]) -> Limits:
        """What the settings say, and these where they say nothing."""
        said = {field: (kind, settings.get(name)) for field, (name, kind) in _SETTINGS.items()}
        return replace(self, **{field: kind(value) for field, (kind, value) in said.items() if value is not None})

    def asked_by(self, thresholds: Thresholds | None) -> Limits:
        """What a request asks for, and these where it asks for nothing."""
        asked = thresholds or Thresholds()
        return Limits(
            box_score=self.box_score if asked.box_score is None else asked.box_score,
            nms_iou=self.nms_iou if asked.nms_iou is None else asked.nms_iou,
            most=asked.detections_per_image or self.most,
            mask_pixel_score=self.mask_pixel_score if asked.mask_pixel_score is None else asked.mask_pixel_score,
        )


_SETTINGS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "box_score": ("box_score_threshold", float),
    "nms_iou": ("nms_iou_threshold", float),
    "most": ("box_detections_per_image", int),
    "mask_pixel_score": ("mask_pixel_score_threshold", float),
}


@dataclass(frozen=True, slots=True)
class Request:
    """What may be asked differently for each request; None: as in training. `tiles` replaces the training's tiling."""

    thresholds: Thresholds = Thresholds()
    tiles: Grid | None = None
    max_polygon_points: int | None = None
