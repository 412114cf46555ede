"""The site starts and answers without torch: only training needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import running

LOADS = """
import sys
sys.path.insert(0, sys.argv[1])
import {module}
from django.urls import get_resolver
get_resolver().url_patterns
heavy = sorted(name for name in sys.modules if name.partition(".")[0] in {{"torch", "torchvision", "timm"}})
assert not heavy, heavy
print("loaded")
"""


@pytest.mark.parametrize("module", ["labeling_site.asgi", "labeling_site.worker"])
def test_web_and_worker_start_without_torch(module: str, tmp_path: Path) -> None:
    """Even where torch is broken: here one is in the way that raises when it is imported."""
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    for name in ("torch", "torchvision", "timm"):
        (fakes / f"{name}.py").write_text("raise RuntimeError('torch was imported')\n")
    home = tmp_path / "home"
    for folder in ("db", "secrets", "run", "media", "static"):
        (home / folder).mkdir(parents=True, mode=0o700)
    done = subprocess.run(
        [sys.executable, "-c", LOADS.format(module=module), str(fakes)],
        cwd=running.ROOT,
        env=running.clean_environment(
            TESSERA_HOME=str(home), DJANGO_SETTINGS_MODULE="labeling_site.settings", PYTHONPATH=str(running.ROOT)
        ),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "loaded" in done.stdout
