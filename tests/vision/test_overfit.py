"""Each family of detectors learns eight real images by heart, from random weights. Minutes on a CPU."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from automl.vision import metrics, models
from automl.vision.metrics.matching import as_array
from automl.vision.models import mask2former

pytestmark = pytest.mark.long

Set = tuple[list[Tensor], list[dict[str, Tensor]], list[str]]


def cards(folder: Path, side: int) -> Set:
    """Eight photos of playing cards, the longer side `side` pixels."""
    files = sorted((folder / "cards-det-mlabel" / "images").rglob("*.xml"))[:8]
    names: list[str] = []
    images, targets = [], []
    for file in files:
        root = ET.parse(file).getroot()  # noqa: S314  our own sample data
        picture = next(path for path in file.parent.glob(f"{file.stem}.*") if path.suffix != ".xml")
        image, scale = shrunk(picture, side)
        boxes, labels = [], []
        for one in root.iter("object"):
            name, box = str(one.findtext("name")), one.find("bndbox")
            assert box is not None
            if name not in names:
                names.append(name)
            boxes.append([float(box.findtext(key) or 0) * scale for key in ("xmin", "ymin", "xmax", "ymax")])
            labels.append(names.index(name))
        images.append(image)
        targets.append({"boxes": torch.tensor(boxes), "labels": torch.tensor(labels)})
    return images, targets, names


def nuclei(folder: Path, side: int) -> Set:
    """The eight microscope images with the largest nuclei, with a mask for each."""
    found = []
    for case in sorted((folder / "nuclei-seg" / "stage1_train").iterdir()):
        masks = [np.asarray(Image.open(path).convert("L")) > 127 for path in sorted((case / "masks").glob("*.png"))]
        if 2 <= len(masks) <= 12:
            share = float(np.median([mask.mean() for mask in masks]))
            found.append((share, case, masks))
    images, targets = [], []
    for _share, case, masks in sorted(found, key=lambda one: -one[0])[:8]:
        image, _scale = shrunk(next((case / "images").glob("*.png")), side)
        height, width = image.shape[1:]
        sized = [np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)) for mask in masks]
        kept = [
            mask for mask in sized if mask.sum() >= 16 and mask.any(axis=0).sum() > 2 and mask.any(axis=1).sum() > 2
        ]
        boxes = []
        for mask in kept:
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        targets.append(
            {
                "boxes": torch.tensor(np.array(boxes, np.float32)),
                "labels": torch.zeros(len(kept), dtype=torch.int64),
                "masks": torch.from_numpy(np.stack(kept).astype(np.uint8)),
            }
        )
        images.append(image)
    return images, targets, ["nucleus"]


def shrunk(path: Path, side: int) -> tuple[Tensor, float]:
    with Image.open(path) as opened:
        scale = side / max(opened.size)
        small = opened.convert("RGB").resize((round(opened.width * scale), round(opened.height * scale)))
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255, scale


CASES: dict[str, dict[str, Any]] = {
    "yolov5": {"side": 256, "steps": 300, "optimizer": "sgd", "rate": 0.01, "batch": 8},
    "fasterrcnn_resnet18_fpn": {"side": 192, "steps": 400, "optimizer": "adamw", "rate": 2e-4, "batch": 4},
    "retinanet_resnet50_fpn": {"side": 192, "steps": 500, "optimizer": "adamw", "rate": 2e-4, "batch": 4},
    "maskrcnn_resnet18_fpn": {"side": 256, "steps": 400, "optimizer": "adamw", "rate": 2e-4, "batch": 4},
    "rtdetrv2_r18": {"side": 192, "steps": 300, "optimizer": "adamw", "rate": 3e-4, "batch": 4},
    "mask2former_swin_t": {"side": 128, "steps": 300, "optimizer": "adamw", "rate": 2e-4, "batch": 4, "longest": 0.1},
}


@pytest.mark.parametrize("name", CASES)
def test_a_family_learns_eight_images_by_heart(name: str, sample_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    segments = name.startswith("mask")
    monkeypatch.setattr(mask2former, "QUERIES", 20)  # twice as many as the images have objects
    images, targets, classes = (nuclei if segments else cards)(sample_data, case["side"])
    task = "image-instance-segmentation" if segments else "image-object-detection"
    torch.manual_seed(0)
    sizes = {"image_size": case["side"], "min_size": case["side"], "max_size": case["side"], "model_size": "small"}
    model = models.build(
        name, task=task, num_classes=len(classes), settings=sizes, box_sizes=relative_sizes(images, targets)
    )
    if name.startswith("mask2former"):  # points of a mask that the losses look at
        model.network.criterion.num_points = 1024
    elif segments:  # a fourth of the regions that masks are learned from, each of which costs as much as a small image
        model.network.roi_heads.fg_bg_sampler.batch_size_per_image = 128
    kind = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[case["optimizer"]]
    more = {"momentum": 0.9, "nesterov": True} if case["optimizer"] == "sgd" else {}
    optimizer = kind(model.param_groups(), lr=case["rate"], **more)
    best = 0.0
    for step in range(case["steps"]):
        for group in optimizer.param_groups:
            group["lr"] = case["rate"] * min(1, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * step / case["steps"]))
        model.train()
        chosen = torch.randperm(len(images))[: case["batch"]]
        losses = model.training_step([images[i] for i in chosen], [targets[i] for i in chosen])
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), case.get("longest", math.inf))
        optimizer.step()
        if step % 50 == 49:
            best = max(best, precision_of(model.eval(), task, images, targets, classes))
            print(f"{name}: step {step + 1}, mAP50 {best:.3f}", flush=True)
            if best >= 0.9:
                return
    assert best >= 0.9


def precision_of(
    model: Any, task: str, images: list[Tensor], targets: list[dict[str, Tensor]], classes: list[str]
) -> float:
    found = [model.predict_step([image])[0] for image in images]
    settings = {"validation_metric_type": "voc"}
    return float(metrics.evaluate(task, found, targets, classes=classes, settings=settings)["mean_average_precision"])


def relative_sizes(images: list[Tensor], targets: list[dict[str, Tensor]]) -> Any:
    rows = [
        (target["boxes"][:, 2:] - target["boxes"][:, :2]) / max(image.shape[1:])
        for image, target in zip(images, targets, strict=True)
    ]
    return as_array(torch.cat(rows), np.float64)
