"""What a run is asked to do, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from automl.vision.errors import UsageError

if TYPE_CHECKING:
    from automl.vision.models.base import VisionModel

InvalidLines = Literal["error", "drop"]


@dataclass(frozen=True)
class TrainJob:
    """One training. Paths are of this machine; `settings` are hyperparameters under any of their names."""

    task: str
    training_data: Path
    output: Path
    validation_data: Path | None = None
    data_root: Path | None = None
    model_name: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    target_column: str = "label"
    invalid_lines: InvalidLines = "error"
    split: Literal["stratified", "content"] = "stratified"
    cache: Path | None = None
    device: str = "auto"
    resume: bool = False
    weights: Path | None = None
    allow_download: bool = False
    onnx: bool = True  # ends with train_artifacts/model.onnx


@dataclass
class TrainResult:
    """What `train --json` prints, and run.json holds beside the history. `warnings` are about data and results, `notes`
    about how the machine was used."""

    task: str
    model_name: str
    primary_metric: str
    value: float | None
    metrics: dict[str, Any]
    epochs: int
    best_epoch: int | None
    seconds: float
    images_per_second: float | None
    start: str
    warnings: list[str]
    notes: list[str]
    stages: list[dict[str, Any]]
    output: str

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


class Builder(Protocol):
    """Makes the network of a run; `automl.vision.models.build` is one."""

    def __call__(
        self,
        name: str,
        *,
        task: str,
        num_classes: int,
        settings: Mapping[str, Any],
        class_counts: list[int] | None = None,
        box_sizes: Any = None,
    ) -> VisionModel: ...


# evaluate(task, predictions, targets, classes=…, settings=…) -> metrics by name
Evaluator = Callable[..., Mapping[str, Any]]


def default_build(job: TrainJob, *, has_checkpoint: bool) -> Builder:
    """The networks of the product, started from the weights folder (fetched into it where that is allowed), or cold
    where a checkpoint gives the weights. What does not fit is a UsageError."""
    from automl.vision import models, weights

    policy = weights.Policy.from_environment()
    policy = replace(policy, folder=job.weights or policy.folder, download=job.allow_download or policy.download)
    if job.weights is not None and not job.weights.is_dir() and not policy.download:
        raise UsageError(
            f"There is no folder of weights {job.weights}.", "Name one, or add --allow-download to fill it."
        )
    if job.allow_download and policy.folder is None:
        raise UsageError("Downloaded weights need a folder.", "Name one with --weights.")

    def build(name: str, *, task: str, settings: Mapping[str, Any], **facts: Any) -> VisionModel:
        try:
            listed = models.weights_name(models.architecture_of(name, task), settings)
            if policy.download and not has_checkpoint:
                weights.fetch(listed, policy)
            used = weights.Policy() if has_checkpoint else policy
            return models.build(name, task=task, settings=settings, weights=used, **facts)
        except ValueError as error:
            raise UsageError(str(error)) from error

    return build


def default_evaluate() -> Evaluator:
    """The metrics of the product."""
    from automl.vision.metrics import evaluate

    return evaluate
