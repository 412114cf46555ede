"""RT-DETRv2 (Lv et al. 2024, arXiv 2407.17140) behind the interface of the product, beyond the parity list's names.

The network and its losses are those of transformers (Apache-2.0), built from a configuration: nothing is asked of the
network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from automl.vision.models import squares
from automl.vision.models.base import (
    ClassRows,
    ConvolutionalDetector,
    Images,
    InputSpec,
    Normalize,
    Target,
    as_list,
    batch_norms,
    without_crowds,
)
from automl.vision.models.catalogue import Architecture
from automl.vision.requests import Thresholds

QUERIES: Final = 300
STRIDES: Final = (8, 16, 32)
# Of the published configurations: blocks of the ResNet and channels of its stages, layers of the decoder, width of the
# encoder's blocks.
_SHAPES: Final[Mapping[str, dict[str, Any]]] = {
    "r18": {
        "layer_type": "basic",
        "depths": [2, 2, 2, 2],
        "widths": [64, 128, 256, 512],
        "decoder_layers": 3,
        "expansion": 0.5,
    },
    "r50": {
        "layer_type": "bottleneck",
        "depths": [3, 4, 6, 3],
        "widths": [256, 512, 1024, 2048],
        "decoder_layers": 6,
        "expansion": 1.0,
    },
}
_SPREAD: Final = 0.05
"""Standard deviation of fresh linear layers: about what Glorot and Bengio (2010) give layers of 256 to 1,024 channels.
The published configuration says 0.01, with which a cold start takes its time."""


class RtDetr(ConvolutionalDetector):
    """Images are squeezed into a square of `image_size` pixels, whatever their shape; boxes go in and come out in
    pixels of the tensors given.

    Each query stands for one object, and by default (`nms_iou_threshold` 1) nothing is suppressed. Started from
    weights, the backbone's batch statistics stay as they are; a cold start has to learn them.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        task: str,
        num_classes: int,
        settings: Mapping[str, Any],
        mean: tuple[float, float, float] = (0.0, 0.0, 0.0),
        std: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        self.side = squares.side_of(settings)
        spec = InputSpec(mean, std, {"image": self.side})
        super().__init__(
            name=architecture.name, task=task, num_classes=num_classes, family=architecture.family, input_spec=spec
        )
        self.limits = squares.LIMITS.set_by(settings)
        self.normalize = Normalize(spec)
        self.network: Any = _network(_SHAPES[architecture.network], num_classes, self.side)

    def training_step(self, images: Images, targets: list[Target]) -> dict[str, Tensor]:
        """Losses by kind, summed over the layers of the decoder and the denoising queries."""
        sizes = [image.shape[-2:] for image in as_list(images)]
        labels = [
            {"class_labels": target["labels"], "boxes": squares.relative(target["boxes"], *size)}
            for target, size in zip(map(without_crowds, targets), sizes, strict=True)
        ]
        found = decoded(self.network, self._batch(images), labels)
        with squares.exactly(self.device):
            _total, parts, _auxiliary = self.network.loss_function(
                found.intermediate_logits[:, -1],
                labels,
                self.device,
                found.intermediate_reference_points[:, -1],
                self.network.config,
                found.intermediate_logits,
                found.intermediate_reference_points,
                enc_topk_logits=found.enc_topk_logits,
                enc_topk_bboxes=found.enc_topk_bboxes,
                denoising_meta_values=found.denoising_meta_values,
            )
        losses: dict[str, Tensor] = {}
        for name, value in parts.items():
            kind = "_".join(name.split("_")[:2])  # loss_bbox_aux_0 belongs to loss_bbox
            losses[kind] = losses[kind] + value if kind in losses else value
        return losses

    @torch.no_grad()
    def predict_step(self, images: Images, thresholds: Thresholds | None = None) -> list[dict[str, Tensor]]:
        limits = self.limits.asked_by(thresholds)
        logits, boxes = said(self.network, self._batch(images))
        results = []
        for each, places, image in zip(logits, boxes, as_list(images), strict=True):
            query, labels, scores = squares.best(each.sigmoid(), limits.box_score)
            corners = squares.absolute(places[query], *image.shape[-2:])
            kept = squares.apart(corners, scores, labels, limits.nms_iou)[: limits.most]
            results.append({"boxes": corners[kept], "scores": scores[kept], "labels": labels[kept]})
        return results

    @torch.no_grad()
    def embed(self, images: Images) -> Tensor:
        """Mean of the backbone's last level, (B, channels)."""
        last = self.network.model.backbone.model(self._batch(images)).feature_maps[-1]
        return cast(Tensor, last.float().mean(dim=(2, 3)))

    def freeze_groups(self) -> list[tuple[str, ...]]:
        body = "network.model.backbone.model."
        return [(f"{body}embedder.",), *((f"{body}encoder.stages.{stage}.",) for stage in range(4))]

    def class_rows(self) -> dict[str, ClassRows]:
        heads = [f"decoder.class_embed.{layer}" for layer in range(len(self.network.model.decoder.layers))]
        rows = {
            f"network.model.{head}.{part}": ClassRows()
            for head in ("enc_score_head", *heads)
            for part in ("weight", "bias")
        }
        return rows | {"network.model.denoising_class_embed.weight": ClassRows(after=1)}

    def body(self) -> nn.Module:
        return cast(nn.Module, self.network.model.backbone)

    def _batch(self, images: Images) -> Tensor:
        batch: Tensor = self.normalize(squares.squares(images, self.side))
        return batch


