"""A first model in seconds: features of the untouched network, computed once, and a linear layer on them."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl.vision.spec import tasks

STRENGTHS: Final = (1.0, 10.0, 100.0, 1000.0)  # of the L2 penalty, to choose from
FOLDS: Final = 3
ITERATIONS: Final = 60


def fit_head(head: nn.Linear, features: Tensor, targets: Tensor, task: str) -> float:
    """Fits `head` to `features` `[N,D]` and `targets` (int64 `[N]` or multi-hot `[N,C]`); returns the L2 strength.

    Logistic regression on standardised features, one softmax or one sigmoid per class. The penalty
    strength / (2N) · |W|² is chosen by the loss of three-fold cross-validation; L-BFGS finds the weights.
    """
    mean, deviation = features.mean(0), features.std(0, correction=0).clamp_min(1e-6)
    inputs = (features - mean) / deviation
    classes = head.out_features
    strength = _best_strength(inputs, targets, classes, task) if len(inputs) >= 2 * FOLDS else STRENGTHS[-1]
    weight, bias = _fit(inputs, targets, classes, task, strength)
    weight = weight / deviation
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias - weight @ mean)
    return strength


def _best_strength(inputs: Tensor, targets: Tensor, classes: int, task: str) -> float:
    fold = torch.arange(len(inputs)) % FOLDS
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    fold = fold[torch.argsort(order)].to(inputs.device)
    losses = []
    for strength in STRENGTHS:
        total = 0.0
        for held in range(FOLDS):
            inside, outside = fold != held, fold == held
            weight, bias = _fit(inputs[inside], targets[inside], classes, task, strength)
            total += float(_loss(inputs[outside] @ weight.T + bias, targets[outside], task)) * int(outside.sum())
        losses.append(total)
    return STRENGTHS[losses.index(min(losses))]


def _fit(inputs: Tensor, targets: Tensor, classes: int, task: str, strength: float) -> tuple[Tensor, Tensor]:
    weight = torch.zeros(classes, inputs.shape[1], device=inputs.device, requires_grad=True)
    bias = torch.zeros(classes, device=inputs.device, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        loss = _loss(inputs @ weight.T + bias, targets, task) + strength / (2 * len(inputs)) * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        solver.step(closure)
    return weight.detach(), bias.detach()


def _loss(logits: Tensor, targets: Tensor, task: str) -> Tensor:
    if task == tasks.MULTILABEL:
        return F.binary_cross_entropy_with_logits(logits, targets.float(), reduction="none").sum(1).mean()
    return F.cross_entropy(logits, targets)
