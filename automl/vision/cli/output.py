"""What a command shows: progress on standard error, results on standard output."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, TextIO

from automl.vision.errors import Stopped
from automl.vision.train.progress import Progress

WIDTH = 24
NAMES = {
    "reading": "reading images",
    "frozen_features": "frozen features",
    "training": "epoch",
    "validation": "validating",
    "prediction": "predicting",
    "features": "features",
    "export": "writing ONNX",
}


class Output:
    """A line of progress that is drawn anew on a terminal; elsewhere one line an epoch. `stops` ends the run, and so
    does `deadline`, a time of the monotonic clock."""

    def __init__(self, *, json: bool = False, quiet: bool = False, err: TextIO | None = None) -> None:
        self.json, self.quiet = json, quiet
        self.err = err or sys.stderr
        self.stops = False
        self.deadline: float | None = None
        self._drawn = False
        self._last = 0.0

    def report(self, progress: Progress) -> None:
        """Shows progress. Raises Stopped where somebody asked for the end."""
        if self.stops:
            raise Stopped("Stopped.")
        if self.deadline is not None and time.monotonic() >= self.deadline and progress.stage != "done":
            raise Stopped("The time limit was reached.")
        if self.quiet:
            return
        if progress.message or (progress.stage == "validation" and progress.metrics):
            self.say(progress.message or sentence(progress))
        elif self.err.isatty() and (progress.done == progress.total or time.monotonic() - self._last > 0.1):
            self._last = time.monotonic()
            self.err.write("\r\x1b[2K" + line(progress))
            self.err.flush()
            self._drawn = True

    def say(self, text: str) -> None:
        """A line for people."""
        if self.quiet:
            return
        if self._drawn:
            self.err.write("\r\x1b[2K")
            self._drawn = False
        self.err.write(text + "\n")
        self.err.flush()

    def show(self, text: str) -> None:
        """A result, on standard output, unless a JSON object is asked for."""
        if not self.json:
            sys.stdout.write(text + "\n")

    def fail(self, text: str, way_out: str, code: int) -> None:
        quiet, self.quiet = self.quiet, False
        self.say(f"Error: {text} {way_out}".strip() if code != 130 else f"{text} {way_out}".strip())
        self.quiet = quiet
        if self.json:
            self._print({"error": text, "way_out": way_out.strip(), "exit_code": code})

    def finish(self, result: dict[str, Any]) -> None:
        if self.json:
            self._print(result)

    @staticmethod
    def _print(value: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()


def line(progress: Progress) -> str:
    """One line with a bar."""
    share = progress.done / progress.total if progress.total else 0.0
    bar = "#" * round(share * WIDTH)
    name = NAMES.get(progress.stage, progress.stage)
    if progress.stage == "training":
        name = f"epoch {progress.epoch}/{progress.epochs}"
    parts = [f"{name} [{bar:<{WIDTH}}] {progress.done}/{progress.total}"]
    parts += _figures(progress)
    return "  ".join(parts)


def sentence(progress: Progress) -> str:
    """What an epoch came to."""
    return "  ".join([f"epoch {progress.epoch}/{progress.epochs}", *_figures(progress)])


def _figures(progress: Progress) -> list[str]:
    parts = []
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4f}")
    shown = ("accuracy", "iou", "mean_average_precision", "precision", "recall", "f1_score_macro", "log_loss")
    parts += [f"{name} {progress.metrics[name]:.4f}" for name in shown if name in progress.metrics]
    if progress.images_per_second:
        parts.append(f"{progress.images_per_second:.1f} images/s")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    return parts


def duration(seconds: float) -> str:
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
