"""Which pixels a classification rests on: four algorithms (parity.md B.15.4), of our own, in plain torch and numpy.

- `integrated_gradients` (Sundararajan et al. 2017): gradients along the way from a black image, times the pixels.
- `guided_backprop` (Springenberg et al. 2015): the gradient, with only positive signals let through at each ReLU. In
  networks whose activations are of another kind (ViT), those take the ReLU's place.
- `guided_gradcam` (Selvaraju et al. 2017): guided backprop times the class activation map of the last features.
- `xrai` (Kapishnikov et al. 2019): integrated gradients from black and from white, summed over the segments of the
  image; regions are taken in order of the attribution that they add per pixel.

All see the same square crop as the network. Attributions are (3, H, W) float32, signed; maps are (H, W), 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from automl.vision.explain_segments import segments
from automl.vision.models.classifiers import Classifier

ALGORITHMS = ("xrai", "integrated_gradients", "guided_gradcam", "guided_backprop")
APPROXIMATIONS = ("riemann_middle", "gausslegendre")
_STEPS_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """`xai_parameters` with their defaults. Raises ValueError for what is not known or out of range."""

    xai_algorithm: str = "xrai"
    n_steps: int = 50
    xrai_fast: bool = True
    approximation_method: str = "riemann_middle"

    def __post_init__(self) -> None:
        if self.xai_algorithm not in ALGORITHMS:
            raise ValueError(f"xai_algorithm is one of {', '.join(ALGORITHMS)}, not {self.xai_algorithm!r}.")
        if self.approximation_method not in APPROXIMATIONS:
            raise ValueError(f"approximation_method is one of {', '.join(APPROXIMATIONS)}.")
        if self.n_steps < 2:
            raise ValueError(f"n_steps is at least 2, not {self.n_steps}.")


def attribute(
    model: Classifier, image: Tensor, label: int, settings: Settings | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(attributions (3, H, W), map (H, W)) of a class for one image (3, H, W) of 0..1; the model has to be in
    evaluation mode and is as before afterwards."""
    chosen = settings or Settings()
    image = image.to(model.device)
    if chosen.xai_algorithm == "guided_backprop":
        pixels = guided_backprop(model, image, label)
    elif chosen.xai_algorithm == "guided_gradcam":
        pixels = guided_backprop(model, image, label) * class_activation(model, image, label)[None]
    elif chosen.xai_algorithm == "integrated_gradients":
        pixels = integrated_gradients(model, image, label, torch.zeros_like(image), chosen)
    else:
        baselines = (torch.zeros_like(image), torch.ones_like(image))
        pixels = torch.stack([integrated_gradients(model, image, label, one, chosen) for one in baselines]).mean(dim=0)
        regions = xrai_map(image.cpu().numpy(), pixels.cpu().numpy(), fast=chosen.xrai_fast)
        return pixels.cpu().numpy(), regions
    attributions = pixels.cpu().numpy()
    return attributions, _scaled(np.abs(attributions).sum(axis=0))


def integrated_gradients(model: Classifier, image: Tensor, label: int, baseline: Tensor, settings: Settings) -> Tensor:
    """(image - baseline) times the mean gradient between the two; sums to the difference of the two logits, up to the
    error of `n_steps` steps."""
    places, weights = _quadrature(settings)
    total = torch.zeros_like(image)
    for start in range(0, len(places), _STEPS_AT_ONCE):
        alphas = torch.tensor(places[start : start + _STEPS_AT_ONCE], dtype=image.dtype, device=image.device)
        batch = baseline + alphas.reshape(-1, 1, 1, 1) * (image - baseline)
        gradient = _gradient(model, batch, label)
        shares = torch.tensor(weights[start : start + _STEPS_AT_ONCE], dtype=image.dtype, device=image.device)
        total += (shares.reshape(-1, 1, 1, 1) * gradient).sum(dim=0)
    return (image - baseline) * total


def guided_backprop(model: Classifier, image: Tensor, label: int) -> Tensor:
    """The gradient (3, H, W) of the class's logit with what is negative held back at every activation."""
    with _guided(model):
        return _gradient(model, image[None], label)[0]


