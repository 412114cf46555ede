"""One training from label files to a folder of results."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from automl.vision import description
from automl.vision.description import ARTIFACTS, Description, write_json
from automl.vision.errors import DataError, UsageError, VisionError
from automl.vision.spec import Resolved, resolve, tasks

from . import checkpoints, first_model
from .datasets import RunData, gather
from .distributed import World
from .job import Builder, Evaluator, TrainJob, TrainResult, default_build, default_evaluate
from .loop import Trainer, numbers
from .progress import Progress, Report, silent
from .validating import write_predictions

if TYPE_CHECKING:
    from automl.vision.models.base import VisionModel


def train(
    job: TrainJob,
    report: Report = silent,
    *,
    build: Builder | None = None,
    evaluate: Evaluator | None = None,
) -> TrainResult:
    """Trains a model and writes it to `job.output`.

    Written are `outputs/model.pt` (a plain state_dict), `train_artifacts/labels.json`, `settings.json` and, unless
    `job.onnx` says no, `model.onnx` (for Faster and Mask R-CNN also `heads.onnx`), `run.json` (requested and effective
    settings, history, warnings) and `checkpoints/`. `report` is called at every batch and may raise Stopped; what was
    reached stays in the folder and `job.resume` goes on from it. Raises VisionError with a sentence for everything that
    a person can put right. `build` and `evaluate` stand in for models and metrics.
    """
    begin = time.monotonic()
    run = _Run.begin(job, report, build, evaluate)
    try:
        result = run.go(begin)
        run.world.meet()
    finally:
        run.world.leave()
    report(Progress("done", 1, 1, result.epochs, result.epochs, metrics=numbers(result.metrics)))
    return result


@dataclass
class _Run:
    job: TrainJob
    report: Report
    resolved: Resolved
    settings: dict[str, Any]
    seed: int
    device: torch.device
    world: World
    build: Builder | None
    evaluate: Evaluator

    @classmethod
    def begin(cls, job: TrainJob, report: Report, build: Builder | None, evaluate: Evaluator | None) -> _Run:
        resolved = resolve(job.task, job.model_name, job.settings)
        world = World.of_environment()
        try:
            job.output.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise UsageError(f"{job.output} is a file, not a folder.", "Name a folder as --output.") from error
        except OSError as error:
            sentence = f"{job.output} cannot be written ({error.strerror})."
            raise UsageError(sentence, "Name another folder as --output.") from error
        device = pick_device(job.device, world)
        world.join(device)
        seed = world.told_by_first(_seed(job, resolved.effective))
        settings = {**resolved.effective, "random_seed": seed}
        return cls(job, report, resolved, settings, seed, device, world, build, evaluate or default_evaluate())

    def go(self, begin: float) -> TrainResult:
        job, settings = self.job, self.settings
        has_begun = (job.output / "checkpoints" / checkpoints.LAST).exists()
        if has_begun and not job.resume:
            raise UsageError(
                f"{job.output} holds a training already.", "Continue it with --resume, or name another folder."
            )
        source = checkpoints.find_source(settings, Path.cwd())
        known = source.classes if source else []
        data = gather(job, settings, self.seed, self.report, lambda names: checkpoints.class_order(known, names))
        warnings = [*self.resolved.notes, *data.warnings]
        if job.resume and not has_begun:
            warnings.append(f"There is no checkpoint in {job.output} to go on from: training began anew.")
        model, start, sentences = self._model(data, source)
        warnings += sentences
        self._write_artifacts(data, start)
        trainer = Trainer(
            model,
            data,
            settings,
            seed=self.seed,
            folder=job.output / "checkpoints",
            device=self.device,
            evaluate=self.evaluate,
            report=self.report,
            world=self.world,
            fingerprint=_fingerprint(settings, data),
        )
        resumes = job.resume and has_begun
        stages, baseline = ([], None) if resumes else first_model.measure(trainer)
        stages = self._remember_stages(stages, resumes)
        trainer.fit(resume=job.resume, baseline=baseline)
        return self._finish(trainer, data, start, warnings, stages, begin)

    def _model(self, data: RunData, source: checkpoints.Source | None) -> tuple[VisionModel, str, list[str]]:
        """(network on its device, where its weights come from, what to tell about that)."""
        torch.manual_seed(self.seed)
        name = self.resolved.model.name
        build = self.build or default_build(self.job, has_checkpoint=source is not None)
        model = build(
            name,
            task=self.resolved.task,
            num_classes=len(data.classes),
            settings=self.settings,
            class_counts=data.training.class_counts(),
            box_sizes=data.training.box_sizes() if self.resolved.task == tasks.DETECTION else None,
        )
        sentences: list[str] = []
        start = model.start
        if source is not None:
            sentences, start = checkpoints.carry(model, source, data.classes).sentences, "checkpoint"
            model.start = start
            model.start_tag, model.start_licence = source.path.name, source.licence
        elif start == "cold":
            sentences = ["Training starts cold: there are no pretrained weights for this model. Allow for more epochs."]
        if self.settings["layers_to_freeze"]:
            model.freeze(self.settings["layers_to_freeze"])
        return model.to(self.device), start, sentences

    def _remember_stages(self, stages: list[dict[str, Any]], resumes: bool) -> list[dict[str, Any]]:
        path = self.job.output / "checkpoints" / "stages.json"
        if resumes:
            found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
            return list(found)
        if self.world.is_first:
            write_json(path, stages)
        return stages

    # --- Results -----------------------------------------------------------------------------------------------------

    def _write_artifacts(self, data: RunData, start: str) -> None:
        if not self.world.is_first:
            return
        described = Description(self.resolved.task, self.resolved.model.name, data.classes, self.settings, start)
        description.write(self.job.output / ARTIFACTS, described)

    def _finish(
        self,
        trainer: Trainer,
        data: RunData,
        start: str,
        warnings: list[str],
        stages: list[dict[str, Any]],
        begin: float,
    ) -> TrainResult:
        primary = tasks.primary_metric(self.resolved.task)
        best = trainer.tracker.best_epoch
        metrics: dict[str, Any] = next((e.metrics for e in trainer.history if e.epoch == best), {})
        if best == 0 and stages:
            metrics = stages[0]["metrics"]
            warnings.append("Fine-tuning did not beat the model on frozen features, which was kept.")
        if trainer.tracker.is_over and trainer.tracker.best == 0:
            warnings.append(
                f"Training stopped after {len(trainer.history)} epochs in which nothing was found. A cold start may "
                "need longer: raise early_stopping_delay or early_stopping_patience, or turn early_stopping off."
            )
        # A resumed run may have had its best epoch before; only the first process keeps predictions.
        if trainer.has_metric and not self.world.told_by_first(bool(trainer.predictions)):
            _metrics, trainer.predictions = trainer.validator.run(trainer.model, lambda done, total: None)
        if self.world.is_first:
            checkpoints.save(trainer.model.state_dict(), self.job.output / "outputs" / "model.pt")
            warnings += self._export(trainer.model, data.classes)
            warnings += self._write_outputs()
        result = TrainResult(
            task=self.resolved.task,
            model_name=self.resolved.model.name,
            primary_metric=primary,
            value=metrics.get(primary),
            metrics=numbers(metrics),
            epochs=len(trainer.history),
            best_epoch=best,
            seconds=round(time.monotonic() - begin, 3),
            images_per_second=_rounded(trainer.meter.images_per_second),
            start=start,
            warnings=warnings,
            notes=trainer.notes,
            stages=stages,
            output=str(self.job.output),
        )
        if self.world.is_first:
            if trainer.predictions:
                write_predictions(self.job.output / ARTIFACTS / "validation_predictions.jsonl", trainer.predictions)
            write_json(
                self.job.output / "run.json",
                {
                    **result.as_json(),
                    "requested": self.resolved.requested,
                    "effective": {
                        **self.settings,
                        "training_batch_size": trainer.size.batch,
                        "gradient_accumulation_step": trainer.size.accumulation,
                        "precision": trainer.precision.name,
                    },
                    "classes": data.classes,
                    "start_weights": _start_weights(trainer.model),
                    "data_sha256": {"training": data.training.sha256(), "validation": data.validation.sha256()},
                    "training_images": len(data.training),
                    "validation_images": len(data.validation),
                    "left_out": data.left_out,
                    "history": [vars(epoch) for epoch in trainer.history],
                },
            )
        return result

    def _export(self, model: VisionModel, classes: list[str]) -> list[str]:
        """Writes model.onnx; where that fails, the training stands without it, and the returned sentence says so."""
        if not self.job.onnx:
            return []
        from automl.vision.export import export

        self.report(Progress("export", 0, 1, message="Writing model.onnx"))
        try:
            export(model, classes, self.settings, self.job.output / ARTIFACTS)
        except VisionError as error:
            return [f"There is no model.onnx: {error}"]
        return []

    def _write_outputs(self) -> list[str]:
        """The files of parity B.11 beside the weights; the training stands without them, too."""
        from automl.vision.packaging import write_run_artifacts

        try:
            write_run_artifacts(self.job.output)
        except (VisionError, OSError) as error:
            return [f"The scoring script and the MLflow model could not be written: {error}"]
        return []


def _start_weights(model: VisionModel) -> dict[str, str]:
    """The weights that training began with: their tag (or file) and licence, empty where there were none."""
    return {"tag": getattr(model, "start_tag", ""), "licence": getattr(model, "start_licence", "")}


def pick_device(wanted: str, world: World) -> torch.device:
    """`auto`: the GPU of this process, else Apple's, else the CPU. UsageError where the named one is missing."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", world.local_rank)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise UsageError(f"There is no device {wanted!r}.", "Use auto, cpu, cuda or mps.") from error
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if device.type not in count:
        raise UsageError(f"Training does not know the device {wanted!r}.", "Use auto, cpu, cuda or mps.")
    if not count[device.type]:
        kind = "CUDA GPU" if device.type == "cuda" else "GPU of Apple's"
        raise UsageError(f"torch finds no {kind} on this machine.", "Use --device cpu, or auto.")
    if device.index is not None and device.index >= count[device.type]:
        last = count[device.type] - 1
        raise UsageError(f"There is no device {wanted!r}: the last one is {device.type}:{last}.", "Use that, or auto.")
    return device


def _seed(job: TrainJob, settings: Mapping[str, Any]) -> int:
    """The seed that was asked for, that of the training to be resumed, or a new one."""
    if settings["random_seed"] is not None:
        return int(settings["random_seed"])
    last = job.output / "checkpoints" / checkpoints.LAST
    if job.resume and last.exists():
        return int(checkpoints.load(last)["seed"])
    return secrets.randbelow(2**32)


def _fingerprint(settings: Mapping[str, Any], data: RunData) -> str:
    """What a checkpoint has to agree with to be resumed: data, classes, and settings but those of speed."""
    free = {"number_of_workers", "distributed", "checkpoint_run_id", "checkpoint_dataset_id", "checkpoint_filename"}
    known = {name: value for name, value in settings.items() if name not in free}
    text = json.dumps([known, data.classes, data.training.keys, data.validation.keys], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


__all__ = ["DataError", "TrainJob", "TrainResult", "pick_device", "train"]
