"""One image with its labels as arrays, in pixels: what transforms work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from automl.vision.spec import tasks

from .records import Example


@dataclass
class Sample:
    """`image` `[H,W,3]` uint8; `target` the class index or multi-hot `[C]` float32 of classification; objects as
    `boxes` `[N,4]` float32 xyxy in pixels of `image`, `labels` `[N]` int64, `crowd` `[N]` bool and, for segmentation,
    `polygons`: per object a list of `[K,2]` float32 parts. `original` is the size (height, width) of the file."""

    image: np.ndarray
    original: tuple[int, int]
    target: np.ndarray | int | None = None
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    crowd: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    polygons: list[list[np.ndarray]] | None = None

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    def keep(self, which: np.ndarray) -> Sample:
        """The same image with the objects of this mask `[N]` bool."""
        polygons = None
        if self.polygons is not None:
            polygons = [parts for parts, kept in zip(self.polygons, which, strict=True) if kept]
        return replace(
            self, boxes=self.boxes[which], labels=self.labels[which], crowd=self.crowd[which], polygons=polygons
        )

    def moved(self, matrix: np.ndarray, image: np.ndarray) -> Sample:
        """Objects through the affine `matrix` `[2,3]` (old to new pixels), clipped to the new `image`."""
        height, width = image.shape[:2]
        limit = np.array([width, height], np.float32)
        corners = np.stack(
            [self.boxes[:, [0, 1]], self.boxes[:, [2, 1]], self.boxes[:, [2, 3]], self.boxes[:, [0, 3]]], 1
        )
        turned = corners @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)
        boxes = np.concatenate([turned.min(1), turned.max(1)], 1).astype(np.float32).reshape(-1, 4)
        boxes = np.clip(boxes, 0, np.tile(limit, 2))
        polygons = None
        if self.polygons is not None:
            polygons = [
                [(part @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32) for part in parts]
                for parts in self.polygons
            ]
        return replace(self, image=image, boxes=boxes, polygons=polygons)


def make_sample(
    example: Example, image: np.ndarray, original: tuple[int, int], index: Mapping[str, int], task: str
) -> Sample:
    """The sample of an example whose pixels are `image`; names that `index` does not know are left out."""
    if task == tasks.CLASSIFICATION:
        return Sample(image, original, target=index[example.labels[0]])
    if task == tasks.MULTILABEL:
        target = np.zeros(len(index), np.float32)
        target[[index[name] for name in example.labels if name in index]] = 1
        return Sample(image, original, target=target)
    height, width = image.shape[:2]
    objects = [one for one in example.objects if one.label in index]
    scale = np.array([width, height, width, height], np.float32)
    polygons = None
    if task == tasks.SEGMENTATION:
        polygons = [[np.array(part, np.float32).reshape(-1, 2) * scale[:2] for part in one.polygons] for one in objects]
    return Sample(
        image,
        original,
        boxes=np.array([one.box for one in objects], np.float32).reshape(-1, 4) * scale,
        labels=np.array([index[one.label] for one in objects], np.int64),
        crowd=np.array([one.is_crowd for one in objects], bool),
        polygons=polygons,
    )


def rasterize(polygons: Sequence[Sequence[np.ndarray]], height: int, width: int) -> np.ndarray:
    """`[N,height,width]` uint8 of 0 and 1: pixels inside the parts of each object, drawn as COCO draws polygons."""
    from faster_coco_eval.core import mask as coder

    masks = np.zeros((len(polygons), height, width), np.uint8)
    for at, parts in enumerate(polygons):
        flat = [part.reshape(-1).astype(float).tolist() for part in parts if len(part) >= 3]
        if flat:
            masks[at] = coder.decode(coder.merge(coder.frPyObjects(flat, height, width)))
    return masks
