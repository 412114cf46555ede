"""A trained network as ONNX files: written, compared with torch, and only then put in their place."""

from __future__ import annotations

import copy
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]
from scipy.spatial.distance import cdist  # type: ignore[import-untyped]

from automl.vision import description
from automl.vision.engines import ONNX_RUNTIME, Choice
from automl.vision.errors import UsageError, VisionError
from automl.vision.models.base import VisionModel, value_of
from automl.vision.runtime.graphs import FACTS, HEADS, MODEL, Graph

from . import facts
from .networks import Traced, parts_of

ALLOWED: Final = 1e-4
"""How far a number of a graph may be from torch's where an output is within ±1; where its largest number is larger, so
much of that: float32 itself is no finer."""
AS_GOOD: Final = 4.0
"""Deep networks enlarge what float32 rounds. There a graph may be so many times as far from the exact numbers (those of
float64) as torch is itself."""
OPSET: Final = 18
LARGEST_BATCH: Final = 1024


class ExportError(VisionError):
    """A network could not be written as ONNX, or the graph does not say what torch says."""


@dataclass(frozen=True)
class Exported:
    """What was written. `differences` are the largest absolute differences from torch by file and output, `largest` the
    largest of them; `batch_size` None means any."""

    files: list[Path]
    differences: dict[str, float]
    batch_size: int | None
    normalization: str

    @property
    def largest(self) -> float:
        return max(self.differences.values())


def export(
    model: VisionModel,
    classes: Sequence[str],
    settings: Mapping[str, Any],
    folder: Path,
    batch_size: int | None = None,
) -> Exported:
    """Writes what `runtime.Runner.open` reads: model.onnx (model_<batch>.onnx for a fixed `batch_size`), for Faster and
    Mask R-CNN heads.onnx, and labels.json and settings.json where the folder has none.

    `settings` are the effective ones. Raises ExportError, and leaves the folder as it was, where a network cannot be
    written or a graph differs from torch by more than ALLOWED (and AS_GOOD); UsageError for a batch size out of range.
    """
    if len(classes) != model.num_classes:
        raise ValueError(f"The model knows {model.num_classes} classes, not {len(classes)}.")
    if batch_size is not None and not 1 <= batch_size <= LARGEST_BATCH:
        raise UsageError(f"The batch size cannot be {batch_size}.", f"Allowed: 1 to {LARGEST_BATCH}.")
    normalize = bool(value_of(settings, "enable_onnx_normalization", True))
    still = copy.deepcopy(model).to("cpu", torch.float32).eval()
    cast(Any, still).to(memory_format=torch.contiguous_format)
    said = json.dumps(facts.of(still, normalize=normalize))
    names = [f"model_{batch_size}.onnx" if batch_size else MODEL, HEADS]
    folder.mkdir(parents=True, exist_ok=True)
    drafts: dict[Path, Path] = {}
    differences: dict[str, float] = {}
    try:
        for name, part in zip(names, parts_of(still, normalize=normalize, batch_size=batch_size), strict=False):
            draft = folder / f".{name}.draft"
            drafts[draft] = folder / name
            _write(part, draft, said, model.name)
            differences |= {f"{name} {output}": value for output, value in compare(part, draft, model.name).items()}
        for draft, path in drafts.items():
            draft.replace(path)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    if not (folder / description.SETTINGS).exists():
        described = description.Description(model.task, model.name, list(classes), dict(settings), model.start)
        description.write(folder, described)
    return Exported(list(drafts.values()), differences, batch_size, "inside" if normalize else "outside")


