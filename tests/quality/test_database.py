"""What tests leave in the database for the next one: nothing of theirs, and all that migrations made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import running

FIRST = """
import pytest
from projects.models import Role, User

@pytest.mark.django_db
def test_one():
    assert Role.objects.exists()

@pytest.mark.django_db(transaction=True)
def test_one_that_commits():
    assert Role.objects.exists()
    User.objects.create_user("left@example.org")
"""
SECOND = """
import pytest
from projects.models import Role, User

@pytest.mark.django_db
def test_another():
    assert Role.objects.exists()
    assert not User.objects.exists()
"""


def test_rows_of_migrations_outlive_a_test_that_commits(tmp_path: Path) -> None:
    # File by file, as parallel workers take them, the one that commits comes before one that does not.
    (tmp_path / "test_first.py").write_text(FIRST)
    (tmp_path / "test_second.py").write_text(SECOND)
    command = [sys.executable, "-m", "pytest", "-v", "-p", "tests.conftest", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, "-c", str(running.ROOT / "pyproject.toml"), "-n", "1", "--dist", "loadfile", str(tmp_path)],
        cwd=running.ROOT,
        env=running.clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout
    ran = [line for line in done.stdout.splitlines() if "PASSED" in line]
    assert "test_another" in ran[-1], "the order no longer shows what it should"
