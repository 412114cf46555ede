"""Small objects in large images: the whole image and overlapping tiles of it go through the model (parity.md B.7).

Importing this imports no torch: the runtime without it cuts and merges with the same functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.vision.suppression import grouped_nms

if TYPE_CHECKING:
    from torch import Tensor

    from automl.vision.models.base import VisionModel
    from automl.vision.requests import Thresholds

OVERLAP = 0.25
NMS_IOU = 0.25
KEPT_SHARE = 0.5
"""An object cut by a tile's edge is learned in it when at least this share of its area is inside."""


@dataclass(frozen=True, slots=True)
class Grid:
    """`columns` × `rows` tiles; neighbours share `overlap` of a tile's side; merging keeps the better of two boxes of a
    class that overlap more than `nms_iou`."""

    columns: int
    rows: int
    overlap: float = OVERLAP
    nms_iou: float = NMS_IOU

    def __post_init__(self) -> None:
        if self.columns < 1 or self.rows < 1 or self.columns * self.rows < 2:
            raise ValueError(f"tile_grid_size needs at least two tiles, not {self.columns}x{self.rows}.")
        if not 0 <= self.overlap < 1:
            raise ValueError(f"tile_overlap_ratio is at least 0 and less than 1, not {self.overlap}.")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Grid | None:
        """From settings under their v2 names; None where tiling is off."""
        size = settings.get("tile_grid_size")
        if not size:
            return None
        columns, rows = size
        overlap, iou = settings.get("tile_overlap_ratio"), settings.get("tile_predictions_nms_threshold")
        return cls(int(columns), int(rows), OVERLAP if overlap is None else overlap, NMS_IOU if iou is None else iou)


@dataclass(frozen=True, slots=True)
class Tile:
    """Pixels of the image, right and bottom excluded."""

    left: int
    top: int
    right: int
    bottom: int


def tiles(width: int, height: int, grid: Grid) -> list[Tile]:
    """Tiles in rows from the top left, all of one size up to a pixel, the last ending where the image ends.

    n tiles of side t that overlap by o·t cover t·(n - (n - 1)·o) pixels, which gives t.
    """
    columns = _spans(width, grid.columns, grid.overlap)
    return [Tile(x1, y1, x2, y2) for y1, y2 in _spans(height, grid.rows, grid.overlap) for x1, x2 in columns]


def _spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    side = length / (count - (count - 1) * overlap)
    starts = [i * side * (1 - overlap) for i in range(count)]
    edges = [(min(math.floor(start), length - 1), min(math.ceil(start + side), length)) for start in starts]
    return [*edges[:-1], (edges[-1][0], length)]


def objects_in(tile: Tile, boxes: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Which of the boxes (N, 4) are learned in a tile, and their parts inside it in the tile's own pixels."""
    if not len(boxes):
        return np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    limits = np.array([tile.left, tile.top, tile.right, tile.bottom], np.float64)
    cut = np.concatenate([np.maximum(boxes[:, :2], limits[:2]), np.minimum(boxes[:, 2:], limits[2:])], axis=1)
    inside = (cut[:, 2:] - cut[:, :2]).clip(min=0).prod(axis=1)
    whole = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    kept = np.flatnonzero((inside > 0) & (inside >= KEPT_SHARE * whole))
    return kept, (cut[kept] - np.tile(limits[:2], 2)).astype(np.float32)


def views(width: int, height: int, grid: Grid) -> list[Tile]:
    """What goes through the model: the whole image, then its tiles."""
    return [Tile(0, 0, width, height), *tiles(width, height, grid)]


def predict(
    model: VisionModel, image: Tensor, grid: Grid, thresholds: Thresholds | None = None, batch_size: int = 1
) -> dict[str, Tensor]:
    """Boxes, scores and labels of `image` (3, H, W) found in it and in its tiles, merged, in pixels of the image."""
    import torch

    places = views(image.shape[2], image.shape[1], grid)
    parts = [image[:, tile.top : tile.bottom, tile.left : tile.right] for tile in places]
    found: list[dict[str, Tensor]] = []
    for start in range(0, len(parts), batch_size):
        found += model.predict_step(parts[start : start + batch_size], thresholds)
    arrays = [{name: value.cpu().numpy() for name, value in one.items()} for one in found]
    most = None if thresholds is None else thresholds.detections_per_image
    merged = merge(zip(places, arrays, strict=True), grid.nms_iou, most)
    return {name: torch.from_numpy(value).to(image.device) for name, value in merged.items()}


def merge(
    found: Iterable[tuple[Tile, Mapping[str, Any]]], nms_iou: float, most: int | None = None
) -> dict[str, NDArray[Any]]:
    """One list of boxes from the arrays of several tiles: moved into the image, then suppressed within each class."""
    parts = list(found)
    boxes = np.concatenate([np.asarray(one["boxes"]) + _corner(tile) for tile, one in parts])
    scores, labels = (np.concatenate([np.asarray(one[name]) for _tile, one in parts]) for name in ("scores", "labels"))
    kept = grouped_nms(boxes, scores, labels, nms_iou)[:most]
    return {"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept]}


def _corner(tile: Tile) -> NDArray[np.float32]:
    return np.array([tile.left, tile.top, tile.left, tile.top], np.float32)
