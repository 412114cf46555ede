"""Images squeezed into a square, and the boxes in it: what networks with queries (RT-DETR, Mask2Former) have in common.

Imported by models alone. The same in numpy is `automl.vision.runtime.squares`.
"""

from __future__ import annotations

from automl.vision import ops  # noqa: F401  # isort: skip  before torchvision

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import batched_nms

from automl.vision.models.base import Images, as_list, value_of
from automl.vision.requests import Limits

STRIDE: Final = 32
LIMITS: Final = Limits(nms_iou=1.0, most=100)
"""Each query stands for one object, so that nothing is suppressed unless it is asked for."""


def side_of(settings: Mapping[str, Any]) -> int:
    """Pixels of the square's side: `image_size`, rounded up to a multiple of 32. ValueError below 64, where the deepest
    level would be a single cell."""
    asked = int(value_of(settings, "image_size", 640))
    if asked < 2 * STRIDE:
        raise ValueError(f"image_size is at least {2 * STRIDE}, not {asked}.")
    return math.ceil(asked / STRIDE) * STRIDE


def squares(images: Images, side: int) -> Tensor:
    """Images (3, H, W) as one batch (B, 3, side, side): squeezed, bilinear, antialiased where they shrink."""
    size = (side, side)
    made = [
        image
        if tuple(image.shape[-2:]) == size
        else F.interpolate(image[None], size, mode="bilinear", align_corners=False, antialias=True)[0]
        for image in as_list(images)
    ]
    return torch.stack(made)


def relative(boxes: Tensor, height: int, width: int) -> Tensor:
    """Corners in pixels as centre, width and height in shares of the image."""
    scale = boxes.new_tensor([width, height])
    low, high = boxes[:, :2] / scale, boxes[:, 2:] / scale
    return torch.cat([(low + high) / 2, high - low], dim=1)


def absolute(boxes: Tensor, height: int, width: int) -> Tensor:
    """The way back, inside the image."""
    scale = boxes.new_tensor([width, height] * 2)
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    corners = torch.cat([centre - half, centre + half], dim=1) * scale
    return corners.clamp(min=0).minimum(scale)


def best(scores: Tensor, lowest: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of scores (queries, classes): query, class and score of those that reach `lowest`, best first, at most as many as
    there are queries. A query may stand for several classes."""
    values, order = scores.flatten().sort(descending=True, stable=True)
    order = order[: len(scores)]
    order = order[values[: len(scores)] >= lowest]
    return order // scores.shape[1], order % scores.shape[1], scores.flatten()[order]


def apart(boxes: Tensor, scores: Tensor, labels: Tensor, overlap: float) -> Tensor:
    """Indices of boxes of which none overlaps a better one of its class by more than `overlap`, best first."""
    if overlap >= 1:
        return torch.arange(len(boxes), device=boxes.device)
    return batched_nms(boxes, scores, labels, overlap)


def exactly(device: torch.device) -> AbstractContextManager[Any]:
    """float32 inside, whatever the arithmetic around: bf16 tells shares of an image only to 1/256."""
    kind = device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
