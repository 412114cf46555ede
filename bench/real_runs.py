"""Trains small networks from random weights on the sample sets and writes what came out as a Markdown table.

    .venv/bin/python bench/real_runs.py --data ../shared/data --output /tmp/real-runs
    .venv/bin/python bench/real_runs.py --data ../shared/data --output /tmp/real-runs --only clothing,nuclei

Everything goes through `python -m automl.vision`, as a person would do it: `convert` makes JSON lines, `train` trains
with a fixed seed, `evaluate` measures the finished model, and an untrained twin of it, on images that training never
saw. Runs that are finished in the output folder are not done again. No weights are downloaded: every start is cold, so
these numbers say that training works, not how good the models are.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CLASSES, SEVERAL = "image-classification", "image-classification-multilabel"
BOXES, MASKS = "image-object-detection", "image-instance-segmentation"
SEED = "7"


@dataclass(frozen=True)
class Run:
    """One training. `settings` are options of `train`; `held` is the label file to measure on."""

    name: str
    task: str
    model: str
    training: str
    validation: str
    held: str
    root: str
    settings: dict[str, Any] = field(default_factory=dict)


def crops(side: int) -> dict[str, Any]:
    return {"training-crop-size": side, "validation-crop-size": side, "validation-resize-size": round(side * 8 / 7)}


_ADAMW = {"optimizer": "adamw", "weight-decay": 0.01}
RUNS = (
    Run(
        "clothing",
        CLASSES,
        "resnet18",
        "clothing-train.jsonl",
        "clothing-validation.jsonl",
        "clothing-test.jsonl",
        "clothing10-cls",
        {**_ADAMW, **crops(96), "learning-rate": 1e-3, "training-batch-size": 32, "number-of-epochs": 20},
    ),
    Run(
        "nuclei-boxes",
        BOXES,
        "yolov5",
        "nuclei-train.jsonl",
        "",
        "nuclei-test.jsonl",
        "nuclei-seg",
        {"model-size": "small", "image-size": 256, "training-batch-size": 4, "number-of-epochs": 20},
    ),
    Run(
        "nuclei",
        MASKS,
        "maskrcnn_resnet18_fpn",
        "nuclei-train.jsonl",
        "",
        "nuclei-test.jsonl",
        "nuclei-seg",
        {**_ADAMW, "min-size": 192, "max-size": 256, "learning-rate": 3e-4, "number-of-epochs": 8},
    ),
    Run(
        "cards-classes",
        SEVERAL,
        "resnet18",
        "cards-labels-train.jsonl",
        "",
        "cards-labels-test.jsonl",
        "cards-det-mlabel",
        {**_ADAMW, **crops(128), "learning-rate": 1e-3, "training-batch-size": 16, "number-of-epochs": 80},
    ),
    Run(
        "cards-boxes",
        BOXES,
        "yolov5",
        "cards-boxes-train.jsonl",
        "",
        "cards-boxes-test.jsonl",
        "cards-det-mlabel",
        {"model-size": "small", "image-size": 224, "training-batch-size": 8, "number-of-epochs": 25},
    ),
)
COMMON = {"random-seed": SEED, "early-stopping": "false"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with clothing10-cls and the others")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", default="", help="names of runs, separated by commas")
    parser.add_argument("--seconds", type=int, default=480, help="the most that one training may take")
    parser.add_argument("--models", default="mobilenetv2,resnet18,vits16r224,vitb16r224", help="of --only first")
    parser.add_argument("--threads", default="1", help="of torch")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = arguments.threads
    labels = arguments.output / "labels"
    convert_all(arguments.data, labels)
    wanted = arguments.only.split(",") if arguments.only else [run.name for run in RUNS]
    rows = [
        go(run, arguments.data, labels, arguments.output / run.name, arguments.seconds)
        for run in RUNS
        if run.name in wanted
    ]
    print("| run | model | images: train, validation, held | seconds | metric | untrained | trained (95 %) | chance |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(row)
    if not arguments.only or "first" in wanted:
        print(first_metric(arguments.data, labels, arguments.output / "first", arguments.models.split(",")))
    return 0


# --- Data ------------------------------------------------------------------------------------------------------------


def convert_all(data: Path, labels: Path) -> None:
    """Label files whose addresses are relative to the folder of their set."""
    labels.mkdir(parents=True, exist_ok=True)
    for side in ("train", "validation", "test"):
        convert("folders", data / "clothing10-cls" / side, labels / f"clothing-{side}.jsonl", prefix=f"{side}/")
    for side in ("train", "test"):
        convert(
            "voc",
            data / "cards-det-mlabel" / "images" / side,
            labels / f"cards-boxes-{side}.jsonl",
            "--images",
            str(data / "cards-det-mlabel"),
        )
    convert("csv", data / "cards-det-mlabel" / "labels.csv", labels / "cards-labels.jsonl", "--task", SEVERAL)
    sides(labels, "cards-labels", lambda at, url: "/test/" in url)
    convert(
        "mask-files",
        data / "nuclei-seg" / "stage1_train",
        labels / "nuclei.jsonl",
        "--label",
        "nucleus",
        prefix="stage1_train/",
    )
    sides(labels, "nuclei", lambda at, url: at % 5 == 0)
    parts = [
        (labels / f"clothing-{side}.jsonl").read_text(encoding="utf-8") for side in ("train", "validation", "test")
    ]
    (labels / "clothing-all.jsonl").write_text("".join(parts), encoding="utf-8")


def convert(kind: str, source: Path, target: Path, *more: str, prefix: str = "") -> None:
    if target.exists():
        return
    said = vision("convert", "--from", kind, "--input", str(source), "--output", str(target), *more)
    if not said or said["left_out"]:
        raise SystemExit(f"{source} was not converted whole: {said}")
    if prefix:
        lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
        target.write_text(
            "".join(json.dumps({**line, "image_url": prefix + line["image_url"]}) + "\n" for line in lines)
        )


def sides(labels: Path, name: str, is_held: Any) -> None:
    """Splits a label file into NAME-train and NAME-test."""
    lines = (labels / f"{name}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    held = [is_held(at, json.loads(line)["image_url"]) for at, line in enumerate(lines)]
    for side, is_wanted in (("test", True), ("train", False)):
        chosen = [line for line, away in zip(lines, held, strict=True) if away == is_wanted]
        (labels / f"{name}-{side}.jsonl").write_text("".join(chosen), encoding="utf-8")


# --- Runs ------------------------------------------------------------------------------------------------------------


def go(run: Run, data: Path, labels: Path, output: Path, limit: int) -> str:
    """Trains, measures both models on the held-out images, and describes it in a row."""
    root = ["--data-root", str(data / run.root)]
    trained = record(output) or fit(run, labels, root, output, {}, limit)
    untrained = output.with_name(f"{run.name}-untrained")
    if not record(untrained):
        # A learning rate of zero: the same network, as its seed made it.
        still: dict[str, Any] = {"number-of-epochs": 1, "learning-rate": 0}
        if run.task in (CLASSES, SEVERAL):
            still["frozen-features-first"] = "false"
        fit(run, labels, root, untrained, still, limit)
    after, before = (measure(each, labels / run.held, root) for each in (output, untrained))
    metric = trained["primary_metric"]
    low, high = after[f"{metric}_interval"]
    held = sum(1 for _ in (labels / run.held).open(encoding="utf-8"))
    measured = trained["images_per_second"]
    speed = f"{measured:.1f} images/s" if measured else "the last of them after a break"
    return (
        f"| {run.name}, {run.task} | `{run.model}` | "
        f"{trained['training_images']}, {trained['validation_images']}, {held} | "
        f"{trained['seconds']:.0f} ({trained['epochs']} epochs, {speed}) | "
        f"{metric} | {before[metric]:.3f} | {after[metric]:.3f} ({low:.3f} to {high:.3f}) | {chance(run, labels)} |"
    )


def fit(run: Run, labels: Path, root: list[str], output: Path, changes: dict[str, Any], limit: int) -> dict[str, Any]:
    options = {**COMMON, **run.settings, **changes}
    command = ["train", "--task", run.task, "--model-name", run.model, "--training-data", str(labels / run.training)]
    command += ["--validation-data", str(labels / run.validation)] if run.validation else []
    command += [*root, "--output", str(output), "--cache", str(output.parent / "cache"), "--resume"]
    command += [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    print(f"python -m automl.vision {' '.join(command)}", flush=True)
    vision(*command, limit=limit)
    found = record(output)
    if found is None:
        raise SystemExit(f"{run.name} did not end within {limit} s; the same command goes on from its last epoch.")
    return found


def measure(model: Path, held: Path, root: list[str]) -> dict[str, Any]:
    folder = model / "held"
    vision("evaluate", "--model", str(model), "--data", str(held), *root, "--output", str(folder))
    return dict(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))


def chance(run: Run, labels: Path) -> str:
    """What the best answer that does not look at the image gets."""
    held = [json.loads(line)["label"] for line in (labels / run.held).read_text(encoding="utf-8").splitlines()]
    if run.task == CLASSES:
        return f"{max(Counter(held).values()) / len(held):.3f}"
    if run.task == SEVERAL:
        names = sorted({name for label in held for name in label})
        best = 0.0
        for bits in range(1, 1 << len(names)):
            said = {name for at, name in enumerate(names) if bits >> at & 1}
            best = max(best, sum(len(said & set(label)) / len(said | set(label)) for label in held) / len(held))
        return f"{best:.3f}"
    return "–"


def first_metric(data: Path, labels: Path, output: Path, models: list[str]) -> str:
    """Seconds (and processor seconds) from the start of the program to the first measured model, for all 740 images of
    clothing10-cls; where the network is slow, of a part of them."""
    rows = []
    for model in models:
        folder = output / model
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, "-m", "automl.vision", "train", "--task", CLASSES, "--model-name", model]
        command += ["--training-data", str(labels / "clothing-all.jsonl"), "--data-root", str(data / "clothing10-cls")]
        command += ["--output", str(folder), "--random-seed", SEED]
        begin = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        seconds, said = None, ""
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(("First look", "First model")):
                seconds, said = time.monotonic() - begin, line.strip()
                break
            if time.monotonic() - begin > 300:
                break
        process.kill()
        usage = os.wait4(process.pid, 0)[2]
        worked = usage.ru_utime + usage.ru_stime
        rows.append(
            f"| `{model}` | {'not within 300' if seconds is None else f'{seconds:.1f}'} | {worked:.1f} | {said} |"
        )
    return "\n".join(
        [
            "",
            "| 740 images, 224 px | seconds to the first metric | processor s | said |",
            "| --- | --- | --- | --- |",
            *rows,
        ]
    )


def record(folder: Path) -> dict[str, Any] | None:
    path = folder / "run.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def vision(*arguments: str, limit: int = 300) -> dict[str, Any] | None:
    """Runs a command of the program; what it says with --json, None where it did not end in time."""
    command = [sys.executable, "-m", "automl.vision", *arguments, "--json"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    sys.exit(main())
