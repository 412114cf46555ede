"""Where tiles lie, what is learned in them, and how what was found in them becomes one answer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from automl.vision import tiling
from automl.vision.models.base import InputSpec, VisionModel
from automl.vision.requests import Thresholds
from automl.vision.tiling import Grid, Tile


class BrightSpots(VisionModel):
    """Finds one box around the white pixels of each image, as long as it is at least 1/16 of the image's width wide:
    small objects are seen in tiles only."""

    def __init__(self) -> None:
        super().__init__(
            name="spots", task="image-object-detection", num_classes=2, family="test", input_spec=InputSpec()
        )
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.batches: list[int] = []

    def predict_step(self, images: Any, thresholds: Thresholds | None = None) -> list[dict[str, Tensor]]:
        self.batches.append(len(images))
        return [self._one(image) for image in images]

    def _one(self, image: Tensor) -> dict[str, Tensor]:
        rows, columns = torch.nonzero(image[0] > 0.5, as_tuple=True)
        if not len(rows) or columns.max() - columns.min() + 1 < image.shape[-1] / 16:
            return {"boxes": torch.zeros(0, 4), "scores": torch.zeros(0), "labels": torch.zeros(0, dtype=torch.int64)}
        box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
        return {"boxes": box[None], "scores": torch.tensor([0.9]), "labels": torch.tensor([1])}


def with_spots(*boxes: tuple[int, int, int, int], width: int = 160, height: int = 120) -> Tensor:
    image = torch.zeros(3, height, width)
    for left, top, right, bottom in boxes:
        image[:, top:bottom, left:right] = 1
    return image


def test_tiles_of_3_by_2_overlap_by_a_quarter_and_cover_the_image() -> None:
    found = tiling.tiles(1000, 700, Grid(3, 2))
    assert len(found) == 6
    assert (found[0].left, found[0].top) == (0, 0)
    assert (found[-1].right, found[-1].bottom) == (1000, 700)
    side = found[0].right - found[0].left
    assert side == pytest.approx(1000 / 2.5, abs=1)
    for left, right in itertools.pairwise(found[:3]):
        assert left.right - right.left == pytest.approx(side / 4, abs=2)
    assert found[0].bottom - found[3].top == pytest.approx((700 / 1.75) / 4, abs=2)


@pytest.mark.parametrize("size", [(7, 5), (640, 480), (333, 1001), (2, 2)])
@pytest.mark.parametrize(("columns", "rows"), [(2, 1), (3, 2), (5, 3)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_every_pixel_is_in_a_tile_and_no_tile_is_empty(
    size: tuple[int, int], columns: int, rows: int, overlap: float
) -> None:
    width, height = size
    covered = np.zeros((height, width), bool)
    for tile in tiling.tiles(width, height, Grid(columns, rows, overlap)):
        assert 0 <= tile.left < tile.right <= width
        assert 0 <= tile.top < tile.bottom <= height
        covered[tile.top : tile.bottom, tile.left : tile.right] = True
    assert covered.all()


def test_settings_say_whether_there_are_tiles() -> None:
    assert Grid.of({}) is None
    assert Grid.of({"tile_grid_size": None}) is None
    assert Grid.of({"tile_grid_size": (3, 2)}) == Grid(3, 2, 0.25, 0.25)
    chosen = {"tile_grid_size": (2, 1), "tile_overlap_ratio": 0.0, "tile_predictions_nms_threshold": 0.5}
    assert Grid.of(chosen) == Grid(2, 1, 0.0, 0.5)
    with pytest.raises(ValueError, match="at least two tiles, not 1x1"):
        Grid(1, 1)
    with pytest.raises(ValueError, match="less than 1, not 1.0"):
        Grid(2, 2, 1.0)


def test_objects_are_learned_where_half_of_them_is_inside() -> None:
    boxes = np.array([[10, 10, 20, 20], [45, 0, 65, 10], [30, 0, 58, 10], [70, 0, 80, 10]], np.float32)
    kept, moved = tiling.objects_in(Tile(5, 0, 50, 40), boxes)
    assert kept.tolist() == [0, 2]
    assert moved.tolist() == [[5, 10, 15, 20], [25, 0, 45, 10]]
    nothing, none = tiling.objects_in(Tile(0, 0, 9, 9), np.zeros((0, 4)))
    assert (len(nothing), none.shape) == (0, (0, 4))


def test_small_objects_are_found_in_tiles_at_their_place_in_the_image() -> None:
    model = BrightSpots()
    image = with_spots((90, 70, 96, 76))
    assert len(model.predict_step([image])[0]["boxes"]) == 0
    found = tiling.predict(model, image, Grid(3, 2))
    assert found["boxes"].tolist() == [[90, 70, 96, 76]]
    assert found["labels"].tolist() == [1]


def test_what_several_tiles_and_the_image_find_is_one_box() -> None:
    model = BrightSpots()
    found = tiling.predict(model, with_spots((70, 50, 90, 70)), Grid(2, 2), batch_size=2)
    assert found["boxes"].tolist() == [[70, 50, 90, 70]]
    assert model.batches == [2, 2, 1], "the whole image and four tiles, in batches"


def test_merging_keeps_the_better_of_a_class_and_leaves_other_classes_alone() -> None:
    def one(box: Sequence[float], score: float, label: int) -> dict[str, Tensor]:
        return {"boxes": torch.tensor([box]), "scores": torch.tensor([score]), "labels": torch.tensor([label])}

    whole, tile = Tile(0, 0, 100, 100), Tile(50, 0, 100, 50)
    parts = [
        (whole, one([50.0, 0, 60, 10], 0.6, 0)),
        (tile, one([0.0, 0, 10, 9], 0.8, 0)),
        (tile, one([0.0, 0, 10, 10], 0.7, 1)),
    ]
    merged = tiling.merge(parts, 0.25)
    assert merged["scores"].tolist() == pytest.approx([0.8, 0.7])
    assert merged["boxes"].tolist() == [[50, 0, 60, 9], [50, 0, 60, 10]]
    assert len(tiling.merge(parts, 0.95)["scores"]) == 3
    assert len(tiling.merge(parts, 0.95, most=1)["scores"]) == 1
