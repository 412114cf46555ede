"""The engines behind exported graphs: the same answers from each, and which one is taken."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.vision.engines import Choice
from automl.vision.errors import DataError, UsageError
from automl.vision.runtime import Request, Runner, Thresholds, sessions
from automl.vision.runtime.graphs import Graph
from automl.vision.serving.limits import Limits
from automl.vision.serving.served import open_model
from tests.vision.exporting import Made, made, scene
from tests.vision.test_export import SOURCES, assert_same, said_by_runner

ONNX_RUNTIME, OPENVINO = Choice("onnxruntime"), Choice("openvino")
FAMILIES = (
    "resnet18",
    "yolov5",
    *(
        pytest.param(name, marks=pytest.mark.long)
        for name in ("vits16r224", "retinanet_resnet50_fpn", "fasterrcnn_resnet18_fpn", "maskrcnn_resnet18_fpn")
    ),
)
CROPS = {"vits16r224": {"training_crop_size": 224, "validation_crop_size": 224, "validation_resize_size": 256}}

Exports = Callable[[str], Made]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """A model of each name, exported when it is first asked for."""
    kept: dict[str, Made] = {}

    def exported(name: str) -> Made:
        if name not in kept:
            kept[name] = made(name, tmp_path_factory.mktemp(name), **CROPS.get(name, {}))
        return kept[name]

    return exported


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """As if these were not installed."""
    monkeypatch.setattr(sessions, "find_spec", lambda name: None if name in packages else find_spec(name))


# --- The same answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_both_engines_give_the_same_answers(name: str, exports: Exports) -> None:
    folder = exports(name).folder
    one, other = Runner.open(folder, choice=ONNX_RUNTIME), Runner.open(folder, choice=OPENVINO)
    assert (one.engine, other.engine) == ("onnxruntime", "openvino")
    count = assert_same(said_by_runner(other, SOURCES), said_by_runner(one, SOURCES))
    assert count > 10 or "probs" in said_by_runner(one, SOURCES[:1])[0], "enough was found to compare"
    assert_same(said_by_runner(other, SOURCES[:1]), said_by_runner(one, SOURCES[:1]))
    if "probs" not in said_by_runner(one, SOURCES[:1])[0]:
        nothing = Request(Thresholds(box_score=1.0))
        assert said_by_runner(other, SOURCES, nothing) == [{"boxes": []}] * len(SOURCES)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_numbers_of_fp32_are_those_of_torch(name: str, exports: Exports) -> None:
    """As export promises for ONNX Runtime: 1e-4 of the largest."""
    one, graph = exports(name), Graph(exports(name).folder / "model.onnx", choice=OPENVINO)
    side = one.model.input_spec.sizes.get("validation_crop", 128)
    pixels = np.stack([scene(side, side, seed).transpose(2, 0, 1) for seed in range(3)]).astype(np.float32) / 255
    ours, torchs = graph.run_images(pixels), Graph(graph.path, choice=ONNX_RUNTIME).run_images(pixels)
    assert list(ours) == list(torchs)
    for output, values in torchs.items():
        assert ours[output].shape == values.shape
        assert np.abs(ours[output] - values).max() <= 1e-4 * max(1.0, float(np.abs(values).max())), output


def test_bf16_gives_the_same_class_nearly_always(exports: Exports) -> None:
    pixels = np.stack([scene(64, 64, seed).transpose(2, 0, 1) for seed in range(400)]).astype(np.float32) / 255
    path = exports("resnet18").folder / "model.onnx"
    exact = Graph(path, choice=ONNX_RUNTIME).run_images(pixels)["output1"]
    rough = Graph(path, choice=Choice("openvino", "bf16")).run_images(pixels)["output1"]
    assert len(set(exact.argmax(axis=1))) == 3, "all classes are said"
    assert (rough.argmax(axis=1) == exact.argmax(axis=1)).mean() >= 0.995


def test_many_threads_may_use_one_runner(exports: Exports) -> None:
    runner = Runner.open(exports("resnet18").folder, threads=1, choice=Choice("openvino", at_once=2))
    alone = [said_by_runner(runner, [source])[0]["probs"] for source in SOURCES]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda at: said_by_runner(runner, [SOURCES[at % 4]])[0]["probs"], range(32)))
    assert all(np.allclose(probs, alone[at % 4], atol=1e-6) for at, probs in enumerate(together))


# --- Which one -------------------------------------------------------------------------------------------------------


def test_auto_takes_openvino_where_it_is_installed(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = exports("resnet18").folder
    assert Runner.open(folder, choice=Choice()).engine == "openvino"
    without(monkeypatch, "openvino")
    assert Runner.open(folder, choice=Choice()).engine == "onnxruntime"
    without(monkeypatch, "onnxruntime")
    runner = Runner.open(folder, choice=Choice())  # as in a bundle that was made for openvino
    assert runner.engine == "openvino"


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
    missing: list[str], choice: Choice, words: str, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, *missing)
    with pytest.raises(UsageError, match=words):
        Runner.open(exports("resnet18").folder, choice=choice)


def test_what_openvino_cannot_compile_is_onnx_runtimes(
    exports: Exports, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_given: Any) -> Any:
        raise RuntimeError("Unknown operator\n\nSomething")

    monkeypatch.setitem(sessions._SESSIONS, "openvino", refuse)  # type: ignore[arg-type]
    folder = exports("resnet18").folder
    assert Runner.open(folder, choice=Choice()).engine == "onnxruntime"
    assert "model.onnx: openvino cannot compute it, onnxruntime does. (Unknown operator Something)" in caplog.text
    with pytest.raises(DataError, match="no ONNX graph that can be opened: Unknown operator"):
        Runner.open(folder, choice=OPENVINO)


@pytest.mark.parametrize("choice", [OPENVINO, ONNX_RUNTIME, Choice()])
def test_what_is_no_graph_gets_a_sentence(choice: Choice, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"hello")
    with pytest.raises(DataError, match="is no ONNX graph that can be opened"):
        Graph(tmp_path / "model.onnx", choice=choice)


def test_the_environment_says_what_no_option_says(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"TESSERA_SERVE_ENGINE": "openvino", "TESSERA_SERVE_PRECISION": "bf16"}
    assert Choice.of(environment={}) == Choice("auto", "fp32")
    assert Choice.of(environment=said) == Choice("openvino", "bf16")
    assert Choice.of("onnxruntime", "auto", environment=said) == Choice("onnxruntime", "auto")
    folder = exports("resnet18").folder
    monkeypatch.setenv("TESSERA_SERVE_ENGINE", "openvino")
    assert open_model(folder, Limits(cores=1)).runner.engine == "openvino"
    monkeypatch.setenv("TESSERA_SERVE_ENGINE", "tensorrt")
    with pytest.raises(UsageError, match="The engine cannot be 'tensorrt'. Allowed: auto, onnxruntime, openvino."):
        open_model(folder)
    with pytest.raises(UsageError, match="in fp32 alone. Choose openvino for bf16."):
        Choice("onnxruntime", "bf16")
