"""A model's predictions on a set of images, and what they are worth."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from automl.vision import predictions as stored
from automl.vision import tiling
from automl.vision.data.loader import Loader, Sampler
from automl.vision.spec import tasks
from automl.vision.transforms import Batch, Pipeline

from .datasets import ImageSet, workers_for
from .distributed import World
from .job import Evaluator

if TYPE_CHECKING:
    from automl.vision.models.base import VisionModel

Advance = Callable[[int, int], None]  # images done, of how many


def validation_loader(data: ImageSet, settings: Mapping[str, Any], world: World) -> Loader[Batch]:
    """Batches of the set in its order, without augmentation, for this process."""
    pipeline = Pipeline(data.task, settings, data.look, len(data), training=False)
    sampler = Sampler(len(data), settings["validation_batch_size"], shuffle=False, rank=world.rank, world=world.size)
    return Loader(sampler, pipeline.prepare, pipeline.collate, workers=workers_for(settings))


class Validator:
    """Predicts a set of images and evaluates the predictions; each of several processes does a share."""

    def __init__(
        self,
        data: ImageSet,
        classes: list[str],
        settings: Mapping[str, Any],
        evaluate: Evaluator,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]],
        world: World,
    ) -> None:
        self.data, self.classes, self.settings = data, classes, settings
        self.evaluate, self.device, self.autocast, self.world = evaluate, device, autocast, world
        self.loader = validation_loader(data, settings, world)
        self.grid = tiling.Grid.of(settings) if data.task == tasks.DETECTION else None

    def run(self, model: VisionModel, advance: Advance) -> tuple[dict[str, Any], dict[str, Any]]:
        """(metrics by name, predictions): the same metrics in every process, all predictions in the first one."""
        found: list[tuple[int, dict[str, Tensor], Any]] = []
        model.eval()
        with torch.inference_mode(), self.autocast():
            for batch in self.loader.epoch(0):
                images, _targets = batch.to(self.device)
                answers = self._predict(model, images)
                for at, answer in enumerate(answers):
                    position = batch.positions[at]
                    kept = packed({name: value.detach().cpu() for name, value in answer.items()})
                    found.append((position, *self._in_original(position, kept, batch, at)))
                advance(min(len(found) * self.world.size, len(self.data)), len(self.data))
        everything = self.world.gather(found)
        metrics: dict[str, Any] | None = None
        predictions: dict[str, Any] = {}
        if self.world.is_first:
            everything.sort(key=lambda each: each[0])
            predictions, targets = self._arranged(everything)
            values = predictions["scores"] if self.data.task in tasks.CLASSIFIES else Unpacked(predictions["images"])
            if self.data.task == tasks.SEGMENTATION:
                targets = Unpacked(targets)
            metrics = dict(self.evaluate(self.data.task, values, targets, classes=self.classes, settings=self.settings))
        return self.world.told_by_first(metrics), predictions

    def _predict(self, model: VisionModel, images: Any) -> list[dict[str, Tensor]]:
        if self.grid is None:
            return model.predict_step(images)
        size = self.settings["validation_batch_size"]
        return [tiling.predict(model, image, self.grid, batch_size=size) for image in images]

    def _in_original(
        self, position: int, answer: dict[str, Tensor], batch: Batch, at: int
    ) -> tuple[dict[str, Tensor], Any]:
        """Prediction and target of one image; boxes in pixels of the original."""
        if self.data.task in tasks.CLASSIFIES:
            return {"logits": answer["logits"].float()}, batch.targets[at]
        sample = self.data.look(position)
        height, width = sample.original
        scale = torch.tensor([width / sample.width, height / sample.height] * 2)
        return {**answer, "boxes": answer["boxes"].float() * scale}, _in_scale(batch.targets[at], scale)

    def _arranged(self, everything: list[tuple[int, dict[str, Tensor], Any]]) -> tuple[dict[str, Any], Any]:
        names = [self.data.examples[position].url for position, _answer, _target in everything]
        if self.data.task in tasks.CLASSIFIES:
            logits = torch.stack([answer["logits"] for _position, answer, _target in everything])
            scores = logits.sigmoid() if self.data.task == tasks.MULTILABEL else logits.softmax(1)
            targets = torch.stack([torch.as_tensor(target) for _position, _answer, target in everything])
            return {"names": names, "scores": scores, "targets": targets}, targets
        answers = [answer for _position, answer, _target in everything]
        wanted = [target for _position, _answer, target in everything]
        return {"names": names, "images": answers, "targets": wanted}, wanted


def _in_scale(target: dict[str, Tensor], scale: Tensor) -> dict[str, Tensor]:
    return packed({**target, "boxes": target["boxes"] * scale})


# --- Masks in little memory ------------------------------------------------------------------------------------------


def packed(objects: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same with `masks` `[N,H,W]` as compressed bits: a hundred masks of a photo are 50 MB otherwise."""
    if "masks" not in objects:
        return dict(objects)
    rest = {name: value for name, value in objects.items() if name != "masks"}
    masks = objects["masks"].numpy().astype(bool)
    bits = zlib.compress(np.packbits(masks).tobytes(), 1)
    return {
        **rest,
        "mask_bits": torch.frombuffer(bytearray(bits), dtype=torch.uint8),
        "mask_shape": torch.tensor(masks.shape),
    }


def unpacked(objects: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `packed` was given."""
    if "mask_bits" not in objects:
        return dict(objects)
    shape = tuple(objects["mask_shape"].tolist())
    bits = np.frombuffer(zlib.decompress(objects["mask_bits"].numpy().tobytes()), np.uint8)
    masks = np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).astype(bool)
    rest = {name: value for name, value in objects.items() if not name.startswith("mask_")}
    return {**rest, "masks": torch.from_numpy(masks)}


def write_predictions(path: Path, found: Mapping[str, Any]) -> None:
    """Writes what `Validator.run` gave as JSON lines from which every metric can be computed again."""
    if "scores" in found:
        stored.write(path, found["names"], found["scores"].tolist(), found["targets"].tolist())
    else:
        stored.write(path, found["names"], Unpacked(found["images"]), Unpacked(found["targets"]))


class Unpacked(Sequence[dict[str, Tensor]]):
    """A list of packed objects that unpacks the one that is looked at."""

    def __init__(self, items: Sequence[Mapping[str, Tensor]]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, at: Any) -> Any:
        return unpacked(self.items[at])


def validation_loss(
    model: VisionModel,
    data: ImageSet,
    settings: Mapping[str, Any],
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> float:
    """Mean loss per batch on `data`, in training mode (detectors give losses only there) with frozen statistics."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    total, count = 0.0, 0
    state = torch.get_rng_state()
    pipeline = Pipeline(data.task, _unaugmented(settings), data.look, len(data), training=True)
    sampler = Sampler(len(data), settings["validation_batch_size"], shuffle=False)
    with torch.no_grad(), autocast():
        for batch in Loader(sampler, pipeline.prepare, pipeline.collate, workers=workers_for(settings)).epoch(0):
            losses = model.training_step(*batch.to(device))
            total += float(sum(losses.values())) * len(batch)
            count += len(batch)
    torch.set_rng_state(state)
    return total / max(1, count)


def _unaugmented(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {**settings, "augmentations": "none"}
