"""What yolov5 learns from: which cells and anchors answer for a box, and the three losses.

Sources: assignment by side ratio with neighbouring cells as published for yolov5; CIoU (Zheng et al. 2020); sums over
all positions divided by the number of positives (YOLOX, Ge et al. 2021).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from automl.vision.models.yolov5_anchors import MAX_RATIO
from automl.vision.models.yolov5_network import STRIDES

BOX_GAIN = 5.0


@dataclass(frozen=True, slots=True)
class Assigned:
    """Positives of one level: where they are in the map and what they should say. All tensors have M rows."""

    image: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    boxes: Tensor
    """Centre x, centre y, width, height in pixels."""
    labels: Tensor


def assign(
    boxes: Tensor, labels: Tensor, images: Tensor, anchors: Tensor, stride: int, rows: int, columns: int
) -> Assigned:
    """Positives for one level. `boxes` (N, 4) are centre x, centre y, width, height in pixels; `images` (N,) their
    image's index; `anchors` (A, 2) in pixels.

    Every anchor whose sides are less than 4 times longer or shorter than the box's answers for it, in the cell that
    holds the centre and in the nearest neighbour on the left or right and above or below, as far as they exist.
    """
    ratio = boxes[:, None, 2:] / anchors[None]
    fits = torch.maximum(ratio, 1 / ratio).amax(dim=2) < MAX_RATIO
    box, anchor = torch.nonzero(fits, as_tuple=True)
    centre = boxes[box, :2] / stride
    cell = torch.minimum(centre.floor(), centre.new_tensor([columns - 1, rows - 1]))
    beside = torch.where(centre - cell < 0.5, -1.0, 1.0)
    zero = torch.zeros_like(beside[:, 0])
    shifts = torch.stack(
        [torch.zeros_like(beside), torch.stack([beside[:, 0], zero], 1), torch.stack([zero, beside[:, 1]], 1)]
    )
    cells = cell[None] + shifts
    exists = (cells >= 0).all(dim=2) & (cells[..., 0] < columns) & (cells[..., 1] < rows)
    where, index = torch.nonzero(exists, as_tuple=True)
    chosen = cells[where, index].long()
    return Assigned(
        image=images[box[index]],
        anchor=anchor[index],
        row=chosen[:, 1],
        column=chosen[:, 0],
        boxes=boxes[box[index]],
        labels=labels[box[index]],
    )


def decode(raw: Tensor, anchors: Tensor, rows: Tensor, columns: Tensor, stride: int) -> Tensor:
    """Boxes (..., 4) of centre x, centre y, width, height in pixels from raw numbers (..., 4) of cells.

    centre = (2σ - 0.5 + cell) · stride, side = (2σ)² · anchor: a centre may lie half a cell outside its cell, and a
    side is at most four times the anchor's.
    """
    squashed = raw.sigmoid() * 2
    centre = (squashed[..., :2] - 0.5 + torch.stack([columns, rows], dim=-1)) * stride
    return torch.cat([centre, squashed[..., 2:4] ** 2 * anchors], dim=-1)


def complete_iou(one: Tensor, other: Tensor) -> Tensor:
    """CIoU (M,) of boxes (M, 4) given as centre x, centre y, width, height; 1 for equal boxes, down to below -1."""
    low = torch.maximum(one[:, :2] - one[:, 2:] / 2, other[:, :2] - other[:, 2:] / 2)
    high = torch.minimum(one[:, :2] + one[:, 2:] / 2, other[:, :2] + other[:, 2:] / 2)
    shared = (high - low).clamp(min=0).prod(dim=1)
    union = one[:, 2:].prod(dim=1) + other[:, 2:].prod(dim=1) - shared
    iou = shared / union.clamp(min=1e-9)
    around_low = torch.minimum(one[:, :2] - one[:, 2:] / 2, other[:, :2] - other[:, 2:] / 2)
    around_high = torch.maximum(one[:, :2] + one[:, 2:] / 2, other[:, :2] + other[:, 2:] / 2)
    diagonal = ((around_high - around_low) ** 2).sum(dim=1).clamp(min=1e-9)
    distance = ((one[:, :2] - other[:, :2]) ** 2).sum(dim=1)
    slope = torch.atan(one[:, 2] / one[:, 3].clamp(min=1e-9)) - torch.atan(other[:, 2] / other[:, 3].clamp(min=1e-9))
    shape = 4 / math.pi**2 * slope**2
    with torch.no_grad():
        weight = shape / (1 - iou + shape).clamp(min=1e-9)
    return iou - distance / diagonal - weight * shape


def losses(maps: list[Tensor], targets: list[dict[str, Tensor]], anchors: Tensor) -> dict[str, Tensor]:
    """Box, objectness and class loss, scalars.

    `maps` are the network's output, one (B, A, H, W, 5 + classes) per stride; `anchors` (levels, A, 2) in pixels. The
    objectness to learn is the overlap that the box has reached, so a score says how well a box sits. Each sum is
    divided by the number of positives.
    """
    boxes = torch.cat([target["boxes"] for target in targets]).float()
    labels = torch.cat([target["labels"] for target in targets])
    counts = torch.tensor([len(target["boxes"]) for target in targets], device=boxes.device)
    images = torch.repeat_interleave(torch.arange(len(targets), device=boxes.device), counts)
    centred = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3)], dim=1)
    box_loss = objectness_loss = class_loss = maps[0].new_zeros((), dtype=torch.float32)
    positives = 0
    for raw, stride, level_anchors in zip(maps, STRIDES, anchors, strict=True):
        raw = raw.float()
        rows, columns = raw.shape[2:4]
        found = assign(centred, labels, images, level_anchors, stride, rows, columns)
        wanted = torch.zeros_like(raw[..., 4])
        if len(found.labels):
            at = (found.image, found.anchor, found.row, found.column)
            answers = raw[at]
            predicted = decode(answers[:, :4], level_anchors[found.anchor], found.row, found.column, stride)
            overlap = complete_iou(predicted, found.boxes)
            box_loss = box_loss + (1 - overlap).sum()
            classes = F.one_hot(found.labels, raw.shape[-1] - 5).to(answers.dtype)
            class_loss = class_loss + F.binary_cross_entropy_with_logits(answers[:, 5:], classes, reduction="sum")
            # Two boxes may claim one place; the better overlap is the one to learn there.
            flat = ((found.image * raw.shape[1] + found.anchor) * rows + found.row) * columns + found.column
            wanted.view(-1).scatter_reduce_(0, flat, overlap.detach().clamp(min=0), reduce="amax")
            positives += len(found.labels)
        objectness_loss = objectness_loss + F.binary_cross_entropy_with_logits(raw[..., 4], wanted, reduction="sum")
    share = 1.0 / max(positives, 1)
    return {
        "loss_box": BOX_GAIN * box_loss * share,
        "loss_objectness": objectness_loss * share,
        "loss_class": class_loss * share,
    }
