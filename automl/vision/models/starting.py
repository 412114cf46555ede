"""Putting found weights into a fresh network: names become ours, the parts that depend on classes stay fresh."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import Tensor

from automl.vision.models.base import ConvolutionalDetector, VisionModel, batch_norms
from automl.vision.weights import Found, WeightsError, read

_YOLOX_BLOCKS = {"conv1": "main", "conv2": "side", "conv3": "join", "m": "blocks"}
_YOLOX_NECK = {
    "lateral_conv0": "lateral5",
    "C3_p4": "down4",
    "reduce_conv1": "lateral4",
    "C3_p3": "down3",
    "bu_conv2": "step3",
    "C3_n3": "up4",
    "bu_conv1": "step4",
    "C3_n4": "up5",
}

_RENAMED = (
    (re.compile(r"^(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$"), r"\1.0.\2"),
    (re.compile(r"^(rpn\.head\.conv)\.(weight|bias)$"), r"\1.0.0.\2"),
    (re.compile(r"^(roi_heads\.mask_head)\.mask_fcn1\."), r"\1.0.0."),
    (re.compile(r"^(roi_heads\.mask_head)\.mask_fcn2\."), r"\1.1.0."),
    (re.compile(r"^(roi_heads\.mask_head)\.mask_fcn3\."), r"\1.2.0."),
    (re.compile(r"^(roi_heads\.mask_head)\.mask_fcn4\."), r"\1.3.0."),
)
_BIAS = "relative_position_bias"
_Renamed = tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]
_TRANSFORMERS: dict[str, _Renamed] = {
    "rtdetrv2": (
        (re.compile(r"\.out_proj\."), ".o_proj."),
        (re.compile(r"\.layers\.(\d+)\.(fc\d)\."), r".layers.\1.mlp.\2."),
        (re.compile(r"^model\.encoder\.encoder\.(\d+)\.layers\."), r"model.encoder.aifi.\1.layers."),
        (re.compile(r"^(class_embed|bbox_embed)\."), r"model.decoder.\1."),
    ),
    "mask2former": (  # all of it is Swin
        (re.compile(r"^(model\.pixel_level_module\.encoder)\.(encoder|embeddings)\."), r"\1.swin.\2."),
        (re.compile(r"\.attention\.self\.(query|key|value)\."), lambda found: f".attention.{found[1][0]}_proj."),
        (re.compile(r"\.attention\.self\.relative_position_bias_table$"), f".attention.{_BIAS}.{_BIAS}_table"),
        (re.compile(r"\.attention\.output\.dense\."), ".attention.o_proj."),
        (re.compile(r"\.intermediate\.dense\."), ".mlp.fc1."),
        (re.compile(r"\.output\.dense\."), ".mlp.fc2."),
    ),
}
_DECODER_LAYER = re.compile(r"^model\.decoder\.layers\.(\d+)\.")
_OLD_RETINANET = re.compile(r"^(head\.(?:classification|regression)_head\.conv)\.(\d+)\.(weight|bias)$")


def start_from(model: VisionModel, found: Found) -> None:
    """Loads the weights into `model` and notes on it where they came from. Raises WeightsError when a tensor that
    should be there is not, or has another shape; then the model is as it was."""
    given = read(found.path)
    layout = found.weights.layout
    if layout == "dinov2":
        state = {f"network.{name}": value for name, value in dinov2_trunk(given).items()}
    elif layout == "yolox":
        state = {f"network.{name}": value for name, value in yolox_trunk(given).items()}
    elif layout == "backbone" and model.family == "mask2former":
        body = "network.model.pixel_level_module.encoder."
        state = {f"{body}{name}": value for name, value in transformers_network(given, model.family).items()}
    elif layout == "backbone":
        state = {f"network.backbone.body.{name}": value for name, value in given.items()}
    elif layout == "transformers":
        state = {f"network.{name}": value for name, value in transformers_network(given, model.family).items()}
    else:
        state = {f"network.{_today(name)}": value for name, value in given.items()}
    _load(model, state, found)
    model.start, model.start_tag = found.weights.start, found.weights.tag
    model.start_licence = found.weights.licence
    if isinstance(model, ConvolutionalDetector):
        if found.weights.tag.endswith(".coco_v1"):
            # Trained with norms that add nothing to the variance. Ours add eps, so the variance is given less of it:
            # that way the numbers are the same, and stay so in a checkpoint.
            for norm in batch_norms(model.body()):
                cast(Tensor, norm.running_var).sub_(norm.eps)
        model.fix_batch_norm()


def _load(model: VisionModel, state: Mapping[str, Tensor], found: Found) -> None:
    own = model.state_dict()
    fresh = _stays_fresh(model, found)
    wanted = {name for name in own if not name.startswith(fresh) and not name.endswith("num_batches_tracked")}
    problems = []
    taken = {}
    for name in sorted(wanted):
        given = state.get(name)
        if given is not None and name.endswith("pos_embed") and given.shape != own[name].shape:
            given = _resized_positions(given, own[name])
        if given is None or given.shape != own[name].shape:
            problems.append(f"{name} {'is missing' if given is None else f'has the shape {tuple(given.shape)}'}")
        else:
            taken[name] = given
    if problems:
        raise WeightsError(
            f"{found.path.name} does not fit {model.name}: {problems[0]}"
            + (f", and {len(problems) - 1} more tensors do not fit." if len(problems) > 1 else ".")
        )
    model.load_state_dict(taken, strict=False)


def _today(name: str) -> str:
    """A name of torchvision's published detectors as torchvision calls it since 0.13."""
    for pattern, replacement in _RENAMED:
        name = pattern.sub(replacement, name)
    head = _OLD_RETINANET.match(name)
    return f"{head[1]}.{int(head[2]) // 2}.0.{head[3]}" if head else name


