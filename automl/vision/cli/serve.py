"""Serve a model over HTTP: a bundle, its zip, or the output folder of train.

  python -m automl.vision serve --model bundles/screws.zip --port 8080
  curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:8080/score

Speaks the old product's v1 (raw bytes) and v2 (JSON) scoring schemas, forms, and Open Inference Protocol v2 with binary
tensors; /openapi.json describes all of it, docs/serving.md shows it. Runs on OpenVINO where it is installed, else on
ONNX Runtime; where torch is installed, classification also explains itself (model_explainability). SIGTERM lets running
requests finish.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.vision.serving.options import ENVIRONMENT, add_options, choice_of, place_of

from .output import Output

if TYPE_CHECKING:
    from automl.vision.serving.engine import Explain


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=Path, required=True, metavar="PLACE", help="a bundle, its zip, or the output folder of train"
    )
    add_options(parser)
    parser.epilog = f"{ENVIRONMENT}\n{parser.epilog or ''}"


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    from automl.vision.packaging import opened
    from automl.vision.serving import served, server
    from automl.vision.serving.limits import Limits

    limits = Limits.from_environment()
    server.log_to_stderr()
    with opened(arguments.model) as (folder, sentences), tempfile.TemporaryDirectory(prefix="export-") as spare:
        for sentence in sentences:
            output.say(sentence)
        place = _with_graphs(folder, Path(spare), output)
        model = served.open_model(place, limits, choice_of(arguments, limits))

        def listening(address: str) -> None:
            output.say(f"Serving {model.name}, version {model.version}, at {address}")

        explain = _explainer(folder, model.runner.task)
        return server.run(model, place_of(arguments), limits, explain=explain, listening=listening)


def _with_graphs(folder: Path, spare: Path, output: Output) -> Path:
    """The folder itself where it can be served; else the trained model in it, exported into `spare`."""
    from automl.vision import description

    if (folder / "signature.json").exists() or (folder / description.ARTIFACTS / "model.onnx").exists():
        return folder
    if not (folder / description.ARTIFACTS / description.SETTINGS).exists():
        return folder  # and opening it says what is missing
    import torch

    from automl.vision.export import export
    from automl.vision.train.restoring import restore

    output.say("The model was not exported yet; doing that first …")
    trained = restore(folder, torch.device("cpu"))
    export(trained.model, trained.classes, trained.settings, spare)
    return spare


def _explainer(folder: Path, task: str) -> Explain | None:
    """Explanations for classification, loaded when first asked for."""
    from automl.vision.explanations import Explainer
    from automl.vision.spec import tasks

    return Explainer(folder) if task in tasks.CLASSIFIES else None
