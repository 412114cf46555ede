"""From an example's pixels to tensors: which transforms a task, a model and the settings ask for (parity B.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from automl.vision.data.crops import centre_crop
from automl.vision.data.images import is_letterboxed
from automl.vision.data.samples import Sample, rasterize
from automl.vision.spec import tasks

from . import boxes, classification, colours, yolo

Look = Callable[[int], Sample]  # position of an image to its sample


@dataclass
class Batch:
    """`images`: uint8 `[B,3,H,W]`, or a list of `[3,H,W]` of several sizes. `targets` as the models want them.
    `positions` are those of the examples. `to` moves it and makes it float in 0..1."""

    images: Any
    targets: Any
    positions: list[int]
    jitter: bool = False
    seed: int = 0

    def __len__(self) -> int:
        return len(self.positions)

    def to(self, device: torch.device, memory_format: torch.memory_format | None = None) -> tuple[Any, Any]:
        """(images, targets) on `device`; colours are changed there, for the whole batch at once."""
        if isinstance(self.images, Tensor):
            images: Any = self.images.to(device, non_blocking=True).float().div_(255)
            if self.jitter:
                images = colours.jitter(images, torch.Generator().manual_seed(self.seed))
            if memory_format is not None:
                images = images.contiguous(memory_format=memory_format)
        else:
            images = [image.to(device, non_blocking=True).float().div_(255) for image in self.images]
        return images, _moved(self.targets, device)


def _moved(targets: Any, device: torch.device) -> Any:
    if isinstance(targets, Tensor):
        return targets.to(device, non_blocking=True)
    return [{name: value.to(device, non_blocking=True) for name, value in each.items()} for each in targets]


class Pipeline:
    """Prepares single samples (on threads) and collates them. `training` turns augmentation on."""

    def __init__(self, task: str, settings: Mapping[str, Any], look: Look, total: int, *, training: bool) -> None:
        self.task, self.settings, self.look, self.total, self.training = task, settings, look, total, training
        kind = settings["augmentations"] if training else "none"
        advanced = settings["advanced_settings"]
        self.mirrors = kind != "none" and (task in tasks.CLASSIFIES or advanced["apply_automl_train_augmentations"])
        self.augments = kind == "default" and (task in tasks.CLASSIFIES or advanced["apply_automl_train_augmentations"])
        self.is_yolo = is_letterboxed(settings)
        self.has_mosaic = self.is_yolo and kind == "default" and advanced["apply_mosaic_for_yolo"]

    def prepare(self, position: int, random: np.random.Generator) -> tuple[int, Sample]:
        """(position, its sample ready to become tensors)."""
        if self.task in tasks.CLASSIFIES:
            return position, self._classified(position, random)
        if not self.training:
            return position, self.look(position)
        sample = boxes.without_crowds(self.look(position))
        if self.is_yolo:
            return position, self._squared(sample, random)
        if self.augments:
            sample = boxes.augment(sample, random)
        elif self.mirrors and random.random() < 0.5:
            sample = boxes.mirror(sample)
        return position, sample

    def _classified(self, position: int, random: np.random.Generator) -> Sample:
        sample = self.look(position)
        if not self.training:
            resize, crop = self.settings["validation_resize_size"], self.settings["validation_crop_size"]
            sample.image = centre_crop(sample.image, resize, crop)
            return sample
        side = self.settings["training_crop_size"]
        if self.augments:
            sample.image = classification.random_crop(sample.image, side, random)
        else:
            sample.image = centre_crop(sample.image, round(side / 0.875), side)
        if self.mirrors and random.random() < 0.5:
            sample.image = classification.mirrored(sample.image)
        return sample

    def _squared(self, sample: Sample, random: np.random.Generator) -> Sample:
        side = self.settings["image_size"]
        if self.has_mosaic:
            others = [boxes.without_crowds(self.look(int(random.integers(self.total)))) for _ in range(3)]
            sample = yolo.mosaic([sample, *others], side, random)
            sample = yolo.random_affine(sample, side, random) if self.augments else yolo.centred(sample, side)
        else:
            sample = yolo.letterbox(sample, side)
            if self.augments:
                sample = yolo.random_affine(sample, side, random)
        return boxes.mirror(sample) if self.mirrors and random.random() < 0.5 else sample

    def collate(self, prepared: Sequence[tuple[int, Sample]], random: np.random.Generator) -> Batch:
        """The batch of these samples."""
        positions = [position for position, _sample in prepared]
        samples = [sample for _position, sample in prepared]
        if self.task in tasks.CLASSIFIES:
            images = torch.from_numpy(np.stack([sample.image for sample in samples])).permute(0, 3, 1, 2)
            if self.task == tasks.CLASSIFICATION:
                targets = torch.tensor([int(sample.target) for sample in samples])  # type: ignore[arg-type]
            else:
                targets = torch.from_numpy(np.stack([np.asarray(sample.target) for sample in samples]))
            return Batch(images, targets, positions, self.augments, int(random.integers(2**31)))
        made = [objects(sample, masks=self.task == tasks.SEGMENTATION) for sample in samples]
        tensors = [torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1))) for sample in samples]
        return Batch(tensors, made, positions)


def objects(sample: Sample, *, masks: bool) -> dict[str, Tensor]:
    """The target of one image, in pixels of its tensor. With `masks`, boxes are drawn tightly around what is visible,
    and objects of which nothing is are left out."""
    if masks and sample.polygons is not None:
        drawn = rasterize(sample.polygons, sample.height, sample.width)
        seen = np.asarray(drawn.reshape(len(drawn), -1).any(1))
        drawn, sample = drawn[seen], sample.keep(seen)
        return {**_plain(sample, _around(drawn)), "masks": torch.from_numpy(drawn)}
    return _plain(sample, sample.boxes)


def _plain(sample: Sample, corners: np.ndarray) -> dict[str, Tensor]:
    return {
        "boxes": torch.from_numpy(np.ascontiguousarray(corners, np.float32)),
        "labels": torch.from_numpy(sample.labels.copy()),
        "is_crowd": torch.from_numpy(sample.crowd.copy()),
    }


def _around(masks: np.ndarray) -> np.ndarray:
    corners = np.zeros((len(masks), 4), np.float32)
    for at, mask in enumerate(masks):
        ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        corners[at] = xs[0], ys[0], xs[-1] + 1, ys[-1] + 1
    return corners
