"""Measures how long one image takes: eager torch against the exported graphs on each engine that is installed, from
decoded pixels to the answer.

    .venv/bin/python bench/serving_latency.py                                  one model of each family
    .venv/bin/python bench/serving_latency.py --models resnet50 vits16r224 --rounds 15 --threads 2

Weights are random; the batch is one. Classification and yolov5 at their usual sizes, the others at --min-size. Timed is
the processor's time (over the threads), which is the latency of a machine that has nothing else to do, also on one that
has; sides take turns. Prints Markdown rows of medians, and in brackets how many times as fast as torch that
is. torch and fp32 give the same numbers; bf16 is what --precision bf16 of `serve` does, int8 (classification) what
--precision int8 of `export` writes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

DEFAULT = ("mobilenetv2", "resnet18", "resnet50", "vits16r224", "yolov5", "retinanet_resnet50_fpn")
DEFAULT += ("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn")
CLASSES = [f"class {number}" for number in range(10)]
ENGINES = {
    "ONNX Runtime": ("onnxruntime", "fp32"),
    "OpenVINO fp32": ("openvino", "fp32"),
    "OpenVINO bf16": ("openvino", "bf16"),
    "ONNX Runtime int8": ("onnxruntime", "fp32"),
    "OpenVINO int8": ("openvino", "fp32"),
}
INTEGERS = "int8.onnx"


def sides(name: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """What is timed, by name: each a function of one image."""
    import torch

    from automl.vision import models
    from automl.vision.export import export
    from automl.vision.export.int8 import quantize
    from automl.vision.predict import Predictor
    from automl.vision.requests import Request
    from automl.vision.runtime import Choice, Runner
    from automl.vision.spec import resolve, tasks

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
    is_quantized = model.task in tasks.CLASSIFIES
    if is_quantized:
        side = settings["validation_crop_size"]
        random = np.random.default_rng(0)
        quantize(folder / "model.onnx", folder / INTEGERS, [random.random((1, 3, side, side), np.float32)] * 8)
    runners = {
        title: Runner.open(
            folder,
            threads=arguments.threads,
            choice=Choice(engine, precision),
            file=INTEGERS if "int8" in title else "model.onnx",
        )
        for title, (engine, precision) in ENGINES.items()
        if find_spec(engine) is not None and (is_quantized or "int8" not in title)
    }
    pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    ready = runners["ONNX Runtime"].read(_png(pixels))
    tensor = torch.from_numpy(ready.pixels.copy()).permute(2, 0, 1).float() / 255
    request = Request()
    found: dict[str, Callable[[], Any]] = {"torch": lambda: predictor.answers([tensor], request)}
    found |= {side: partial(runner.predict, [ready]) for side, runner in runners.items()}
    return found


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
    print(f"| model | torch | {' | '.join(ENGINES)} |")
    print("| --- |" + " --- |" * (1 + len(ENGINES)))
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
        cells = [f"{median[side]:.1f} ({base / median[side]:.1f} ×)" if side in median else "–" for side in ENGINES]
        print(f"| {name} | {base:.1f} | {' | '.join(cells)} |", flush=True)
    print(f"load average after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
