"""ONNX graphs in files: opened, asked what they are, run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from automl.vision.errors import DataError

MODEL: Final = "model.onnx"
HEADS: Final = "heads.onnx"
"""Faster and Mask R-CNN alone: what looks at the regions that the first graph proposes."""
FILES: Final = (MODEL, HEADS)
FACTS: Final = "tessera"
"""The key of a graph's metadata under which the export writes, as JSON, what the runtime has to know about it."""
FORMAT: Final = 1

Array = NDArray[Any]


class Graph:
    """One graph. `facts` is what the export wrote about it; `batch` the only batch it takes, or None for any."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        if not path.is_file():
            raise DataError(f"There is no {path}.", "`export` writes it from the output folder of train.")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common class
            raise DataError(f"{path} is no ONNX graph that can be opened: {str(error)[:200]}") from error
        self.path = path
        self.facts = _facts(path, self._session.get_modelmeta().custom_metadata_map)
        self.outputs = [output.name for output in self._session.get_outputs()]
        shape = self._session.get_inputs()[0].shape
        self.batch: int | None = shape[0] if isinstance(shape[0], int) else None

    def run(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """All outputs by name."""
        return dict(zip(self.outputs, self._session.run(self.outputs, inputs), strict=True))

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
