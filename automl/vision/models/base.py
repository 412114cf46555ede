"""What every model of the product promises, whatever network is inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from automl.vision.requests import Thresholds

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Images = Tensor | Sequence[Tensor]
Target = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What the network is fed. Models take pixels of 0..1 and normalise them; `mean` and `std` are told for export."""

    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Pixels. Classification: training_crop, validation_resize, validation_crop; R-CNN and RetinaNet: min, max
    (the model resizes); yolov5: image, stride (the model letterboxes what is not a multiple of the stride); RT-DETR and
    Mask2Former: image (the model squeezes)."""


@dataclass(frozen=True, slots=True)
class ClassRows:
    """A tensor whose first axis counts classes: `blocks` blocks, each of `before` rows, then `each` rows a class, then
    `after` rows."""

    blocks: int = 1
    before: int = 0
    each: int = 1
    after: int = 0

    def count(self, classes: int) -> int:
        """Rows of the tensor for so many classes."""
        return self.blocks * (self.before + self.each * classes + self.after)


class VisionModel(nn.Module):
    """A network with its losses, its decoding and its way of being frozen.

    `training_step` and `predict_step` take float images of 0..1, RGB, as a list of (3, H, W) or as a batch (B, 3, H,
    W). Boxes are x1, y1, x2, y2 float32 in pixels of the given tensors; class indices are int64 from 0, without
    background.
    """

    name: str
    task: str
    num_classes: int
    family: str
    start: str = "cold"
    """`cold`, `imagenet`, `coco`, `self-supervised` (no labels) or `checkpoint`: what the weights were when training
    began."""
    start_tag: str = ""
    """The weights' tag in the registry, or the checkpoint's file name; empty for a cold start."""
    start_licence: str = ""
    """The licence of the weights that training began with; empty for a cold start."""
    input_spec: InputSpec
    options: dict[str, Any]
    """What has to be known beside name, task, classes and settings to build the same network (see `models.restore`)."""

    def __init__(self, *, name: str, task: str, num_classes: int, family: str, input_spec: InputSpec) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, not {num_classes}.")
        self.name, self.task, self.num_classes, self.family = name, task, num_classes, family
        self.input_spec = input_spec
        self.options = {}
        self._frozen: tuple[str, ...] = ()

    # --- The promise ------------------------------------------------------------------------------------------------

    def training_step(self, images: Images, targets: Any) -> dict[str, Tensor]:
        """Losses by name, each a scalar with a gradient; the loss to minimise is their sum. The model has to be in
        training mode. Targets: class indices (B,) or a multi-hot matrix (B, C) for classification; for detection one
        dict per image with `boxes` (N, 4), `labels` (N,) and, for segmentation, `masks` (N, H, W) of 0 and 1; objects
        that `is_crowd` (N,) marks are not learned."""
        raise NotImplementedError

    def predict_step(self, images: Images, thresholds: Thresholds | None = None) -> list[dict[str, Tensor]]:
        """One dict per image: `logits` (C,), or `boxes` (N, 4), `scores` (N,) descending, `labels` (N,) and, for
        segmentation, `masks` (N, H, W) bool. The model has to be in evaluation mode; no gradient is kept."""
        raise NotImplementedError

    def embed(self, images: Images) -> Tensor:
        """Features (B, D) of the network without its head, one row per image."""
        raise NotImplementedError

    def freeze_groups(self) -> list[tuple[str, ...]]:
        """Groups of parameter name prefixes in the order in which `layers_to_freeze` counts them."""
        raise NotImplementedError

    def class_rows(self) -> dict[str, ClassRows]:
        """The tensors of the state dict that change with the number of classes, by name."""
        raise NotImplementedError

    # --- Shared -----------------------------------------------------------------------------------------------------

    def freeze(self, layers_to_freeze: int) -> list[str]:
        """Stops training of the first n groups, batch statistics included; returns the names of what is frozen.
        Raises ValueError when the network has fewer groups."""
        groups = self.freeze_groups()
        if not 0 <= layers_to_freeze <= len(groups):
            raise ValueError(f"layers_to_freeze for {self.name} is 0 to {len(groups)}, not {layers_to_freeze}.")
        self._frozen = tuple(prefix for group in groups[:layers_to_freeze] for prefix in group)
        names = []
        for name, parameter in self.named_parameters():
            if name.startswith(self._frozen):
                parameter.requires_grad_(False)
                names.append(name)
        self.train(self.training)
        return names

    def train(self, mode: bool = True) -> VisionModel:
        """As in torch, but what is frozen stays in evaluation mode, so that its batch statistics do not move."""
        super().train(mode)
        if self._frozen:
            for name, module in self.named_modules():
                if f"{name}.".startswith(self._frozen):
                    module.eval()
        return self

    def param_groups(self) -> list[dict[str, Any]]:
        """Two groups for an optimizer, of the parameters that are trained: `decay`, and `no_decay` (biases, norms and
        tokens) with weight_decay 0."""
        decay: list[Tensor] = []
        no_decay: list[Tensor] = []
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                plain = parameter.ndim <= 1 or name.endswith((".bias", "cls_token", "pos_embed"))
                (no_decay if plain else decay).append(parameter)
        groups: list[dict[str, Any]] = [
            {"name": "decay", "params": decay},
            {"name": "no_decay", "params": no_decay, "weight_decay": 0.0},
        ]
        return [group for group in groups if group["params"]]

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


class ConvolutionalDetector(VisionModel):
    """A model on a ResNet whose batch statistics can be kept: a batch of two images says little about them. Started
    from weights they stay as they are; a cold start has to learn them."""

    _fixed_batch_norm = False

    def body(self) -> nn.Module:
        """The ResNet."""
        raise NotImplementedError

    def fix_batch_norm(self) -> None:
        """Keeps the batch statistics and scales of the body as they are from now on."""
        self._fixed_batch_norm = self.options["fixed_batch_norm"] = True
        for norm in batch_norms(self.body()):
            norm.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> ConvolutionalDetector:
        super().train(mode)
        if self._fixed_batch_norm:
            for norm in batch_norms(self.body()):
                norm.eval()
        return self


class Normalize(nn.Module):
    """(pixels - mean) / std; the constants travel with the weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(spec.mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).reshape(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def value_of(settings: Mapping[str, Any], name: str, default: Any) -> Any:
    """A setting, or its default where it is missing or None."""
    given = settings.get(name)
    return default if given is None else given


def without_crowds(target: Target) -> Target:
    """The objects of an image that can be learned: those that stand for one object each."""
    crowd = target.get("is_crowd")
    if crowd is None or not bool(crowd.any()):
        return target
    keep = ~crowd.bool()
    return {name: value[keep] for name, value in target.items() if name in {"boxes", "labels", "masks"}}


def as_batch(images: Images) -> Tensor:
    """One tensor (B, 3, H, W). Raises ValueError when the images differ in size."""
    if isinstance(images, Tensor):
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"Expected a batch (B, 3, H, W), not {tuple(images.shape)}.")
        return images
    sizes = {tuple(image.shape) for image in images}
    if len(sizes) != 1:
        raise ValueError(f"Classification needs images of one size in a batch, not {sorted(sizes)}.")
    return torch.stack(list(images))


def as_list(images: Images) -> list[Tensor]:
    return list(images.unbind() if isinstance(images, Tensor) else images)


def batch_norms(module: nn.Module) -> Iterator[nn.BatchNorm2d]:
    return (child for child in module.modules() if isinstance(child, nn.BatchNorm2d))
