"""What a graph says about itself in its metadata, so that the runtime can use it without the network's code."""

from __future__ import annotations

import hashlib
from typing import Any

from automl.vision.models.base import VisionModel
from automl.vision.models.yolov5_network import STRIDES
from automl.vision.runtime.graphs import FORMAT


def of(model: VisionModel, *, normalize: bool) -> dict[str, Any]:
    """Plain values for JSON. `fixed` are the settings that the graph cannot do without, `weights` tells graphs of one
    network from those of another."""
    spec = model.input_spec
    found: dict[str, Any] = {
        "format": FORMAT,
        "task": model.task,
        "model_name": model.name,
        "family": model.family,
        "classes": model.num_classes,
        "normalization": "inside" if normalize else "outside",
        "mean": list(spec.mean),
        "std": list(spec.std),
        "weights": fingerprint(model),
        "fixed": {},
    }
    network: Any = model.network
    if model.family == "yolov5":
        anchors: Any = model.anchors
        found |= {"strides": list(STRIDES), "anchors": anchors.tolist(), "fixed": {"image_size": spec.sizes["image"]}}
    elif model.family == "retinanet":
        found |= {
            "strides": [8, 16, 32, 64, 128],
            "anchors": _cells(network.anchor_generator),
            "candidates": network.topk_candidates,
            "box_weights": list(network.box_coder.weights),
        }
    elif model.family in ("fasterrcnn", "maskrcnn"):
        rpn = network.rpn
        found |= {
            "strides": [4, 8, 16, 32, 64],
            "anchors": _cells(rpn.anchor_generator),
            "box_weights": list(network.roi_heads.box_coder.weights),
            "rpn": {
                "before": rpn._pre_nms_top_n["testing"],
                "after": rpn._post_nms_top_n["testing"],
                "nms_iou": rpn.nms_thresh,
                "score": rpn.score_thresh,
                "smallest": rpn.min_size,
                "box_weights": list(rpn.box_coder.weights),
            },
        }
    elif model.family in ("rtdetrv2", "mask2former"):
        found["fixed"] = {"image_size": spec.sizes["image"]}
    else:
        found["fixed"] = {"validation_crop_size": spec.sizes["validation_crop"]}
    return found


def fingerprint(model: VisionModel) -> str:
    """The same for the same weights."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def _cells(generator: Any) -> list[list[list[float]]]:
    return [cell.tolist() for cell in generator.cell_anchors]
