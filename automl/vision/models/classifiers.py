"""The classification networks, from timm and torchvision, with the losses of both classification tasks."""

from __future__ import annotations

from automl.vision import ops  # noqa: F401  # isort: skip  before torchvision

from collections.abc import Mapping, Sequence
from typing import Any, cast

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from automl.vision.models.base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ClassRows,
    Images,
    InputSpec,
    Normalize,
    VisionModel,
    as_batch,
    value_of,
)
from automl.vision.models.catalogue import MULTI_LABEL, Architecture
from automl.vision.requests import Thresholds


class Classifier(VisionModel):
    """Logits over the classes. Multi-class: cross-entropy; multi-label: binary cross-entropy per class.

    `class_counts` (labeled images per class) are needed when `weighted_loss` is 1 or 2: class weights are N / (C · n_c)
    with 2, their square root with 1; multi-label takes them as weights of the positive answers.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        architecture: Architecture,
        *,
        task: str,
        num_classes: int,
        settings: Mapping[str, Any],
        class_counts: Sequence[int] | None = None,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
    ) -> None:
        training = int(value_of(settings, "training_crop_size", 224))
        validation = int(value_of(settings, "validation_crop_size", 224))
        resize = int(value_of(settings, "validation_resize_size", 256))
        patch = 14 if "patch14" in architecture.network else 16
        if architecture.family == "vit" and (training != validation or training % patch):
            raise ValueError(
                f"{architecture.name} cuts the image into patches of {patch} pixels: training_crop_size and "
                f"validation_crop_size have to be equal and a multiple of {patch}, not {training} and {validation}."
            )
        sizes = {"training_crop": training, "validation_resize": resize, "validation_crop": validation}
        super().__init__(
            name=architecture.name,
            task=task,
            num_classes=num_classes,
            family=architecture.family,
            input_spec=InputSpec(mean, std, sizes),
        )
        self.normalize = Normalize(self.input_spec)
        self.network = _network(architecture, num_classes, crop=training)
        weights = _class_weights(int(value_of(settings, "weighted_loss", 0)), class_counts, num_classes)
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of a batch (B, 3, H, W) of 0..1."""
        return cast(Tensor, self.network(self.normalize(images)))

    def training_step(self, images: Images, targets: Any, *, class_weights: Tensor | None = None) -> dict[str, Tensor]:
        """`class_weights` (C,) replace those of `weighted_loss` for this step."""
        weights = self.class_weights if class_weights is None else class_weights
        logits = self(as_batch(images)).float()
        if self.task == MULTI_LABEL:
            loss = F.binary_cross_entropy_with_logits(logits, targets.float(), pos_weight=weights)
        elif targets.ndim == 2:  # class probabilities, for example after mixing images
            loss = F.cross_entropy(logits, targets.float(), weight=weights)
        else:
            loss = F.cross_entropy(logits, targets, weight=weights)
        return {"loss_classification": loss}

    @torch.no_grad()
    def predict_step(self, images: Images, thresholds: Thresholds | None = None) -> list[dict[str, Tensor]]:
        return [{"logits": row} for row in self(as_batch(images)).float()]

    @torch.no_grad()
    def embed(self, images: Images) -> Tensor:
        return self.features(as_batch(images)).float()

    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees, (B, D); with gradients."""
        inside = self.normalize(images)
        if self.family == "mobilenetv2":
            return F.adaptive_avg_pool2d(self.network.features(inside), 1).flatten(1)
        return cast(Tensor, self.network.forward_head(self.network.forward_features(inside), pre_logits=True))

    def classifier(self) -> nn.Linear:
        """The last layer: logits = classifier(features)."""
        if self.family == "mobilenetv2":
            return cast(nn.Linear, self.network.classifier[1])
        return cast(nn.Linear, self.network.get_classifier())

    def class_rows(self) -> dict[str, ClassRows]:
        name = next(name for name, module in self.named_modules() if module is self.classifier())
        return {f"{name}.weight": ClassRows(), f"{name}.bias": ClassRows()}

    def freeze_groups(self) -> list[tuple[str, ...]]:
        if self.family == "mobilenetv2":
            return [(f"network.features.{i}.",) for i in range(19)]
        if self.family == "vit":
            blocks = len(self.network.blocks)
            return [("network.patch_embed.",), *((f"network.blocks.{i}.",) for i in range(blocks))]
        return [("network.conv1.", "network.bn1."), *((f"network.layer{i}.",) for i in range(1, 5))]


def _network(architecture: Architecture, num_classes: int, *, crop: int) -> Any:
    if architecture.family == "mobilenetv2":
        return mobilenet_v2(weights=None, num_classes=num_classes)
    extra: dict[str, Any] = {"img_size": crop} if architecture.family == "vit" else {}
    return timm.create_model(architecture.network, pretrained=False, num_classes=num_classes, **extra)


def _class_weights(weighted_loss: int, counts: Sequence[int] | None, num_classes: int) -> Tensor | None:
    if weighted_loss not in (0, 1, 2):
        raise ValueError(f"weighted_loss is 0, 1 or 2, not {weighted_loss}.")
    if weighted_loss == 0:
        return None
    if counts is None or len(counts) != num_classes:
        raise ValueError("weighted_loss needs class_counts, one number of images per class.")
    numbers = torch.tensor(counts, dtype=torch.float32)
    # A class without an image has no loss to weigh; 1 keeps the number finite.
    weights = numbers.sum() / (num_classes * numbers.clamp(min=1))
    return weights.sqrt() if weighted_loss == 1 else weights
