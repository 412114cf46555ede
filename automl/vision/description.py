"""What stands beside a trained model: labels.json and settings.json (parity.md B.11). No torch here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.vision.errors import DataError
from automl.vision.spec import resolve
from automl.vision.spec.resolve import row_named

ARTIFACTS = "train_artifacts"
"""The folder of a run's output that holds them."""
SETTINGS = "settings.json"
LABELS = "labels.json"
_KEYS = ("task", "model_name", "classes", "settings", "start")


@dataclass(frozen=True)
class Description:
    """`classes` in the order of their indices; `settings` are the effective ones; `start` is what the weights were when
    training began (cold, imagenet, coco, checkpoint)."""

    task: str
    model_name: str
    classes: list[str]
    settings: dict[str, Any]
    start: str


def write(folder: Path, described: Description) -> None:
    """Both files; each is written whole or not at all."""
    write_json(folder / LABELS, described.classes)
    write_json(folder / SETTINGS, {key: getattr(described, key) for key in _KEYS})


def read(folder: Path, changes: Mapping[str, Any] | None = None) -> Description:
    """The description in `folder`, its settings replaced by `changes`; all of them are checked like any others.

    DataError where there is none or it is damaged, UsageError for settings that are not acceptable.
    """
    path = folder / SETTINGS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        task, name, classes, settings, start = (found[key] for key in _KEYS)
        own = {key: value for key, value in settings.items() if value is not None}
        if not isinstance(classes, list) or not classes or not all(isinstance(label, str) for label in classes):
            raise TypeError("classes")
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} holds no training.", "Name the folder that was given to train as --output."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged.") from error
    replaced = {row_named(key).name: value for key, value in (changes or {}).items()}
    resolved = resolve(task, name, {**own, **replaced})
    return Description(resolved.task, name, classes, dict(resolved.effective), start)


def labels(folder: Path) -> list[str]:
    """The class names in `folder`, their place being their index. DataError where there are none."""
    path = folder / LABELS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"There is no {path}.", "It lists the class names in the order of the model.") from error
    except ValueError as error:
        raise DataError(f"{path} is damaged.") from error
    if not isinstance(found, list) or not found or not all(isinstance(name, str) for name in found):
        raise DataError(f"{path} is no list of class names.")
    return found


def write_json(path: Path, value: Any) -> None:
    """Writes JSON whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(json.dumps(value, indent=1, ensure_ascii=False, default=_plain) + "\n", encoding="utf-8")
    draft.replace(path)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
