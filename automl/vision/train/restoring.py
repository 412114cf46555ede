"""A trained model out of the folder of its run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from automl.vision import description, models
from automl.vision.errors import DataError

from . import checkpoints
from .job import Builder

if TYPE_CHECKING:
    from automl.vision.models.base import VisionModel


@dataclass
class Trained:
    """A network with its weights, on `device`, in evaluation mode, and what it was trained as."""

    model: VisionModel
    task: str
    model_name: str
    classes: list[str]
    settings: dict[str, Any]
    start: str


def restore(
    folder: Path, device: torch.device, *, changes: Mapping[str, Any] | None = None, build: Builder | None = None
) -> Trained:
    """The model that `train` left in `folder`, or that lies in a bundle, its settings replaced by `changes` (checked
    like any others).

    DataError where the folder holds no finished training, UsageError for changes that are not acceptable.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder.", "Name the folder that was given to train as --output.")
    place, weights = folder / description.ARTIFACTS, folder / "outputs" / "model.pt"
    if not (place / description.SETTINGS).exists():
        place, weights = folder / "artifacts", folder / "artifacts" / "model.safetensors"
    if not (place / description.SETTINGS).exists():
        raise DataError(f"{folder} holds no training.", "Name the folder that was given to train as --output.")
    described = description.read(place, changes)
    settings = described.settings
    if "weighted_loss" in settings:  # class weights are of the training data, and prediction has no use for them
        settings["weighted_loss"] = "0"
    state = checkpoints.load(weights)
    facts: dict[str, Any] = {"task": described.task, "num_classes": len(described.classes), "settings": settings}
    try:
        if build is None:
            model = models.restore(state, described.model_name, **facts)
        else:
            model = build(described.model_name, **facts)
            model.load_state_dict(state)
    except (RuntimeError, ValueError) as error:
        raise DataError(f"The weights in {folder} are not those of its settings: {str(error)[:300]}") from error
    model.to(device).eval()
    return Trained(model, described.task, described.model_name, described.classes, settings, described.start)
