"""Prediction without torch: exported ONNX graphs, ONNX Runtime or OpenVINO, numpy and Pillow.

    runner = Runner.open(Path("out/train_artifacts"))
    answers = runner.predict([runner.read(Path("photo.jpg"))])

The answers are those of `automl.vision.predict`. What differs from torch is written here once; what does not (reading
and cropping, tiles, suppression, polygons, the words of an answer) is the same code.
"""

from __future__ import annotations

from automl.vision.engines import Choice
from automl.vision.requests import Request, Thresholds

from .graphs import FILES
from .runner import Answer, Prepared, Runner

__all__ = ["FILES", "Answer", "Choice", "Prepared", "Request", "Runner", "Thresholds"]
