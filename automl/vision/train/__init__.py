"""Training: one job in, a folder of results out."""

from __future__ import annotations

from .job import TrainJob, TrainResult
from .progress import Progress, Report
from .run import train

__all__ = ["Progress", "Report", "TrainJob", "TrainResult", "train"]
