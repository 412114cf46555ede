"""Measures our COCO evaluator against pycocotools and faster-coco-eval on the same made-up detections.

    .venv/bin/python bench/detection_evaluator.py                 5,000 images, 80 classes, up to 100 detections each
    .venv/bin/python bench/detection_evaluator.py --images 500

Rounds alternate; prints Markdown rows: medians, ratios, and how far the twelve numbers are apart. Reading the numbers
into each library's own structures is part of each time.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from automl.vision.metrics import coco
from automl.vision.metrics.matching import PairCollector

Image = tuple[dict[str, Any], dict[str, Any]]
ROUNDS = 3


def make_images(count: int, classes: int, rng: np.random.Generator) -> list[Image]:
    """About 7 objects and 98 detections an image, as many as COCO's validation set has; 60 % of the detections near an
    object and of its class."""
    images = []
    for _ in range(count):
        objects, detections = rng.poisson(7), min(int(rng.poisson(98)), 100)
        corner = rng.uniform(0, 500, (objects, 2))
        truth = np.hstack([corner, corner + np.exp(rng.uniform(np.log(8), np.log(300), (objects, 2)))])
        labels = rng.integers(0, classes, objects)
        start = rng.uniform(0, 500, (detections, 2))
        boxes = np.hstack([start, start + np.exp(rng.uniform(np.log(8), np.log(300), (detections, 2)))])
        said = rng.integers(0, classes, detections)
        if objects:
            near = np.flatnonzero(rng.random(detections) < 0.6)
            source = rng.integers(0, objects, len(near))
            size = truth[source, 2:] - truth[source, :2]
            boxes[near] = truth[source] + rng.normal(0, 0.12, (len(near), 4)) * np.hstack([size, size])
            boxes[near, 2:] = np.maximum(boxes[near, 2:], boxes[near, :2] + 1)
            said[near] = labels[source]
        prediction = {"boxes": boxes, "scores": rng.random(detections), "labels": said}
        images.append((prediction, {"boxes": truth, "labels": labels, "is_crowd": rng.random(objects) < 0.02}))
    return images


def ours(images: list[Image], classes: int) -> list[float]:
    collector = PairCollector(classes)
    for prediction, target in images:
        collector.add(prediction, target)
    return list(coco.evaluate(collector.pairs()).summary().values())


def theirs(dataset_class: Any, evaluation_class: Any) -> Callable[[list[Image], int], list[float]]:
    def run(images: list[Image], classes: int) -> list[float]:
        truth: list[dict[str, Any]] = []
        said: list[dict[str, Any]] = []
        for image, (prediction, target) in enumerate(images):
            for box, label, crowd in zip(target["boxes"], target["labels"], target["is_crowd"], strict=True):
                size = (box[2:] - box[:2]).tolist()
                row = {"id": len(truth) + 1, "image_id": image, "category_id": int(label), "iscrowd": int(crowd)}
                truth.append({**row, "bbox": [*box[:2].tolist(), *size], "area": size[0] * size[1]})
            rows = zip(prediction["boxes"], prediction["scores"], prediction["labels"], strict=True)
            for box, score, label in rows:
                bbox = [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]
                said.append({"image_id": image, "category_id": int(label), "score": float(score), "bbox": bbox})
        with contextlib.redirect_stdout(io.StringIO()):
            dataset = dataset_class()
            dataset.dataset = {
                "info": {},
                "images": [{"id": i, "width": 800, "height": 800} for i in range(len(images))],
                "categories": [{"id": i, "name": str(i)} for i in range(classes)],
                "annotations": truth,
            }
            dataset.createIndex()
            evaluation = evaluation_class(dataset, dataset.loadRes(said), "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return [float(value) for value in evaluation.stats[:12]]

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--classes", type=int, default=80)
    arguments = parser.parse_args()
    images = make_images(arguments.images, arguments.classes, np.random.default_rng(0))
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    runners: dict[str, Callable[[list[Image], int], list[float]]] = {"ours": ours}
    runners["pycocotools"] = theirs(COCO, COCOeval)
    with contextlib.suppress(ImportError):
        from faster_coco_eval import COCO as FasterCOCO
        from faster_coco_eval import COCOeval_faster

        runners["faster-coco-eval"] = theirs(FasterCOCO, COCOeval_faster)
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    numbers: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, run in runners.items():
            start = time.perf_counter()
            numbers[name] = run(images, arguments.classes)
            seconds[name].append(time.perf_counter() - start)
    mine = statistics.median(seconds["ours"])
    print(f"| {arguments.images} images, {arguments.classes} classes | median s | ours is faster by | apart by |")
    print("| --- | --- | --- | --- |")
    for name in runners:
        median = statistics.median(seconds[name])
        apart = float(np.abs(np.subtract(numbers[name], numbers["pycocotools"])).max())
        print(f"| {name} | {median:.2f} | {median / mine:.1f} × | {apart:.1e} |")


if __name__ == "__main__":
    main()
