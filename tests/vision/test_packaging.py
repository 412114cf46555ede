"""Bundles: what is in them, that they are the same every time, and that their scripts score."""

from __future__ import annotations

import ast
import base64
import importlib.util
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import kubernetes_validate
import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from automl.vision.errors import DataError, UsageError
from automl.vision.packaging import Packaged, card, deployment, facts, manifest, modules, opened, package, requirements
from automl.vision.packaging.run_artifacts import write_run_artifacts
from automl.vision.predict import Predictor
from automl.vision.serving import scoring
from tests.vision import trained
from tests.vision.served import picture

RED = picture()


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.folder(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def made(training: Path, tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    return package(training, tmp_path_factory.mktemp("bundles") / "pets", name="pets", version="7")


def read(bundle: Packaged, name: str) -> str:
    return (bundle.folder / name).read_text(encoding="utf-8")


# --- What is in it ---------------------------------------------------------------------------------------------------


def test_a_bundle_holds_all_that_is_promised(made: Packaged) -> None:
    names = set(manifest.files_of(made.folder))
    assert {
        *("MLmodel", "python_model.py", "conda.yaml", "python_env.yaml", "requirements.txt", "signature.json"),
        *("score.py", "serve.py", "openapi.json", "Dockerfile", ".dockerignore", "README.md", "MODEL_CARD.md"),
        *(f"artifacts/{one}" for one in ("model.onnx", "model.safetensors", "labels.json", "settings.json")),
        *("artifacts/preprocess.json", "kserve.yaml", "wheelhouse/README.md"),
        *(f"k8s/{one}.yaml" for one in ("deployment", "service", "hpa", "pdb")),
        *("LICENSES/Tessera-Apache-2.0.txt", "LICENSES/packages.md", "LICENSES/weights.md"),
        *("automl/vision/runtime/runner.py", "automl/vision/serving/app.py", "automl/vision/data/images.py"),
    } <= names
    assert json.loads(read(made, "artifacts/labels.json")) == trained.CLASSES
    assert made.overhead_bytes < 5_000_000


def test_nothing_in_a_bundle_is_a_pickle_or_becomes_code(made: Packaged) -> None:
    suffixes = {Path(name).suffix for name in manifest.files_of(made.folder)}
    assert suffixes <= {"", ".py", ".json", ".yaml", ".txt", ".md", ".onnx", ".safetensors"}
    for name in manifest.files_of(made.folder):
        if name.endswith(".onnx"):
            continue
        content = (made.folder / name).read_bytes()
        assert not content.startswith(b"\x80"), name
        if name.endswith(".py"):
            called = {node.id for node in ast.walk(ast.parse(content)) if isinstance(node, ast.Name)}
            assert not called & {"pickle", "eval", "exec", "torch_load"}, name


def test_the_modules_of_a_bundle_import_no_torch_when_they_are_imported(made: Packaged) -> None:
    """Inside functions some name torch: those are of training, and nothing that serves calls them."""
    for name in modules.needed():
        tree = ast.parse(read(made, name))
        at_once = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        origins = {alias.name for node in at_once if isinstance(node, ast.Import) for alias in node.names}
        origins |= {node.module or "" for node in at_once if isinstance(node, ast.ImportFrom)}
        assert not {one.partition(".")[0] for one in origins} & {"torch", "torchvision", "timm", "django"}, name


def test_the_weights_are_those_of_the_training(made: Packaged, training: Path) -> None:
    from automl.vision.train import checkpoints

    state = checkpoints.load(training / "outputs" / "model.pt")
    stored = load_file(made.folder / "artifacts" / "model.safetensors")
    assert set(stored) == set(state)
    assert all(np.array_equal(stored[name], state[name].numpy()) for name in stored)


def test_the_example_in_the_signature_is_what_the_model_says(made: Packaged) -> None:
    told = json.loads(read(made, "signature.json"))
    assert (told["name"], told["version"], told["task"]) == ("pets", "7", "image-classification")
    scorer = scoring.load_model("image-classification", made.folder / "artifacts")
    (said,) = scorer.score_json(json.dumps(told["example"]["request"]))
    (shown,) = told["example"]["response"]
    assert said["labels"] == shown["labels"] == trained.CLASSES
    assert said["probs"] == pytest.approx(shown["probs"], abs=1e-5)


def test_the_model_card_says_what_it_is_worth_and_where_it_comes_from(made: Packaged) -> None:
    text = read(made, "MODEL_CARD.md")
    assert "| **accuracy** | 0.7500 | " in text  # with its interval
    low, _to, high = text.partition("| **accuracy** | 0.7500 | ")[2].split()[:3]
    assert 0 <= float(low) <= 0.75 <= float(high) <= 1
    assert "1" * 64 in text
    assert "2" * 64 in text
    assert manifest.sha256_of(made.folder / "artifacts" / "model.onnx") in text
    assert "cold: the network knew nothing" in text
    assert "red has 3 images." in text
    assert "No weights of others are in it" in read(made, "LICENSES/weights.md")


def test_a_warm_start_names_its_weights_and_their_licence(training: Path) -> None:
    told = facts.gather(training)
    warm = facts.Facts(told.task, told.model_name, told.classes, "imagenet", {**told.run}, told.metrics)
    warm.run["start_weights"] = {"tag": "resnet18.tv_in1k", "licence": "bsd-3-clause"}
    assert "resnet18.tv_in1k under bsd-3-clause (https://" in " ".join(card.weight_chain(warm))
    warm.run["start_weights"] = {}
    assert "under a licence that was not recorded" in " ".join(card.weight_chain(warm))


def test_requirements_are_pinned_and_permissive(made: Packaged) -> None:
    lines = [line for line in read(made, "requirements.txt").splitlines() if not line.startswith("#")]
    names = {line.partition("==")[0] for line in lines}
    assert all("==" in line for line in lines)
    assert {*requirements.DIRECT, "h11", "anyio", "protobuf"} <= names
    assert not names & {"torch", "torchvision", "timm", "django", "scikit-learn", "onnx"}
    constraints = (modules.ROOT / "constraints.txt").read_text().lower().replace("_", "-").splitlines()
    assert set(lines) <= set(constraints)
    licences = read(made, "LICENSES/packages.md")
    assert all(f"| {name} | " in licences for name in names)
    assert "GPL" not in licences
    assert "Without hashes" in read(made, "requirements.txt")
    assert set(requirements.DICOM) <= {pin.name for pin in requirements.pins(dicom=True)}


def test_a_bundle_may_be_for_openvino_instead(made: Packaged, training: Path, tmp_path: Path) -> None:
    one, again = (package(training, tmp_path / at / "pets", name="pets", version="7", engine="openvino") for at in "ab")
    names = {line.partition("==")[0] for line in read(one, "requirements.txt").splitlines()}
    assert "openvino" in names
    assert "onnxruntime" not in names
    assert "openvino==" in read(one, "conda.yaml")
    assert "| openvino | " in read(one, "LICENSES/packages.md")
    assert "GPL" not in read(one, "LICENSES/packages.md")
    assert one.sha256 == again.sha256
    assert read(one, "signature.json") == read(made, "signature.json")
    with pytest.raises(UsageError, match="for the engine 'tensorrt'. Allowed: onnxruntime, openvino."):
        package(training, tmp_path / "c", engine="tensorrt")


def test_a_folder_of_wheels_gives_hashes_or_is_told_what_it_lacks(tmp_path: Path) -> None:
    pins = requirements.pins()
    for pin in pins[1:]:
        stem = f"{pin.name.replace('-', '_')}-{pin.version}-py3-none-any.whl"
        (tmp_path / stem).write_bytes(pin.name.encode())
    (tmp_path / "not a wheel.whl").write_bytes(b"")
    with pytest.raises(DataError, match=f"has no wheel of {pins[0].name}=={pins[0].version}"):
        requirements.text(pins, tmp_path)
    text = requirements.text(pins[1:], tmp_path)
    assert text.count("--hash=sha256:") == len(pins) - 1
    with pytest.raises(UsageError, match="is no folder"):
        requirements.text(pins, tmp_path / "none")


# --- Containers and clusters -----------------------------------------------------------------------------------------


def test_the_manifests_are_of_the_kinds_that_kubernetes_knows(made: Packaged) -> None:
    for name in ("deployment", "service", "hpa", "pdb"):
        kubernetes_validate.validate(yaml.safe_load(read(made, f"k8s/{name}.yaml")), "1.30", strict=True)
    deployed = yaml.safe_load(read(made, "k8s/deployment.yaml"))
    pod = deployed["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["startupProbe"]["httpGet"]["path"] == container["readinessProbe"]["httpGet"]["path"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["terminationGracePeriodSeconds"] > 25 + 5  # what drains, and the pause before it
    budget = yaml.safe_load(read(made, "k8s/pdb.yaml"))
    service = yaml.safe_load(read(made, "k8s/service.yaml"))
    labels = deployed["spec"]["template"]["metadata"]["labels"]
    for selector in (service["spec"]["selector"], budget["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()
    assert yaml.safe_load(read(made, "k8s/hpa.yaml"))["spec"]["scaleTargetRef"]["name"] == deployed["metadata"]["name"]


def test_the_pod_of_kserve_is_a_pod(made: Packaged) -> None:
    told = yaml.safe_load(read(made, "kserve.yaml"))
    assert (told["apiVersion"], told["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    predictor = told["spec"]["predictor"]
    assert [one["name"] for one in predictor["containers"]] == ["kserve-container"]
    pod = {key: value for key, value in predictor.items() if key in ("containers", "volumes")}
    kubernetes_validate.validate(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod}, "1.30", strict=True
    )


def test_the_image_is_slim_and_nobody_is_root_in_it(made: Packaged) -> None:
    text = read(made, "Dockerfile")
    assert "\nFROM python:3." in text
    assert text.count("-slim") == 2
    assert f"\nUSER {deployment.USER}\n" in text
    assert "@" not in text
    assert "artifacts/model.safetensors" in read(made, ".dockerignore")
    assert deployment.resource_name("Übung_2 (final)") == "bung-2-final"
    assert deployment.memory(0) >= 400


# --- The same every time, and whole ----------------------------------------------------------------------------------


def test_the_same_training_gives_the_same_bytes(made: Packaged, training: Path, tmp_path: Path) -> None:
    again = package(training, tmp_path / "pets", name="pets", version="7")
    assert again.archive is not None
    assert made.archive is not None
    assert again.sha256 == made.sha256 == manifest.sha256_of(again.archive)
    assert again.archive.read_bytes() == made.archive.read_bytes()
    with zipfile.ZipFile(again.archive) as archive:
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.testzip() is None


def test_a_folder_or_its_zip_can_be_opened(made: Packaged) -> None:
    assert made.archive is not None
    for place in (made.folder, made.archive):
        with opened(place) as (folder, sentences):
            assert (folder / "artifacts" / "model.onnx").is_file()
            assert sentences == []
    assert not folder.exists()  # of the zip, unpacked while it was needed


@pytest.fixture
def copy(made: Packaged, tmp_path: Path) -> Iterator[Path]:
    def link_or_copy(source: str, target: str) -> None:
        (os.link if source.endswith((".onnx", ".safetensors")) else shutil.copyfile)(source, target)

    yield Path(shutil.copytree(made.folder, tmp_path / "copy", copy_function=link_or_copy))


def test_settings_may_be_changed_and_are_used(copy: Path) -> None:
    path = copy / "artifacts" / "settings.json"
    told = json.loads(path.read_text())
    told["settings"]["validation_batch_size"] = 5
    path.write_text(json.dumps(told))
    with opened(copy) as (folder, sentences):
        assert sentences == ["artifacts/settings.json was changed since the bundle was made; its values are used."]
        assert scoring.load_model("image-classification", folder / "artifacts").runner.batch_size == 5


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("serve.py", lambda path: path.write_text("x"), "something is not as it was made: serve.py"),
        ("artifacts/model.onnx", lambda path: path.unlink(), "lacks artifacts/model.onnx"),
        ("extra.py", lambda path: path.write_text("x"), "holds what does not belong to it: extra.py"),
        (manifest.SUMS, lambda path: path.unlink(), "has no SHA256SUMS"),
    ],
)
def test_a_bundle_that_is_not_as_it_was_made_is_refused(copy: Path, name: str, change: Any, words: str) -> None:
    change(copy / name)
    with pytest.raises(DataError) as caught:
        manifest.check(copy)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["../out.py", "/out.py", "a/../../out.py", "a\\b", "a/x\nb/y"])
def test_a_zip_that_would_write_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    place = tmp_path / "bad.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for one in name.split("\n"):
            archive.writestr(one, "x")
    with pytest.raises(DataError, match="is no bundle"), opened(place):
        pass
    assert not (tmp_path.parent / "out.py").exists()


def test_what_is_no_bundle_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("x")
    with pytest.raises(DataError, match="is no zip that can be opened"), opened(tmp_path / "text.zip"):
        pass
    with pytest.raises(DataError, match="does not exist"), opened(tmp_path / "none"):
        pass


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "a/b"}, "The name 'a/b' cannot stand in an address."),
        ({"version": ""}, "The version '' cannot stand in an address."),
        ({"output": "taken"}, "exists already."),
        ({"training": "nothing"}, "holds no finished training."),
    ],
)
def test_a_bundle_that_cannot_be_made_leaves_nothing(
    training: Path, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "nothing").mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises((DataError, UsageError)) as caught:
        package(
            tmp_path / change["training"] if "training" in change else training,
            tmp_path / change.get("output", "new"),
            name=change.get("name", "pets"),
            version=change.get("version", "1"),
        )
    assert words in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


