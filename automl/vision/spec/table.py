"""Every hyperparameter, once: its names, range, defaults and a sentence (parity B.5; D.2 where sources disagree).

Forms, docs/hyperparameters.md, the command line and the check of a job all read this table.
"""

from __future__ import annotations

from typing import Final

from .rows import Row, always
from .table_general import GENERAL
from .table_tasks import CLASSIFICATION_ROWS, LOCATING_ROWS

_SPEED = [
    Row(
        "precision",
        "choice",
        "all",
        "Arithmetic of training: auto takes bf16 where the GPU or processor has it, fp16 on other GPUs, else fp32.",
        always("auto"),
        choices=("auto", "fp32", "bf16", "fp16"),
    ),
    Row(
        "memory_format",
        "choice",
        "all",
        "Layout of image tensors: auto tries both for two seconds and keeps the faster.",
        always("auto"),
        choices=("auto", "channels_first", "channels_last"),
    ),
    Row(
        "compile",
        "bool",
        "all",
        "Compiles the training step; the report says whether that took effect.",
        always(False),
    ),
    Row(
        "frozen_features_first",
        "bool",
        "classification",
        "First fits the last layer on the features of the untouched network: a measured model in seconds.",
        always(True),
    ),
]


def _in_section(rows: list[Row], section: str) -> list[Row]:
    for row in rows:
        object.__setattr__(row, "section", section)
    return rows


ROWS: Final = (
    *_in_section(GENERAL, "Every task"),
    *_in_section(CLASSIFICATION_ROWS, "Classification"),
    *_in_section(LOCATING_ROWS, "Detection and segmentation"),
    *_in_section(_SPEED, "Speed (ours)"),
)
BY_NAME: Final = {row.name: row for row in ROWS}
ALIASES: Final = {alias: row.name for row in ROWS for alias in row.aliases}
ADVANCED: Final = {
    "apply_mosaic_for_yolo": True,
    "apply_automl_train_augmentations": True,
    "stream_image_files": False,
}
