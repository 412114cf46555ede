"""A YAML job file in the shape of parity B.2.2, read into what the train command takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from automl.vision.errors import UsageError
from automl.vision.spec import tasks

KNOWN: Final = {
    "type",
    "task",
    "name",
    "display_name",
    "experiment_name",
    "description",
    "tags",
    "compute",
    "log_verbosity",
    "primary_metric",
    "target_column_name",
    "training_data",
    "validation_data",
    "validation_data_size",
    "limits",
    "training_parameters",
    "search_space",
    "sweep",
    "properties",
    "outputs",
    "$schema",
    "test_data",
    "test_data_size",
    "environment_variables",
    "identity",
    "queue_settings",
    "resources",
}
# What belongs to a service that starts many runs on many machines.
ELSEWHERE: Final = {
    "compute",
    "environment_variables",
    "identity",
    "properties",
    "queue_settings",
    "resources",
    "sweep",
}
TESTS: Final = {"test_data", "test_data_size"}
LIMITS: Final = {"timeout_minutes": (0.0, 60 * 24 * 60.0), "max_trials": (1, 1000), "max_concurrent_trials": (1, 100)}


@dataclass
class JobFile:
    """What a job file asks for. Paths are relative to the file. `notes` tell what has no effect here."""

    task: str
    training_data: Path
    validation_data: Path | None = None
    target_column: str = "label"
    model_name: str | None = None
    output: Path | None = None
    timeout_minutes: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read(path: Path) -> JobFile:
    """Reads and checks a job file; UsageError names the key that is wrong."""
    import yaml

    try:
        job = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not YAML: {' '.join(str(error).split())[:200]}.") from error
    if not isinstance(job, dict):
        raise UsageError(f"{path} is not a job: expected keys such as task and training_data.")
    if strange := sorted(set(map(str, job)) - KNOWN):
        raise UsageError(f"{path}: unknown key {strange[0]}.", f"Known are {', '.join(sorted(KNOWN))}.")
    if job.get("type", "automl") != "automl":
        raise UsageError(f"{path}: type is {job['type']!r}, expected automl.")
    if "task" not in job:
        raise UsageError(f"{path}: task is missing.")
    task = tasks.canonical(str(job["task"]))
    metric = job.get("primary_metric")
    if metric is not None and metric != tasks.primary_metric(task):
        raise UsageError(
            f"{path}: primary_metric cannot be {metric}.", f"For {task} it is {tasks.primary_metric(task)}."
        )
    training = _data(path, job, "training_data")
    if training is None:
        raise UsageError(f"{path}: training_data is missing.")
    settings = _parameters(path, job.get("training_parameters"))
    settings |= _only_choice(path, job.get("search_space"))
    if job.get("validation_data_size") is not None:
        settings["validation_data_size"] = job["validation_data_size"]
    model = settings.pop("model_name", None)
    limits = _limits(path, job.get("limits"))
    notes = [f"{key} has no effect: this program trains one model, here." for key in sorted(ELSEWHERE & set(job))]
    notes += [f"{key} has no effect: `evaluate` measures a trained model." for key in sorted(TESTS & set(job))]
    if limits.get("max_trials", 1) > 1:
        notes.append("max_trials has no effect: this program trains one model; sweeps are started on the site.")
    return JobFile(
        task,
        training,
        _data(path, job, "validation_data"),
        str(job.get("target_column_name") or "label"),
        None if model is None else str(model),
        _output(path, job.get("outputs")),
        limits.get("timeout_minutes"),
        settings,
        notes,
    )


def _data(path: Path, job: dict[str, Any], key: str) -> Path | None:
    value = job.get(key)
    if value is None:
        return None
    place = value.get("path") if isinstance(value, dict) else value
    if not isinstance(place, str) or not place:
        raise UsageError(f"{path}: {key} needs a path.", "As in `training_data: {path: data/train, type: mltable}`.")
    if _is_remote(place):
        raise UsageError(
            f"{path}: {key} is {place}, which is not on this machine.", "Download it, and name its folder or file."
        )
    return path.parent / place


def _output(path: Path, outputs: Any) -> Path | None:
    best = outputs.get("best_model") if isinstance(outputs, dict) else None
    place = best.get("path") if isinstance(best, dict) else None
    return path.parent / place if isinstance(place, str) and not _is_remote(place) else None


def _is_remote(place: str) -> bool:
    return "://" in place or place.startswith("azureml:")


def _limits(path: Path, value: Any) -> dict[str, float]:
    """The limits that are given, each a number in its range (parity B.9)."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"{path}: limits has to be a mapping.", f"Known are {', '.join(LIMITS)}.")
    for name, number in value.items():
        if name not in LIMITS:
            raise UsageError(f"{path}: limits knows no {name}.", f"Known are {', '.join(LIMITS)}.")
        low, high = LIMITS[name]
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not is_number or not low <= number <= high or number == 0:
            raise UsageError(f"{path}: {name} cannot be {number!r}.", f"Allowed: a number up to {high:g}, above 0.")
    return dict(value)


def _parameters(path: Path, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"{path}: training_parameters has to be a mapping.")
    return {str(name): one for name, one in value.items()}


def _only_choice(path: Path, value: Any) -> dict[str, Any]:
    """The values of a search space that leaves no choice."""
    if not value:
        return {}
    spaces = value if isinstance(value, list) else [value]
    if len(spaces) != 1 or not isinstance(spaces[0], dict):
        raise UsageError(f"{path}: search_space holds several spaces, and this program trains one model.", _SWEEPS)
    found: dict[str, Any] = {}
    for name, one in spaces[0].items():
        if isinstance(one, dict):
            values = one.get("values")
            if one.get("type") != "choice" or not isinstance(values, list) or len(values) != 1:
                raise UsageError(
                    f"{path}: search_space leaves {name} open, and this program trains one model.", _SWEEPS
                )
            one = values[0]
        found[str(name)] = one
    return found


_SWEEPS: Final = "Give single values under training_parameters; sweeps are started on the site."
