"""Prediction from exported models needs no torch: the package that is deployed has none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import running

HEAVY = ("torch", "torchvision", "timm", "sklearn", "scipy", "onnx", "yaml", "django", "pydicom", "faster_coco_eval")
LOADS = """
import sys
import {module}
heavy = sorted(name for name in sys.modules if name.partition(".")[0] in {heavy})
assert not heavy, heavy
print("loaded")
"""


@pytest.mark.parametrize(
    "module", ["automl.vision.runtime", "automl.vision.serving.server", "automl.vision.serving.scoring"]
)
def test_what_runs_in_a_bundle_is_imported_without_torch_and_other_weight(module: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADS.format(module=module, heavy=set(HEAVY))],
        cwd=tmp_path,
        env=running.clean_environment(PYTHONPATH=str(running.ROOT)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "loaded" in done.stdout
