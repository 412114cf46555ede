"""Faster R-CNN, RetinaNet and Mask R-CNN on five ResNets, built from torchvision without asking the network."""

from __future__ import annotations

from automl.vision import ops  # noqa: F401  # isort: skip  before torchvision

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN, RetinaNet
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.feature_pyramid_network import LastLevelP6P7
from torchvision.ops.poolers import initLevelMapper

from automl.vision.models.base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ClassRows,
    ConvolutionalDetector,
    Images,
    InputSpec,
    Target,
    as_list,
    value_of,
    without_crowds,
)
from automl.vision.models.catalogue import Architecture
from automl.vision.requests import Limits, Thresholds


class TorchvisionDetector(ConvolutionalDetector):
    """The networks resize by `min_size` and `max_size` themselves; boxes come back in pixels of the tensor given.

    Started from weights, the backbone's batch statistics stay as they are (a batch of two images says little about
    them); a cold start has to learn them.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        task: str,
        num_classes: int,
        settings: Mapping[str, Any],
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
    ) -> None:
        shortest, longest = int(value_of(settings, "min_size", 600)), int(value_of(settings, "max_size", 1333))
        if not 32 <= shortest <= longest:
            raise ValueError(f"32 <= min_size <= max_size does not hold for {shortest} and {longest}.")
        super().__init__(
            name=architecture.name,
            task=task,
            num_classes=num_classes,
            family=architecture.family,
            input_spec=InputSpec(mean, std, {"min": shortest, "max": longest}),
        )
        self.limits = Limits(most=100).set_by(settings)
        # What torchvision counts as class 0 is the background, except in RetinaNet, which has none.
        self._first_label = 0 if self.family == "retinanet" else 1
        self.network: Any = _network(architecture, num_classes + self._first_label, self.input_spec)
        if self.family != "retinanet":
            _fix_scales(self.network.roi_heads)

    def training_step(self, images: Images, targets: list[Target]) -> dict[str, Tensor]:
        learned = [without_crowds(target) for target in targets]
        shifted = [{**target, "labels": target["labels"] + self._first_label} for target in learned]
        losses: dict[str, Tensor] = self.network(as_list(images), shifted)
        return losses

    @torch.no_grad()
    def predict_step(self, images: Images, thresholds: Thresholds | None = None) -> list[dict[str, Tensor]]:
        limits = self.limits.asked_by(thresholds)
        self._limit(limits)
        found = self.network(as_list(images))
        return [self._result(one, limits.mask_pixel_score) for one in found]

    def _result(self, found: dict[str, Tensor], pixel_score: float) -> dict[str, Tensor]:
        result = {
            "boxes": found["boxes"].float(),
            "scores": found["scores"].float(),
            "labels": found["labels"] - self._first_label,
        }
        if "masks" in found:
            result["masks"] = found["masks"][:, 0] > pixel_score
        return result

    @torch.no_grad()
    def embed(self, images: Images) -> Tensor:
        """Mean of the backbone's last level, (B, channels)."""
        batch, _targets = self.network.transform(as_list(images))
        last = list(self.network.backbone.body(batch.tensors).values())[-1]
        return cast(Tensor, last.float().mean(dim=(2, 3)))

    def freeze_groups(self) -> list[tuple[str, ...]]:
        body = "network.backbone.body."
        return [(f"{body}conv1.", f"{body}bn1."), *((f"{body}layer{i}.",) for i in range(1, 5))]

    def class_rows(self) -> dict[str, ClassRows]:
        if self.family == "retinanet":
            logits = self.network.head.classification_head
            rows = {"head.classification_head.cls_logits": ClassRows(blocks=logits.num_anchors)}
        else:
            rows = {
                "roi_heads.box_predictor.cls_score": ClassRows(before=1),
                "roi_heads.box_predictor.bbox_pred": ClassRows(before=4, each=4),
            }
        if self.family == "maskrcnn":
            rows["roi_heads.mask_predictor.mask_fcn_logits"] = ClassRows(before=1)
        return {f"network.{name}.{part}": value for name, value in rows.items() for part in ("weight", "bias")}

    def body(self) -> nn.Module:
        return cast(nn.Module, self.network.backbone.body)

    def _limit(self, limits: Limits) -> None:
        """Gives the network its thresholds, which it keeps as attributes."""
        holder = self.network if self.family == "retinanet" else self.network.roi_heads
        holder.score_thresh, holder.nms_thresh = limits.box_score, limits.nms_iou
        holder.detections_per_img = limits.most


class ExactBoxes(BoxCoder):
    """Decodes boxes in fp32 whatever the arithmetic around it: bf16 tells coordinates around 500 only to 2 pixels."""

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        return cast(Tensor, super().decode_single(rel_codes.float(), boxes.float()))


def _network(architecture: Architecture, classes: int, spec: InputSpec) -> nn.Module:
    sizes = {"min_size": spec.sizes["min"], "max_size": spec.sizes["max"]}
    pixels = {"image_mean": list(spec.mean), "image_std": list(spec.std)}
    if architecture.family == "retinanet":
        backbone = _backbone(architecture, returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256))
        network = RetinaNet(backbone, classes, **sizes, **pixels)
        network.box_coder = _exact(network.box_coder)
        return network
    kind = MaskRCNN if architecture.family == "maskrcnn" else FasterRCNN
    network = kind(_backbone(architecture), classes, **sizes, **pixels)
    for part in (network.rpn, network.roi_heads):
        part.box_coder = _exact(part.box_coder)
    return network


def _exact(coder: BoxCoder) -> ExactBoxes:
    return ExactBoxes(coder.weights, coder.bbox_xform_clip)


def _fix_scales(heads: Any) -> None:
    """Says how large the feature maps are. torchvision guesses it from the first image that a network sees, and wrong
    where a side of that is shorter than 75 pixels."""
    for pool in (heads.box_roi_pool, heads.mask_roi_pool):
        if pool is not None:
            pool.scales = [1 / 4, 1 / 8, 1 / 16, 1 / 32]
            pool.map_levels = initLevelMapper(2, 5, pool.canonical_scale, pool.canonical_level)


def _backbone(architecture: Architecture, **levels: Any) -> nn.Module:
    return resnet_fpn_backbone(
        backbone_name=architecture.network,
        weights=None,
        norm_layer=nn.BatchNorm2d,
        trainable_layers=5,
        **levels,
    )
