"""A bundle made for OpenVINO on its own: no ONNX Runtime, no torch, no way out, the same predictions."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.vision.engines import Choice
from automl.vision.packaging import package
from automl.vision.runtime import Runner
from automl.vision.spec import tasks
from tests.vision import trained
from tests.vision.test_bundle_alone import MOST_INSTALLED, make_environment, post, run, serving
from tests.vision.test_export import SOURCES, assert_same


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("environment"), "openvino")


@pytest.mark.long
def test_the_environment_is_small_and_knows_neither_torch_nor_onnx_runtime(environment: Path) -> None:
    for name in ("torch", "onnxruntime", "onnx"):
        assert run(environment, "-c", f"import {name}").returncode != 0, name
    files = (path for path in (environment / "lib").rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(path.stat().st_size for path in files)
    print(f"\ninstalled: {size / 1e6:.0f} MB")
    assert size <= MOST_INSTALLED


@pytest.mark.long
@pytest.mark.parametrize("name", ["resnet18", "yolov5", "maskrcnn_resnet18_fpn"])
def test_it_predicts_what_onnx_runtime_predicts(name: str, environment: Path, tmp_path: Path) -> None:
    training = trained.folder(tmp_path / "training", tasks.MODELS[name].tasks[0], name)
    made = package(training, tmp_path / "bundle", archive=False, engine="openvino")
    assert (made.folder / "requirements.txt").read_text() == (environment / "requirements.txt").read_text()
    runner = Runner.open(training / "train_artifacts", choice=Choice("onnxruntime"))
    with serving(environment, made.folder) as port:
        given = [post(port, image) for image in SOURCES]
    assert_same(given, [runner.predict([runner.read(image)])[0].said for image in SOURCES])
