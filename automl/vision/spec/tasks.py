"""The four tasks and the names of models (parity B.1, B.4). No torch here: forms, docs and the web read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from automl.vision.errors import UsageError

CLASSIFICATION: Final = "image-classification"
MULTILABEL: Final = "image-classification-multilabel"
DETECTION: Final = "image-object-detection"
SEGMENTATION: Final = "image-instance-segmentation"
TASKS: Final = (CLASSIFICATION, MULTILABEL, DETECTION, SEGMENTATION)
CLASSIFIES: Final = (CLASSIFICATION, MULTILABEL)
LOCATES: Final = (DETECTION, SEGMENTATION)

PRIMARY_METRICS: Final = {
    CLASSIFICATION: "accuracy",
    MULTILABEL: "iou",
    DETECTION: "mean_average_precision",
    SEGMENTATION: "mean_average_precision",
}
DEFAULT_MODELS: Final = {
    CLASSIFICATION: "vitb16r224",
    MULTILABEL: "vitb16r224",
    DETECTION: "yolov5",
    SEGMENTATION: "maskrcnn_resnet50_fpn",
}
_ALIASES: Final = {"image-multi-labeling": MULTILABEL}


@dataclass(frozen=True)
class ModelEntry:
    """One value of `model_name`. `layer_groups` counts what `layers_to_freeze` may freeze (B.5.6); `beyond_parity`
    marks names that the parity list (B.4) does not have; `patch` is the side of a transformer's squares in pixels."""

    name: str
    family: str
    tasks: tuple[str, ...]
    layer_groups: int
    beyond_parity: bool = False
    patch: int = 0

    @property
    def is_vit(self) -> bool:
        return self.family == "vit"

    @property
    def is_yolo(self) -> bool:
        return self.family == "yolov5"

    @property
    def has_queries(self) -> bool:
        """Whether the network answers a fixed number of questions, each about one object, in a square image."""
        return self.family in ("rtdetrv2", "mask2former")


def _entries() -> list[ModelEntry]:
    resnets = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
    return [
        ModelEntry("mobilenetv2", "mobilenetv2", CLASSIFIES, 19),
        *(ModelEntry(name, "resnet", CLASSIFIES, 5) for name in resnets),
        ModelEntry("resnest50", "resnest", CLASSIFIES, 5),
        ModelEntry("resnest101", "resnest", CLASSIFIES, 5),
        ModelEntry("seresnext", "seresnext", CLASSIFIES, 5),
        ModelEntry("vits16r224", "vit", CLASSIFIES, 13, patch=16),
        ModelEntry("vitb16r224", "vit", CLASSIFIES, 13, patch=16),
        ModelEntry("vitl16r224", "vit", CLASSIFIES, 25, patch=16),
        ModelEntry("dinov2_vits14", "vit", CLASSIFIES, 13, beyond_parity=True, patch=14),
        ModelEntry("dinov2_vitb14", "vit", CLASSIFIES, 13, beyond_parity=True, patch=14),
        ModelEntry("yolov5", "yolov5", (DETECTION,), 10),
        *(ModelEntry(f"fasterrcnn_{name}_fpn", "fasterrcnn", (DETECTION,), 5) for name in resnets),
        ModelEntry("retinanet_resnet50_fpn", "retinanet", (DETECTION,), 5),
        *(ModelEntry(f"maskrcnn_{name}_fpn", "maskrcnn", (SEGMENTATION,), 5) for name in resnets),
        *(ModelEntry(f"rtdetrv2_{size}", "rtdetrv2", (DETECTION,), 5, beyond_parity=True) for size in ("r18", "r50")),
        ModelEntry("mask2former_swin_t", "mask2former", (SEGMENTATION,), 5, beyond_parity=True),
    ]


MODELS: Final = {entry.name: entry for entry in _entries()}


def canonical(task: str) -> str:
    """The task's name as it is stored, from any spelling of B.1; UsageError names those that are known."""
    name = task.strip().lower().replace("_", "-")
    name = _ALIASES.get(name, name)
    if name not in TASKS:
        known = ", ".join(TASKS)
        raise UsageError(f"There is no task {task!r}.", f"Known are {known}.")
    return name


def models_for(task: str) -> list[ModelEntry]:
    return [entry for entry in MODELS.values() if task in entry.tasks]


def model_entry(task: str, name: str | None) -> ModelEntry:
    """The model of this name, the task's default where none is given; UsageError where the task has no such model."""
    name = name or DEFAULT_MODELS[task]
    entry = MODELS.get(name)
    if entry is None or task not in entry.tasks:
        known = ", ".join(each.name for each in models_for(task))
        raise UsageError(f"The task {task} has no model {name!r}.", f"Choose one of: {known}.")
    return entry


def primary_metric(task: str) -> str:
    return PRIMARY_METRICS[task]
