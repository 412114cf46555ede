"""Explanations as scoring answers hold them (parity.md B.15.4): `visualizations`, `attributions` of an image file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from automl.vision.errors import UsageError
from automl.vision.requests import Request
from automl.vision.spec import tasks

MOST_STEPS = 1000
"""Of integrated gradients: each is a pass through the network, and results settle after about 50."""
_OF_ALGORITHM = ("xai_algorithm", "n_steps", "xrai_fast", "approximation_method")
_OF_ANSWER = {"visualizations": True, "attributions": False, "confidence_score_threshold_multilabel": 0.5}


class Explainer:
    """The trained network in `folder` (a training's output, or a bundle), read when it is first asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._predictor: Any = None
        self._lock = Lock()

    def __call__(self, content: bytes, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """`visualizations` (a PNG as base64) and `attributions` ([3][H][W]), each where it is asked for; for several
        labels lists of them, one for each class from the threshold on. UsageError for parameters that are not
        acceptable."""
        from automl.vision import explain
        from automl.vision.explain_pictures import as_base64, picture

        wanted, settings = _read(parameters)
        with self._lock:
            predictor = self._loaded()
            image = predictor.read(content)
            (answer,) = predictor.answers([image], Request())
            pictures, numbers = [], []
            for label in _labels(predictor.model.task, answer["probs"], wanted):
                attributions, heat = explain.attribute(predictor.model, image, label, settings)
                pictures.append(as_base64(picture(np.asarray(image), heat)))
                numbers.append(attributions.tolist())
        is_single = predictor.model.task == tasks.CLASSIFICATION
        return {
            name: value[0] if is_single else value
            for name, value in (("visualizations", pictures), ("attributions", numbers))
            if wanted[name]
        }

    def _loaded(self) -> Any:
        if self._predictor is None:
            import torch

            from automl.vision.predict import Predictor
            from automl.vision.train.restoring import restore

            trained = restore(self.folder, torch.device("cpu"))
            self._predictor = Predictor(trained.model, trained.classes, trained.settings)
        return self._predictor


def _labels(task: str, probs: list[float], wanted: Mapping[str, Any]) -> list[int]:
    if task == tasks.CLASSIFICATION:
        return [int(np.argmax(probs))]
    least = wanted["confidence_score_threshold_multilabel"]
    return [at for at, value in enumerate(probs) if value >= least]


def _read(given: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """(what the answer is to hold, settings of the algorithm)."""
    from automl.vision.explain import Settings

    unknown = sorted(set(given) - {*_OF_ALGORITHM, *_OF_ANSWER})
    if unknown:
        raise UsageError(
            f"xai_parameters knows no {unknown[0]!r}.", f"Known are {', '.join((*_OF_ALGORITHM, *_OF_ANSWER))}."
        )
    wanted = {**_OF_ANSWER, **{name: given[name] for name in _OF_ANSWER if name in given}}
    for name in ("visualizations", "attributions", "xrai_fast"):
        value = {"xrai_fast": True, **given, **wanted}[name]
        if not isinstance(value, bool):
            raise UsageError(f"{name} in xai_parameters is {value!r}.", "Allowed: true or false.")
    steps = given.get("n_steps", 50)
    if isinstance(steps, bool) or not isinstance(steps, int) or not 2 <= steps <= MOST_STEPS:
        raise UsageError(f"n_steps in xai_parameters is {steps!r}.", f"Allowed: 2 to {MOST_STEPS}.")
    least = wanted["confidence_score_threshold_multilabel"]
    if isinstance(least, bool) or not isinstance(least, int | float) or not 0 <= least <= 1:
        raise UsageError(f"confidence_score_threshold_multilabel is {least!r}.", "Allowed: a number from 0 to 1.")
    try:
        return wanted, Settings(**{name: given[name] for name in _OF_ALGORITHM if name in given})
    except ValueError as error:
        raise UsageError(f"xai_parameters: {error}") from error
