"""Classification in integers of 8 bits: the exported graph is quantized and compared with itself before it is used.

Post-training static quantization (Jacob et al., arXiv 1712.05877): weights by channel, what flows between layers by the
range that example images show. Figures: docs/performance.md.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from automl.vision import description
from automl.vision.engines import INT8, ONNX_RUNTIME, Choice
from automl.vision.errors import DataError, UsageError
from automl.vision.models.base import VisionModel
from automl.vision.runtime import Runner, pixels
from automl.vision.runtime.graphs import FACTS, MODEL, Graph
from automl.vision.spec import tasks

from .export import ExportError, export

LEAST_IMAGES: Final = 32
MOST_IMAGES: Final = 1000
"""More than these say nothing new."""
CALIBRATED_ON: Final = 128
LEAST_SAME: Final = 0.95
"""The share of answers that must stay the same."""
WEIGHTED: Final = ["Conv", "Gemm", "MatMul"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Quantized:
    """What was written. Ranges were taken from `calibrated_on` images; of `checked` answers for other images (the class
    of an image, or with several labels whether it has each of them) the share `same` is that of fp32. `fp32_seconds`
    and `int8_seconds` are what these images took on ONNX Runtime. `left_out` names images that could not be read."""

    file: Path
    calibrated_on: int
    checked: int
    same: float
    fp32_seconds: float
    int8_seconds: float
    left_out: list[str]


def export_int8(
    model: VisionModel, classes: Sequence[str], settings: Mapping[str, Any], folder: Path, images: Sequence[Path]
) -> Quantized:
    """Writes into `folder` what `runtime.Runner.open` reads, with the network in integers of 8 bits.

    `images` are like those that the model will see; labels are not needed. UsageError where the model is not one for
    classification or fewer than LEAST_IMAGES can be read; ExportError, and leaves the folder as it was, where less than
    LEAST_SAME of the answers stay the same.
    """
    if model.task not in tasks.CLASSIFIES:
        raise UsageError(f"int8 is for classification, and {model.name} is for {model.task}.", "Leave it in fp32.")
    _require(len(images))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as place:
        draft = Path(place)
        export(model, classes, settings, draft)
        exact = Graph(draft / MODEL, choice=Choice(ONNX_RUNTIME))
        crops, left_out = _crops(Runner.open(draft, choice=Choice(ONNX_RUNTIME)), images)
        learned, others = _spread(crops[::2], CALIBRATED_ON), crops[1::2]
        quantize(draft / MODEL, draft / "int8.onnx", _batches(learned, exact))
        rough = Graph(draft / "int8.onnx", choice=Choice(ONNX_RUNTIME))
        (wanted, fp32_seconds), (given, int8_seconds) = (_logits(each, others) for each in (exact, rough))
        same = _decisions(given, model.task) == _decisions(wanted, model.task)
        made = Quantized(
            folder / MODEL, len(learned), same.size, float(same.mean()), fp32_seconds, int8_seconds, left_out
        )
        if made.same < LEAST_SAME:
            raise ExportError(
                f"{model.name} in int8 gives {made.same:.1%} of {made.checked} answers as in fp32; {LEAST_SAME:.0%} is "
                "the least.",
                "Nothing was written. Give more images, as varied as those that the model will see, or stay with fp32.",
            )
        _tell(draft / "int8.onnx", made)
        (draft / "int8.onnx").replace(draft / MODEL)
        folder.mkdir(exist_ok=True)
        for name in (description.LABELS, description.SETTINGS, MODEL):
            (draft / name).replace(folder / name)
    return made


def quantize(source: Path, target: Path, batches: Iterable[Floats]) -> None:
    """Writes the graph at `source` in integers to `target`; `batches` (B, 3, side, side) show the ranges.

    Layers that multiply by weights become integers and, in networks without attention, what lies between them, so that
    nothing is turned to and fro. In the others sums, norms and attention itself stay floats, and layers give floats:
    their ranges are wide, and nothing is won there.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._batches = iter(batches)

        def get_next(self) -> dict[str, Floats] | None:
            batch = next(self._batches, None)
            return None if batch is None else {"input1": batch}

    prepared = target.with_suffix(".prepared.onnx")
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # the library logs to the root, a line for each thing it leaves alone
    try:
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        weights = {each.name for each in graph.initializer}
        has_attention = any(node.op_type == "LayerNormalization" for node in graph.node)
        by_weights = [node.name for node in graph.node if _multiplies(node, weights)]
        quantize_static(
            prepared,
            target,
            Reader(),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=by_weights if has_attention else None,
            extra_options={"OpTypesToExcludeOutputQuantization": WEIGHTED} if has_attention else None,
        )
    finally:
        logging.root.setLevel(level)
        prepared.unlink(missing_ok=True)


def _multiplies(node: onnx.NodeProto, weights: set[str]) -> bool:
    return node.op_type in WEIGHTED and node.input[1] in weights


def _crops(runner: Runner, images: Sequence[Path]) -> tuple[list[NDArray[np.uint8]], list[str]]:
    crops, left_out = [], []
    for path in _spread(images, MOST_IMAGES):
        try:
            crops.append(runner.read(path).pixels)
        except DataError as error:
            left_out.append(f"{path}: {error}")
    _require(len(crops))
    return crops, left_out


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    """At most so many, from the first to the last: images often come class by class."""
    return [items[at] for at in np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)]


def _require(count: int) -> None:
    if count < LEAST_IMAGES:
        raise UsageError(
            f"int8 needs at least {LEAST_IMAGES} images to see the network at work; {count} can be read.",
            "Name the training images, or others like those that the model will see.",
        )


def _batches(crops: Sequence[NDArray[np.uint8]], graph: Graph, size: int = 8) -> Iterator[Floats]:
    for at in range(0, len(crops), size):
        yield pixels.stacked([pixels.as_floats(crop) for crop in crops[at : at + size]], graph.facts)


def _logits(graph: Graph, crops: Sequence[NDArray[np.uint8]]) -> tuple[Floats, float]:
    """Logits (N, classes), and the seconds that the engine took for them."""
    found, seconds = [], 0.0
    for batch in _batches(crops, graph, 1):
        begin = time.perf_counter()
        found.append(graph.run_images(batch)["output1"])
        seconds += time.perf_counter() - begin
    return np.concatenate(found), seconds


def _decisions(logits: Floats, task: str) -> NDArray[Any]:
    """The class of each image (N,), or with several labels whether it has each of them (N, classes)."""
    return logits > 0 if task == tasks.MULTILABEL else logits.argmax(axis=1)


def _tell(path: Path, made: Quantized) -> None:
    """Writes into the graph's facts that it is in int8, and what that changes."""
    model = onnx.load(path)
    (said,) = (entry for entry in model.metadata_props if entry.key == FACTS)
    told = {"precision": INT8, "same_answers": round(made.same, 4), "answers_checked": made.checked}
    said.value = json.dumps(json.loads(said.value) | told)
    onnx.save(model, path)
