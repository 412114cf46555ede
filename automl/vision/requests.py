"""What may be asked differently for each prediction. No torch here: the runtime without it understands the same."""

from __future__ import annotations

from dataclasses import dataclass

from automl.vision.tiling import Grid


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Which predictions are returned. None: what the model was trained with."""

    box_score: float | None = None
    nms_iou: float | None = None
    detections_per_image: int | None = None
    mask_pixel_score: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What may be asked differently for each request; None: as in training. `tiles` replaces the training's tiling."""

    thresholds: Thresholds = Thresholds()
    tiles: Grid | None = None
    max_polygon_points: int | None = None
