"""Untrained networks that behave like trained ones, exported into folders."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import nn

from automl.vision import models
from automl.vision.export import Exported, export
from automl.vision.models.base import Normalize, VisionModel
from automl.vision.spec import resolve, tasks

CLASSES = ["red", "green", "blue"]
CROP = {"training_crop_size": 64, "validation_crop_size": 64, "validation_resize_size": 72}
CROP_14 = {"training_crop_size": 70, "validation_crop_size": 70, "validation_resize_size": 80}  # patches of 14 pixels
# torchvision pads images to the size of the largest in their batch, and then says something else about them: one each.
RANGE = {
    "validation_batch_size": 1,
    "min_size": 128,
    "max_size": 200,
    "box_score_threshold": 0.3,
    "box_detections_per_image": 20,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "yolov5": {"image_size": 128, "model_size": "small", "box_score_threshold": 0.4, "nms_iou_threshold": 0.3},
    "fasterrcnn": RANGE,
    "retinanet": RANGE,
    "maskrcnn": RANGE,
    "mask2former": {"image_size": 128, "box_score_threshold": 0.15, "box_detections_per_image": 20},
    "rtdetrv2": {"image_size": 128, "box_score_threshold": 0.6, "box_detections_per_image": 20},
}

# What networks call the layers that decide; all are linear or convolutions.
LAST = (
    *("fc", "head", "classifier.1", "heads.0", "heads.1", "heads.2"),
    *("rpn.head.cls_logits", "rpn.head.bbox_pred", "roi_heads.box_predictor.cls_score"),
    *("roi_heads.box_predictor.bbox_pred", "roi_heads.mask_predictor.mask_fcn_logits"),
    *("head.classification_head.cls_logits", "head.regression_head.bbox_reg"),
    "class_predictor",
    *(f"model.decoder.class_embed.{layer}" for layer in range(6)),
    *(f"model.decoder.bbox_embed.{layer}.layers.2" for layer in range(6)),
)


@dataclass(frozen=True)
class Made:
    """A model, its effective settings, and the folder it was exported to."""

    model: VisionModel
    settings: dict[str, Any]
    folder: Path
    written: Exported


def make(name: str, *, task: str | None = None, **given: Any) -> tuple[VisionModel, dict[str, Any]]:
    """An untrained network whose batch norms know its own activations and whose heads are sure of some things, in
    evaluation mode; and its effective settings."""
    architecture = models.ARCHITECTURES[name]
    task = task or architecture.tasks[0]
    own = SETTINGS.get(architecture.family, CROP_14 if "patch14" in architecture.network else CROP)
    settings = resolve(task, name, {"validation_batch_size": 2, **own, **given}).effective
    torch.manual_seed(0)
    model = models.build(name, task=task, num_classes=len(CLASSES), settings=settings)
    _settle(model)
    return model.eval(), settings


def made(name: str, folder: Path, *, batch_size: int | None = None, **given: Any) -> Made:
    model, settings = make(name, **given)
    return Made(model, settings, folder, export(model, CLASSES, settings, folder, batch_size))


def _settle(model: VisionModel) -> None:
    """One batch goes through in training mode and becomes the statistics of the batch norms; the last layers are drawn
    so wide that what they say about it differs."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
        last_norm: Any = getattr(module, "bn3", getattr(module, "bn2", None))
        if getattr(module, "shortcut", False) is True:
            last_norm = module.conv.bn  # type: ignore[union-attr]
        if isinstance(last_norm, nn.BatchNorm2d):
            nn.init.constant_(last_norm.weight, 0.2)  # as trained: what a block adds is less than what passes by it
    side = model.input_spec.sizes.get("validation_crop", 128)
    images = torch.stack([_settling_image(seed, side) for seed in range(12)])
    with torch.no_grad():
        model.train()
        if model.family in ("fasterrcnn", "maskrcnn", "retinanet"):
            network: Any = model.network
            network.backbone(Normalize(model.input_spec)(images))
        elif tasks.MODELS[model.name].has_queries:
            model.predict_step(images)
        else:
            model(images)
        model.eval()
        named = {name.removeprefix("network."): module for name, module in model.named_modules()}
        last = [named[name] for name in LAST if hasattr(named.get(name), "weight")]
        hooks = [module.register_forward_pre_hook(_widen) for module in last]
        model.predict_step(images)
        for hook in hooks:
            hook.remove()


def _settling_image(seed: int, side: int) -> torch.Tensor:
    """(3, side, side) of 0..1: soft colours, or rectangles, on the whole of it or with a grey border as of yolov5."""
    if seed % 3 == 0:
        return F.interpolate(torch.rand(1, 3, 8, 8), size=(side, side), mode="bicubic").clamp(0, 1)[0]
    width, height = ((side, side), (side, side * 2 // 3), (side // 2, side))[seed // 3 % 3]
    left, top = (side - width) // 2, (side - height) // 2
    image = torch.full((3, side, side), 114 / 255)
    drawn = torch.from_numpy(scene(width, height, seed).copy()).permute(2, 0, 1) / 255
    image[:, top : top + height, left : left + width] = drawn
    return image


def _widen(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    """Weights with which a layer says numbers around ±0.8 about its first inputs."""
    weight: Any = layer.weight
    if not hasattr(layer, "is_wide"):
        size = inputs[0].pow(2).mean().sqrt()
        nn.init.normal_(weight, std=float(0.8 / (size * weight[0].numel() ** 0.5)))
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        layer.is_wide = True  # type: ignore[assignment]


def scene(width: int, height: int, seed: int) -> np.ndarray:
    """(H, W, 3) uint8: rectangles of many colours on a soft ground."""
    random = np.random.default_rng(seed)
    small = random.integers(60, 200, (4, 4, 3)).astype(np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = random.uniform(0, 0.8, 2) * (width, height)
        wide, high = random.uniform(0.1, 0.4, 2) * (width, height)
        draw.rectangle((x, y, x + wide, y + high), fill=tuple(int(v) for v in random.integers(0, 256, 3)))
    return np.asarray(image)


def coloured(width: int, height: int, seed: int) -> np.ndarray:
    """(H, W, 3) uint8: a scene in which the colour of class `seed` mod 3 is strong."""
    return (scene(width, height, seed) * np.where(np.arange(3) == seed % 3, 1, 0.5)).astype(np.uint8)


def teach(model: VisionModel) -> None:
    """Fits the last layer of a network for classification to sixty coloured images: it knows its classes then."""
    side = model.input_spec.sizes["validation_crop"]
    pixels = np.stack([coloured(side, side, seed).transpose(2, 0, 1) for seed in range(60)]).astype(np.float32) / 255
    features = F.pad(model.embed(torch.from_numpy(pixels)), (0, 1), value=1.0)
    wanted = torch.eye(3)[np.arange(60) % 3]
    fitted = torch.linalg.solve(features.T @ features + torch.eye(features.shape[1]), features.T @ wanted)
    head = model.classifier()  # type: ignore[operator]
    with torch.no_grad():
        head.weight.copy_(fitted[:-1].T)
        head.bias.copy_(fitted[-1])


def png(width: int, height: int, seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene(width, height, seed)).save(buffer, "PNG")
    return buffer.getvalue()
