"""Measures how long one image takes: eager torch against exported graphs on ONNX Runtime (and OpenVINO, where it is
installed), from decoded pixels to the answer.

    .venv/bin/python bench/serving_latency.py                                  one model of each family
    .venv/bin/python bench/serving_latency.py --models resnet50 vits16r224 --rounds 15 --threads 2

Weights are random; the batch is one. Classification and yolov5 at their usual sizes, the others at --min-size. Timed is
the processor's time (over the threads), which is the latency of a machine that has nothing else to do, also on one that
has; sides take turns. Prints Markdown rows of medians and ratios. "graph alone" is
without what is done before and after it. OpenVINO takes bf16 where the processor has it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

DEFAULT = ("mobilenetv2", "resnet18", "resnet50", "vits16r224", "yolov5", "retinanet_resnet50_fpn")
DEFAULT += ("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn")
CLASSES = [f"class {number}" for number in range(10)]


def sides(name: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """What is timed, by name: each a function of one image."""
    import torch

    from automl.vision import models
    from automl.vision.export import export
    from automl.vision.predict import Predictor
    from automl.vision.requests import Request
    from automl.vision.runtime import Runner
    from automl.vision.spec import resolve

    torch.set_num_threads(arguments.threads)
    architecture = models.ARCHITECTURES[name]
    given: dict[str, Any] = {"validation_batch_size": 1}
    if architecture.family == "yolov5":
        given["model_size"] = "small"
    elif architecture.family in ("fasterrcnn", "maskrcnn", "retinanet"):
        given |= {"min_size": arguments.min_size, "max_size": arguments.min_size * 2}
    settings = resolve(architecture.tasks[0], name, given).effective
    torch.manual_seed(0)
    model = models.build(name, task=architecture.tasks[0], num_classes=len(CLASSES), settings=settings).eval()
    export(model, CLASSES, settings, folder)
    predictor = Predictor(model, CLASSES, settings)
    runner = Runner.open(folder, threads=arguments.threads)
    pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    ready = runner.read(_png(pixels))
    tensor = torch.from_numpy(ready.pixels.copy()).permute(2, 0, 1).float() / 255
    request = Request()
    found: dict[str, Callable[[], Any]] = {
        "torch": lambda: predictor.answers([tensor], request),
        "ONNX Runtime": lambda: runner.predict([ready]),
    }
    with contextlib.suppress(ImportError):
        if (side := settings.get("validation_crop_size") or settings.get("image_size")) is not None:
            image = np.random.default_rng(0).random((1, 3, side, side)).astype(np.float32)
            found["OpenVINO, graph alone"] = _openvino(folder / "model.onnx", image, arguments.threads)
            found["ONNX Runtime, graph alone"] = lambda: runner.outputs(image)
    return found


def _openvino(path: Path, image: np.ndarray, threads: int) -> Callable[[], Any]:
    import openvino  # type: ignore[import-not-found]

    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_NUM_THREADS": threads})
    return lambda: compiled(image)


def _png(pixels: np.ndarray) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(DEFAULT))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--min-size", type=int, default=600)
    arguments = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {arguments.threads} thread(s)")
    print("| model | torch ms | ONNX Runtime ms | ratio | others |")
    print("| --- | --- | --- | --- | --- |")
    for name in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            timed = sides(name, Path(folder), arguments)
            spent: dict[str, list[float]] = {side: [] for side in timed}
            for run in timed.values():
                run()
            for _ in range(arguments.rounds):
                for side, run in timed.items():
                    start = time.process_time()
                    run()
                    spent[side].append((time.process_time() - start) * 1000 / arguments.threads)
        median = {side: statistics.median(values) for side, values in spent.items()}
        base = median["torch"]
        others = ", ".join(
            f"{side} {value:.1f} ({base / value:.1f} ×)"
            for side, value in median.items()
            if side not in ("torch", "ONNX Runtime")
        )
        ours = median["ONNX Runtime"]
        print(f"| {name} | {base:.1f} | {ours:.1f} | {base / ours:.1f} × | {others or '–'} |", flush=True)
    print(f"load average after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
