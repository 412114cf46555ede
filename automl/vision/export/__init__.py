"""Trained networks as ONNX graphs that `automl.vision.runtime` runs without torch."""

from __future__ import annotations

from .export import Exported, export
from .int8 import Quantized, export_int8

__all__ = ["Exported", "Quantized", "export", "export_int8"]
