"""Which engine computes exported graphs, and with what numbers. No engine is imported here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from automl.vision.errors import UsageError

AUTO: Final = "auto"
ONNX_RUNTIME: Final = "onnxruntime"
OPENVINO: Final = "openvino"
"""Engines are called as their packages are."""
ENGINES: Final = (AUTO, ONNX_RUNTIME, OPENVINO)
FP32: Final = "fp32"
BF16: Final = "bf16"
INT8: Final = "int8"
"""Of a graph that was exported so (export/int8.py); engines cannot be asked for it."""
PRECISIONS: Final = (FP32, BF16, AUTO)
VARIABLES: Final = {"engine": "TESSERA_SERVE_ENGINE", "precision": "TESSERA_SERVE_PRECISION"}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which engine computes, and with what numbers.

    `engine` auto: OpenVINO where it is installed and opens the graph, else ONNX Runtime. `precision` fp32 gives torch's
    numbers (within the bounds of `export`); bf16 is faster on processors with instructions for it, and nearly always
    the same answer; auto is what the engine finds fastest. `at_once` runs may be under way at the same time, each with
    threads of its own. UsageError for other values.
    """

    engine: str = AUTO
    precision: str = FP32
    at_once: int = 1

    def __post_init__(self) -> None:
        for name, value, allowed in (("engine", self.engine, ENGINES), ("precision", self.precision, PRECISIONS)):
            if value not in allowed:
                raise UsageError(f"The {name} cannot be {value!r}.", f"Allowed: {', '.join(allowed)}.")
        if (self.engine, self.precision) == (ONNX_RUNTIME, BF16):
            raise UsageError("ONNX Runtime computes these graphs in fp32 alone.", "Choose openvino for bf16.")

    @classmethod
    def of(
        cls,
        engine: str | None = None,
        precision: str | None = None,
        *,
        at_once: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> Choice:
        """What is given, else what TESSERA_SERVE_ENGINE and TESSERA_SERVE_PRECISION say, else auto and fp32."""
        given = os.environ if environment is None else environment
        said = {name: given.get(variable, "").strip() for name, variable in VARIABLES.items()}
        return cls(engine or said["engine"] or AUTO, precision or said["precision"] or FP32, at_once)
