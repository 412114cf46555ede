"""What a request may ask to be done differently: thresholds and tiling, under all their names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from automl.vision import tiling
from automl.vision.errors import UsageError
from automl.vision.requests import Request, Thresholds
from automl.vision.spec import row_named, tasks

from .limits import PREFIX
from .refusals import bad

CHANGEABLE = (
    "box_score_threshold",
    "nms_iou_threshold",
    "box_detections_per_image",
    "mask_pixel_score_threshold",
    "max_number_of_polygon_points",
    "tile_grid_size",
    "tile_overlap_ratio",
    "tile_predictions_nms_threshold",
)
"""Under their v2 names."""
SIZES = ("min_size", "max_size", "image_size", "validation_resize_size", "validation_crop_size")
"""What settings.json and the environment may change beside, for all requests: every image is read by them."""


def changeable(task: str, model_name: str) -> list[str]:
    """Those that mean something for this task and model."""
    model = tasks.MODELS.get(model_name)
    return [name for name in CHANGEABLE if model is not None and row_named(name).applies_to(task, model)]


def read(given: Mapping[str, Any], task: str, model_name: str) -> dict[str, Any]:
    """Values under v2 names, checked. Refusal (400) for unknown names and for values out of range."""
    known = changeable(task, model_name)
    values = {}
    for name, value in given.items():
        try:
            row = row_named(name)
            if row.name not in known:
                raise UsageError(f"{name} cannot be changed for this model.")
            values[row.name] = row.read(value)
        except UsageError as error:
            may = f"What a request may change: {', '.join(known)}." if known else "A request can change nothing here."
            raise bad("parameter", error.sentence, error.way_out if "Allowed" in error.way_out else may) from error
    return values


def from_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What TESSERA_SERVE_BOX_SCORE_THRESHOLD and its like set for all requests, not yet checked."""
    given = os.environ if environment is None else environment
    named = {name: given.get(PREFIX + name.upper(), "").strip() for name in (*CHANGEABLE, *SIZES)}
    return {name: text for name, text in named.items() if text}


def request_of(values: Mapping[str, Any], settings: Mapping[str, Any]) -> Request:
    """For the runner: `values` where given, the model's own `settings` otherwise."""
    return Request(
        thresholds=Thresholds(
            box_score=values.get("box_score_threshold"),
            nms_iou=values.get("nms_iou_threshold"),
            detections_per_image=values.get("box_detections_per_image"),
            mask_pixel_score=values.get("mask_pixel_score_threshold"),
        ),
        tiles=_grid(values, settings),
        max_polygon_points=values.get("max_number_of_polygon_points"),
    )


def _grid(values: Mapping[str, Any], settings: Mapping[str, Any]) -> tiling.Grid | None:
    asked = {name: value for name, value in values.items() if name.startswith("tile_") and value is not None}
    if not asked:
        return None
    grid = tiling.Grid.of({**settings, **asked})
    if grid is None:
        raise bad("parameter", f"{', '.join(asked)} has no effect without tiles.", "Give tile_grid_size, such as 3x2.")
    return grid