def _write(part: Traced, path: Path, said: str, name: str) -> None:
    inputs = part.trials[0]
    shapes = tuple(part.free.get(each, {}) for each in inputs)
    takes_any_number = part.network.forward.__code__.co_flags & 0x04  # *inputs
    loggers = [logging.getLogger(each) for each in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with torch.no_grad(), warnings.catch_warnings(), _unchecked():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                part.network,
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=part.outputs,
                dynamic_shapes=(shapes,) if takes_any_number else shapes,
                opset_version=OPSET,
                dynamo=True,
                optimize=part.simplified,
                verbose=False,
            )
        if program is None:
            raise RuntimeError("the exporter gave nothing")
        program.model.metadata_props[FACTS] = said
        program.save(path, external_data=False)
    except Exception as error:  # the exporter's errors have no common class
        reason = " ".join(str(error).split())[:300]
        raise ExportError(f"{name} cannot be written as ONNX: {reason}") from error
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def _unchecked() -> Iterator[None]:
    """Inside, transformers does not check its own shapes: ONNX has no word for such a check."""
    name = "TRANSFORMERS_DISABLE_TORCH_CHECK"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def compare(part: Traced, path: Path, name: str, engine: str = ONNX_RUNTIME) -> dict[str, float]:
    """The largest absolute difference from torch for each output, over all trials, of the graph at `path` computed by
    an engine in fp32. Raises ExportError above ALLOWED (and AS_GOOD)."""
    graph = Graph(path, choice=Choice(engine))
    largest = dict.fromkeys(part.outputs, 0.0)
    for trial in part.trials:
        with torch.no_grad():
            wanted = part.network(*trial.values())
        expected = [each.numpy() for each in (wanted if isinstance(wanted, tuple) else (wanted,))]
        given = graph.run({key: value.numpy() for key, value in trial.items()})
        if part.any_order:
            given = _in_order_of(expected, given, part.outputs)
        for output, torchs in zip(part.outputs, expected, strict=True):
            ours = given[output]
            if ours.shape != torchs.shape:
                raise ExportError(f"{name} as ONNX gives {output} of shape {ours.shape}, and torch {torchs.shape}.")
            if not torchs.size:
                continue
            apart = np.abs(ours - torchs)
            largest[output] = max(largest[output], float(apart.max()))
            near = bool((apart <= ALLOWED * max(1.0, float(np.abs(torchs).max()))).all())
            if not near and not _is_as_good(part, trial, output, ours, expected):
                raise ExportError(
                    f"{name} as ONNX differs from torch by {float(apart.max()):.2g} in {output}; {ALLOWED} is allowed.",
                    "Nothing was written. The weights may hold numbers that are not finite; train with a lower "
                    "learning_rate.",
                )
    return largest


def _in_order_of(
    expected: Sequence[NDArray[Any]], given: Mapping[str, NDArray[Any]], outputs: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """`given` with its rows paired off with those of torch that they are nearest to, all in all; as it is where shapes
    differ."""
    ours = [given[output] for output in outputs]
    if [each.shape for each in ours] != [each.shape for each in expected]:
        return dict(given)
    pairs = zip(_joined(expected), _joined(ours), strict=True)
    places = [linear_sum_assignment(cdist(torchs, own, "chebyshev"))[1] for torchs, own in pairs]
    return {
        output: np.stack([image[place] for image, place in zip(each, places, strict=True)])
        for output, each in zip(outputs, ours, strict=True)
    }


def _joined(outputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Outputs (B, rows, …) as one (B, rows, numbers)."""
    return np.concatenate([each.reshape(*each.shape[:2], -1) for each in outputs], axis=2)


def _is_as_good(
    part: Traced,
    trial: Mapping[str, torch.Tensor],
    output: str,
    ours: NDArray[Any],
    expected: Sequence[NDArray[Any]],
) -> bool:
    """Whether the graph is about as near to the exact numbers as torch is in float32."""
    exact_network = copy.deepcopy(part.network).double()
    with torch.no_grad():
        found = exact_network(*(value.double() for value in trial.values()))
    exact_of = {
        name: each.numpy()
        for name, each in zip(part.outputs, found if isinstance(found, tuple) else (found,), strict=True)
    }
    if part.any_order:
        exact_of = _in_order_of(expected, exact_of, part.outputs)
    exact, torchs = exact_of[output], expected[part.outputs.index(output)]
    return bool(np.abs(ours - exact).max() <= AS_GOOD * np.abs(torchs - exact).max())
