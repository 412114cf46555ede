"""A trained model as a bundle that runs elsewhere without torch: a folder and a zip, the same bytes every time.

Nothing in a bundle is a pickle: weights are safetensors and ONNX, everything else is text.
"""

from __future__ import annotations

from .bundle import Packaged, package
from .opening import opened
from .run_artifacts import write_run_artifacts

__all__ = ["Packaged", "opened", "package", "write_run_artifacts"]
