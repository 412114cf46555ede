"""In CI a skipped test is a failed one, unless its reason is on the list in tests/conftest.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import running


def run_pytest(tmp_path: Path, reason: str, ci: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "test_skipping.py").write_text(f"import pytest\ndef test_it(): pytest.skip({reason!r})\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-q", "--rootdir", str(tmp_path)]
    return subprocess.run(
        [*command, "-c", str(running.ROOT / "pyproject.toml"), str(tmp_path)],
        cwd=running.ROOT,
        env=running.clean_environment(CI=ci),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("reason", "ci", "code"),
    [
        ("no time today", "true", 1),
        ("no time today", "", 0),
        ("sample data is not here: set TESSERA_TEST_DATA to its folder", "true", 0),
    ],
)
def test_a_skip_fails_only_in_ci_and_only_without_a_known_reason(
    tmp_path: Path, reason: str, ci: str, code: int
) -> None:
    done = run_pytest(tmp_path, reason, ci)
    assert "1 skipped" in done.stdout, done.stdout + done.stderr
    assert done.returncode == code
    assert ("skipped for a reason that CI does not accept" in done.stdout) == (code == 1)
