"""From what somebody asked for to what a run uses: names translated, values checked, defaults filled in."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automl.vision.errors import UsageError

from . import tasks
from .rows import Row
from .table import ADVANCED, ALIASES, BY_NAME, ROWS
from .tasks import ModelEntry


@dataclass(frozen=True)
class Resolved:
    """`requested`: what was asked, under v2 names. `effective`: all that applies. `notes`: what had no effect."""

    task: str
    model: ModelEntry
    requested: dict[str, Any]
    effective: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def resolve(task: str, model_name: str | None = None, requested: Mapping[str, Any] | None = None) -> Resolved:
    """Checks `requested` (v1 or v2 names, values as text or typed) and fills in the defaults of this task and model.

    Raises UsageError that names the setting and what is allowed: for unknown names, values out of range, settings of
    other tasks or models, and the same setting under two names with different values.
    """
    task = tasks.canonical(task)
    given = dict(requested or {})
    named = given.pop("model_name", None) or given.pop("model", None)
    if model_name and named and named != model_name:
        raise UsageError(f"Two models are named, {model_name!r} and {named!r}.", "Name one.")
    entry = tasks.model_entry(task, model_name or named)
    read = _read_all(given)
    rows = [row for row in ROWS if row.applies_to(task, entry)]
    _refuse_foreign(read, rows, task, entry)
    effective = {row.name: read.get(row.name, row.default(task, entry)) for row in rows}
    _read_advanced(effective)
    notes = [_without_effect(row, effective) for row in rows if row.name in read and not _matters(row, effective)]
    notes += _fit_together(effective, entry)
    return Resolved(task, entry, read, effective, notes)


def row_named(name: str) -> Row:
    """The row of a v2 name, v1 name or alias, with or without leading dashes; UsageError suggests near names."""
    key = name.lstrip("-").strip().lower().replace("-", "_")
    key = ALIASES.get(key, key)
    if key in BY_NAME:
        return BY_NAME[key]
    near = difflib.get_close_matches(key, [*BY_NAME, *ALIASES], n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(f"There is no hyperparameter {name!r}.", f"{hint}`list-hyperparameters` shows all of them.")


def _read_all(given: Mapping[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, value in given.items():
        row = row_named(name)
        value = row.read(value)
        if row.name in read and read[row.name] != value:
            raise UsageError(f"{row.name} is given twice with different values ({read[row.name]} and {value}).")
        read[row.name] = value
    return read


def _refuse_foreign(read: Mapping[str, Any], rows: list[Row], task: str, entry: ModelEntry) -> None:
    known = {row.name for row in rows}
    for name in read:
        if name not in known:
            raise UsageError(
                f"{name} has no meaning for {entry.name} ({task}).",
                f"It is a setting of: {SCOPE_WORDS[BY_NAME[name].scope]}.",
            )


SCOPE_WORDS = {
    "all": "every model",
    "classification": "classification models",
    "locating": "detection and segmentation models",
    "ranged": "Faster R-CNN, RetinaNet and Mask R-CNN",
    "square": "yolov5, RT-DETR and Mask2Former",
    "limited": "all detection and segmentation models but yolov5",
    "yolo": "yolov5",
    "detection": "detection models",
    "segmentation": "segmentation models",
}


def _read_advanced(effective: dict[str, Any]) -> None:
    """The switches of the JSON text, each on its own and checked."""
    given = effective.pop("advanced_settings", None) or {}
    merged = dict(ADVANCED)
    for name, value in given.items():
        if name not in ADVANCED:
            raise UsageError(f"advanced_settings knows no {name!r}.", f"Known are {', '.join(ADVANCED)}.")
        if not isinstance(value, bool):
            raise UsageError(f"{name} in advanced_settings cannot be {value!r}.", "Allowed: true or false.")
        merged[name] = value
    effective["advanced_settings"] = merged


def _matters(row: Row, effective: Mapping[str, Any]) -> bool:
    return row.applies_when is None or effective[row.applies_when[0]] in row.applies_when[1]


def _without_effect(row: Row, effective: Mapping[str, Any]) -> str:
    on, values = row.applies_when or ("", ())
    wanted = " or ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
    return f"{row.name} has no effect: it matters when {on} is {wanted}, and it is {effective[on]}."


def _fit_together(effective: dict[str, Any], entry: ModelEntry) -> list[str]:
    """Values that only make sense together; `effective` is changed where a note says so."""
    notes = []
    if entry.is_vit and effective["training_crop_size"] != effective["validation_crop_size"]:
        raise UsageError(
            f"{entry.name} sees images of one size: training_crop_size is {effective['training_crop_size']} and "
            f"validation_crop_size {effective['validation_crop_size']}.",
            "Give both the same value.",
        )
    if entry.patch and effective["training_crop_size"] % entry.patch:
        raise UsageError(
            f"{entry.name} cuts the image into patches of {entry.patch} pixels, and training_crop_size is "
            f"{effective['training_crop_size']}.",
            f"Give training_crop_size and validation_crop_size one multiple of {entry.patch}.",
        )
    if "validation_crop_size" in effective and effective["validation_crop_size"] > effective["validation_resize_size"]:
        effective["validation_resize_size"] = effective["validation_crop_size"]
        notes.append("validation_resize_size was raised to validation_crop_size: a crop cannot be larger.")
    if "min_size" in effective and effective["min_size"] > effective["max_size"]:
        raise UsageError(
            f"min_size ({effective['min_size']}) is larger than max_size ({effective['max_size']}).",
            "min_size is for the shorter side, max_size the limit for the longer one.",
        )
    if effective.get("image_size", 32) % 32:
        effective["image_size"] += 32 - effective["image_size"] % 32
        notes.append(f"image_size was rounded up to {effective['image_size']}, a multiple of 32.")
    if entry.has_queries and effective["image_size"] < 64:
        raise UsageError(
            f"image_size cannot be {effective['image_size']} for {entry.name}.", "Its square has 64 pixels or more."
        )
    if (effective["layers_to_freeze"] or 0) > entry.layer_groups:
        raise UsageError(
            f"layers_to_freeze cannot be {effective['layers_to_freeze']} for {entry.name}.",
            f"Allowed: 0 to {entry.layer_groups}.",
        )
    if effective["optimizer"] == "sgd" and effective["nesterov"] and effective["momentum"] == 0:
        effective["nesterov"] = False
        notes.append("nesterov was turned off: it needs a momentum above 0.")
    if bool(effective["checkpoint_dataset_id"]) != bool(effective["checkpoint_filename"]):
        raise UsageError("checkpoint_dataset_id and checkpoint_filename belong together.", "Give both or neither.")
    if effective["checkpoint_run_id"] and effective["checkpoint_dataset_id"]:
        raise UsageError("Two checkpoints are named.", "Give checkpoint_run_id or checkpoint_dataset_id, not both.")
    if effective.get("validation_metric_type") == "none" and effective["early_stopping"]:
        effective["early_stopping"] = False
        notes.append("early_stopping was turned off: validation_metric_type is none. The last epoch is kept.")
    return notes
