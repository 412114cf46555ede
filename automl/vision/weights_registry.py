"""Published weights that our networks can start from: facts only, nothing is fetched here.

`sha256` holds as many leading digits as the publisher states (in the file's name); without any, the file can be put
into the weights folder by hand, but is never fetched. Sources: torchvision 0.28 and timm 1.0 (their own tables of
weights), the releases of YOLOX, and those of RT-DETRv2 and Swin-T for transformers (there named model.safetensors; here
a file is named after its tag). The published weights of Mask2Former are not for commercial use (CC BY-NC 4.0) and not
listed; its backbone starts from ImageNet.
"""

from __future__ import annotations

from dataclasses import dataclass

ALLOWED_LICENCES = frozenset({"apache-2.0", "bsd-3-clause", "mit"})
"""Weights under another licence are used only by somebody's decision."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One file of weights. `fits` are model names (yolov5 with its size, as yolov5-small); `layout` says how its names
    become ours: `whole` (the same network), `backbone` (a classifier for a detector's backbone), `yolox`, `dinov2`,
    `transformers` (as its `save_pretrained` writes them)."""

    tag: str
    fits: tuple[str, ...]
    start: str
    licence: str
    layout: str
    url: str = ""
    sha256: str = ""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


_HALF = (0.5, 0.5, 0.5)
_TORCH = "https://download.pytorch.org/models/"
_TIMM = "https://github.com/huggingface/pytorch-image-models/releases/download/"
_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/"


def _torchvision(tag: str, file: str, *fits: str, start: str = "imagenet", layout: str = "whole") -> Weights:
    digits = file.rpartition("-")[2].partition(".")[0]
    return Weights(tag, fits, start, "bsd-3-clause", layout, _TORCH + file, digits)


def _timm(tag: str, fits: str, file: str = "", half: bool = False) -> Weights:
    url = _TIMM + file if file else ""
    digits = file.rpartition("-")[2].partition(".")[0] if file else ""
    if half:
        return Weights(tag, (fits,), "imagenet", "apache-2.0", "whole", url, digits, _HALF, _HALF)
    return Weights(tag, (fits,), "imagenet", "apache-2.0", "whole", url, digits)


def _backbones() -> list[Weights]:
    files = {
        "resnet18": "resnet18-f37072fd.pth",
        "resnet34": "resnet34-b627a593.pth",
        "resnet50": "resnet50-11ad3fa6.pth",
        "resnet101": "resnet101-cd907fc2.pth",
        "resnet152": "resnet152-f82ba261.pth",
    }
    made = []
    for network, file in files.items():
        fits = [f"fasterrcnn_{network}_fpn", f"maskrcnn_{network}_fpn"]
        fits += ["retinanet_resnet50_fpn"] if network == "resnet50" else []
        version = "tv2_in1k" if network in {"resnet50", "resnet101", "resnet152"} else "tv_in1k"
        made.append(_torchvision(f"{network}.{version}", file, network))
        made.append(_torchvision(f"{network}.{version}", file, *fits, layout="backbone"))
    return made


REGISTRY: tuple[Weights, ...] = (
    _torchvision("mobilenet_v2.tv2_in1k", "mobilenet_v2-7ebf99e0.pth", "mobilenetv2"),
    _timm("resnest50d.in1k", "resnest50"),
    _timm("resnest101e.in1k", "resnest101"),
    _timm("seresnext50_32x4d.racm_in1k", "seresnext", "v0.1-weights/seresnext50_32x4d_racm-a304a460.pth"),
    _timm("vit_small_patch16_224.augreg_in21k_ft_in1k", "vits16r224", half=True),
    _timm("vit_base_patch16_224.augreg2_in21k_ft_in1k", "vitb16r224", half=True),
    _timm("vit_base_patch16_224.augreg_in21k_ft_in1k", "vitb16r224", half=True),
    _timm("vit_large_patch16_224.augreg_in21k_ft_in1k", "vitl16r224", half=True),
    *(
        Weights(tag, (f"dinov2_vit{size}14",), "self-supervised", "apache-2.0", layout)
        for size, long in (("s", "small"), ("b", "base"))
        for tag, layout in (
            (f"dinov2_vit{size}14_reg4_pretrain", "dinov2"),
            (f"vit_{long}_patch14_reg4_dinov2.lvd142m", "whole"),
        )
    ),
    *(
        _torchvision(f"{name}.coco_v1", f"{name}_coco-{digits}.pth", name, start="coco")
        for name, digits in (
            ("fasterrcnn_resnet50_fpn", "258fb6c6"),
            ("retinanet_resnet50_fpn", "eeacb38b"),
            ("maskrcnn_resnet50_fpn", "bf2d0c1e"),
        )
    ),
    *(
        Weights(
            f"rtdetr_v2_{size}vd.coco",
            (f"rtdetrv2_{size}",),
            "coco",
            "apache-2.0",
            "transformers",
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
        )
        for size in ("r18", "r50")
    ),
    Weights("swin-tiny-patch4-window7-224", ("mask2former_swin_t",), "imagenet", "apache-2.0", "backbone"),
    *_backbones(),
    *(
        Weights(
            f"yolox_{letter}.coco",
            (f"yolov5-{size}",),
            "coco",
            "apache-2.0",
            "yolox",
            f"{_YOLOX}yolox_{letter}.pth",
            mean=(0.0, 0.0, 0.0),
            std=(1 / 255, 1 / 255, 1 / 255),
        )
        for letter, size in (("s", "small"), ("m", "medium"), ("l", "large"), ("x", "extra_large"))
    ),
)
"""For each model the first that is at hand is taken."""
