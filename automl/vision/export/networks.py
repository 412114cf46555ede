"""What of each network becomes a graph: everything between pixels and the numbers before decoding.

Resizing, anchors, decoding and suppression stay outside (`automl.vision.runtime`): they depend on the image and on what
is asked, and torchvision's versions of them are no graphs.
"""

from __future__ import annotations

from automl.vision import ops  # noqa: F401  # isort: skip  before torchvision

from dataclasses import dataclass, replace
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import roi_align

from automl.vision.models import mask2former, rtdetr
from automl.vision.models.base import Normalize, VisionModel

SIDES: Final = ((320, 224), (256, 352))
"""Height and width of the images that graphs of any size are traced and then tried with. All levels of the first have
sides above 1, since a tracer takes a side of 1 for a constant."""
REGIONS: Final = ((3, 4, 5, 6), (9, 0, 2, 1))
"""Regions of each level that the heads are traced and tried with; different ones, so that none is taken for another."""
MASK_REGIONS: Final = ((7, 8, 9, 10), (1, 3, 0, 2))
BATCHES: Final = (2, 1)


@dataclass(frozen=True)
class Traced:
    """A network to be written. `trials` are inputs by name: it is traced with the first and tried with all. `free` says
    which dimensions of an input may have any size, and what they are called. With `any_order` the rows of the outputs,
    (B, rows, …), belong together and may come in another order: rounding decides between queries that are as good.
    `simplified`: the exporter looks for what of the graph it can write shorter."""

    network: nn.Module
    trials: list[dict[str, Tensor]]
    outputs: list[str]
    free: dict[str, dict[int, str]]
    any_order: bool = False
    simplified: bool = True


def parts_of(model: VisionModel, *, normalize: bool, batch_size: int | None) -> list[Traced]:
    """The graphs of a model in evaluation mode on the CPU, in the order of runtime.FILES. `normalize` puts the
    normalisation of colours into the first; `batch_size` fixes its batch."""
    first: nn.Module = Normalize(model.input_spec) if normalize else nn.Identity()
    if model.family == "yolov5":
        side = model.input_spec.sizes["image"]
        return [_of_images(YoloRows(first, model), ["output1"], batch_size, side)]
    if model.family == "retinanet":
        return [_of_images(RetinaRows(first, model), ["logits", "deltas"], batch_size)]
    if model.family in ("fasterrcnn", "maskrcnn"):
        names = [*(f"features_{level}" for level in range(4)), "objectness", "deltas"]
        traced = _of_images(Proposals(first, model), names, batch_size)
        return [traced, _of_regions(model, traced.network)]
    if model.family == "rtdetrv2":
        side = model.input_spec.sizes["image"]
        # What transformers calls its length cannot stay open in a graph: images are looked at one by one.
        traced = _of_images(Queries(first, model), ["logits", "boxes"], batch_size or 1, side)
        return [replace(traced, any_order=True)]
    if model.family == "mask2former":
        side = model.input_spec.sizes["image"]
        traced = _of_images(QueryMasks(first, model), ["logits", "masks"], batch_size, side)
        # Its thousands of nodes would be searched for minutes; the runtime shortens what matters when it loads them.
        return [replace(traced, simplified=False)]
    side = model.input_spec.sizes["validation_crop"]
    return [_of_images(Logits(first, model), ["output1"], batch_size, side)]


def _of_images(network: nn.Module, outputs: list[str], batch_size: int | None, side: int | None = None) -> Traced:
    """`side` None: images of any size."""
    free: dict[int, str] = {} if batch_size else {0: "batch"}
    if side is None:
        free |= {2: "height", 3: "width"}
    trials = [
        {"input1": _images(batch_size or batch, *(sides if side is None else (side, side)))}
        for batch, sides in zip(BATCHES, SIDES, strict=True)
    ]
    return Traced(network, trials, outputs, {"input1": free})


def _of_regions(model: VisionModel, proposals: nn.Module) -> Traced:
    network = Regions(model)
    kinds = (("", REGIONS), ("mask_", MASK_REGIONS)) if network.has_masks else (("", REGIONS),)
    free = {f"features_{level}": {0: "batch", 2: f"rows_{level}", 3: f"columns_{level}"} for level in range(4)}
    free |= {f"{kind}rois_{level}": {0: f"{kind}regions_{level}"} for kind, _counts in kinds for level in range(4)}
    trials = []
    for trial, batch in enumerate(BATCHES):
        with torch.no_grad():
            maps = proposals(_images(batch, *SIDES[trial]))
        inputs = {f"features_{level}": maps[level] for level in range(4)}
        for kind, counts in kinds:
            for level, count in enumerate(counts[trial]):
                inputs[f"{kind}rois_{level}"] = _regions(count, batch)
        trials.append(inputs)
    outputs = ["logits", "deltas", *(["mask_logits"] if network.has_masks else [])]
    return Traced(network, trials, outputs, free)


def _images(batch: int, height: int, width: int) -> Tensor:
    """(batch, 3, height, width) of 0..1, soft as photos are: noise makes numbers that no photo makes."""
    small = torch.rand((batch, 3, 8, 8), generator=torch.Generator().manual_seed(batch))
    return F.interpolate(small, size=(height, width), mode="bicubic").clamp(0, 1)


def _regions(count: int, batch: int) -> Tensor:
    """Regions (count, 5): index of the image, x1, y1, x2, y2; some of them reach over its edge."""
    random = torch.Generator().manual_seed(count)
    corner = torch.rand(count, 2, generator=random) * 220 - 10
    size = 5 + torch.rand(count, 2, generator=random) * 150
    return torch.cat([torch.arange(count)[:, None] % batch, corner, corner + size], dim=1)


