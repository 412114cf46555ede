"""Classification behind its graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.vision.spec import tasks

from . import pixels
from .boxes import sigmoid, softmax
from .graphs import Graph

Floats = NDArray[np.float32]


class Classifier:
    """`graph` takes crops and gives logits."""

    def __init__(self, graph: Graph, task: str) -> None:
        self.graph, self.task = graph, task

    def scores(self, crops: Sequence[NDArray[np.uint8]]) -> Floats:
        """Probabilities (B, classes) of crops (side, side, 3): they add up to 1, or with several labels stand each for
        itself."""
        logits = self.outputs(pixels.stacked([pixels.as_floats(crop) for crop in crops], self.graph.facts))["output1"]
        return sigmoid(logits) if self.task == tasks.MULTILABEL else softmax(logits)

    def outputs(self, batch: Floats) -> dict[str, NDArray[Any]]:
        """`output1`: logits (B, classes) of a batch (B, 3, side, side)."""
        return self.graph.run_images(batch)
