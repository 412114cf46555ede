"""All networks behind one interface. `build` makes one by its name; nothing here goes to the network.

Importing this package does not import torch: names, tasks and sizes (`catalogue`) are for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.vision.models.catalogue import ARCHITECTURES, DEFAULT_MODELS, TASKS, architecture_of, task_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from automl.vision.models.base import VisionModel

__all__ = ["ARCHITECTURES", "DEFAULT_MODELS", "TASKS", "architecture_of", "build", "task_of"]


def build(
    name: str,
    *,
    task: str,
    num_classes: int,
    settings: Mapping[str, Any],
    class_counts: Sequence[int] | None = None,
    box_sizes: ArrayLike | None = None,
) -> VisionModel:
    """A network of random weights in training mode, on the CPU (or the device of a surrounding `torch.device`).

    `settings` are effective hyperparameters under their v2 names; those that are missing have the defaults of
    parity.md B.5. `class_counts` are labeled images per class (for `weighted_loss`). `box_sizes` (N, 2) are widths
    and heights of the training boxes as fractions of their image's longer side; yolov5 computes its anchors from them.
    Raises ValueError that names what is wrong and what would be right.
    """
    task = task_of(task)
    architecture = architecture_of(name, task)
    if architecture.family == "yolov5":
        from automl.vision.models.yolov5 import Yolov5

        return Yolov5(architecture, task=task, num_classes=num_classes, settings=settings, box_sizes=box_sizes)
    if architecture.family in {"fasterrcnn", "retinanet", "maskrcnn"}:
        from automl.vision.models.detectors import TorchvisionDetector

        return TorchvisionDetector(architecture, task=task, num_classes=num_classes, settings=settings)
    from automl.vision.models.classifiers import Classifier

    return Classifier(architecture, task=task, num_classes=num_classes, settings=settings, class_counts=class_counts)