def decoded(network: Any, batch: Tensor, labels: list[dict[str, Tensor]] | None = None) -> Any:
    """What transformers' RTDetrV2Model says about normalised images (B, 3, side, side). Backbone and encoder compute in
    the arithmetic around them, the decoder, which moves boxes, in float32 at least."""
    from transformers.modeling_outputs import BaseModelOutput

    model = network.model
    levels = model.backbone.model(batch).feature_maps
    narrowed = [narrow(level) for narrow, level in zip(model.encoder_input_proj, levels, strict=True)]
    maps = model.encoder(narrowed).last_hidden_state
    with squares.exactly(batch.device):
        maps = [each if each.dtype == torch.float64 else each.float() for each in maps]
        return model(
            None,
            encoder_outputs=cast(Any, BaseModelOutput)(last_hidden_state=maps),
            inputs_embeds=maps[0],
            labels=labels,
        )


def said(network: Any, batch: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, queries, classes) and boxes (B, queries, 4), centre, width and height in shares of the image, of
    normalised images (B, 3, side, side)."""
    found = decoded(network, batch)
    return found.intermediate_logits[:, -1], found.intermediate_reference_points[:, -1]


def _network(shape: Mapping[str, Any], classes: int, side: int) -> Any:
    from transformers import RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

    backbone = cast(Any, RTDetrResNetConfig)(
        depths=shape["depths"], hidden_sizes=shape["widths"], layer_type=shape["layer_type"], out_indices=[2, 3, 4]
    )
    config = cast(Any, RTDetrV2Config)(
        backbone_config=backbone,
        encoder_in_channels=shape["widths"][1:],
        hidden_expansion=shape["expansion"],
        decoder_layers=shape["decoder_layers"],
        num_labels=classes,
        num_queries=min(QUERIES, sum((side // stride) ** 2 for stride in STRIDES)),  # chosen from the maps' positions
        freeze_backbone_batch_norms=False,  # a cold start has to learn them; see fix_batch_norm
        tie_word_embeddings=False,  # each layer of the decoder has heads of its own, as published
        initializer_range=_SPREAD,
    )
    network = RTDetrV2ForObjectDetection(config)
    del network.class_embed, network.bbox_embed  # copies of the decoder's, which nobody asks
    for norm in batch_norms(network):
        norm.reset_parameters()  # transformers starts their scales near 0, for weights to be loaded over them
    return network
