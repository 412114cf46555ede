"""Networks of a few hundred weights behind the interface of automl.vision.models, and metrics of a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl.vision.models.base import ClassRows
from automl.vision.spec import tasks


class TinyClassifier(nn.Module):
    """A convolution, a mean, a linear layer. `largest_batch`: above it, training has no memory."""

    def __init__(self, task: str, classes: int, class_counts: list[int] | None, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.task, self.start = task, "cold"
        self.first = nn.Conv2d(3, 8, 5, stride=4)
        self.head = nn.Linear(8, classes)
        self.largest_batch = 10**9
        self.batches: list[int] = []
        self.sizes: list[tuple[int, ...]] = []

    def embed(self, images: Tensor) -> Tensor:
        return F.relu(self.first(images - 0.5)).mean((2, 3))

    def classifier(self) -> nn.Linear:
        return self.head

    def training_step(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        if len(images) > self.largest_batch:
            raise torch.OutOfMemoryError("CUDA out of memory (made up)")
        self.batches.append(len(images))
        self.sizes.append(tuple(images.shape))
        logits = self.head(self.embed(images))
        if self.task == tasks.MULTILABEL:
            return {"loss": F.binary_cross_entropy_with_logits(logits, targets)}
        return {"classification": F.cross_entropy(logits, targets)}

    def predict_step(self, images: Tensor) -> list[dict[str, Tensor]]:
        self.sizes.append(tuple(images.shape))
        return [{"logits": row} for row in self.head(self.embed(images))]

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    def freeze(self, count: int) -> None:
        for parameter in list(self.first.parameters())[: 2 * count]:
            parameter.requires_grad_(False)

    def class_rows(self) -> dict[str, ClassRows]:
        return {"head.weight": ClassRows(), "head.bias": ClassRows()}


class TinyDetector(nn.Module):
    """Says for every image that one box covers it; learns only how sure it is of each class."""

    def __init__(self, task: str, classes: int) -> None:
        super().__init__()
        self.task, self.start = task, "cold"
        self.scores = nn.Parameter(torch.zeros(classes))
        self.seen: list[tuple[int, int]] = []
        self.targets: list[dict[str, Tensor]] = []

    def training_step(self, images: list[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        self.seen += [(image.shape[2], image.shape[1]) for image in images]
        self.targets += targets
        counts = torch.stack([F.one_hot(t["labels"], len(self.scores)).sum(0) for t in targets]).sum(0)
        return {"loss": -(F.log_softmax(self.scores, 0) * counts).sum() / len(images) + 0 * self.scores.sum()}

    def predict_step(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        answers = []
        for image in images:
            height, width = image.shape[1:]
            answer = {
                "boxes": torch.tensor([[0.0, 0.0, width, height]]),
                "scores": torch.tensor([0.9]),
                "labels": self.scores.argmax()[None],
            }
            if self.task == tasks.SEGMENTATION:
                answer["masks"] = torch.ones(1, height, width, dtype=torch.bool)
            answers.append(answer)
        return answers

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.scores]}]


def build(
    name: str,
    *,
    task: str,
    num_classes: int,
    settings: Mapping[str, Any],
    class_counts: list[int] | None = None,
    box_sizes: Any = None,
) -> nn.Module:
    if task in tasks.CLASSIFIES:
        return TinyClassifier(task, num_classes, class_counts, settings)
    return TinyDetector(task, num_classes)


def evaluate(
    task: str, predictions: Any, targets: Any, *, classes: list[str], settings: Mapping[str, Any]
) -> dict[str, Any]:
    if task == tasks.CLASSIFICATION:
        return {"accuracy": float((predictions.argmax(1) == targets).float().mean())}
    if task == tasks.MULTILABEL:
        answers = predictions >= 0.5
        both, any_ = (answers & (targets > 0)).sum().item(), (answers | (targets > 0)).sum().item()
        return {"iou": both / max(1, any_)}
    hits = [bool((p["labels"][:1] == t["labels"]).any()) for p, t in zip(predictions, targets, strict=True)]
    return {"mean_average_precision": sum(hits) / len(hits)}
