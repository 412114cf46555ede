"""Trained networks as ONNX graphs that `automl.vision.runtime` runs without torch."""

from __future__ import annotations

from .export import Exported, export

__all__ = ["Exported", "export"]
