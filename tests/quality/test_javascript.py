"""The editor's own unit tests, in Node: geometry, hit test, undo and redo, the keymap."""

from __future__ import annotations

import subprocess

from tests.support.running import ROOT, find_node


def test_the_editors_unit_tests_pass() -> None:
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "js").glob("*.test.mjs"))
    assert files
    done = subprocess.run(
        [find_node(), "--test", *files], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
