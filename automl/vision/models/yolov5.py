"""yolov5 as a model of the product: letterbox, anchors, losses, decoding and suppression around the network."""

from __future__ import annotations

from automl.vision import ops  # noqa: F401  # isort: skip  before torchvision

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor
from torchvision.ops import batched_nms

from automl.vision.models import yolov5_loss
from automl.vision.models.base import (
    ClassRows,
    Images,
    InputSpec,
    Normalize,
    Target,
    VisionModel,
    as_batch,
    as_list,
    value_of,
    without_crowds,
)
from automl.vision.models.catalogue import Architecture, yolo_size_of
from automl.vision.models.yolov5_anchors import fit_anchors
from automl.vision.models.yolov5_network import STRIDES, Yolov5Network
from automl.vision.requests import Limits, Thresholds

MAX_CANDIDATES = 4096
"""Boxes per image, best first, that suppression looks at."""
MAX_DETECTIONS = 300
GREY = 114 / 255
"""Colour around a letterboxed image."""

_PRIOR = 0.01


class Yolov5(VisionModel):
    """Images are letterboxed to a square of `image_size` pixels; boxes go in and come out in pixels of the tensors
    given.

    Training takes images as they are where they are squares of one size that the stride divides. With `multi_scale`
    each batch is then drawn anew at half to one and a half times that size (parity B.5).
    """

    anchors: Tensor

    def __init__(
        self,
        architecture: Architecture,
        *,
        task: str,
        num_classes: int,
        settings: Mapping[str, Any],
        box_sizes: ArrayLike | None = None,
        plan: int = 6,
        scale: float = 1.0,
    ) -> None:
        stride = STRIDES[-1]
        asked = int(value_of(settings, "image_size", 640))
        if asked < stride:
            raise ValueError(f"image_size is at least {stride}, not {asked}.")
        self.image_size = math.ceil(asked / stride) * stride
        spec = InputSpec((0.0, 0.0, 0.0), (1 / scale,) * 3, {"image": self.image_size, "stride": stride})
        super().__init__(name=architecture.name, task=task, num_classes=num_classes, family="yolov5", input_spec=spec)
        self.size = yolo_size_of(str(value_of(settings, "model_size", "medium")))
        self.options = {"plan": plan, "scale": scale}
        self.limits = Limits(box_score=0.1, most=MAX_DETECTIONS).set_by(settings)
        self.multi_scale = bool(value_of(settings, "multi_scale", False))
        self.normalize = Normalize(spec)
        self.network = Yolov5Network(self.size, num_classes, plan)
        anchors = fit_anchors([] if box_sizes is None else box_sizes, self.image_size)
        self.register_buffer("anchors", torch.as_tensor(anchors).reshape(len(STRIDES), -1, 2))
        self._start_quiet()

    def _start_quiet(self) -> None:
        """A head that says "nothing here" at first (Lin et al. 2017, Focal Loss, section 4.1)."""
        for head in self.network.heads:
            bias = cast(Tensor, head.bias).detach().reshape(-1, self.network.outputs)
            bias[:, 4] = -math.log((1 - _PRIOR) / _PRIOR)
            bias[:, 5:] = -math.log(self.num_classes) if self.num_classes > 1 else 0.0

    def forward(self, batch: Tensor) -> list[Tensor]:
        """Raw maps of a batch (B, 3, H, W) of 0..1 whose sides are multiples of 32."""
        maps: list[Tensor] = self.network(self.normalize(batch))
        return maps

    def training_step(self, images: Images, targets: list[Target]) -> dict[str, Tensor]:
        batch, placed = self._as_they_are(images) or self._letterbox(images)
        moved = [
            {"boxes": target["boxes"] * scale + target["boxes"].new_tensor([left, top] * 2), "labels": target["labels"]}
            for target, (scale, left, top) in zip(map(without_crowds, targets), placed, strict=True)
        ]
        if self.multi_scale:
            batch, moved = self._another_size(batch, moved)
        return yolov5_loss.losses(self(batch), moved, self.anchors)

    @staticmethod
    def _another_size(batch: Tensor, targets: list[Target]) -> tuple[Tensor, list[Target]]:
        """The batch, and its boxes, at a size drawn between half and one and a half times its own, by the stride."""
        steps = batch.shape[-1] // STRIDES[-1]
        drawn = int(torch.randint(max(1, math.ceil(steps / 2)), steps * 3 // 2 + 1, ()))
        sides = [side * drawn // steps // STRIDES[-1] * STRIDES[-1] or STRIDES[-1] for side in batch.shape[-2:]]
        factor = batch.new_tensor([sides[1] / batch.shape[-1], sides[0] / batch.shape[-2]] * 2)
        resized = F.interpolate(batch, size=sides, mode="bilinear", align_corners=False, antialias=True)
        return resized, [{**target, "boxes": target["boxes"] * factor} for target in targets]

    @torch.no_grad()
    def predict_step(self, images: Images, thresholds: Thresholds | None = None) -> list[dict[str, Tensor]]:
        limits = self.limits.asked_by(thresholds)
        batch, placed = self._letterbox(images)
        sizes = [tuple(image.shape[-2:]) for image in as_list(images)]
        results = []
        for row, (scale, left, top), (height, width) in zip(self.decode(self(batch)), placed, sizes, strict=True):
            boxes, scores, labels = suppress(row, limits)
            boxes = (boxes - boxes.new_tensor([left, top, left, top])) / scale
            boxes = boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))
            results.append({"boxes": boxes, "scores": scores, "labels": labels})
        return results

    def decode(self, maps: list[Tensor]) -> Tensor:
        """Rows (B, positions, 5 + classes) of centre x, centre y, width, height in pixels, objectness and class
        probabilities."""
        rows = []
        for raw, stride, anchors in zip(maps, STRIDES, self.anchors, strict=True):
            raw = raw.float()
            high, wide = raw.shape[2:4]
            row, column = torch.meshgrid(
                torch.arange(high, device=raw.device), torch.arange(wide, device=raw.device), indexing="ij"
            )
            boxes = yolov5_loss.decode(raw[..., :4], anchors[None, :, None, None], row, column, stride)
            rows.append(torch.cat([boxes, raw[..., 4:].sigmoid()], dim=-1).flatten(1, 3))
        return torch.cat(rows, dim=1)

    @torch.no_grad()
    def embed(self, images: Images) -> Tensor:
        """Mean of the backbone's last level, (B, channels)."""
        batch, _placed = self._letterbox(images)
        return self.network.levels(self.normalize(batch))[-1].float().mean(dim=(2, 3))

    def freeze_groups(self) -> list[tuple[str, ...]]:
        return [(f"network.model.{i}.",) for i in range(10)]

    def class_rows(self) -> dict[str, ClassRows]:
        rows = ClassRows(blocks=self.anchors.shape[1], before=5)
        return {f"network.heads.{i}.{part}": rows for i in range(len(STRIDES)) for part in ("weight", "bias")}

    def _as_they_are(self, images: Images) -> tuple[Tensor, list[tuple[float, float, float]]] | None:
        sizes = {tuple(image.shape[-2:]) for image in as_list(images)}
        high, wide = next(iter(sizes))
        if len(sizes) > 1 or high != wide or high % STRIDES[-1]:
            return None
        return as_batch(images), [(1.0, 0.0, 0.0)] * len(images)

    def _letterbox(self, images: Images) -> tuple[Tensor, list[tuple[float, float, float]]]:
        """One square batch, and per image its scale and the pixels added on the left and at the top."""
        fitted = [letterbox(image, self.image_size) for image in as_list(images)]
        return torch.stack([image for image, _place in fitted]), [place for _image, place in fitted]


def letterbox(image: Tensor, size: int) -> tuple[Tensor, tuple[float, float, float]]:
    """`image` (3, H, W) in the middle of a grey square of `size` pixels, its ratio kept; and its scale, left, top."""
    height, width = image.shape[-2:]
    if (height, width) == (size, size):
        return image, (1.0, 0.0, 0.0)
    scale = size / max(height, width)
    high, wide = max(round(height * scale), 1), max(round(width * scale), 1)
    if (high, wide) != (height, width):
        image = F.interpolate(image[None], size=(high, wide), mode="bilinear", antialias=scale < 1)[0]
    top, left = (size - high) // 2, (size - wide) // 2
    padded = F.pad(image, (left, size - wide - left, top, size - high - top), value=GREY)
    return padded, (scale, float(left), float(top))


def suppress(rows: Tensor, limits: Limits) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (N, 4; x1 y1 x2 y2), scores (N,) descending and labels (N,) from decoded rows (positions, 5 + classes).

    A score is objectness × class probability and has to reach that of `limits`; a box may stand for several classes;
    suppression is within a class.
    """
    scores = rows[:, 4:5] * rows[:, 5:]
    position, label = torch.nonzero(scores >= limits.box_score, as_tuple=True)
    values = scores[position, label]
    values, order = values.sort(descending=True, stable=True)
    order, values = order[:MAX_CANDIDATES], values[:MAX_CANDIDATES]
    position, label = position[order], label[order]
    centre, half = rows[position, :2], rows[position, 2:4] / 2
    boxes = torch.cat([centre - half, centre + half], dim=1)
    kept = batched_nms(boxes, values, label, limits.nms_iou)[: limits.most]
    return boxes[kept], values[kept], label[kept]
