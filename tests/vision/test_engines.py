"""Which engine computes a graph, and what is said where it cannot be had. Both give torch's answers: test_export.py."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from automl.vision.engines import Choice
from automl.vision.errors import DataError, UsageError
from automl.vision.runtime import sessions
from automl.vision.runtime.graphs import FACTS, FORMAT, Graph
from tests.support import running

ONNX_RUNTIME, OPENVINO = Choice("onnxruntime"), Choice("openvino")


@pytest.fixture(scope="module")
def doubling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph that doubles images, as `export` would have written it."""
    shape = ["batch", 3, 4, 4]
    node = helper.make_node("Add", ["input1", "input1"], ["output1"])
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)] for name in ("input1", "output1")]
    opset = helper.make_opsetid("", 18)
    model = helper.make_model(helper.make_graph([node], "doubling", *ends), opset_imports=[opset], ir_version=10)
    helper.set_model_props(model, {FACTS: json.dumps({"format": FORMAT, "family": "none"})})
    path = tmp_path_factory.mktemp("doubling") / "model.onnx"
    onnx.save(model, path)
    return path


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """As if these were not installed."""
    monkeypatch.setattr(sessions, "find_spec", lambda name: None if name in packages else find_spec(name))


@pytest.mark.parametrize("choice", [ONNX_RUNTIME, OPENVINO])
def test_a_graph_is_the_same_with_either(choice: Choice, doubling: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    graph = Graph(doubling, 1, choice)
    assert f"model.onnx: {choice.engine} computes it in fp32." in caplog.text
    assert (graph.engine, graph.outputs, graph.batch) == (choice.engine, ["output1"], None)
    assert graph.facts["family"] == "none"
    for count in (1, 3):
        images = np.random.default_rng(count).random((count, 3, 4, 4)).astype(np.float32)
        assert np.array_equal(graph.run_images(images)["output1"], images * 2)


def test_many_threads_may_use_one_graph(doubling: Path) -> None:
    graph = Graph(doubling, 1, Choice("openvino", at_once=2))
    images = [np.full((1, 3, 4, 4), at, np.float32) for at in range(200)]
    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(lambda one: graph.run_images(one)["output1"], images))
    assert all(np.array_equal(one, image * 2) for one, image in zip(given, images, strict=True))


def test_auto_takes_openvino_where_it_is_installed(doubling: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Graph(doubling).engine == "openvino"
    without(monkeypatch, "openvino")
    assert Graph(doubling).engine == "onnxruntime"
    without(monkeypatch, "onnxruntime")
    assert Graph(doubling).engine == "openvino"  # as in a bundle that was made for it


@pytest.mark.parametrize(
    ("missing", "choice", "words"),
    [
        (
            ["openvino"],
            OPENVINO,
            "The engine openvino needs the package openvino, which is not installed. .*pip install",
        ),
        (["onnxruntime"], ONNX_RUNTIME, "which is not installed. Install it .pip install onnxruntime"),
        (
            ["openvino"],
            Choice("auto", "bf16"),
            "bf16 needs the package openvino, which is not installed. .*pip install",
        ),
        (["openvino", "onnxruntime"], Choice(), "No engine .* is installed. Install one: pip install onnxruntime."),
    ],
)
def test_an_engine_that_is_not_installed_is_named(
    missing: list[str], choice: Choice, words: str, doubling: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, *missing)
    with pytest.raises(UsageError, match=words):
        Graph(doubling, choice=choice)


def test_what_openvino_cannot_compile_is_onnx_runtimes(
    doubling: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_given: Any) -> Any:
        raise RuntimeError("Unknown operator\n\nSomething")

    monkeypatch.setitem(sessions._SESSIONS, "openvino", refuse)  # type: ignore[arg-type]
    assert Graph(doubling).engine == "onnxruntime"
    assert "model.onnx: openvino cannot compute it, onnxruntime does. (Unknown operator Something)" in caplog.text
    with pytest.raises(DataError, match="no ONNX graph that can be opened: Unknown operator"):
        Graph(doubling, choice=OPENVINO)


@pytest.mark.parametrize("choice", [OPENVINO, ONNX_RUNTIME, Choice()])
def test_what_is_no_graph_gets_a_sentence(choice: Choice, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"hello")
    with pytest.raises(DataError, match="is no ONNX graph that can be opened"):
        Graph(tmp_path / "model.onnx", choice=choice)


def test_the_environment_says_what_no_option_says() -> None:
    said = {"TESSERA_SERVE_ENGINE": "openvino", "TESSERA_SERVE_PRECISION": "bf16"}
    assert Choice.of(environment={}) == Choice("auto", "fp32")
    assert Choice.of(environment=said) == Choice("openvino", "bf16")
    assert Choice.of("onnxruntime", "auto", environment=said) == Choice("onnxruntime", "auto")
    with pytest.raises(UsageError, match="The engine cannot be 'tensorrt'. Allowed: auto, onnxruntime, openvino."):
        Choice.of(environment={"TESSERA_SERVE_ENGINE": "tensorrt"})
    with pytest.raises(UsageError, match="in fp32 alone. Choose openvino for bf16."):
        Choice("onnxruntime", "bf16")


WATCHED = """
import pathlib, sys, threading
seen = []
sys.addaudithook(lambda event, given: seen.append((event, given)) if event.startswith("socket.") else None)
from automl.vision.engines import Choice
from automl.vision.runtime.graphs import Graph
Graph(pathlib.Path(sys.argv[1]), choice=Choice("openvino"))
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join(20)
assert not seen, seen
assert not list(pathlib.Path.home().iterdir())
print("silent")
"""


def test_openvino_tells_nobody_that_it_is_used(doubling: Path, tmp_path: Path) -> None:
    """Its telemetry is on by default: it would write into the home folder and connect."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(doubling)],
        env=running.clean_environment(PYTHONPATH=str(running.ROOT), HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "silent", done.stderr[-3000:]
