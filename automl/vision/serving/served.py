"""A model and the name it is served under, from a bundle or from the folder of a training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.vision.engines import Choice
from automl.vision.errors import DataError

from . import parameters
from .limits import Limits

SIGNATURE = "signature.json"
PLACES = ("artifacts", "train_artifacts", ".")
"""Where a model may lie: in a bundle, in a training's output, or in the folder itself."""


@dataclass(frozen=True, slots=True)
class Served:
    """`runner` predicts; `name` and `version` stand in addresses and answers."""

    runner: Any
    name: str
    version: str


def folder_of(place: Path) -> Path:
    """The folder with model.onnx. DataError where `place` has none."""
    if not place.is_dir():
        raise DataError(f"{place} is no folder.", "Name a bundle, or the folder that was given to train as --output.")
    for name in PLACES:
        if (place / name / "model.onnx").is_file():
            return place / name
    raise DataError(
        f"{place} holds no model.onnx.", "Make a bundle with: python -m automl.vision package --model FOLDER."
    )


def open_model(place: Path, limits: Limits | None = None, choice: Choice | None = None) -> Served:
    """The model in `place`, ready to predict, with the settings that the environment changes, on the engine of
    `choice` (else what the environment says). DataError where there is none or it is damaged, UsageError for settings
    that are not acceptable."""
    from automl.vision.runtime import Runner

    limits = limits or Limits()
    changes = parameters.from_environment()
    choice = choice or Choice.of(at_once=limits.threads)
    runner = Runner.open(folder_of(place), changes=changes, threads=limits.cores or None, choice=choice)
    runner.max_pixels, runner.max_bytes = limits.pixels, limits.image_bytes
    name, version = runner.model_name, "1"
    signature = place / SIGNATURE
    if signature.is_file():
        try:
            told = json.loads(signature.read_text(encoding="utf-8"))
            name, version = str(told["name"]), str(told["version"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{signature} is damaged.", "Make the bundle again.") from error
    return Served(runner, name, version)