# --- Its scripts -----------------------------------------------------------------------------------------------------


def script(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def scored(made: Packaged, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setattr(sys, "argv", ["driver", "--batch_size", "2", "--other", "1"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    module = script(made.folder / "score.py", "bundle_score")
    module.init()
    yield module


def expected(training: Path, content: bytes) -> list[float]:
    import torch

    from automl.vision.train.restoring import restore

    model = restore(training, torch.device("cpu"))
    _source, answer = next(iter(Predictor(model.model, model.classes, model.settings)([content])))  # type: ignore[misc]
    return list(answer["probs"])


def test_the_scoring_script_answers_bytes_json_and_files(scored: ModuleType, training: Path, tmp_path: Path) -> None:
    wanted = pytest.approx(expected(training, RED), abs=1e-4)
    single = json.loads(scored.run(RED))
    assert set(single) == {"filename", "probs", "labels"}
    assert single["probs"] == wanted

    class Raw:
        """A request as the old product's raw HTTP scoring hands it over."""

        def get_data(self, cache: bool) -> bytes:
            return RED

    assert json.loads(scored.run(Raw())) == single
    text = json.dumps({"input_data": {"columns": ["image"], "data": [base64.encodebytes(RED).decode()]}})
    assert json.loads(scored.run(text))[0]["probs"] == wanted
    for name in ("a.png", "c.png"):
        (tmp_path / name).write_bytes(RED)
    (tmp_path / "b.png").write_bytes(b"torn")
    paths = [str(tmp_path / name) for name in ("a.png", "b.png", "c.png")]
    records = [json.loads(line) for line in scored.run(paths)]
    assert [one["filename"] for one in records] == paths
    assert "is no image" in records[1]["error"]
    assert records[0]["probs"] == records[2]["probs"] == wanted
    assert scored.scorer.batch_size == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{}", "The body has no 'input_data'."),
        (b"torn", "no image"),
        (json.dumps({"input_data": [{"image_base64": "YQ==", "model_explainability": True}]}), "need torch"),
    ],
)
def test_the_scoring_script_says_what_is_wrong(scored: ModuleType, data: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        scored.run(data)


def test_a_batch_job_that_wants_explanations_is_told_at_its_start(
    made: Packaged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", ["driver", "--model_explainability", "True", "--xai_parameters", "{}"])
    with pytest.raises(UsageError, match="Explanations need torch"):
        script(made.folder / "score.py", "explaining_score").init()


def test_model_settings_are_checked(made: Packaged) -> None:
    with pytest.raises(UsageError, match="is for image-classification, not for image-object-detection"):
        scoring.load_model("image-object-detection", made.folder / "artifacts")
    with pytest.raises(UsageError, match="box_score_threshold has no meaning"):
        scoring.load_model("image-classification", made.folder / "artifacts", box_score_threshold=0.5)
    with pytest.raises(UsageError, match="batch_size cannot be 0"):
        scoring.load_model("image-classification", made.folder / "artifacts", 0)


def test_mlflow_finds_its_loader_and_gets_rows(made: Packaged) -> None:
    told = yaml.safe_load(read(made, "MLmodel"))
    flavor = told["flavors"]["python_function"]
    assert flavor["loader_module"] == "python_model"
    assert (made.folder / flavor["code"] / "python_model.py").is_file()
    assert all((made.folder / name).is_file() for name in flavor["env"].values())
    assert json.loads(told["signature"]["inputs"]) == [{"name": "image", "type": "binary", "required": True}]
    model = script(made.folder / "python_model.py", "bundle_python_model")._load_pyfunc(str(made.folder))
    rows = model.predict({"image": [RED, base64.b64encode(RED).decode()]})
    assert rows[0] == rows[1]
    assert rows[0]["labels"] == trained.CLASSES
    with pytest.raises(DataError, match="row 0 is not base64"):
        model.predict(["!"])


# --- What a training leaves ------------------------------------------------------------------------------------------


def test_a_training_leaves_the_old_products_files(training: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run_artifacts(training)
    write_run_artifacts(training)  # as a resumed run does
    outputs = training / "outputs"
    assert sorted(path.name for path in outputs.iterdir()) == [
        *("conda_env_v_1_0_0.yml", "mlflow-model", "model.pt", "scoring_file_v_1_0_0.py")
    ]
    assert not list(outputs.rglob("*.pkl"))
    environment = yaml.safe_load((outputs / "conda_env_v_1_0_0.yml").read_text())
    assert environment["dependencies"][2]["pip"]
    assert {"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "artifacts"} <= {
        path.name for path in (outputs / "mlflow-model").iterdir()
    }
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", ["driver"])
    module = script(outputs / "scoring_file_v_1_0_0.py", "outputs_score")
    module.init()
    assert json.loads(module.run(RED))["probs"] == pytest.approx(expected(training, RED), abs=1e-4)
    settings = ast.literal_eval(
        next(
            node.value
            for node in ast.walk(ast.parse((outputs / "scoring_file_v_1_0_0.py").read_text()))
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "model_settings"
        )
    )
    assert settings == {"validation_resize_size": 72, "validation_crop_size": 64}


def test_a_model_that_was_not_exported_has_a_script_but_no_mlflow_model(training: Path, tmp_path: Path) -> None:
    shutil.copytree(training / "train_artifacts", tmp_path / "train_artifacts")
    (tmp_path / "train_artifacts" / "model.onnx").unlink()
    write_run_artifacts(tmp_path)
    assert sorted(path.name for path in (tmp_path / "outputs").iterdir()) == [
        *("conda_env_v_1_0_0.yml", "scoring_file_v_1_0_0.py")
    ]
