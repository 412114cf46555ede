"""What a model said about images, as JSON lines from which every metric can be computed again, to the last digit.

A line is one image: `image` (its name), and for classification `scores` and `target`; for detection and segmentation
`boxes`, `scores`, `labels` and a `target` with `boxes`, `labels`, `is_crowd`, in pixels; masks as `masks`, run lengths
of the columns as COCO writes them without compression.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.vision.errors import DataError
from automl.vision.metrics.matching import as_array


def write(path: Path, names: Iterable[str], predictions: Iterable[Any], targets: Iterable[Any]) -> int:
    """Writes one line for each image, and the file only when it is complete; returns the number of lines.

    Classification: `predictions` are rows of scores, `targets` indices or rows of 0 and 1; else mappings as
    `metrics.evaluate` takes them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    count = 0
    try:
        with draft.open("w", encoding="utf-8") as file:
            for name, said, true in zip(names, predictions, targets, strict=True):
                file.write(json.dumps(_line(name, said, true), allow_nan=False) + "\n")
                count += 1
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return count


def read(path: Path) -> tuple[list[str], Any, Any]:
    """(names, predictions, targets) as `write` was given them, as arrays. Raises DataError with the line's number."""
    names: list[str] = []
    predictions: list[Any] = []
    targets: list[Any] = []
    for number, line in _lines(path):
        try:
            content = json.loads(line)
            names.append(content["image"])
            if "boxes" in content:
                predictions.append(_objects(content))
                targets.append(_objects(content["target"]))
            else:
                predictions.append(content["scores"])
                targets.append(content["target"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}, line {number}: no prediction ({type(error).__name__}: {error}).") from error
    if predictions and isinstance(predictions[0], list):
        return names, np.asarray(predictions, np.float64), np.asarray(targets, np.int64)
    return names, predictions, targets


def encode_mask(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Run lengths of a mask (H, W), column by column, beginning with a run of zeros: COCO's form without
    compression."""
    flat = np.asarray(mask, np.bool_).ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.r_[0, changes, len(flat)])
    counts = runs.tolist() if len(flat) == 0 or not flat[0] else [0, *runs.tolist()]
    return {"size": list(mask.shape), "counts": counts}


def decode_mask(run_lengths: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The mask (H, W) again. Raises ValueError when the runs do not add up to its size."""
    height, width = run_lengths["size"]
    counts = np.asarray(run_lengths["counts"], np.int64)
    if counts.sum() != height * width or (counts < 0).any():
        raise ValueError(f"runs of {int(counts.sum())} pixels do not fill {height} × {width}")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape((height, width), order="F")


def _line(name: str, said: Any, true: Any) -> dict[str, Any]:
    if isinstance(said, Mapping):
        return {"image": name, **_plain(said), "target": _plain(true)}
    return {"image": name, "scores": _numbers(said), "target": _numbers(true)}


def _plain(objects: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: _numbers(objects[key]) for key in ("boxes", "scores", "labels", "is_crowd", "area") if key in objects}
    if "masks" in objects:
        plain["masks"] = [encode_mask(mask) for mask in as_array(objects["masks"], np.bool_)]
    return plain


def _numbers(values: Any) -> Any:
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values).tolist()


def _objects(content: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {"boxes": np.float64, "scores": np.float64, "labels": np.int64, "is_crowd": np.bool_, "area": np.float64}
    objects: dict[str, Any] = {key: np.asarray(content[key], kind) for key, kind in kinds.items() if key in content}
    objects["boxes"] = objects["boxes"].reshape(-1, 4)
    if "masks" in content:
        masks: Sequence[Any] = [decode_mask(mask) for mask in content["masks"]]
        objects["masks"] = np.stack(masks) if masks else np.zeros((0, 1, 1), np.bool_)
    return objects


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
