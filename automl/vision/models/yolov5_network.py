"""The yolov5 network: a CSP backbone, a path aggregation neck and three heads.

Written for this project from published facts alone: layer counts, widths and strides; CSPNet (Wang et al. 2020), PANet
(Liu et al. 2018), SPP (He et al. 2015), YOLOv3's heads (Redmon and Farhadi 2018). Two plans are in use: release 6, and
release 5, whose backbone and neck are those of YOLOX (Ge et al. 2021), so that YOLOX weights fit it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDES = (8, 16, 32)
ANCHORS_PER_LEVEL = 3
MULTIPLIERS = {"small": (0.33, 0.50), "medium": (0.67, 0.75), "large": (1.0, 1.0), "extra_large": (1.33, 1.25)}
"""Depth and width."""

_WIDTHS = (64, 128, 256, 512, 1024)
_DEPTHS = {6: (3, 6, 9, 3), 5: (3, 9, 9, 3)}


class ConvBlock(nn.Module):
    """Convolution without bias, batch norm, SiLU."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int = 1, padding: int | None = None) -> None:
        super().__init__()
        pad = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(inside, outside, kernel, stride, pad, bias=False)
        self.bn = nn.BatchNorm2d(outside, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.bn(self.conv(x)), inplace=True)


class Bottleneck(nn.Module):
    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.reduce = ConvBlock(channels, channels, 1)
        self.conv = ConvBlock(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(self.reduce(x))
        return x + y if self.shortcut else y


class CspBlock(nn.Module):
    """Half of the channels goes through `depth` bottlenecks, half passes by, and a 1×1 convolution joins them."""

    def __init__(self, inside: int, outside: int, depth: int, *, shortcut: bool) -> None:
        super().__init__()
        half = outside // 2
        self.main = ConvBlock(inside, half, 1)
        self.side = ConvBlock(inside, half, 1)
        self.blocks = nn.Sequential(*(Bottleneck(half, shortcut=shortcut) for _ in range(depth)))
        self.join = ConvBlock(2 * half, outside, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([self.blocks(self.main(x)), self.side(x)], dim=1))


class SpatialPyramid(nn.Module):
    """Max-pools of 5, 9 and 13 pixels beside the input. Three chained 5×5 pools give the same numbers, faster."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = ConvBlock(channels, channels // 2, 1)
        self.join = ConvBlock(channels // 2 * 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.reduce(x)]
        for _ in range(3):
            levels.append(F.max_pool2d(levels[-1], 5, stride=1, padding=2))
        return self.join(torch.cat(levels, dim=1))


class Yolov5Network(nn.Module):
    """(B, 3, H, W), both sides multiples of 32, to three maps (B, 3, H/s, W/s, 5 + classes) of raw numbers: x, y,
    width, height, objectness, classes."""

    def __init__(self, size: str, num_classes: int, plan: int = 6) -> None:
        super().__init__()
        depth_factor, width_factor = MULTIPLIERS[size]
        c1, c2, c3, c4, c5 = (-(-int(width * width_factor) // 8) * 8 for width in _WIDTHS)
        depths = [max(round(depth * depth_factor), 1) for depth in _DEPTHS[plan]]
        neck_depth = max(round(3 * depth_factor), 1)
        self.plan = plan
        self.outputs = 5 + num_classes
        last: list[nn.Module] = [CspBlock(c5, c5, depths[3], shortcut=plan == 6), SpatialPyramid(c5)]
        # Ten layers, because layers_to_freeze counts them.
        self.model = nn.ModuleList(
            [
                ConvBlock(3, c1, 6, 2, padding=2),
                ConvBlock(c1, c2, 3, 2),
                CspBlock(c2, c2, depths[0], shortcut=True),
                ConvBlock(c2, c3, 3, 2),
                CspBlock(c3, c3, depths[1], shortcut=True),
                ConvBlock(c3, c4, 3, 2),
                CspBlock(c4, c4, depths[2], shortcut=True),
                ConvBlock(c4, c5, 3, 2),
                *(last if plan == 6 else reversed(last)),
            ]
        )
        self.lateral5 = ConvBlock(c5, c4, 1)
        self.down4 = CspBlock(2 * c4, c4, neck_depth, shortcut=False)
        self.lateral4 = ConvBlock(c4, c3, 1)
        self.down3 = CspBlock(2 * c3, c3, neck_depth, shortcut=False)
        self.step3 = ConvBlock(c3, c3, 3, 2)
        self.up4 = CspBlock(2 * c3, c4, neck_depth, shortcut=False)
        self.step4 = ConvBlock(c4, c4, 3, 2)
        self.up5 = CspBlock(2 * c4, c5, neck_depth, shortcut=False)
        self.heads = nn.ModuleList(nn.Conv2d(c, ANCHORS_PER_LEVEL * self.outputs, 1) for c in (c3, c4, c5))

    def levels(self, x: Tensor) -> list[Tensor]:
        """Outputs of the backbone at strides 8, 16 and 32."""
        kept = []
        for i, layer in enumerate(self.model):
            x = layer(x)
            if i in (4, 6, 9):
                kept.append(x)
        return kept

    def features(self, x: Tensor) -> list[Tensor]:
        """Outputs of the neck at strides 8, 16 and 32."""
        level3, level4, level5 = self.levels(x)
        top5 = self.lateral5(level5)
        mid4 = self.down4(torch.cat([_double(top5), level4], dim=1))
        top4 = self.lateral4(mid4)
        out3 = self.down3(torch.cat([_double(top4), level3], dim=1))
        out4 = self.up4(torch.cat([self.step3(out3), top4], dim=1))
        out5 = self.up5(torch.cat([self.step4(out4), top5], dim=1))
        return [out3, out4, out5]

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [head(feature) for head, feature in zip(self.heads, self.features(x), strict=True)]
        return [
            one.reshape(one.shape[0], ANCHORS_PER_LEVEL, self.outputs, *one.shape[2:]).permute(0, 1, 3, 4, 2)
            for one in maps
        ]


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
