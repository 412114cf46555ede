"""preprocess.json: what is done to an image before the network sees it, for those who write a client of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl.vision.data.images import is_letterboxed, resize_rule
from automl.vision.spec import tasks


def described(task: str, settings: Mapping[str, Any], graph: Mapping[str, Any]) -> dict[str, Any]:
    """The steps in their order. `graph` is what the exported graph says of itself."""
    rule = resize_rule(task, settings)
    steps: list[dict[str, Any]] = [
        {"step": "decode", "colour": "RGB", "orientation": "as EXIF says", "transparent": "on white"},
        {"step": "shrink", "shorter_side_at_most": rule.short, "longer_side_at_most": rule.long, "filter": "bicubic"},
    ]
    if task in tasks.CLASSIFIES:
        steps.append(
            {
                "step": "centre_crop",
                "resize_shorter_side": settings["validation_resize_size"],
                "side": settings["validation_crop_size"],
                "filter": "bilinear, antialiased",
            }
        )
    elif is_letterboxed(settings):
        grey = {"step": "letterbox", "side": settings["image_size"], "colour": [114, 114, 114], "placed": "middle"}
        steps.append(grey)
    elif "image_size" in settings:
        steps.append({"step": "squeeze", "side": settings["image_size"], "filter": "bilinear, antialiased"})
    else:
        steps.append(
            {
                "step": "resize",
                "shorter_side": settings["min_size"],
                "longer_side_at_most": settings["max_size"],
                "padded_to_a_multiple_of": 32,
                "filter": "bilinear",
            }
        )
    steps.append({"step": "scale", "to": [0, 1], "layout": "batch, channel, row, column; float32"})
    steps.append(
        {
            "step": "normalize",
            "mean": graph.get("mean"),
            "std": graph.get("std"),
            "where": "before the graph" if graph.get("normalization") == "outside" else "inside the graph",
        }
    )
    return {"input": "input1", "steps": steps}
