"""`package` and `serve` on the command line, and explanations where torch is at hand."""

from __future__ import annotations

import base64
import http.client
import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from automl.vision import cli
from automl.vision.errors import UsageError
from automl.vision.explanations import Explainer
from automl.vision.serving.served import open_model
from automl.vision.spec import tasks
from tests.support import running
from tests.vision import trained
from tests.vision.served import Server, picture

RED = picture()


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.folder(tmp_path_factory.mktemp("training"), onnx=False)


@pytest.fixture(scope="module")
def packaged(training: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packaged by the command, which exports what was not exported yet."""
    place = tmp_path_factory.mktemp("bundles") / "pets"
    command = [
        "package",
        "--model",
        str(training),
        "--output",
        str(place),
        "--name",
        "pets",
        "--version",
        "3",
        "--quiet",
    ]
    assert cli.main(command) == 0
    return place


def test_package_says_what_it_made(
    packaged: Path, training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["package", "--model", str(training), "--output", str(tmp_path / "b"), "--no-zip", "--json", "--quiet"]
    assert cli.main(arguments) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["name"], said["version"], said["archive"]) == ("resnet18", "1", None)
    assert said["bundle_bytes"] > said["overhead_bytes"] > 0
    assert len(said["sha256"]) == 64
    assert (training / "train_artifacts" / "model.onnx").is_file()
    assert packaged.with_name("pets.zip").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["package", "--model", "{}", "--output", "{}/x"], 3, "holds no finished training."),
        (["serve", "--model", "{}/none"], 3, "does not exist."),
        (["serve", "--model", "{}"], 3, "holds no model.onnx."),
        (["serve", "--model", "PETS", "--host", "192.0.2.1"], 2, "no key is set."),
        (["serve", "--model", "PETS", "--engine", "onnxruntime", "--precision", "bf16"], 2, "in fp32 alone."),
        (["serve", "--model", "PETS", "--engine", "tensorrt"], 2, "invalid choice: 'tensorrt'"),
        (["serve", "--model", "PETS", "--host", "203.0.113.1", "--without-keys"], 2, "cannot listen at 203.0.113.1"),
    ],
)
def test_refusals(
    arguments: list[str], code: int, words: str, packaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [one.replace("{}", str(tmp_path)).replace("PETS", str(packaged)) for one in arguments]
    assert cli.main([*given, "--quiet"]) == code
    assert words in capsys.readouterr().err


def test_the_environment_changes_settings_for_all_requests(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_SERVE_VALIDATION_RESIZE_SIZE", "80")
    assert open_model(packaged).runner.settings["validation_resize_size"] == 80
    monkeypatch.setenv("TESSERA_SERVE_BOX_SCORE_THRESHOLD", "0.5")
    with pytest.raises(UsageError, match="box_score_threshold has no meaning for resnet18"):
        open_model(packaged)


def test_a_real_model_answers_the_same_in_every_schema(packaged: Path) -> None:
    model = open_model(packaged)
    with Server(model.runner, name=model.name) as running_server:
        raw = running_server.send("POST", "/score", RED, content_type="image/png").json()
        text = base64.b64encode(RED).decode()
        (listed,) = running_server.post_json("/score", {"input_data": {"data": [text]}}).json()
        given = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [text]}
        inferred = running_server.post_json("/v2/models/pets/infer", {"inputs": [given]}).json()
    outputs = {one["name"]: one["data"] for one in inferred["outputs"]}
    assert raw == {"filename": "image", **listed}
    assert json.loads(outputs["predictions"][0]) == listed
    assert outputs["probs"] == pytest.approx(listed["probs"])


# --- A real process --------------------------------------------------------------------------------------------------


def served(command: list[str], stream: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that says on a stream where it serves; killed when it does not end by itself."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=running.clean_environment(PYTHONPATH=str(running.ROOT), PYTHONDONTWRITEBYTECODE="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in getattr(process, stream):
            if "http://127.0.0.1:" in line:
                yield process, int(line.rpartition(":")[2])
                break
        else:
            pytest.fail(f"It never served: {process.communicate()}")
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ask(port: int, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body or None, {"Content-Type": kind} if kind else {})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def test_serve_py_of_a_bundle_answers_and_ends_when_it_is_asked_to(packaged: Path) -> None:
    command = [sys.executable, "serve.py", "--port", "0"]
    for process, port in served(command, "stdout", packaged):
        assert ask(port, "GET", "/v2/health/ready") == (200, {"ready": True})
        status, said = ask(port, "POST", "/score", RED, "image/png")
        assert (status, said["labels"]) == (200, trained.CLASSES)
        status, said = ask(port, "POST", "/score", b"torn", "image/png")
        assert (status, said["code"]) == (400, "image_unreadable")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.long
@pytest.mark.parametrize("kind", ["zip", "training"])
def test_the_command_serves_with_explanations(kind: str, packaged: Path, tmp_path: Path) -> None:
    """A zip, and a training that was not exported yet."""
    place = packaged.with_name("pets.zip") if kind == "zip" else trained.folder(tmp_path / "out", onnx=False)
    command = [sys.executable, "-m", "automl.vision", "serve", "--model", str(place), "--port", "0", "--json"]
    for process, port in served(command, "stderr", tmp_path):
        asked = {"image_base64": base64.b64encode(RED).decode(), "model_explainability": True}
        asked["xai_parameters"] = {"xai_algorithm": "guided_backprop"}
        body = json.dumps({"input_data": {"columns": ["image"], "data": [json.dumps(asked)]}}).encode()
        status, said = ask(port, "POST", "/score", body, "application/json")
        assert (status, set(said[0])) == (200, {"probs", "labels", "visualizations"})
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        name, version = ("pets", "3") if kind == "zip" else ("resnet18", "1")
        assert json.loads(out.splitlines()[-1]) == {"model": name, "version": version, "images": 1}
    assert not (tmp_path / "out" / "train_artifacts" / "model.onnx").exists()


# --- Explanations ----------------------------------------------------------------------------------------------------


def shown(text: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return image.size


@pytest.mark.parametrize("place", ["training", "packaged"])
def test_an_explanation_holds_what_was_asked_for(place: str, request: pytest.FixtureRequest) -> None:
    explain = Explainer(request.getfixturevalue(place))
    found = explain(RED, {"xai_algorithm": "guided_backprop", "attributions": True})
    assert shown(found["visualizations"]) == (128, 128)  # two by two crops
    assert np.shape(found["attributions"]) == (3, 64, 64)
    found = explain(RED, {"xai_algorithm": "integrated_gradients", "n_steps": 2, "visualizations": False})
    assert found == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"algorithm": "xrai"}, "xai_parameters knows no 'algorithm'."),
        ({"xai_algorithm": "shap"}, "xai_algorithm is one of xrai"),
        ({"n_steps": 1}, "n_steps in xai_parameters is 1. Allowed: 2 to 1000."),
        ({"n_steps": 10**9}, "Allowed: 2 to 1000."),
        ({"n_steps": "50"}, "n_steps in xai_parameters is '50'."),
        ({"xrai_fast": 1}, "xrai_fast in xai_parameters is 1."),
        ({"approximation_method": 5}, "approximation_method is one of riemann_middle"),
        ({"visualizations": "yes"}, "visualizations in xai_parameters is 'yes'."),
        ({"confidence_score_threshold_multilabel": 2}, "Allowed: a number from 0 to 1."),
    ],
)
def test_parameters_that_are_not_known_are_refused(training: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Explainer(training)(RED, given)
    assert words in str(caught.value)


def test_with_several_labels_each_class_from_the_threshold_on_is_explained(tmp_path: Path) -> None:
    place = trained.folder(tmp_path, tasks.MULTILABEL, onnx=False)
    explain = Explainer(place)
    asked = {"xai_algorithm": "guided_backprop", "attributions": True}
    every = explain(RED, {**asked, "confidence_score_threshold_multilabel": 0})
    assert len(every["visualizations"]) == len(every["attributions"]) == len(trained.CLASSES)
    assert explain(RED, {**asked, "confidence_score_threshold_multilabel": 1}) == {
        "visualizations": [],
        "attributions": [],
    }
