"""All networks behind one interface. `build` makes one by its name; nothing here goes to the network.

Importing this package does not import torch: names, tasks and sizes (`catalogue`) are for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.vision.models.catalogue import (
    ARCHITECTURES,
    DEFAULT_MODELS,
    TASKS,
    Architecture,
    architecture_of,
    task_of,
    yolo_size_of,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

    from automl.vision.models.base import VisionModel
    from automl.vision.weights import Found, Policy

__all__ = ["ARCHITECTURES", "DEFAULT_MODELS", "TASKS", "architecture_of", "build", "restore", "task_of", "weights_name"]


def build(
    name: str,
    *,
    task: str,
    num_classes: int,
    settings: Mapping[str, Any],
    class_counts: Sequence[int] | None = None,
    box_sizes: ArrayLike | None = None,
    weights: Policy | None = None,
) -> VisionModel:
    """A network in training mode on the CPU, started from the first fitting weights in the weights folder, else cold;
    `start`, `start_tag` and `start_licence` say which. `weights` replaces the policy that the environment gives.

    `settings` are effective hyperparameters under their v2 names; those that are missing or None have the defaults of
    parity.md B.5. `class_counts` are labeled images per class (for `weighted_loss`). `box_sizes` (N, 2) are widths and
    heights of the training boxes as fractions of their image's longer side; yolov5 computes its anchors from them.
    Raises ValueError that names what is wrong and what would be right, WeightsError for a file that does not fit.
    """
    from automl.vision import weights as files

    architecture = architecture_of(name, task)
    found = files.find(weights_name(architecture, settings), weights or files.Policy.from_environment())
    shape = _shape_for(found)
    model = _construct(architecture, task_of(task), num_classes, settings, shape, class_counts, box_sizes)
    if found is not None:
        from automl.vision.models.starting import start_from

        start_from(model, found)
    return model


def restore(
    state: Mapping[str, Tensor], name: str, *, task: str, num_classes: int, settings: Mapping[str, Any]
) -> VisionModel:
    """The network whose state_dict `state` is, in evaluation mode. Raises ValueError when it is of another network."""
    from automl.vision.models import starting

    architecture = architecture_of(name, task)
    shape: dict[str, Any] = {}
    if architecture.family == "yolov5":
        shape = {"plan": starting.plan_of(state), "scale": starting.scale_of(state)}
    elif "normalize.mean" in state:
        shape = {key: tuple(state[f"normalize.{key}"].flatten().tolist()) for key in ("mean", "std")}
    model = _construct(architecture, task_of(task), num_classes, settings, shape)
    try:
        model.load_state_dict(dict(state))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"These weights are not of {name} with {num_classes} classes: {reason}") from error
    model.start = "checkpoint"
    return model.eval()


def weights_name(architecture: Architecture, settings: Mapping[str, Any]) -> str:
    """The name under which weights are listed: yolov5 has one per size."""
    if architecture.family == "yolov5":
        return f"yolov5-{yolo_size_of(str(settings.get('model_size') or 'medium'))}"
    return architecture.name


def _shape_for(found: Found | None) -> dict[str, Any]:
    """What the network has to be like so that the weights fit."""
    if found is None:
        return {}
    if found.weights.layout == "yolox":
        return {"plan": 5, "scale": round(1 / found.weights.std[0], 3)}
    return {"mean": found.weights.mean, "std": found.weights.std}


def _construct(
    architecture: Architecture,
    task: str,
    num_classes: int,
    settings: Mapping[str, Any],
    shape: Mapping[str, Any],
    class_counts: Sequence[int] | None = None,
    box_sizes: ArrayLike | None = None,
) -> VisionModel:
    common = {"task": task, "num_classes": num_classes, "settings": settings, **shape}
    if architecture.family == "yolov5":
        from automl.vision.models.yolov5 import Yolov5

        return Yolov5(architecture, box_sizes=box_sizes, **common)
    if architecture.family in {"fasterrcnn", "retinanet", "maskrcnn"}:
        from automl.vision.models.detectors import TorchvisionDetector

        return TorchvisionDetector(architecture, **common)
    if architecture.family == "rtdetrv2":
        from automl.vision.models.rtdetr import RtDetr

        return RtDetr(architecture, **common)
    if architecture.family == "mask2former":
        from automl.vision.models.mask2former import Mask2Former

        return Mask2Former(architecture, **common)
    from automl.vision.models.classifiers import Classifier

    return Classifier(architecture, class_counts=class_counts, **common)
