"""Which predictions are returned: what a request asks for, else what the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl.vision.requests import Thresholds


@dataclass(frozen=True, slots=True)
class Limits:
    """All thresholds with their values; `most` None: as many as the family gives."""

    box_score: float
    nms_iou: float
    most: int | None
    mask_pixel_score: float

    @classmethod
    def of(cls, settings: Mapping[str, Any], asked: Thresholds) -> Limits:
        def chosen(given: Any, name: str) -> Any:
            return settings.get(name) if given is None else given

        most = chosen(asked.detections_per_image, "box_detections_per_image")
        pixel = chosen(asked.mask_pixel_score, "mask_pixel_score_threshold")  # segmentation alone has it
        return cls(
            box_score=float(chosen(asked.box_score, "box_score_threshold")),
            nms_iou=float(chosen(asked.nms_iou, "nms_iou_threshold")),
            most=None if most is None else int(most),
            mask_pixel_score=0.5 if pixel is None else float(pixel),
        )
