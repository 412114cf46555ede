"""What a run tells while it goes on, and how fast it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

Stage = Literal["reading", "frozen_features", "training", "validation", "prediction", "features", "export", "done"]
STEPS_BEFORE_FORECAST: Final = 20


@dataclass(frozen=True)
class Progress:
    """One report. Counts are of the stage; `seconds_left` is None until a forecast is possible (20 steps)."""

    stage: Stage
    done: int = 0
    total: int = 0
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    images_per_second: float | None = None
    seconds_left: float | None = None
    message: str = ""


# May raise Stopped, which ends the run within one batch.
Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A report that nobody reads."""


class Meter:
    """Counts steps and images of training; forecasts what is left. The clock can be replaced."""

    def __init__(self, total_steps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total_steps, self.clock = total_steps, clock
        self.steps = self.images = 0
        self.training_seconds = self.other_seconds = 0.0
        self.evaluations = 0
        self._mark = clock()

    def resume(self) -> None:
        """Training goes on from here; time since the last call of `step` is not its."""
        self._mark = self.clock()

    def step(self, images: int) -> None:
        now = self.clock()
        self.training_seconds += now - self._mark
        self._mark = now
        self.steps += 1
        self.images += images

    def evaluated(self, seconds: float) -> None:
        self.other_seconds += seconds
        self.evaluations += 1

    @property
    def images_per_second(self) -> float | None:
        return self.images / self.training_seconds if self.training_seconds > 0 else None

    def seconds_left(self, steps_left: int, evaluations_left: int) -> float | None:
        """Seconds until the last epoch ends, without regard to early stopping; None before 20 steps."""
        if self.steps < STEPS_BEFORE_FORECAST:
            return None
        each = self.other_seconds / self.evaluations if self.evaluations else 0.0
        return steps_left * self.training_seconds / self.steps + evaluations_left * each
