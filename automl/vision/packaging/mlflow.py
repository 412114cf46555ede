"""The files that make a folder an MLflow model: MLmodel and the descriptions of its environment."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from typing import Any

import yaml

from automl.vision.spec import tasks

from .requirements import Pin

PYTHON = ".".join(platform.python_version_tuple()[:2])


def mlmodel(task: str) -> str:
    """MLmodel: a python_function whose loader is code (python_model.py)."""
    return _yaml(
        {
            "flavors": {
                "python_function": {
                    "code": ".",
                    "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                    "loader_module": "python_model",
                    "python_version": platform.python_version(),
                }
            },
            "signature": {name: json.dumps(value) for name, value in signature(task).items()},
        }
    )


def signature(task: str) -> dict[str, list[dict[str, Any]]]:
    """Column `image`, and the columns of an answer (parity.md B.15.1)."""
    if task in tasks.CLASSIFIES:
        outputs = [
            {"name": "probs", "type": "array", "items": {"type": "double"}, "required": True},
            {"name": "labels", "type": "array", "items": {"type": "string"}, "required": True},
            {"name": "visualizations", "type": "string", "required": False},
            {"name": "attributions", "type": "string", "required": False},
        ]
    else:
        outputs = [{"name": "boxes", "type": "array", "items": _object(task), "required": True}]
    return {"inputs": [{"name": "image", "type": "binary", "required": True}], "outputs": outputs}


def _object(task: str) -> dict[str, Any]:
    number = {"type": "double", "required": True}
    corners = dict.fromkeys(("topX", "topY", "bottomX", "bottomY"), number)
    properties: dict[str, Any] = {
        "box": {"type": "object", "properties": corners, "required": True},
        "label": {"type": "string", "required": True},
        "score": number,
    }
    if task == tasks.SEGMENTATION:
        ring = {"type": "array", "items": {"type": "double"}}
        properties["polygon"] = {"type": "array", "items": ring, "required": True}
    return {"type": "object", "properties": properties}


def conda(name: str, pins: Sequence[Pin]) -> str:
    """A conda environment for the bundle."""
    packages = [f"{pin.name}=={pin.version}" for pin in pins]
    return _yaml(
        {"name": name, "channels": ["conda-forge"], "dependencies": [f"python={PYTHON}", "pip", {"pip": packages}]}
    )


def python_env() -> str:
    return _yaml({"python": platform.python_version(), "dependencies": ["-r requirements.txt"]})


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
