"""The training loop: epochs of steps, evaluation, early stopping, a checkpoint after every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from automl.vision import tiling
from automl.vision.data.loader import Loader, Sampler
from automl.vision.errors import VisionError
from automl.vision.spec import tasks
from automl.vision.transforms import Batch, Pipeline

from . import checkpoints, distributed, speed
from .datasets import RunData, TiledSet, workers_for
from .distributed import World
from .job import Evaluator
from .progress import Meter, Progress, Report
from .schedules import Schedule, make_optimizer, set_rate
from .speed import BatchSize
from .stopping import Tracker
from .validating import Validator, validation_loss

if TYPE_CHECKING:
    from automl.vision.models.base import VisionModel

GRADIENT_LIMIT: Final = 10.0  # longest gradient; longer ones are shortened, so that one odd batch ruins nothing


@dataclass
class Epoch:
    """What one epoch came to."""

    epoch: int
    loss: float
    seconds: float
    learning_rate: float
    metrics: dict[str, Any] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    validation_loss: float | None = None
    training_metrics: dict[str, Any] | None = None


class Trainer:
    """Trains `model` on `data` and keeps checkpoints in `folder`.

    After `fit` the model holds the weights of the best epoch. `history` has an `Epoch` each; `notes` are sentences
    about what was changed to fit the machine.
    """

    def __init__(
        self,
        model: VisionModel,
        data: RunData,
        settings: Mapping[str, Any],
        *,
        seed: int,
        folder: Path,
        device: torch.device,
        evaluate: Evaluator,
        report: Report,
        world: World,
        fingerprint: str,
    ) -> None:
        self.model, self.data, self.settings, self.seed = model, data, settings, seed
        self.folder, self.device, self.report, self.world = folder, device, report, world
        self.fingerprint = fingerprint
        self.task = data.training.task
        self.precision = speed.precision_for(settings["precision"], device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision.scales)
        self.size = BatchSize(settings["training_batch_size"], settings["gradient_accumulation_step"])
        self.layout = torch.contiguous_format
        grid = tiling.Grid.of(settings) if self.task == tasks.DETECTION else None
        self.training = data.training if grid is None else TiledSet(data.training, grid)
        self.pipeline = Pipeline(self.task, settings, self.training.look, len(self.training), training=True)
        self.validator = Validator(data.validation, data.classes, settings, evaluate, device, self.autocast, world)
        self.tracker = Tracker.of(settings)
        self.has_metric = settings.get("validation_metric_type") != "none"
        self.history: list[Epoch] = []
        self.notes: list[str] = []
        self.predictions: dict[str, Any] = {}
        self.next_epoch = 0
        self.steps_taken = 0

    # --- The whole ---------------------------------------------------------------------------------------------------

    def fit(self, *, resume: bool = False, baseline: Mapping[str, Any] | None = None) -> None:
        """Trains until the last epoch or until early stopping. With `resume`, goes on from the last checkpoint as if
        it had never stopped. `baseline` are metrics of the model as it is, which the first epochs have to beat."""
        torch.manual_seed(self.seed + self.world.rank)
        saved = self._load_last() if resume else None
        if saved is None:
            self._fit_machine()
        else:
            self.size = BatchSize(*saved["batch"])
            self._set_layout(saved["layout"])
        self._make_optimizer()
        if saved is not None:
            self._restore(saved)
        elif baseline is not None:
            self.tracker.seen(baseline[tasks.primary_metric(self.task)], 0)
            self._save_best()
        epochs = self.settings["number_of_epochs"]
        if saved is None:
            self._save_last()
        while self.next_epoch < epochs and not self.tracker.is_over:
            try:
                self._epoch(self.next_epoch)
            except RuntimeError as error:
                if not speed.is_out_of_memory(error):
                    raise
                self._shrink()
        best = self.folder / checkpoints.BEST
        if best.exists():
            self.model.load_state_dict(checkpoints.load(best)["model"])
        if effect := self.step.effect():
            self.notes.append(effect)

    def _make_optimizer(self) -> None:
        self.optimizer = make_optimizer(self.model.param_groups(), self.settings)
        self._make_step()

    def _make_step(self) -> None:
        classifies = self.task in tasks.CLASSIFIES
        module = distributed.wrap(self.model, self.world, self.device, all_used=classifies)
        self.module = module
        self.step = speed.Compiled(module, self.settings["compile"])
        self.loader = self._loader(self.size.batch)
        self.steps_per_epoch = -(-len(self.loader) // self.size.accumulation)
        self.schedule = Schedule.of(self.settings, self.steps_per_epoch)
        self.meter = Meter(self.settings["number_of_epochs"] * len(self.loader))

    def _loader(self, batch: int) -> Loader[Batch]:
        sampler = Sampler(
            len(self.training), batch, shuffle=True, seed=self.seed, rank=self.world.rank, world=self.world.size
        )
        return Loader(sampler, self.pipeline.prepare, self.pipeline.collate, workers=workers_for(self.settings))

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, dtype=self.precision.dtype, enabled=self.precision.dtype is not None)

    # --- Fitting the machine -----------------------------------------------------------------------------------------

    def _fit_machine(self) -> None:
        """Finds out the memory layout and, on a GPU, the batch for which memory suffices."""
        if self.device.type == "cuda":
            with speed.untouched(self.model):
                size = speed.probe_batch(self.size, self._try)
            self._resize(size)
        if self.task in tasks.CLASSIFIES:
            # Few images on a CPU, where sixteen steps forward and back may take ten seconds.
            batch = self._first_batch(min(self.size.batch, 4 if self.device.type == "cpu" else 16))
            self.layout, note = speed.choose_layout(
                self.settings["memory_format"], self.model, lambda layout: self._try_on(batch, layout)
            )
            self.notes.append(f"memory_format: {note}.")
        elif self.settings["memory_format"] == "channels_last":
            self._set_layout("channels_last")
        self.notes.append(f"precision: {self.precision.name}.")

    def _set_layout(self, name: str) -> None:
        self.layout = torch.channels_last if name == "channels_last" else torch.contiguous_format
        speed.lay_out(self.model, self.layout)

    def _first_batch(self, size: int) -> Batch:
        positions = Sampler(len(self.training), size, shuffle=True, seed=self.seed).batches(0)[0]
        loader = self._loader(size)
        return loader.collate([loader._one(position, 0) for position in positions], loader._random(0, 0))

    def _try(self, size: int) -> None:
        self._try_on(self._first_batch(size), self.layout)

    def _try_on(self, batch: Batch, layout: torch.memory_format) -> None:
        """One step forward and backward without changing the weights."""
        self.model.train()
        images, targets = batch.to(self.device, layout)
        with self.autocast():
            losses = self.model.training_step(images, targets)
        _sum(losses).backward()
        self.model.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _resize(self, size: BatchSize) -> None:
        if size != self.size:
            self.notes.append(
                f"training_batch_size was lowered from {self.size.batch} to {size.batch} and "
                f"gradient_accumulation_step raised from {self.size.accumulation} to {size.accumulation}: "
                "memory did not suffice."
            )
        self.size = size

    def _shrink(self) -> None:
        """After a step without memory: back to where the epoch began, with smaller batches."""
        self.model.zero_grad(set_to_none=True)
        if self.world.size > 1:
            raise VisionError(
                "Memory did not suffice for a step in one of several processes.", "Give a smaller training_batch_size."
            )
        self._resize(self.size.lower())
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        saved = self._load_last()
        self._make_optimizer()
        if saved is not None:
            self._restore(saved)
            # Steps are counted in changes of the weights, and an epoch has another number of them now.
            self.steps_taken = self.next_epoch * self.steps_per_epoch

    # --- One epoch ---------------------------------------------------------------------------------------------------

    def _epoch(self, number: int) -> None:
        begin = time.monotonic()
        self.model.train()
        self.meter.resume()
        sums: dict[str, float] = {}
        rate = 0.0
        batches = len(self.loader)
        for at, batch in enumerate(self.loader.epoch(number)):
            group_begin = at - at % self.size.accumulation
            in_group = min(self.size.accumulation, batches - group_begin)
            is_last = at - group_begin == in_group - 1
            losses = self._backward(batch, 1 / in_group, synced=is_last)
            if is_last:
                rate = self._update()
            self.meter.step(len(batch) * self.world.size)
            self._add(sums, losses, number, at)
            self._tell(number, at, batches, sums, losses)
        epoch = Epoch(
            number + 1, sums.pop("loss") / batches, 0.0, rate, losses={k: v / batches for k, v in sums.items()}
        )
        self._evaluate(epoch)
        epoch.seconds = time.monotonic() - begin
        self.history.append(epoch)
        self.next_epoch = number + 1
        self._save_last()
        every = self.settings["checkpoint_frequency"]
        if every and epoch.epoch % every == 0 and self.world.is_first:
            state = {"model": self.model.state_dict(), "epoch": epoch.epoch}
            checkpoints.save(state, self.folder / f"epoch-{epoch.epoch:04d}.pt")

    def _backward(self, batch: Batch, share: float, *, synced: bool) -> dict[str, Tensor]:
        images, targets = batch.to(self.device, self.layout)
        with distributed.unsynced(self.module, not synced):
            with self.autocast():
                losses: dict[str, Tensor] = self.step(images, targets)
                loss = _sum(losses)
            self.scaler.scale(loss * share).backward()
        return {"loss": loss.detach(), **{name: value.detach() for name, value in losses.items()}}

    def _update(self) -> float:
        """Changes the weights; returns the learning rate."""
        rate = self.settings["learning_rate"] * self.schedule.factor(self.steps_taken)
        set_rate(self.optimizer, rate)
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_((p for p in self.model.parameters() if p.grad is not None), GRADIENT_LIMIT)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps_taken += 1
        return float(rate)

    def _add(self, sums: dict[str, float], losses: Mapping[str, Tensor], number: int, at: int) -> None:
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value)
        if sums["loss"] != sums["loss"] or abs(sums["loss"]) == float("inf"):
            raise VisionError(
                f"The loss became {float(losses['loss'])} in epoch {number + 1}, step {at + 1}.",
                "Lower learning_rate, or raise warmup_cosine_lr_warmup_epochs.",
            )

    def _tell(
        self, number: int, at: int, batches: int, sums: Mapping[str, float], losses: Mapping[str, Tensor]
    ) -> None:
        epochs = self.settings["number_of_epochs"]
        steps_left = (epochs - number) * batches - at - 1
        evaluations_left = -(-(epochs - number) // self.settings["evaluation_frequency"])
        self.report(
            Progress(
                "training",
                at + 1,
                batches,
                number + 1,
                epochs,
                loss=sums["loss"] / (at + 1),
                images_per_second=self.meter.images_per_second,
                seconds_left=self.meter.seconds_left(steps_left, evaluations_left),
            )
        )

    # --- Evaluation --------------------------------------------------------------------------------------------------

    def _evaluate(self, epoch: Epoch) -> None:
        """Measures the epoch where that is due, and keeps its weights where they are the best so far."""
        epochs = self.settings["number_of_epochs"]
        due = epoch.epoch % self.settings["evaluation_frequency"] == 0 or epoch.epoch == epochs
        if not due:
            return
        begin = time.monotonic()
        if self.settings.get("log_validation_loss"):
            epoch.validation_loss = validation_loss(
                self.model, self.data.validation, self.settings, self.device, self.autocast
            )
        if not self.has_metric:
            self.tracker.seen(None, epoch.epoch)
            self._save_best()
        else:
            epoch.metrics, predictions = self.validator.run(self.model, self._advance(epoch.epoch))
            if self.tracker.seen(epoch.metrics[tasks.primary_metric(self.task)], epoch.epoch):
                self.predictions = predictions
                self._save_best()
            if self.settings.get("log_training_metrics"):
                epoch.training_metrics = self._training_metrics()
        self.meter.evaluated(time.monotonic() - begin)
        self.report(
            Progress(
                "validation",
                len(self.data.validation),
                len(self.data.validation),
                epoch.epoch,
                epochs,
                loss=epoch.loss,
                metrics=numbers(epoch.metrics),
                images_per_second=self.meter.images_per_second,
            )
        )

    def _training_metrics(self) -> dict[str, Any]:
        """The metrics on as many training images as there are validation images."""
        data = self.data.training
        count = min(len(data), len(self.data.validation))
        some = type(data)(data.task, data.examples[:count], data.keys[:count], data.store, self.data.classes)
        validator = Validator(
            some,
            self.data.classes,
            self.settings,
            self.validator.evaluate,
            self.device,
            self.autocast,
            self.world,
        )
        return validator.run(self.model, lambda done, total: None)[0]

    def _advance(self, epoch: int) -> Callable[[int, int], None]:
        epochs = self.settings["number_of_epochs"]
        return lambda done, total: self.report(Progress("validation", done, total, epoch, epochs))

    # --- Checkpoints -------------------------------------------------------------------------------------------------

    def _save_best(self) -> None:
        if self.world.is_first:
            state = {"model": self.model.state_dict(), "epoch": self.tracker.best_epoch}
            checkpoints.save(state, self.folder / checkpoints.BEST)

    def _save_last(self) -> None:
        """All that the next epoch depends on. The order of the images follows from seed and epoch."""
        if not self.world.is_first:
            return
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": checkpoints.random_state(),
            "tracker": self.tracker.state(),
            "history": [vars(epoch) for epoch in self.history],
            "next_epoch": self.next_epoch,
            "steps_taken": self.steps_taken,
            "seed": self.seed,
            "batch": [self.size.batch, self.size.accumulation],
            "layout": "channels_last" if self.layout == torch.channels_last else "channels_first",
            "fingerprint": self.fingerprint,
            "notes": self.notes,
        }
        checkpoints.save(state, self.folder / checkpoints.LAST)

    def _load_last(self) -> dict[str, Any] | None:
        """The last checkpoint, None where there is none. VisionError where it is of other data or settings."""
        path = self.folder / checkpoints.LAST
        if not path.exists():
            return None
        saved = checkpoints.load(path)
        if saved["fingerprint"] != self.fingerprint:
            raise VisionError(
                f"The checkpoint in {self.folder} is of other data or other settings.",
                "Train into another folder, or with the data and settings of before.",
            )
        return saved

    def _restore(self, saved: Mapping[str, Any]) -> None:
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scaler.load_state_dict(saved["scaler"])
        self.tracker.restore(saved["tracker"])
        self.history = [Epoch(**each) for each in saved["history"]]
        self.next_epoch, self.steps_taken = saved["next_epoch"], saved["steps_taken"]
        self.notes = list(dict.fromkeys([*saved["notes"], *self.notes]))
        if self.world.is_first:
            checkpoints.restore_random_state(saved["random"])


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Those metrics that are single numbers."""
    return {
        name: float(value)
        for name, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _sum(losses: Mapping[str, Tensor]) -> Tensor:
    values: Sequence[Tensor] = list(losses.values())
    return torch.stack([value.float() for value in values]).sum()
