"""Mask2Former (Cheng et al. 2022, arXiv 2112.01527) behind the interface of the product, beyond the 24 names.

The network and its losses are those of transformers (Apache-2.0) on a Swin-T backbone, built from a configuration:
nothing is asked of the network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl.vision.models import squares
from automl.vision.models.base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ClassRows,
    Images,
    InputSpec,
    Normalize,
    Target,
    VisionModel,
    as_list,
    without_crowds,
)
from automl.vision.models.catalogue import Architecture
from automl.vision.requests import Thresholds

QUERIES: Final = 100
POINTS: Final = 12544
"""Points of each mask that the losses look at, as published; fewer where the masks have no more."""
_STAGES: Final = ("stage1", "stage2", "stage3", "stage4")
_LAYER: Final = re.compile(r"_\d+$")


class Mask2Former(VisionModel):
    """Images are squeezed into a square of `image_size` pixels, whatever their shape; masks and boxes go in and come
    out in pixels of the tensors given. A box is drawn tightly around its mask.

    Each query stands for one object, and by default (`nms_iou_threshold` 1) nothing is suppressed.
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
        self.side = squares.side_of(settings)
        spec = InputSpec(mean, std, {"image": self.side})
        super().__init__(
            name=architecture.name, task=task, num_classes=num_classes, family=architecture.family, input_spec=spec
        )
        self.limits = squares.LIMITS.set_by(settings)
        self.normalize = Normalize(spec)
        self.network: Any = _network(num_classes, self.side)

    def training_step(self, images: Images, targets: list[Target]) -> dict[str, Tensor]:
        """Losses by kind, summed over the layers of the decoder."""
        learned = [without_crowds(target) for target in targets]
        masks = [self._squeezed(target["masks"]) for target in learned]
        labels = [target["labels"] for target in learned]
        network = self.network
        found = network.model(self._batch(images), output_hidden_states=True)
        states = found.transformer_decoder_intermediate_states
        with squares.exactly(self.device):
            classes = [network.class_predictor(state.transpose(0, 1).float()) for state in states]
            drawn = [layer.float() for layer in found.masks_queries_logits]
            earlier = network.get_auxiliary_logits(classes, drawn)
            parts = network.get_loss_dict(drawn[-1], classes[-1], masks, labels, earlier)
        losses: dict[str, Tensor] = {}
        for name, value in parts.items():
            kind = _LAYER.sub("", name)
            losses[kind] = losses[kind] + value if kind in losses else value
        return losses

    @torch.no_grad()
    def predict_step(self, images: Images, thresholds: Thresholds | None = None) -> list[dict[str, Tensor]]:
        limits = self.limits.asked_by(thresholds)
        logits, drawn = said(self.network, self._batch(images))
        results = []
        for each, masks, image in zip(logits.float(), drawn.float(), as_list(images), strict=True):
            sure = each.softmax(dim=1)[:, :-1] * certainty(masks)[:, None]
            query, labels, scores = squares.best(sure, limits.box_score)
            found = _in_image(masks, query, image.shape[-2:], limits.mask_pixel_score)
            seen = found.flatten(1).any(dim=1)
            labels, scores, found = labels[seen], scores[seen], found[seen]
            boxes = _around(found)
            kept = squares.apart(boxes, scores, labels, limits.nms_iou)[: limits.most]
            results.append({"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept], "masks": found[kept]})
        return results

    @torch.no_grad()
    def embed(self, images: Images) -> Tensor:
        """Mean of the backbone's last level, (B, channels)."""
        last = self.network.model.pixel_level_module.encoder(self._batch(images)).feature_maps[-1]
        return cast(Tensor, last.float().mean(dim=(2, 3)))

    def freeze_groups(self) -> list[tuple[str, ...]]:
        body = "network.model.pixel_level_module.encoder.swin."
        return [(f"{body}embeddings.",), *((f"{body}encoder.layers.{stage}.",) for stage in range(4))]

    def class_rows(self) -> dict[str, ClassRows]:
        names = ("class_predictor.weight", "class_predictor.bias", "criterion.empty_weight")
        return {f"network.{name}": ClassRows(after=1) for name in names}  # the last one: no object

    def _batch(self, images: Images) -> Tensor:
        batch: Tensor = self.normalize(squares.squares(images, self.side))
        return batch

    def _squeezed(self, masks: Tensor) -> Tensor:
        """Masks (N, H, W) as floats (N, side, side); N may be 0."""
        if not len(masks):
            return masks.new_zeros((0, self.side, self.side), dtype=torch.float32)
        return F.interpolate(masks[None].float(), (self.side, self.side), mode="nearest-exact")[0]


def said(network: Any, batch: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, queries, classes + 1), the last of no object, and mask logits (B, queries, side / 4, side / 4) of
    normalised images (B, 3, side, side)."""
    found = network(batch)
    return found.class_queries_logits, found.masks_queries_logits


def certainty(masks: Tensor) -> Tensor:
    """How sure each of mask logits (N, h, w) is of its own pixels, (N,): the mean probability of those above 0.5, as
    published; 0 where there are none."""
    inside = masks > 0
    total = (masks.sigmoid() * inside).flatten(1).sum(dim=1)
    return total / inside.flatten(1).sum(dim=1).clamp(min=1)


def _in_image(masks: Tensor, query: Tensor, size: tuple[int, ...], pixel_score: float) -> Tensor:
    """Masks (N, H, W) bool of an image of `size` for the logits (queries, h, w) of each of `query`."""
    drawn = [
        F.interpolate(masks[None, at : at + 1], size, mode="bilinear", align_corners=False)[0, 0].sigmoid()
        > pixel_score
        for at in query.tolist()
    ]
    return torch.stack(drawn) if drawn else torch.zeros((0, *size), dtype=torch.bool, device=masks.device)


def _around(masks: Tensor) -> Tensor:
    """Boxes (N, 4) tightly around masks (N, H, W) of which none is empty."""
    boxes = masks.new_zeros((len(masks), 4), dtype=torch.float32)
    for at, mask in enumerate(masks):
        rows, columns = torch.nonzero(mask.any(dim=1))[:, 0], torch.nonzero(mask.any(dim=0))[:, 0]
        boxes[at] = torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return boxes


def _network(classes: int, side: int) -> Any:
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    config = cast(Any, Mask2FormerConfig)(
        backbone_config=cast(Any, SwinConfig)(
            image_size=side, out_features=list(_STAGES)
        ),  # what it says of itself is Swin-T
        num_queries=QUERIES,
        num_labels=classes,
        train_num_points=min(POINTS, (side // 2) ** 2),
    )
    network = Mask2FormerForUniversalSegmentation(config)
    network.model.pixel_level_module.encoder.swin.layernorm = nn.Identity()  # of the last level once more; unused
    return network
