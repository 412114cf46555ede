"""The learning rate as a function of the step, and the optimizer it drives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Schedule:
    """`factor(step)` of the learning rate for optimizer steps counted from 0. `steps` are those of an epoch."""

    kind: str
    epochs: int
    steps: int
    warmup_epochs: int = 2
    cycles: float = 0.45
    gamma: float = 0.5
    step_size: int = 5

    @classmethod
    def of(cls, settings: Mapping[str, Any], steps: int) -> Schedule:
        return cls(
            settings["learning_rate_scheduler"],
            settings["number_of_epochs"],
            steps,
            settings["warmup_cosine_lr_warmup_epochs"],
            settings["warmup_cosine_lr_cycles"],
            settings["step_lr_gamma"],
            settings["step_lr_step_size"],
        )

    def factor(self, step: int) -> float:
        """warmup_cosine: rises linearly per step over the warm-up epochs, then 0.5 · (1 + cos(2π · cycles · progress))
        with progress from 0 to 1 (the formula of transformers' cosine schedule). step: gamma ^ (epoch // step_size)."""
        if self.kind == "step":
            return self.gamma ** (step // self.steps // self.step_size)
        warmup = min(self.warmup_epochs, self.epochs) * self.steps
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = (step - warmup) / max(1, self.epochs * self.steps - warmup)
        return 0.5 * (1 + math.cos(2 * math.pi * self.cycles * progress))


def make_optimizer(groups: Iterable[Mapping[str, Any]], settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """sgd, adam or adamw over the model's groups; a group's own `weight_decay` and `lr_scale` are kept."""
    made = [{"lr_scale": 1.0, **group} for group in groups]
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    if settings["optimizer"] == "sgd":
        return torch.optim.SGD(
            made, lr=rate, momentum=settings["momentum"], nesterov=settings["nesterov"], weight_decay=decay
        )
    kind = torch.optim.Adam if settings["optimizer"] == "adam" else torch.optim.AdamW
    betas = (settings["beta1"], settings["beta2"])
    return kind(made, lr=rate, betas=betas, weight_decay=decay, amsgrad=settings["ams_gradient"])


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Gives every group `rate` times its own scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]
