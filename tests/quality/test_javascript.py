"""The editor's own unit tests, in Node: geometry, hit test, undo and redo, the keymap."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.running import ROOT


def find_node() -> str:
    """Node on PATH, else the one that set-up put beside Python."""
    beside = Path(sys.executable).parent / "node"
    found = shutil.which("node") or (str(beside) if beside.exists() else None)
    assert found, "no Node.js: script/test brings one"
    return found


def test_the_editors_unit_tests_pass() -> None:
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "js").glob("*.test.mjs"))
    assert files
    done = subprocess.run(
        [find_node(), "--test", *files], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