def _stays_fresh(model: VisionModel, found: Found) -> tuple[str, ...]:
    """Prefixes of what the weights do not bring: constants, and everything that counts our classes."""
    always = ("normalize.", "anchors", *model.class_rows())
    if found.weights.layout == "backbone" and model.family == "mask2former":
        pixels = "network.model.pixel_level_module."
        return (
            *always,
            f"{pixels}decoder.",
            f"{pixels}encoder.hidden_states_norms.",
            "network.model.transformer_module.",
        )
    if found.weights.layout == "backbone":
        return (*always, "network.backbone.fpn.", "network.rpn.", "network.roi_heads.", "network.head.")
    return always


def _resized_positions(given: Tensor, own: Tensor) -> Tensor:
    """Position embeddings for another number of patches, interpolated (Dosovitskiy et al. 2021, section 3.2). What is
    more than a square number of rows belongs to the class token."""
    from timm.layers import resample_abs_pos_embed  # type: ignore[attr-defined]

    side = math.isqrt(own.shape[1])
    return resample_abs_pos_embed(given, new_size=[side, side], num_prefix_tokens=own.shape[1] - side**2)


def dinov2_trunk(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a published DINOv2 network with registers under timm's names. There the class token has a position of
    its own, which is added to it here; the token of masked patches has no use outside of its training."""
    trunk = {name: value for name, value in state.items() if name not in {"mask_token", "register_tokens"}}
    if "register_tokens" not in state:
        raise WeightsError("These weights have no registers: they are of DINOv2 without them, or of something else.")
    trunk["reg_token"] = state["register_tokens"]
    trunk["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
    trunk["pos_embed"] = state["pos_embed"][:, 1:]
    return trunk


def transformers_network(state: Mapping[str, Tensor], family: str) -> dict[str, Tensor]:
    """Tensors of RT-DETRv2, Mask2Former or Swin as published, under the names that transformers gives them since
    version 5. Heads of the decoder's layers may stand beside the decoder; where a file was written with heads that all
    layers share, it holds those of the first alone."""
    named = {}
    for name, value in state.items():
        for pattern, replacement in _TRANSFORMERS.get(family, ()):
            name = pattern.sub(replacement, name)
        named[name] = value
    layers = {int(found[1]) for found in map(_DECODER_LAYER.match, named) if found}
    for name, value in list(named.items()):
        for layer in layers if ".decoder.bbox_embed.0." in name else ():
            named.setdefault(name.replace(".bbox_embed.0.", f".bbox_embed.{layer}."), value)
    return named


def yolox_trunk(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Backbone and neck of a YOLOX network under the names of `Yolov5Network` (plan 5). The head is left out.

    YOLOX cuts the image into four half-size ones (top left, bottom left, top right, bottom right) before a 3×3 stem;
    here that is one 6×6 kernel of stride 2. It sees BGR; the stem's channels are turned round for RGB.
    """
    trunk = {}
    for name, value in state.items():
        parts = name.split(".")
        if parts[:2] == ["backbone", "backbone"]:
            target = _yolox_backbone(parts[2:])
        elif parts[0] == "backbone" and parts[1] in _YOLOX_NECK:
            target = [_YOLOX_NECK[parts[1]], *_yolox_block(parts[2:])]
        else:
            continue
        trunk[".".join(target)] = value
    stem = trunk.get("model.0.conv.weight")
    if stem is None:
        raise WeightsError("These weights have no YOLOX stem.")
    trunk["model.0.conv.weight"] = unfold_focus(stem).flip(1)
    return trunk


def unfold_focus(weight: Tensor) -> Tensor:
    """A kernel (O, 12, 3, 3) over four half-size images as a kernel (O, 3, 6, 6) of stride 2 over the whole image."""
    whole = weight.new_zeros((weight.shape[0], 3, 6, 6))
    for block, (down, right) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        whole[:, :, down::2, right::2] = weight[:, 3 * block : 3 * block + 3]
    return whole


def _yolox_backbone(parts: list[str]) -> list[str]:
    if parts[0] == "stem":
        return ["model", "0", *parts[2:]]
    stage = int(parts[0].removeprefix("dark"))  # dark2 is layers 1 and 2, and so on; dark5 has a third
    layer = 2 * stage - 3 + int(parts[1])
    if stage == 5 and parts[1] == "1":
        return ["model", str(layer), {"conv1": "reduce", "conv2": "join"}[parts[2]], *parts[3:]]
    return ["model", str(layer), *_yolox_block(parts[2:])]


def _yolox_block(parts: list[str]) -> list[str]:
    """Names inside a CSP block; a plain convolution's (conv, bn) stay."""
    if parts[0] not in _YOLOX_BLOCKS:
        return parts
    if parts[0] == "m":
        return ["blocks", parts[1], {"conv1": "reduce", "conv2": "conv"}[parts[2]], *parts[3:]]
    return [_YOLOX_BLOCKS[parts[0]], *parts[1:]]


def plan_of(state: Mapping[str, Tensor]) -> int:
    """Whether a yolov5 state_dict is of release plan 5 or 6: where its spatial pyramid stands."""
    return 5 if "network.model.8.reduce.conv.weight" in state else 6


def scale_of(state: Mapping[str, Tensor]) -> float:
    """What a yolov5 network multiplies pixels of 0..1 with."""
    std = state.get("normalize.std")
    return 1.0 if std is None else round(1.0 / float(torch.as_tensor(std).flatten()[0]), 3)
