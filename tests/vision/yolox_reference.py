"""A YOLOX backbone and neck for comparison, with its own names for tensors; nothing of the product is used here.

From the paper (Ge et al. 2021) and the layout of its published state_dicts. `depth` 1 and `width` 0.5 are YOLOX-s.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BaseConv(nn.Module):
    def __init__(self, inside: int, outside: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, size, stride, (size - 1) // 2, bias=False)
        self.bn = nn.BatchNorm2d(outside, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.conv(x))
        return y * torch.sigmoid(y)


class Focus(nn.Module):
    def __init__(self, outside: int) -> None:
        super().__init__()
        self.conv = BaseConv(12, outside, 3)

    def forward(self, x: Tensor) -> Tensor:
        corners = [x[..., 0::2, 0::2], x[..., 1::2, 0::2], x[..., 0::2, 1::2], x[..., 1::2, 1::2]]
        return self.conv(torch.cat(corners, dim=1))


class Residual(nn.Module):
    def __init__(self, channels: int, add: bool) -> None:
        super().__init__()
        self.conv1, self.conv2, self.add = BaseConv(channels, channels, 1), BaseConv(channels, channels, 3), add

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x)) + (x if self.add else 0)


class Layer(nn.Module):
    def __init__(self, inside: int, outside: int, count: int, add: bool = True) -> None:
        super().__init__()
        half = outside // 2
        self.conv1, self.conv2 = BaseConv(inside, half, 1), BaseConv(inside, half, 1)
        self.conv3 = BaseConv(outside, outside, 1)
        self.m = nn.Sequential(*(Residual(half, add) for _ in range(count)))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(torch.cat((self.m(self.conv1(x)), self.conv2(x)), dim=1))


class Pools(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = BaseConv(channels, channels // 2, 1), BaseConv(channels * 2, channels, 1)
        self.m = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in (5, 9, 13))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x)
        return self.conv2(torch.cat([y, *(pool(y) for pool in self.m)], dim=1))


class Darknet(nn.Module):
    def __init__(self, depth: int, c: int) -> None:
        super().__init__()
        self.stem = Focus(c)
        self.dark2 = nn.Sequential(BaseConv(c, 2 * c, 3, 2), Layer(2 * c, 2 * c, depth))
        self.dark3 = nn.Sequential(BaseConv(2 * c, 4 * c, 3, 2), Layer(4 * c, 4 * c, 3 * depth))
        self.dark4 = nn.Sequential(BaseConv(4 * c, 8 * c, 3, 2), Layer(8 * c, 8 * c, 3 * depth))
        last = Layer(16 * c, 16 * c, depth, add=False)
        self.dark5 = nn.Sequential(BaseConv(8 * c, 16 * c, 3, 2), Pools(16 * c), last)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        third = self.dark3(self.dark2(self.stem(x)))
        fourth = self.dark4(third)
        return third, fourth, self.dark5(fourth)


class Trunk(nn.Module):
    def __init__(self, depth: int, width: float) -> None:
        super().__init__()
        c = int(64 * width)
        self.backbone = Darknet(depth, c)
        self.lateral_conv0, self.reduce_conv1 = BaseConv(16 * c, 8 * c, 1), BaseConv(8 * c, 4 * c, 1)
        self.C3_p4, self.C3_p3 = Layer(16 * c, 8 * c, depth, False), Layer(8 * c, 4 * c, depth, False)
        self.bu_conv2, self.bu_conv1 = BaseConv(4 * c, 4 * c, 3, 2), BaseConv(8 * c, 8 * c, 3, 2)
        self.C3_n3, self.C3_n4 = Layer(8 * c, 8 * c, depth, False), Layer(16 * c, 16 * c, depth, False)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        third, fourth, fifth = self.backbone(x)
        top = self.lateral_conv0(fifth)
        middle = self.reduce_conv1(self.C3_p4(torch.cat([self.upsample(top), fourth], dim=1)))
        fine = self.C3_p3(torch.cat([self.upsample(middle), third], dim=1))
        between = self.C3_n3(torch.cat([self.bu_conv2(fine), middle], dim=1))
        return fine, between, self.C3_n4(torch.cat([self.bu_conv1(between), top], dim=1))