def class_activation(model: Classifier, image: Tensor, label: int) -> Tensor:
    """Grad-CAM (H, W), 0 or more: the last feature maps, weighed by their mean gradient, at the image's size."""
    kept: list[Tensor] = []
    hook = _last_features(model).register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    try:
        with torch.enable_grad():
            logit = model(image[None])[0, label]
            (gradient,) = torch.autograd.grad(logit, kept[0])
    finally:
        hook.remove()
    before = getattr(model.network, "num_prefix_tokens", 0)
    features, gradient = (_as_map(value.detach(), before) for value in (kept[0], gradient))
    weighed = (features * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1, keepdim=True).clamp(min=0)
    return F.interpolate(weighed, size=image.shape[-2:], mode="bilinear", align_corners=False)[0, 0]


def xrai_map(image: NDArray[np.floating], attributions: NDArray[np.floating], *, fast: bool) -> NDArray[np.float32]:
    """Map (H, W), 0 to 1, constant in each region: what the region added per pixel when it was taken, scaled.

    Segments of several scales compete; the one whose not yet taken pixels carry most attribution each is taken next.
    `fast` uses one scale, whose segments do not overlap, so that their order is known at once.
    """
    values = attributions.max(axis=0)
    masks = list(segments(image, scales=1 if fast else 3))
    taken = np.zeros(values.shape, np.bool_)
    added = np.zeros(values.shape, np.float64)
    gains = [_gain(values, mask) for mask in masks]
    while masks and not taken.all():
        best = int(np.argmax(gains))
        mask, gain = masks.pop(best) & ~taken, gains.pop(best)
        added[mask] = gain
        taken |= mask
        if not fast:
            gains = [_gain(values, one & ~taken) for one in masks]
    low, high = added.min(), added.max()
    return ((added - low) / (high - low) if high > low else np.zeros_like(added)).astype(np.float32)


def _gain(values: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    return float(values[mask].mean()) if mask.any() else -np.inf


def _gradient(model: Classifier, batch: Tensor, label: int) -> Tensor:
    """Gradient (B, 3, H, W) of each image's logit of the class."""
    with torch.enable_grad():
        batch = batch.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(model(batch)[:, label].sum(), batch)
    return gradient.detach()


def _quadrature(settings: Settings) -> tuple[list[float], list[float]]:
    """Places between 0 and 1 and their weights, which add to 1."""
    if settings.approximation_method == "riemann_middle":
        steps = settings.n_steps
        return [(i + 0.5) / steps for i in range(steps)], [1 / steps] * steps
    places, weights = np.polynomial.legendre.leggauss(settings.n_steps)
    return ((places + 1) / 2).tolist(), (weights / 2).tolist()


class _GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        return gradients[0].clamp(min=0) * (x > 0)


class _GuidedOther(torch.autograd.Function):
    """An activation of another kind, whose own slope is kept and whose negative signals are held back."""

    @staticmethod
    def forward(context: Any, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        context.function = function
        context.save_for_backward(x)
        return function(x)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = context.saved_tensors
        with torch.enable_grad():
            again = x.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(context.function(again).sum(), again)
        return gradients[0].clamp(min=0) * slope, None


class _Guided(nn.Module):
    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.activation, nn.ReLU):
            result: Tensor = _GuidedReLU.apply(x)
        elif isinstance(self.activation, nn.ReLU6):
            result = _GuidedReLU.apply(x).clamp(max=6)
        else:
            result = _GuidedOther.apply(x, self.activation)
        return result


@contextmanager
def _guided(model: nn.Module) -> Iterator[None]:
    """Every activation of the model replaced by its guided form, and put back."""
    kinds = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU)
    places = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, kinds) and not isinstance(parent, _Guided)
    ]
    try:
        for parent, name, child in places:
            setattr(parent, name, _Guided(child))
        yield
    finally:
        for parent, name, child in places:
            setattr(parent, name, child)


def _last_features(model: Classifier) -> nn.Module:
    network: Any = model.network
    if model.family == "mobilenetv2":
        return network.features
    if model.family == "vit":
        return network.blocks[-1].norm1
    return network.layer4


def _as_map(features: Tensor, before: int) -> Tensor:
    """Features (1, C, h, w); tokens (1, before + n, C) of a ViT are laid out as the patches lie."""
    if features.ndim == 4:
        return features
    patches = features[:, before:]
    across = round(patches.shape[1] ** 0.5)
    return patches.transpose(1, 2).reshape(1, -1, across, across)


def _scaled(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """To 0..1, with the strongest percent cut off, because single pixels would hide the rest."""
    top = float(np.quantile(values, 0.99))
    return (values / top).clip(0, 1).astype(np.float32) if top > 0 else np.zeros_like(values, np.float32)
