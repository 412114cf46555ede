"""Making a bundle from the folder of a training."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.vision.engines import ONNX_RUNTIME, Choice
from automl.vision.errors import DataError, UsageError
from automl.vision.runtime.graphs import Graph
from automl.vision.serving import open_inference, openapi
from automl.vision.serving.limits import Limits
from automl.vision.serving.pictures import blank

from . import card, deployment, facts, manifest, mlflow, modules, preprocessing, requirements, scripts
from .requirements import Pin

ARTIFACTS = "train_artifacts"
GRAPHS = ("model.onnx", "heads.onnx")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")


@dataclass(frozen=True)
class Packaged:
    """What was made. `bundle_bytes` is all of it, `overhead_bytes` what is neither weights nor wheels."""

    folder: Path
    archive: Path | None
    name: str
    version: str
    bundle_bytes: int
    overhead_bytes: int
    sha256: str


def package(
    training: Path,
    output: Path,
    *,
    name: str | None = None,
    version: str = "1",
    archive: bool = True,
    wheelhouse: Path | None = None,
    dicom: bool = False,
    engine: str = ONNX_RUNTIME,
    exported: Path | None = None,
) -> Packaged:
    """Makes the folder `output` and, with `archive`, `output`.zip beside it: both whole or not at all, and from the
    same training the same bytes.

    `name` and `version` stand in the addresses of the served model; `wheelhouse` is a folder of wheels that travel with
    the bundle; `dicom` adds the packages that read DICOM; `engine` (onnxruntime, openvino) is what its requirements
    install to compute with; `exported` is a folder of `export` whose graph and settings the bundle has in place of the
    training's own. A training without ONNX graphs is exported first. DataError where the training is not a finished one
    or `exported` is of another, UsageError for a name that cannot be used, an output that exists, or packages that are
    missing here.
    """
    told = facts.gather(training)
    name = name or told.model_name
    for what, value in (("name", name), ("version", version)):
        if not _NAME.fullmatch(value):
            raise UsageError(
                f"The {what} {value!r} cannot stand in an address.",
                "Letters, digits, points, dashes and underscores can, up to 50.",
            )
    target = output.with_name(f"{output.name}.zip") if archive else None
    for place in (output, *([target] if target else [])):
        if place.exists():
            raise UsageError(f"{place} exists already.", "Name another place, or move it away.")
    _export_if_needed(training)
    graphs = _place_of_graphs(training, exported)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as draft:
        folder = Path(draft) / output.name
        folder.mkdir()
        pins = requirements.pins(dicom=dicom, engine=engine)
        _fill(folder, training, graphs, told, name, version, pins, wheelhouse)
        manifest.write(folder)
        if target is not None:
            manifest.write_zip(folder, Path(draft) / target.name)
            (Path(draft) / target.name).replace(target)
        folder.replace(output)
    return _summary(output, target, name, version)


def _fill(
    folder: Path,
    training: Path,
    graphs: Path,
    told: facts.Facts,
    name: str,
    version: str,
    pins: list[Pin],
    wheelhouse: Path | None,
) -> None:
    settings = write_model(folder, graphs, told.task, name, pins, wheelhouse)
    _write_safetensors(training / "outputs" / "model.pt", folder / "artifacts" / "model.safetensors")
    sizes = sum((folder / "artifacts" / one).stat().st_size for one in _graphs(graphs))
    texts = {
        "score.py": scripts.score(told.task, settings),
        "serve.py": scripts.SERVE,
        "Dockerfile": deployment.dockerfile(name, version),
        ".dockerignore": deployment.DOCKERIGNORE,
        "wheelhouse/README.md": deployment.WHEELHOUSE,
        "README.md": card.readme(name, version, told.task),
        "MODEL_CARD.md": card.model_card(name, version, told, _sums(folder), _opened(graphs).facts),
        "LICENSES/packages.md": card.packages(pins),
        "LICENSES/weights.md": card.weights(told),
        "LICENSES/Tessera-Apache-2.0.txt": (modules.ROOT / "LICENSE").read_text(encoding="utf-8"),
        **deployment.manifests(name, version, sizes),
    }
    for path, text in texts.items():
        _write(folder / path, text)
    if wheelhouse is not None:
        for wheels in requirements.wheels_of(wheelhouse, pins).values():
            for wheel in wheels:
                shutil.copyfile(wheel, folder / "wheelhouse" / wheel.name)
    _write_signature(folder, told, name, version)


def write_model(
    folder: Path, exported: Path, task: str, name: str, pins: list[Pin], wheelhouse: Path | None = None
) -> dict[str, Any]:
    """The part of a bundle that MLflow loads: MLmodel, its environment, our modules and the artifacts, which are those
    of the folder `exported`; returns the model's settings. DataError where one is missing."""
    for one in ("labels.json", "settings.json", *_graphs(exported)):
        _copy(exported / one, folder / "artifacts" / one)
    settings = dict(json.loads((exported / "settings.json").read_text(encoding="utf-8"))["settings"])
    graph = _opened(exported)
    described = preprocessing.described(task, settings, graph.facts)
    texts = {
        "MLmodel": mlflow.mlmodel(task),
        "python_model.py": scripts.PYTHON_MODEL,
        "conda.yaml": mlflow.conda(deployment.resource_name(name), pins),
        "python_env.yaml": mlflow.python_env(),
        "requirements.txt": requirements.text(pins, wheelhouse),
        "artifacts/preprocess.json": json.dumps(described, indent=1) + "\n",
    }
    for path, text in texts.items():
        _write(folder / path, text)
    for path, source in modules.needed().items():
        _write(folder / path, source.read_text(encoding="utf-8"))
    return settings


