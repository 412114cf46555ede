"""Make a bundle that serves a trained model without torch.

  python -m automl.vision package --model out/ --output bundles/screws --name screws --version 3

The bundle is a folder and a zip beside it: ONNX graphs and safetensors, a server and scoring scripts, requirements,
Dockerfile, Kubernetes manifests, a model card, licences, and SHA256SUMS. The same training gives the same bytes. A
model that was not exported yet is exported first. Try the result with: python -m automl.vision serve --model PLACE
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from automl.vision.engines import ONNX_RUNTIME, OPENVINO

from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="the output folder of train")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="the bundle's folder, which must not exist"
    )
    parser.add_argument("--name", help="what the served model is called (its model_name)")
    parser.add_argument("--version", default="1", metavar="TEXT", help="the version in its address (1)")
    parser.add_argument("--no-zip", action="store_true", help="make the folder alone")
    parser.add_argument(
        "--wheelhouse", type=Path, metavar="FOLDER", help="wheels to put into the bundle, and to take hashes of"
    )
    parser.add_argument(
        "--engine",
        choices=(ONNX_RUNTIME, OPENVINO),
        default=ONNX_RUNTIME,
        help="what the bundle's requirements install to compute with (onnxruntime); openvino also computes in bf16",
    )
    parser.add_argument(
        "--export",
        type=Path,
        metavar="FOLDER",
        help="a folder of export --output: its graph and settings in place of the training's own (as for int8)",
    )
    parser.add_argument("--dicom", action="store_true", help="also require the packages that read DICOM")


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    from automl.vision.packaging import package

    output.say("Making the bundle …")
    made = package(
        arguments.model,
        arguments.output,
        name=arguments.name,
        version=arguments.version,
        archive=not arguments.no_zip,
        wheelhouse=arguments.wheelhouse,
        dicom=arguments.dicom,
        engine=arguments.engine,
        exported=arguments.export,
    )
    places = [str(made.folder), *([str(made.archive)] if made.archive else [])]
    output.show(
        f"{made.name}, version {made.version}: {' and '.join(places)} ({made.bundle_bytes / 1e6:.1f} MB, of which "
        f"{made.overhead_bytes / 1e6:.1f} MB are not weights)."
    )
    return {
        "name": made.name,
        "version": made.version,
        "bundle": str(made.folder),
        "archive": str(made.archive) if made.archive else None,
        "bundle_bytes": made.bundle_bytes,
        "overhead_bytes": made.overhead_bytes,
        "sha256": made.sha256,
    }
