"""The one error family of the program: a sentence that names the thing, and a way out."""

from __future__ import annotations


class VisionError(Exception):
    """Something a person can put right. `exit_code` is what the program ends with."""

    exit_code = 1

    def __init__(self, sentence: str, way_out: str = "") -> None:
        super().__init__(f"{sentence} {way_out}".strip())
        self.sentence = sentence
        self.way_out = way_out


class UsageError(VisionError):
    """The command, a job file or a hyperparameter is not acceptable."""

    exit_code = 2


class DataError(VisionError):
    """The label file or the images are not acceptable."""

    exit_code = 3


class Stopped(Exception):
    """Raised by a progress callback to end the run within one batch; what was reached so far is kept."""

    exit_code = 130