def _write_signature(folder: Path, told: facts.Facts, name: str, version: str) -> None:
    """signature.json: what goes in and comes out, and an example that the model itself answered."""
    from automl.vision.runtime import Runner

    # Whatever the bundle is for: the same training gives the same bytes.
    runner = Runner.open(folder / "artifacts", threads=1, choice=Choice(ONNX_RUNTIME))
    image = blank()
    (answer,) = runner.predict([runner.read(image)])
    request = {"input_data": {"columns": ["image"], "data": [base64.b64encode(image).decode()]}}
    document = openapi.document(name, version, told.task, told.model_name, told.classes, Limits())
    described = {
        "name": name,
        "version": version,
        "task": told.task,
        "model_name": told.model_name,
        **mlflow.signature(told.task),
        "open_inference": [
            {"name": one, "datatype": kind, "shape": shape} for one, kind, shape in open_inference.outputs_of(told.task)
        ],
        "example": {"request": request, "response": [_rounded(answer.said)]},
    }
    _write(folder / "signature.json", json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    _write(folder / "openapi.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _rounded(value: Any) -> Any:
    """Numbers with six digits, so that an example does not depend on the last bit of a processor."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


def _export_if_needed(training: Path) -> None:
    if not (training / ARTIFACTS / "model.onnx").exists():
        import torch

        from automl.vision.export import export
        from automl.vision.train.restoring import restore

        trained = restore(training, torch.device("cpu"))
        export(trained.model, trained.classes, trained.settings, training / ARTIFACTS)


def _place_of_graphs(training: Path, exported: Path | None) -> Path:
    """The folder whose graphs the bundle has. DataError where `exported` is not of this training."""
    own = training / ARTIFACTS
    if exported is None:
        return own
    if _opened(exported).facts["weights"] != _opened(own).facts["weights"]:
        raise DataError(f"{exported} was not exported from {training}.", "Name a folder that `export` made of it.")
    return exported


def _opened(folder: Path) -> Graph:
    return Graph(folder / "model.onnx", choice=Choice(ONNX_RUNTIME))


def _graphs(folder: Path) -> list[str]:
    """The graphs that the model consists of."""
    present = [name for name in GRAPHS if (folder / name).exists()]
    if "model.onnx" not in present:
        raise DataError(f"{folder} holds no model.onnx.", "Export the model first.")
    return present


def _write_safetensors(source: Path, target: Path) -> None:
    from safetensors.torch import save_file

    from automl.vision.train import checkpoints

    state = checkpoints.load(source)
    state = state.get("model", state)
    save_file({name: state[name].contiguous().clone() for name in sorted(state)}, target)


def _copy(source: Path, target: Path) -> None:
    """A copy. Graphs, which are large and in which nobody writes, are the same file under another name where the disk
    can do that."""
    if not source.is_file():
        raise DataError(f"There is no {source}.", "Train again, or export the model again.")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".onnx":
        try:
            os.link(source, target)
        except OSError:  # another disk, or one that knows no links
            shutil.copyfile(source, target)
    else:
        shutil.copyfile(source, target)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _sums(folder: Path) -> dict[str, str]:
    names = (*GRAPHS, "model.safetensors")
    return {
        name: manifest.sha256_of(folder / "artifacts" / name)
        for name in names
        if (folder / "artifacts" / name).exists()
    }


def _summary(folder: Path, archive: Path | None, name: str, version: str) -> Packaged:
    sizes = {path: (folder / path).stat().st_size for path in manifest.files_of(folder)}
    heavy = sum(size for path, size in sizes.items() if path.endswith((".onnx", ".safetensors", ".whl")))
    total = sum(sizes.values())
    digest = manifest.sha256_of(archive if archive else folder / manifest.SUMS)
    return Packaged(folder, archive, name, version, total, total - heavy, digest)
