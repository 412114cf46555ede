"""Which models there are: names, tasks, sizes, figures. Data only; nothing here imports torch.

Names and defaults: parity.md B.4. `params_millions` is what the published network has (1,000 classes for
classification, 91 for detection and segmentation, 80 for yolov5, RT-DETR and Mask2Former), and tests compare it with
what we build.
"""

from __future__ import annotations

from dataclasses import dataclass

MULTI_CLASS = "image-classification"
MULTI_LABEL = "image-classification-multilabel"
DETECTION = "image-object-detection"
SEGMENTATION = "image-instance-segmentation"
TASKS = (MULTI_CLASS, MULTI_LABEL, DETECTION, SEGMENTATION)
CLASSIFICATION = (MULTI_CLASS, MULTI_LABEL)

DEFAULT_MODELS = {
    MULTI_CLASS: "vitb16r224",
    MULTI_LABEL: "vitb16r224",
    DETECTION: "yolov5",
    SEGMENTATION: "maskrcnn_resnet50_fpn",
}

YOLO_SIZES = ("small", "medium", "large", "extra_large")
_YOLO_ALIASES = {"xlarge": "extra_large"}


@dataclass(frozen=True, slots=True)
class Architecture:
    """One model name. `network` is what timm or torchvision call it, or which of its own sizes it is; `listed` is False
    for names beyond the 24."""

    name: str
    tasks: tuple[str, ...]
    family: str
    network: str
    params_millions: float
    sizes: tuple[tuple[str, int], ...]
    listed: bool = True


_CROP = (("training_crop", 224), ("validation_resize", 256), ("validation_crop", 224))
_RANGE = (("min", 600), ("max", 1333))
_SQUARE = (("image", 640),)

_CLASSIFIERS = (
    ("mobilenetv2", "mobilenetv2", "mobilenet_v2", 3.50),
    ("resnet18", "resnet", "resnet18", 11.69),
    ("resnet34", "resnet", "resnet34", 21.80),
    ("resnet50", "resnet", "resnet50", 25.56),
    ("resnet101", "resnet", "resnet101", 44.55),
    ("resnet152", "resnet", "resnet152", 60.19),
    ("resnest50", "resnest", "resnest50d", 27.48),
    ("resnest101", "resnest", "resnest101e", 48.28),
    ("seresnext", "seresnext", "seresnext50_32x4d", 27.56),
    ("vits16r224", "vit", "vit_small_patch16_224", 22.05),
    ("vitb16r224", "vit", "vit_base_patch16_224", 86.57),
    ("vitl16r224", "vit", "vit_large_patch16_224", 304.33),
)
# Features learned without labels (DINOv2 with registers, Apache-2.0), beyond the 24 names: good for `embed` and for the
# model on frozen features. Parameters without the last layer, as published.
_BEYOND = (
    ("dinov2_vits14", "vit", "vit_small_patch14_reg4_dinov2", 22.06),
    ("dinov2_vitb14", "vit", "vit_base_patch14_reg4_dinov2", 86.58),
)
# Published for four classes, background not counted, because most of these have no published COCO network.
_DETECTORS = (
    ("fasterrcnn_resnet18_fpn", "fasterrcnn", "resnet18", 28.3),
    ("fasterrcnn_resnet34_fpn", "fasterrcnn", "resnet34", 38.4),
    ("fasterrcnn_resnet50_fpn", "fasterrcnn", "resnet50", 41.3),
    ("fasterrcnn_resnet101_fpn", "fasterrcnn", "resnet101", 60.3),
    ("fasterrcnn_resnet152_fpn", "fasterrcnn", "resnet152", 75.9),
    ("retinanet_resnet50_fpn", "retinanet", "resnet50", 32.3),
)
_SEGMENTERS = (
    ("maskrcnn_resnet18_fpn", "maskrcnn", "resnet18", 30.9),
    ("maskrcnn_resnet34_fpn", "maskrcnn", "resnet34", 41.0),
    ("maskrcnn_resnet50_fpn", "maskrcnn", "resnet50", 43.9),
    ("maskrcnn_resnet101_fpn", "maskrcnn", "resnet101", 62.9),
    ("maskrcnn_resnet152_fpn", "maskrcnn", "resnet152", 78.5),
)

# Networks with queries (Apache-2.0, from transformers), beyond the 24 names. Published for 80 classes.
_QUERY_DETECTORS = (
    ("rtdetrv2_r18", "rtdetrv2", "r18", 20.2),
    ("rtdetrv2_r50", "rtdetrv2", "r50", 42.9),
)
_QUERY_SEGMENTERS = (("mask2former_swin_t", "mask2former", "swin_t", 47.4),)

YOLO_PARAMS_MILLIONS = {"small": 7.2, "medium": 21.2, "large": 46.5, "extra_large": 86.7}
"""Published, release 6, 80 classes."""

ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        *(Architecture(n, CLASSIFICATION, family, net, params, _CROP) for n, family, net, params in _CLASSIFIERS),
        *(
            Architecture(n, CLASSIFICATION, family, net, params, _CROP, listed=False)
            for n, family, net, params in _BEYOND
        ),
        Architecture("yolov5", (DETECTION,), "yolov5", "yolov5", YOLO_PARAMS_MILLIONS["medium"], _SQUARE),
        *(Architecture(n, (DETECTION,), family, net, params, _RANGE) for n, family, net, params in _DETECTORS),
        *(Architecture(n, (SEGMENTATION,), family, net, params, _RANGE) for n, family, net, params in _SEGMENTERS),
        *(
            Architecture(n, (DETECTION,), family, net, params, _SQUARE, listed=False)
            for n, family, net, params in _QUERY_DETECTORS
        ),
        *(
            Architecture(n, (SEGMENTATION,), family, net, params, _SQUARE, listed=False)
            for n, family, net, params in _QUERY_SEGMENTERS
        ),
    )
}


def task_of(task: str) -> str:
    """The task under its one name; underscores and the old alias are accepted. Raises ValueError."""
    name = task.strip().lower().replace("_", "-")
    name = {"image-multi-labeling": MULTI_LABEL}.get(name, name)
    if name not in TASKS:
        raise ValueError(f"There is no task {task!r}. Tasks are: {', '.join(TASKS)}.")
    return name


def architecture_of(name: str, task: str) -> Architecture:
    """Raises ValueError that names the models of this task when `name` is not one of them."""
    task = task_of(task)
    found = ARCHITECTURES.get(name.strip().lower())
    if found is None or task not in found.tasks:
        known = ", ".join(sorted(a.name for a in ARCHITECTURES.values() if task in a.tasks))
        raise ValueError(f"There is no model {name!r} for {task}. Models are: {known}.")
    return found


def yolo_size_of(size: str) -> str:
    """`small`, `medium`, `large` or `extra_large`; `xlarge` is accepted. Raises ValueError."""
    name = _YOLO_ALIASES.get(size, size)
    if name not in YOLO_SIZES:
        raise ValueError(f"model_size is one of {', '.join(YOLO_SIZES)}, not {size!r}.")
    return name
