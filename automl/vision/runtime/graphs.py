"""ONNX graphs in files: opened, asked what they are, run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.vision.engines import Choice
from automl.vision.errors import DataError

from . import sessions

MODEL: Final = "model.onnx"
HEADS: Final = "heads.onnx"
"""Faster and Mask R-CNN alone: what looks at the regions that the first graph proposes."""
FILES: Final = (MODEL, HEADS)
FACTS: Final = "tessera"
"""The key of a graph's metadata under which the export writes, as JSON, what the runtime has to know about it."""
FORMAT: Final = 1

Array = NDArray[Any]


class Graph:
    """One graph. `facts` is what the export wrote about it; `batch` the only batch it takes, or None for any; `engine`
    what computes it."""

    def __init__(self, path: Path, threads: int | None = None, choice: Choice | None = None) -> None:
        if not path.is_file():
            raise DataError(f"There is no {path}.", "`export` writes it from the output folder of train.")
        self._session = sessions.opened(path, choice or Choice(), threads)
        self.path, self.engine = path, self._session.engine
        self.facts = _facts(path, self._session.metadata)
        self.outputs, self.batch = self._session.outputs, self._session.batch

    def run(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """All outputs by name."""
        return self._session.run(inputs)

    def run_images(self, images: Array) -> dict[str, Array]:
        """All outputs by name for `images` (B, 3, H, W) float32; a graph of one batch size is run as often as needed,
        the last time with empty images behind the last one."""
        if self.batch is None:
            return self.run({"input1": images})
        missing = -len(images) % self.batch
        padded = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.float32)])
        parts = [self.run({"input1": padded[at : at + self.batch]}) for at in range(0, len(padded), self.batch)]
        return {name: np.concatenate([part[name] for part in parts])[: len(images)] for name in self.outputs}


def _facts(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        facts = json.loads(metadata[FACTS])
        form = facts["format"]
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path} was not written by `export`: it does not say what it takes and gives.") from error
    if form != FORMAT:
        raise DataError(f"{path} is of format {form}; this version reads format {FORMAT}.", "Export the model again.")
    return dict(facts)
