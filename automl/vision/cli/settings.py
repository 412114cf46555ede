"""Hyperparameters as options: every row of the table under its v2 name, v1 name and aliases."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from automl.vision.spec import ROWS, Row

# What may be given anew to a model that is trained: the size of its images, and what of its findings counts.
SIZES = ("validation_resize_size", "validation_crop_size", "min_size", "max_size", "image_size")
FINDINGS = (
    "box_score_threshold",
    "nms_iou_threshold",
    "box_detections_per_image",
    "tile_grid_size",
    "tile_overlap_ratio",
    "tile_predictions_nms_threshold",
    "mask_pixel_score_threshold",
)


def add(parser: argparse.ArgumentParser, only: Sequence[str] | None = None) -> None:
    """One option per hyperparameter (of `only`, where given), in the sections of the table; dashes and underscores
    both work."""
    groups: dict[str, Any] = {}
    for row in ROWS:
        if only is not None and row.name not in only:
            continue
        if row.section not in groups:
            groups[row.section] = parser.add_argument_group(f"hyperparameters: {row.section.lower()}")
        groups[row.section].add_argument(
            *_spellings(row), dest=f"set_{row.name}", metavar="VALUE", default=argparse.SUPPRESS, help=_help(row)
        )


def given(arguments: argparse.Namespace) -> dict[str, str]:
    """The hyperparameters that were given, as text, under their v2 names."""
    return {name[4:]: value for name, value in vars(arguments).items() if name.startswith("set_")}


def _spellings(row: Row) -> list[str]:
    names = [row.name, *row.aliases]
    return list(dict.fromkeys(f"--{each}" for name in names for each in (name.replace("_", "-"), name)))


def _help(row: Row) -> str:
    return f"{row.help} Allowed: {row.allowed()}.".replace("%", "%%")
