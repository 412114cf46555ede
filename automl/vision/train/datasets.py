"""The examples of a run: read, checked, decoded into the cache, and split."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from automl.vision import tiling
from automl.vision.data import Example, read_labels, resize_rule, split
from automl.vision.data.cache import PixelCache, Stream
from automl.vision.data.samples import Sample, make_sample
from automl.vision.errors import DataError
from automl.vision.spec import row_named, tasks

from .job import TrainJob
from .progress import Progress, Report

SHOWN = 20


class ImageSet:
    """Some examples whose pixels are at hand. `keys` are their content hashes."""

    def __init__(
        self, task: str, examples: list[Example], keys: list[str], store: PixelCache | Stream, classes: list[str]
    ) -> None:
        self.task, self.examples, self.keys, self.store = task, examples, keys, store
        self.index = {name: at for at, name in enumerate(classes)}

    def __len__(self) -> int:
        return len(self.examples)

    def look(self, position: int) -> Sample:
        """The example with its pixels as the cache has them."""
        entry = self.store.entry(self.keys[position])
        original = (entry.original_height, entry.original_width)
        return make_sample(
            self.examples[position], self.store.pixels(self.keys[position]), original, self.index, self.task
        )

    def class_counts(self) -> list[int]:
        """Images per class (objects per class for detection)."""
        counts = [0] * len(self.index)
        for example in self.examples:
            for name in example.names():
                if name in self.index:
                    counts[self.index[name]] += 1
        return counts

    def sha256(self) -> str:
        """One hash of all images and what people said about them, whatever their order and their files' names."""
        lines = sorted(
            json.dumps(
                [key, sorted(example.labels), [[o.label, o.box, o.is_crowd, o.polygons] for o in example.objects]]
            )
            for key, example in zip(self.keys, self.examples, strict=True)
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def box_sizes(self) -> np.ndarray:
        """`[N,2]` widths and heights of boxes, as shares of the longer side of their image."""
        sizes = []
        for example, key in zip(self.examples, self.keys, strict=True):
            entry = self.store.entry(key)
            longer = max(entry.original_width, entry.original_height)
            scale = (entry.original_width / longer, entry.original_height / longer)
            sizes += [((b[2] - b[0]) * scale[0], (b[3] - b[1]) * scale[1]) for b in (o.box for o in example.objects)]
        return np.array(sizes, np.float32).reshape(-1, 2)


class TiledSet(ImageSet):
    """The same images, each as a whole and cut into tiles: `images × (tiles + 1)` positions (parity B.7)."""

    def __init__(self, whole: ImageSet, grid: tiling.Grid) -> None:
        super().__init__(whole.task, whole.examples, whole.keys, whole.store, list(whole.index))
        self.grid = grid
        self.views = grid.columns * grid.rows + 1

    def __len__(self) -> int:
        return len(self.examples) * self.views

    def look(self, position: int) -> Sample:
        """The whole image where `position` is a multiple of the number of views, else one of its tiles."""
        at, view = divmod(position, self.views)
        sample = super().look(at)
        if view == 0:
            return sample
        tile = tiling.tiles(sample.width, sample.height, self.grid)[view - 1]
        kept, boxes = tiling.objects_in(tile, sample.boxes)
        image = sample.image[tile.top : tile.bottom, tile.left : tile.right]
        return replace(sample, image=image, boxes=boxes, labels=sample.labels[kept], crowd=sample.crowd[kept])


@dataclass
class RunData:
    """Both sides of a run, the class names in their order, and what a person should know."""

    training: ImageSet
    validation: ImageSet
    classes: list[str]
    warnings: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    seconds: float = 0.0


def workers_for(settings: Mapping[str, Any]) -> int:
    """Threads that prepare images."""
    given = settings["number_of_workers"]
    return int(given) if given is not None else min(8, os.cpu_count() or 1)


def gather(
    job: TrainJob,
    settings: Mapping[str, Any],
    seed: int,
    report: Report,
    order: Callable[[list[str]], list[str]] = lambda names: names,
) -> RunData:
    """Reads the labels, puts every image into the cache, leaves out what cannot be read (and says so), and splits.

    `order` may rearrange the class names. DataError where nothing usable or too little is left.
    """
    task = tasks.canonical(job.task)
    rule = resize_rule(task, settings)
    store: PixelCache | Stream = (
        Stream(rule)
        if settings["advanced_settings"]["stream_image_files"]
        else PixelCache(job.cache or job.output / "cache", rule)
    )
    warnings: list[str] = []
    left_out: list[str] = []
    sides = [
        _read(job, task, path, store, workers_for(settings), report, warnings, left_out)
        for path in (job.training_data, job.validation_data)
        if path
    ]
    examples, keys = sides[0]
    if reason := split.too_little(task, examples):
        raise DataError(reason, _why_so_few(left_out))
    warnings += _thin(examples)
    classes = sorted({name for side in sides for example in side[0] for name in example.names()})
    if len(sides) == 2:
        warnings += _unknown(*(side[0] for side in sides))
        held, held_keys = sides[1]
        if not held:
            raise DataError(f"{job.validation_data} has no image that can be read.", _why_so_few(left_out))
        if any(row_named(name).name == "validation_data_size" for name in job.settings):
            warnings.append("validation_data_size has no effect: there are validation data.")
    else:
        training, validation = _split(job, settings, seed, examples, keys, store)
        held, held_keys = [examples[at] for at in validation], [keys[at] for at in validation]
        examples, keys = [examples[at] for at in training], [keys[at] for at in training]
    classes = order(classes)
    return RunData(
        ImageSet(task, examples, keys, store, classes),
        ImageSet(task, held, held_keys, store, classes),
        classes,
        warnings,
        left_out,
    )


def _read(
    job: TrainJob,
    task: str,
    path: Path,
    store: PixelCache | Stream,
    workers: int,
    report: Report,
    warnings: list[str],
    left_out: list[str],
) -> tuple[list[Example], list[str]]:
    """The usable examples of one label file, and their keys."""
    labels = read_labels(path, task, root=job.data_root, column=job.target_column, invalid_lines=job.invalid_lines)
    warnings += labels.warnings
    total = len(labels.examples)
    keys, reasons = store.add(
        labels.examples, workers=workers, advance=lambda done: report(Progress("reading", done, total))
    )
    if reasons:
        left_out += reasons
        shown = "; ".join(reasons[:SHOWN]) + ("; …" if len(reasons) > SHOWN else "")
        warnings.append(f"{path.name}: {len(reasons)} of {total} images were left out: {shown}")
    found = [(example, key) for example, key in zip(labels.examples, keys, strict=True) if key is not None]
    return [example for example, _key in found], [key for _example, key in found]


def _why_so_few(left_out: list[str]) -> str:
    """Why images are missing, with the usual remedy where none was found."""
    if not left_out:
        return ""
    hint = " Where do the images lie? Name their folder with --data-root." if "does not exist" in left_out[0] else ""
    return f"{len(left_out)} images could not be read, the first because {left_out[0].rstrip('.')}.{hint}"


def _split(
    job: TrainJob,
    settings: Mapping[str, Any],
    seed: int,
    examples: list[Example],
    keys: list[str],
    store: PixelCache | Stream,
) -> tuple[list[int], list[int]]:
    share = settings["validation_data_size"]
    if job.split == "content":
        sides = split.by_content(examples, keys, share, lambda key: split.fingerprint(np.asarray(store.pixels(key))))
    else:
        sides = split.stratified(examples, keys, share, seed)
    if not sides[0] or not sides[1]:
        raise DataError(
            f"A share of {share:g} of {len(examples)} images leaves one side empty.",
            "Give validation data, or another validation_data_size.",
        )
    return sides


def _thin(examples: list[Example]) -> list[str]:
    thin = split.thin_classes(examples)
    listed = ", ".join(f"{name} ({count})" for name, count in list(thin.items())[:SHOWN])
    return [f"Classes with fewer than 10 images: {listed}. 10 to 15 of each are a good beginning."] if thin else []


def _unknown(training: list[Example], validation: list[Example]) -> list[str]:
    known = {name for example in training for name in example.names()}
    strange = sorted({name for example in validation for name in example.names()} - known)
    return [f"Classes of the validation data that training does not have: {', '.join(strange)}."] if strange else []
