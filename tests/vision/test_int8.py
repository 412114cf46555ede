"""Classification in integers of 8 bits: what stays the same, what is refused, and where the result can go."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from automl.vision import cli
from automl.vision.errors import DataError, UsageError
from automl.vision.export import export_int8, int8
from automl.vision.export.export import ExportError
from automl.vision.models.base import VisionModel
from automl.vision.packaging import package
from automl.vision.runtime import Prepared, Runner
from automl.vision.runtime.graphs import FACTS, Graph
from automl.vision.serving.served import open_model
from automl.vision.spec import tasks
from tests.vision import trained
from tests.vision.exporting import CLASSES, coloured, make, teach


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seventy images, the first of which cannot be read."""
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(70):
        Image.fromarray(coloured(90, 70, seed)).save(folder / f"{seed:02}.png")
    (folder / "00.png").write_bytes(b"nothing")
    return folder


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.folder(tmp_path_factory.mktemp("training"), taught=True)


@pytest.fixture(scope="module")
def taught() -> tuple[VisionModel, dict[str, Any]]:
    """A network that knows its classes, and its settings."""
    model, settings = make("resnet18")
    teach(model)
    return model, settings


@pytest.fixture(scope="module")
def written(training: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """What the command made: the folder, its last line, and what it said on the way."""
    folder, printed, told = tmp_path_factory.mktemp("int8") / "pets", io.StringIO(), io.StringIO()
    command = ["export", "--model", str(training), "--output", str(folder), "--precision", "int8", "--json"]
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(told):
        assert cli.main([*command, "--images", str(photos)]) == 0
    return folder, json.loads(printed.getvalue().splitlines()[-1]), told.getvalue()


@pytest.fixture
def integers(written: tuple[Path, dict[str, Any], str]) -> Path:
    return written[0]


def test_the_graph_multiplies_integers(integers: Path, training: Path) -> None:
    exact = training / "train_artifacts" / "model.onnx"
    graph = onnx.load(integers / "model.onnx").graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("QuantizeLinear") > kinds.count("Conv") >= 20
    assert sum(each.data_type == TensorProto.INT8 for each in graph.initializer) >= 20
    assert (integers / "model.onnx").stat().st_size < 0.3 * exact.stat().st_size
    assert {path.name for path in integers.iterdir()} == {"model.onnx", "labels.json", "settings.json"}


def test_its_answers_are_nearly_always_those_of_fp32(integers: Path, training: Path) -> None:
    """For images that it was not shown, in batches and alone, on the engine that `serve` takes."""
    runners = [Runner.open(training / "train_artifacts"), open_model(integers).runner]
    images = [Prepared(coloured(64, 64, seed), 64, 64) for seed in range(100, 160)]
    exact, rough = (np.stack([one.arrays["probs"] for one in runner.predict(images)]) for runner in runners)
    assert (exact.argmax(axis=1) == np.arange(100, 160) % 3).mean() > 0.9
    assert (exact.argmax(axis=1) == rough.argmax(axis=1)).mean() >= 0.95
    assert 0 < np.abs(exact - rough).max() < 0.15


def test_it_says_what_changed(written: tuple[Path, dict[str, Any], str]) -> None:
    folder, said, told = written
    assert (said["precision"], said["calibrated_on"], said["answers_checked"], said["left_out"]) == ("int8", 35, 34, 1)
    assert 0.95 <= said["same_answers"] <= 1
    assert "00.png" in told
    facts = Graph(folder / "model.onnx").facts
    assert (facts["precision"], facts["answers_checked"]) == ("int8", 34)
    assert facts["same_answers"] == pytest.approx(said["same_answers"], abs=1e-4)


def test_a_bundle_is_made_of_it(integers: Path, training: Path, tmp_path: Path) -> None:
    made = package(training, tmp_path / "pets", exported=integers)
    shipped = made.folder / "artifacts" / "model.onnx"
    assert shipped.read_bytes() == (integers / "model.onnx").read_bytes()
    card = (made.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| numbers | int8: " in card
    plain = package(training, tmp_path / "plain", archive=False)
    assert "| numbers |" not in (plain.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    strange = shutil.copytree(integers, tmp_path / "strange")
    graph = onnx.load(strange / "model.onnx")
    [said] = [entry for entry in graph.metadata_props if entry.key == FACTS]
    said.value = json.dumps({**json.loads(said.value), "weights": "of another training"})
    onnx.save(graph, strange / "model.onnx")
    with pytest.raises(DataError, match="strange was not exported from"):
        package(training, tmp_path / "mixed", exported=strange)
    assert not (tmp_path / "mixed").exists()


@pytest.mark.long
def test_with_several_labels_each_is_an_answer(photos: Path, tmp_path: Path) -> None:
    model, settings = make("resnet18", task=tasks.MULTILABEL)
    teach(model)
    made = export_int8(model, CLASSES, settings, tmp_path / "out", sorted(photos.iterdir()))
    assert made.checked == 34 * len(CLASSES)
    assert made.same >= 0.95


def test_answers_that_change_are_refused(
    taught: tuple[VisionModel, dict[str, Any]], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The integers of a network that was shown grey fog alone, which then sees photos."""
    real = int8.quantize

    def in_fog(source: Path, target: Path, batches: Iterable[Any]) -> None:
        real(source, target, [np.full_like(batch, 0.45) for batch in batches])

    monkeypatch.setattr(int8, "quantize", in_fog)
    (tmp_path / "out").mkdir()
    with pytest.raises(ExportError, match=r"in int8 gives .*% of 34 answers as in fp32; 95% is the least. Nothing"):
        export_int8(taught[0], CLASSES, taught[1], tmp_path / "out", sorted(photos.iterdir()))
    assert not any((tmp_path / "out").iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_cannot_be_done_is_said(
    taught: tuple[VisionModel, dict[str, Any]],
    training: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    finder, settings = make("yolov5")
    with pytest.raises(UsageError, match="int8 is for classification, and yolov5 is for image-object-detection"):
        export_int8(finder, CLASSES, settings, tmp_path / "out", sorted(photos.iterdir()))
    with pytest.raises(UsageError, match="at least 32 images .* 31 can be read"):
        export_int8(taught[0], CLASSES, taught[1], tmp_path / "out", sorted(photos.iterdir())[:31])
    asked = ["export", "--model", str(training), "--precision", "int8"]
    for more, sentence in [
        ([], "--precision int8 needs --output and --images."),
        (["--output", str(tmp_path / "b")], "--precision int8 needs --output and --images."),
        (["--output", str(tmp_path / "b"), "--images", str(photos), "--batch-size", "2"], "Leave --batch-size out."),
    ]:
        assert cli.main([*asked, *more]) != 0
        assert sentence in capsys.readouterr().err
    assert cli.main(["export", "--model", str(training), "--images", str(photos)]) != 0
    assert "--images are for --precision int8." in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("count", "most"), [(10, 20), (20, 20), (39, 20), (1000, 128)])
def test_images_are_taken_from_the_first_to_the_last(count: int, most: int) -> None:
    taken = int8._spread(range(count), most)
    assert (len(taken), taken[0], taken[-1]) == (min(count, most), 0, count - 1)
    assert max(np.diff(taken)) - min(np.diff(taken)) <= 1


def test_beside_attention_only_layers_with_weights_become_integers(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights = {"scale": np.ones(8), "shift": np.zeros(8), "weight": random.normal(size=(8, 8))}
    nodes = [
        helper.make_node("LayerNormalization", ["input1", "scale", "shift"], ["a"], name="norm"),
        helper.make_node("MatMul", ["a", "weight"], ["b"], name="layer"),
        helper.make_node("Softmax", ["b"], ["c"], name="softmax"),
        helper.make_node("MatMul", ["c", "b"], ["output1"], name="attention"),
    ]
    shape: dict[str, Any] = {"elem_type": TensorProto.FLOAT, "shape": (1, 8, 8)}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input1", **shape)],
        [helper.make_tensor_value_info("output1", **shape)],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "a.onnx")
    batches = [random.normal(size=(1, 8, 8)).astype(np.float32) for _ in range(4)]
    int8.quantize(tmp_path / "a.onnx", tmp_path / "b.onnx", batches)
    made = {node.name: node for node in onnx.load(tmp_path / "b.onnx").graph.node}
    source = {output: node.op_type for node in made.values() for output in node.output}
    assert [source[name] for name in made["layer"].input] == ["DequantizeLinear"] * 2
    assert source[made["softmax"].input[0]] == "MatMul", "what a layer gives stays as fine as it is"
    assert source[made["attention"].input[0]] == "Softmax"
