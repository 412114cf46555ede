"""A bundle on its own: an environment with its requirements alone, no torch, no way out, the same predictions."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from automl.vision.models.catalogue import YOLO_SIZES
from automl.vision.packaging import package, requirements
from automl.vision.predict import Predictor
from automl.vision.spec import tasks
from automl.vision.train.restoring import restore
from tests.vision import trained
from tests.vision.test_export import SOURCES, assert_same

CASES = [(name, size) for name in tasks.MODELS for size in (YOLO_SIZES if name == "yolov5" else ("",))]
MOST_INSTALLED = 450_000_000
# Run by every Python of the environment: whoever connects to anything ends.
NO_WAY_OUT = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise RuntimeError(f"{event} {arguments}")

sys.addaudithook(refuse)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with what every bundle asks for."""
    return make_environment(tmp_path_factory.mktemp("environment"), "onnxruntime")


def make_environment(place: Path, engine: str) -> Path:
    (place / "requirements.txt").write_text(requirements.text(requirements.pins(engine=engine)))
    venv.create(place, with_pip=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    subprocess.run([*pip, "-r", str(place / "requirements.txt")], check=True, timeout=550)
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "sitecustomize.py").write_text(NO_WAY_OUT)
    return place


def run(environment: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(environment / "bin" / "python"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"]},
    )


@pytest.mark.long
def test_the_environment_is_small_and_knows_no_torch(environment: Path, record_property: Any) -> None:
    for name in ("torch", "torchvision", "timm", "django", "onnx"):
        assert run(environment, "-c", f"import {name}").returncode != 0, name
    tried = run(environment, "-c", "import socket; socket.socket().connect(('127.0.0.1', 9))")
    assert "RuntimeError: socket.connect" in tried.stderr
    files = (path for path in (environment / "lib").rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(path.stat().st_size for path in files)
    record_property("installed_bytes", size)
    print(f"\ninstalled: {size / 1e6:.0f} MB")
    assert size <= MOST_INSTALLED


@contextmanager
def serving(environment: Path, bundle: Path) -> Iterator[int]:
    """The bundle's server; its port while the block runs. It has to end by itself when asked."""
    process = subprocess.Popen(
        [str(environment / "bin" / "python"), "serve.py", "--port", "0"],
        cwd=bundle,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Serving at http://127.0.0.1:"), line + str(process.stderr and process.stderr.read())
        yield int(line.rpartition(":")[2])
        process.send_signal(signal.SIGTERM)
        _out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def post(port: int, content: bytes) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/score", content, {"Content-Type": "application/octet-stream"})
        reply = connection.getresponse()
        body = reply.read()
        assert reply.status == 200, body
        return dict(json.loads(body))
    finally:
        connection.close()


@pytest.mark.long
@pytest.mark.parametrize(("name", "size"), CASES)
def test_a_bundle_alone_predicts_what_torch_predicts(name: str, size: str, environment: Path, tmp_path: Path) -> None:
    task = tasks.MODELS[name].tasks[0]
    training = trained.folder(tmp_path / "training", task, name, **({"model_size": size} if size else {}))
    made = package(training, tmp_path / "bundle", archive=False)
    assert (made.folder / "requirements.txt").read_text() == (environment / "requirements.txt").read_text()
    network = restore(training, torch.device("cpu"))
    predictor = Predictor(network.model, network.classes, network.settings)
    # One by one: in a batch, torch pads images to the size of the largest.
    wanted = [answer for image in SOURCES for _source, answer in predictor([image])]  # type: ignore[misc]
    with serving(environment, made.folder) as port:
        given = [post(port, image) for image in SOURCES]
    # Large networks of random weights enlarge what float32 rounds, and so do decoders that refine boxes.
    is_rough = size in ("large", "extra_large") or tasks.MODELS[name].has_queries
    count = assert_same(given, wanted, allowed=1e-3 if is_rough else 1e-4)
    assert task in tasks.CLASSIFIES or count > 10, "enough was found to compare"
    shutil.rmtree(tmp_path)  # some are gigabytes
