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
}
ELSEWHERE: Final = {"compute", "limits", "properties", "sweep"}  # of the service that starts many runs


@dataclass
class JobFile:
    """What a job file asks for. Paths are relative to the file. `notes` tell what has no effect here."""

    task: str
    training_data: Path
    validation_data: Path | None = None
    target_column: str = "label"
    model_name: str | None = None
    output: Path | None = None
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
    notes = [f"{key} has no effect: this program trains one model." for key in sorted(ELSEWHERE & set(job))]
    return JobFile(
        task,
        training,
        _data(path, job, "validation_data"),
        str(job.get("target_column_name") or "label"),
        None if model is None else str(model),
        _output(path, job.get("outputs")),
        settings,
        notes,
    )


def _data(path: Path, job: dict[str, Any], key: str) -> Path | None:
    value = job.get(key)
    if value is None:
        return None
    place = value.get("path") if isinstance(value, dict) else value
    if not isinstance(place, str) or not place:
        raise UsageError(f"{path}: {key} needs a path.")
    return path.parent / place


def _output(path: Path, outputs: Any) -> Path | None:
    best = outputs.get("best_model") if isinstance(outputs, dict) else None
    place = best.get("path") if isinstance(best, dict) else None
    return path.parent / place if isinstance(place, str) else None


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
