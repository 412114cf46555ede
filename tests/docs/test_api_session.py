"""What docs/api.md shows is run as it stands there, against a whole site."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from annotations.api.tasks import SubmitSerializer
from annotations.geometry import geometry_from_json
from tests import factories
from tests.support import running

PAGE = running.ROOT / "docs" / "api.md"
SHAPES = {"box", "polygon"}
MAKE_KEY = """
from projects.access import Capability
from projects.models import Role, User, Workspace
from projects.services import accounts, api_keys, workspaces
ann = accounts.make_user(email="ann.docs@example.org", name="Ann", password="violet-umbrella-42")
home = workspaces.found_workspace(owner=ann, name="Docs")
print("KEY", api_keys.create_api_key(actor=ann, workspace=home, name="docs", capabilities=list(Capability))[1])
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def environment(live_site: running.Site) -> dict[str, str]:
    key = re.search(r"KEY (\S+)", live_site.manage("shell", "-c", MAKE_KEY))
    assert key
    return {"TESSERA_URL": live_site.url, "TESSERA_KEY": key[1], "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def test_the_session_labels_and_exports_a_folder(environment: dict[str, str], tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number, (width, height) in enumerate([(60, 40), (40, 60), (50, 50), (30, 90), (80, 20), (64, 64)]):
        (images / f"{number}.png").write_bytes(factories.image_bytes(width, height, colour=(number * 40, 90, 10)))
    (images / "notes.txt").write_text("no image")
    (script,) = blocks("python")
    (tmp_path / "session.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "session.py", "images"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [
        "notes.txt is refused: Files of this kind cannot be labeled.",
        "6 of 6 labeled",
        "labels.json: 6 images, 6 annotations",
    ]
    coco = json.loads((tmp_path / "labels.json").read_text())
    assert sorted(one["name"] for one in coco["categories"]) == ["tall", "wide"]


def test_the_first_calls_work_as_shown(environment: dict[str, str]) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    for block in blocks("bash"):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr + done.stdout
        assert "ann.docs@example.org" in done.stdout
        assert '"Docs"' in done.stdout


def test_the_answers_shown_are_answers_that_the_site_takes() -> None:
    (text,) = blocks("json")
    body = json.loads(text)
    sheet = SubmitSerializer(data=body)
    assert sheet.is_valid(), sheet.errors
    shapes = [
        one[kind] for answer in body["answers"] for one in answer.get("annotations", []) for kind in SHAPES & set(one)
    ]
    assert [type(geometry_from_json(shape)).__name__ for shape in shapes] == ["Box", "Polygon"]
