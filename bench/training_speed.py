"""Measures our training loop against a plain loop in the style of torchvision's reference script, on the same network.

    .venv/bin/python bench/training_speed.py --data ../shared/data/clothing10-cls/train --threads 2
    .venv/bin/python bench/training_speed.py --photos 96 --models resnet18 --rounds 3

The plain loop: a folder per class, PIL, RandomResizedCrop, flip, ToTensor, Normalize, a DataLoader with two worker
processes, SGD with momentum, fp32. Ours: `automl.vision.train` with its defaults, which also changes colours. Rounds
alternate in one process. "First epoch" of ours counts from the first file read to the last step: decoding into the
cache, building the network, the probe of the memory layout. Prints Markdown: medians of images per second, and ratios.
On a machine that is busy with other work, --clock cpu --threads 1 counts processor seconds of all processes instead.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
SIDE, HELD = 224, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with a folder of images per class")
    parser.add_argument("--photos", type=int, default=0, help="instead: so many made-up photos of 12 megapixels")
    parser.add_argument("--most", type=int, default=500, help="images of --data to use")
    parser.add_argument("--models", default="resnet18,mobilenetv2")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--settings", default="{}", help="JSON: other settings for our side")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import torch

    torch.set_num_threads(arguments.threads)
    Clock.counts_work = arguments.clock == "cpu"
    with tempfile.TemporaryDirectory() as folder:
        data = photos(Path(folder) / "photos", arguments.photos) if arguments.photos else arguments.data
        files = sorted(path for path in data.glob("*/*") if path.is_file())
        files = files[:: max(1, len(files) // arguments.most)][: arguments.most]
        labels = label_files(files, data, Path(folder))
        unit = "images per processor second" if arguments.clock == "cpu" else "images per second"
        print(f"| {unit}: {len(files) - HELD} images, batch {arguments.batch}, {SIDE} px | plain | ours | ratio |")
        print("| --- | --- | --- | --- |")
        for model in arguments.models.split(","):
            compare(model, files[HELD:], data, labels, Path(folder), arguments)


class Clock:
    """Seconds, or processor seconds of this process and the children that it has waited for."""

    counts_work = False

    @classmethod
    def now(cls) -> float:
        return sum(os.times()[:4]) if cls.counts_work else time.perf_counter()


def compare(model: str, files: list[Path], data: Path, labels: tuple[Path, Path], folder: Path, asked: Any) -> None:
    """Rounds of both, in turn; prints a row for the first epoch and one for the later ones."""
    figures: dict[str, list[float]] = {"plain 1": [], "plain 2": [], "ours 1": [], "ours 2": []}
    changes = json.loads(asked.settings)
    notes: list[str] = []
    for _ in range(asked.rounds):
        for side, run in (
            ("plain", lambda: plain(model, files, asked.batch)),
            ("ours", lambda: ours(model, labels, data, folder / "run", asked.batch, changes, notes)),
        ):
            seconds = run()
            figures[f"{side} 1"].append(len(files) / seconds[0])
            figures[f"{side} 2"] += [len(files) / each for each in seconds[1:]]
    for number, name in (("1", "first epoch"), ("2", "later epochs")):
        a, b = (statistics.median(figures[f"{side} {number}"]) for side in ("plain", "ours"))
        print(f"| `{model}`, {name} | {a:.1f} | {b:.1f} | {b / a:.2f} × |", flush=True)
    print(f"{model}: {'; '.join(dict.fromkeys(notes))}", file=sys.stderr)


# --- The plain loop --------------------------------------------------------------------------------------------------


def plain(name: str, files: list[Path], batch: int, epochs: int = 2) -> list[float]:
    """Seconds of each epoch."""
    from automl.vision import ops  # noqa: F401  # isort: skip  before torchvision

    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    from automl.vision import models

    names = sorted({path.parent.name for path in files})
    change = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIDE),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )

    class Folder(Dataset[Any]):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, at: int) -> Any:
            with Image.open(files[at]) as image:
                return change(image.convert("RGB")), names.index(files[at].parent.name)

    torch.manual_seed(0)
    network = models.build(name, task="image-classification", num_classes=len(names), settings={}).network
    network.train()
    loader = DataLoader(Folder(), batch, shuffle=True, num_workers=2, drop_last=False)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    criterion = torch.nn.CrossEntropyLoss()
    seconds = []
    for _ in range(epochs):
        begin = Clock.now()
        for images, targets in loader:
            loss = criterion(network(images), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
        seconds.append(Clock.now() - begin)
    return seconds


# --- Ours ------------------------------------------------------------------------------------------------------------


def ours(
    name: str,
    labels: tuple[Path, Path],
    data: Path,
    folder: Path,
    batch: int,
    changes: dict[str, Any],
    notes: list[str],
    epochs: int = 3,
) -> list[float]:
    """Seconds of each epoch, without validation; the first from the first file read."""
    from automl.vision.train import Progress, TrainJob, train

    shutil.rmtree(folder, ignore_errors=True)
    marks: dict[int, list[float]] = {}
    begin = Clock.now()

    def report(progress: Progress) -> None:
        if progress.stage == "training":
            marks.setdefault(progress.epoch, []).append(Clock.now())

    settings = {
        "number_of_epochs": epochs,
        "training_batch_size": batch,
        "random_seed": 0,
        "frozen_features_first": False,
        "early_stopping": False,
        # Only the last epoch is evaluated: what is measured here is training.
        "evaluation_frequency": epochs,
        **changes,
    }
    job = TrainJob(
        "image-classification", labels[0], folder, validation_data=labels[1], data_root=data, model_name=name
    )
    result = train(_with(job, settings), report)
    notes += result.notes
    ends = [marks[epoch][-1] for epoch in sorted(marks)]
    # A later epoch begins where the one before it ended; between them lies one checkpoint.
    return [ends[0] - begin, *(b - a for a, b in itertools.pairwise(ends))]


def _with(job: Any, settings: dict[str, Any]) -> Any:
    from dataclasses import replace

    return replace(job, settings=settings)


# --- Data ------------------------------------------------------------------------------------------------------------


def label_files(files: list[Path], root: Path, folder: Path) -> tuple[Path, Path]:
    """Label files of the training images and of a few for validation, which is not measured."""
    made = []
    for name, chosen in (("training", files[HELD:]), ("validation", files[:HELD])):
        lines = [{"image_url": str(path.relative_to(root)), "label": path.parent.name} for path in chosen]
        made.append(folder / f"{name}.jsonl")
        made[-1].write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return made[0], made[1]


def photos(folder: Path, count: int) -> Path:
    """JPEGs of 4000 × 3000 pixels with shapes and noise, about 3 MB each, in two classes."""
    import numpy as np
    from PIL import Image

    made: Callable[[int], Any] = np.random.default_rng
    for at in range(count):
        place = folder / f"class{at % 2}"
        place.mkdir(parents=True, exist_ok=True)
        random = made(at)
        coarse = Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize((4000, 3000))
        grain = random.normal(0, 6, (3000, 4000, 1)).astype(np.int16)
        pixels = np.clip(np.asarray(coarse, np.int16) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{at}.jpg", quality=88)
    return folder


if __name__ == "__main__":
    main()
