"""Tasks, model names and hyperparameters, as data. Imports no torch."""

from __future__ import annotations

from .resolve import Resolved, resolve, row_named
from .rows import Default, Row
from .table import ADVANCED, ALIASES, BY_NAME, ROWS
from .tasks import MODELS, TASKS, ModelEntry, canonical, model_entry, models_for, primary_metric

__all__ = [
    "ADVANCED",
    "ALIASES",
    "BY_NAME",
    "MODELS",
    "ROWS",
    "TASKS",
    "Default",
    "ModelEntry",
    "Resolved",
    "Row",
    "canonical",
    "model_entry",
    "models_for",
    "primary_metric",
    "resolve",
    "row_named",
]
