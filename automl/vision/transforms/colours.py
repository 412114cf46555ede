"""Colour jitter of a whole batch on its device: one 3 × 4 matrix an image instead of four passes over its pixels."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

BRIGHTNESS: Final = 0.3
CONTRAST: Final = 0.3
SATURATION: Final = 0.3
HUE: Final = 0.03  # of the whole circle
_LUMA: Final = (0.299, 0.587, 0.114)
_TO_YIQ: Final = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def jitter(images: Tensor, generator: torch.Generator) -> Tensor:
    """`images` `[B,3,H,W]` in 0..1 with brightness, contrast, saturation (each ± 30 %) and hue (± 3 % of the circle)
    changed at random, each image by itself; the result is in 0..1.

    Each of the four is affine in RGB: brightness a factor, contrast a pull to the image's mean grey, saturation a pull
    to each pixel's grey, hue a turn of the chroma plane of YIQ (NTSC). They are multiplied into one matrix. `generator`
    is of the CPU, so that a seed means the same on every device.
    """
    count = len(images)
    factors = torch.rand(4, count, generator=generator, dtype=torch.float64) * 2 - 1
    brightness, contrast, saturation = (
        1 + factors[at] * size for at, size in enumerate((BRIGHTNESS, CONTRAST, SATURATION))
    )
    matrices = _turns(factors[3] * HUE * 2 * math.pi)
    luma = torch.tensor(_LUMA, dtype=torch.float64)
    grey = luma.expand(3, 3)
    pull = saturation[:, None, None] * torch.eye(3, dtype=torch.float64) + (1 - saturation)[:, None, None] * grey
    matrices = pull @ matrices * (brightness * contrast)[:, None, None]
    matrices, luma = matrices.to(images.device, images.dtype), luma.to(images.device, images.dtype)
    means = torch.einsum("c,bc->b", luma, images.mean((2, 3)))
    offset = (brightness * (1 - contrast)).to(images.device, images.dtype) * means
    turned = torch.einsum("bij,bjhw->bihw", matrices, images) + offset[:, None, None, None]
    return turned.clamp_(0, 1)


def _turns(angles: Tensor) -> Tensor:
    """`[B,3,3]`: RGB to YIQ, chroma turned by `angles` (radians), and back."""
    forward = torch.tensor(_TO_YIQ, dtype=torch.float64)
    turn = torch.zeros(len(angles), 3, 3, dtype=torch.float64)
    turn[:, 0, 0] = 1
    turn[:, 1, 1], turn[:, 1, 2] = angles.cos(), -angles.sin()
    turn[:, 2, 1], turn[:, 2, 2] = angles.sin(), angles.cos()
    return torch.linalg.inv(forward) @ turn @ forward
