"""Augmentations: geometry per image on the CPU, colours per batch on the device."""

from __future__ import annotations

from .pipeline import Batch, Pipeline, objects

__all__ = ["Batch", "Pipeline", "objects"]