class Logits(nn.Module):
    """(B, 3, side, side) to logits (B, classes)."""

    def __init__(self, first: nn.Module, model: VisionModel) -> None:
        super().__init__()
        self.first, self.network = first, model.network

    def forward(self, input1: Tensor) -> Tensor:
        logits: Tensor = self.network(self.first(input1))  # type: ignore[operator]
        return logits


class YoloRows(nn.Module):
    """(B, 3, side, side) to raw rows (B, positions, 5 + classes): levels, then anchors, then cells row by row."""

    def __init__(self, first: nn.Module, model: VisionModel) -> None:
        super().__init__()
        self.first, self.network = first, model.network

    def forward(self, input1: Tensor) -> Tensor:
        maps: list[Tensor] = self.network(self.first(input1))  # type: ignore[operator]
        return torch.cat([each.flatten(1, 3) for each in maps], dim=1)


class Queries(nn.Module):
    """(B, 3, side, side) to logits (B, queries, classes) and boxes (B, queries, 4): centre, width and height in shares
    of the square."""

    def __init__(self, first: nn.Module, model: VisionModel) -> None:
        super().__init__()
        self.first, self.network = first, model.network

    def forward(self, input1: Tensor) -> tuple[Tensor, Tensor]:
        return rtdetr.said(self.network, self.first(input1))


class QueryMasks(nn.Module):
    """(B, 3, side, side) to logits (B, queries, classes + 1) and mask logits (B, queries, side / 4, side / 4)."""

    def __init__(self, first: nn.Module, model: VisionModel) -> None:
        super().__init__()
        self.first, self.network = first, model.network

    def forward(self, input1: Tensor) -> tuple[Tensor, Tensor]:
        return mask2former.said(self.network, self.first(input1))


class RetinaRows(nn.Module):
    """(B, 3, H, W) to logits (B, anchors, classes) and moves (B, anchors, 4): levels, then cells, then anchors."""

    def __init__(self, first: nn.Module, model: VisionModel) -> None:
        super().__init__()
        network: Any = model.network
        self.first, self.backbone, self.head = first, network.backbone, network.head

    def forward(self, input1: Tensor) -> tuple[Tensor, Tensor]:
        said = self.head(list(self.backbone(self.first(input1)).values()))
        return said["cls_logits"], said["bbox_regression"]


class Proposals(nn.Module):
    """(B, 3, H, W) to four feature maps, and objectness (B, anchors) and moves (B, anchors, 4) of five levels: levels,
    then cells, then anchors."""

    def __init__(self, first: nn.Module, model: VisionModel) -> None:
        super().__init__()
        network: Any = model.network
        self.first, self.backbone, self.head = first, network.backbone, network.rpn.head

    def forward(self, input1: Tensor) -> tuple[Tensor, ...]:
        maps = list(self.backbone(self.first(input1)).values())
        objectness, moves = self.head(maps)
        flat = torch.cat([each.permute(0, 2, 3, 1).flatten(1) for each in objectness], dim=1)
        rows = torch.cat([each.permute(0, 2, 3, 1).reshape(each.shape[0], -1, 4) for each in moves], dim=1)
        return (*maps[:4], flat, rows)


class Regions(nn.Module):
    """Four feature maps and, for each, regions (N, 5) of image index, x1, y1, x2, y2 in pixels of the image: logits
    (N, 1 + classes) and moves (N, 4 · (1 + classes)) of all regions, level by level; with masks, mask logits
    (M, 1 + classes, side, side) of regions of their own.

    Outside of an export RoIAlign is torchvision's; in the graph it is ONNX's operator of that name, which computes the
    same (He et al. 2017, section 3).
    """

    def __init__(self, model: VisionModel) -> None:
        super().__init__()
        network: Any = model.network
        heads = network.roi_heads
        self.box_head, self.box_predictor = heads.box_head, heads.box_predictor
        self.has_masks = model.family == "maskrcnn"
        self.box_side, self.mask_side = heads.box_roi_pool.output_size[0], 0
        self.samples = heads.box_roi_pool.sampling_ratio
        if self.has_masks:
            self.mask_head, self.mask_predictor = heads.mask_head, heads.mask_predictor
            self.mask_side = heads.mask_roi_pool.output_size[0]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        maps = inputs[:4]
        logits, moves = self.box_predictor(self.box_head(self._cut(maps, inputs[4:8], self.box_side)))
        if not self.has_masks:
            return logits, moves
        return logits, moves, self.mask_predictor(self.mask_head(self._cut(maps, inputs[8:12], self.mask_side)))

    def _cut(self, maps: tuple[Tensor, ...], rois: tuple[Tensor, ...], side: int) -> Tensor:
        levels = enumerate(zip(maps, rois, strict=True))
        return torch.cat([_align(each, some, 0.25 / 2**level, side, self.samples) for level, (each, some) in levels])


def _align(features: Tensor, rois: Tensor, scale: float, side: int, samples: int) -> Tensor:
    if not torch.onnx.is_in_onnx_export():
        return roi_align(features, rois, (side, side), spatial_scale=scale, sampling_ratio=samples)
    return torch.onnx.ops.symbolic(
        "RoiAlign",
        (features, rois[:, 1:], rois[:, 0].to(torch.int64)),
        {
            "coordinate_transformation_mode": "output_half_pixel",
            "mode": "avg",
            "output_height": side,
            "output_width": side,
            "sampling_ratio": samples,
            "spatial_scale": scale,
        },
        dtype=features.dtype,
        shape=(rois.shape[0], features.shape[1], side, side),
        version=16,
    )
