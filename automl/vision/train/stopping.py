"""Which epoch was the best so far, and whether to go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Tracker:
    """Watches the primary metric, which is better the higher it is. Its state goes into checkpoints."""

    stops: bool
    patience: int
    delay: int
    best: float | None = None
    best_epoch: int | None = None
    evaluations: int = 0
    waiting: int = 0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Tracker:
        return cls(settings["early_stopping"], settings["early_stopping_patience"], settings["early_stopping_delay"])

    def seen(self, value: float | None, epoch: int) -> bool:
        """Takes the value after `epoch` (from 1; 0 is before training); whether it is the best so far.

        The first `delay` evaluations do not count against patience. None, no metric, is always the best. While nothing
        was found (0), the later epoch is the best, having learned more, but it is no improvement.
        """
        better = value is None or self.best is None or value > self.best
        is_best = better or value == self.best == 0
        if is_best:
            self.best, self.best_epoch = value, epoch
        if epoch > 0:
            self.evaluations += 1
            self.waiting = 0 if better or self.evaluations <= self.delay else self.waiting + 1
        return is_best

    @property
    def is_over(self) -> bool:
        return self.stops and self.waiting >= self.patience

    def state(self) -> dict[str, Any]:
        return asdict(self)

    def restore(self, state: Mapping[str, Any]) -> None:
        for name in ("best", "best_epoch", "evaluations", "waiting"):
            setattr(self, name, state[name])
