"""Checkpoints on disk: written whole or not at all, read without running anything in them."""

from __future__ import annotations

import os
import pickle
import random
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from automl.vision.errors import DataError, UsageError

if TYPE_CHECKING:
    from automl.vision.models.base import ClassRows, VisionModel

# What torch and safetensors raise for files that are torn, empty, or something else altogether.
UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    ValueError,
    TypeError,
    EOFError,
    OSError,
    LookupError,
    AttributeError,
    ImportError,
    struct.error,
    SafetensorError,
)
LAST = "last.pt"
BEST = "best.pt"


def save(state: Mapping[str, Any], path: Path) -> None:
    """Writes `state` (tensors, numbers, text, lists, dicts) so that `path` holds the old or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote, or any state_dict, on the CPU; `weights_only`, so that no code in the file runs."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise DataError(
            f"There is no checkpoint {path}.", "Name the output folder of a run, or a file of weights."
        ) from error
    except UNREADABLE as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(
            f"{path} is no checkpoint that can be read: {reason}.",
            "Expected a state_dict of tensors (.pt or .safetensors); files that hold whole objects are refused.",
        ) from error


def random_state() -> dict[str, Any]:
    """The state of every generator that training uses."""
    version, numbers, gauss = random.getstate()
    state: dict[str, Any] = {"torch": torch.get_rng_state(), "python": [version, list(numbers), gauss]}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    if "cuda" in state and torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


# --- Starting from the weights of another run (parity B.13) ----------------------------------------------------------


@dataclass
class Carried:
    """What was taken over from a checkpoint. `classes` is the new order; `sentences` tell a person."""

    classes: list[str]
    sentences: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """Weights to start from, the classes they were trained for ([] where nobody knows), and the licence of the weights
    that their own training began with ("" where nobody knows)."""

    path: Path
    state: dict[str, Tensor]
    classes: list[str]
    licence: str = ""


def find_source(settings: Mapping[str, Any], base: Path) -> Source | None:
    """The weights that checkpoint_run_id (a run's folder or a file) or the pair of checkpoint_dataset_id and
    checkpoint_filename name, relative to `base`; None where neither is set. DataError where they cannot be read."""
    run, folder = settings["checkpoint_run_id"], settings["checkpoint_dataset_id"]
    if not run and not folder:
        return None
    path = base / run if run else base / folder / settings["checkpoint_filename"]
    if path.is_dir():
        path = path / "outputs" / "model.pt"
    state = load(path)
    state = state.get("model", state)
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{path} is no state_dict: it holds more than tensors.")
    return Source(path, state, _classes_beside(path), _licence_beside(path))


def _classes_beside(path: Path) -> list[str]:
    import json

    for labels in (path.parent / "labels.json", path.parent.parent / "train_artifacts" / "labels.json"):
        if labels.exists():
            found = json.loads(labels.read_text(encoding="utf-8"))
            if isinstance(found, list) and all(isinstance(name, str) for name in found):
                return found
    return []


def _licence_beside(path: Path) -> str:
    import json

    record = path.parent.parent / "run.json"
    if not record.is_file():
        return ""
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["start_weights"]["licence"])
    except (ValueError, KeyError, TypeError):
        return ""  # of another program, or of a version that did not record it


def class_order(known: list[str], wanted: list[str]) -> list[str]:
    """`wanted`, those that a checkpoint knows first and in its order, so that equal classes keep their index."""
    return [name for name in known if name in wanted] + [name for name in wanted if name not in known]


def carry(model: VisionModel, source: Source, classes: list[str]) -> Carried:
    """Loads `source` into `model` of `classes`. Tensors of the same name and shape are taken over; where the classes
    differ, the rows of classes that both know. What does not fit stays as it was. UsageError where nothing fits."""
    rows = model.class_rows()
    own = model.state_dict()
    taken: dict[str, Tensor] = {}
    left: list[str] = []
    same = not source.classes or source.classes == classes
    for name, tensor in own.items():
        given = source.state.get(name)
        if given is not None and given.shape == tensor.shape and (same or name not in rows):
            taken[name] = given.to(tensor.dtype)
        elif given is not None and name in rows and source.classes:
            taken[name] = _merged(tensor, given, rows[name], source.classes, classes)
        elif (given is not None and not name.endswith("num_batches_tracked")) or given is None:
            left.append(name)
    learned = [name for name in taken if name not in rows]
    if not learned:
        raise UsageError(
            f"{source.path} fits this model in no tensor.", "It is of another model, or of another size of this one."
        )
    model.load_state_dict({**own, **taken})
    sentences = [f"Started from {source.path}: {len(taken)} of {len(own)} tensors were taken over."]
    if left:
        sentences.append(
            f"Not taken over, because missing or of another shape: {', '.join(left[:5])}"
            + (", …" if len(left) > 5 else ".")
        )
    if not same:
        gone = [name for name in source.classes if name not in classes]
        new = [name for name in classes if name not in source.classes]
        sentences.append(
            f"Classes: {len(classes) - len(new)} kept, {len(new)} new ({', '.join(new) or 'none'}), "
            f"{len(gone)} dropped ({', '.join(gone) or 'none'})."
        )
    return Carried(classes, sentences)


def _merged(fresh: Tensor, given: Tensor, rows: ClassRows, old: list[str], new: list[str]) -> Tensor:
    """`fresh` with the rows around the classes and those of shared classes from `given` (see ClassRows)."""
    blocks, before, each, after = rows.blocks, rows.before, rows.each, rows.after
    if given.shape[1:] != fresh.shape[1:] or len(given) != rows.count(len(old)):
        return fresh
    merged = fresh.clone().reshape(blocks, -1, *fresh.shape[1:])
    source = given.reshape(blocks, -1, *given.shape[1:]).to(fresh.dtype)
    merged[:, :before] = source[:, :before]
    merged[:, merged.shape[1] - after :] = source[:, source.shape[1] - after :]
    for at, name in enumerate(new):
        if name in old:
            was = old.index(name)
            merged[:, before + each * at : before + each * (at + 1)] = source[
                :, before + each * was : before + each * (was + 1)
            ]
    return merged.reshape(fresh.shape)
