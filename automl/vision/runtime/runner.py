"""An exported model with what it has to know about images, ready to predict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.vision import answers, description, tiling
from automl.vision.data import images
from automl.vision.data.crops import centre_crop
from automl.vision.engines import Choice
from automl.vision.errors import DataError
from automl.vision.polygons import MAX_POINTS
from automl.vision.requests import Limits, Request
from automl.vision.spec import tasks

from .classifier import Classifier
from .graphs import HEADS, MODEL, Graph
from .mask2former import Mask2Former
from .rcnn import Rcnn
from .retinanet import RetinaNet
from .rtdetr import RtDetr
from .yolov5 import Yolov5

MAX_PIXELS: Final = 100_000_000
MAX_BYTES: Final = 100 * 2**20

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image as the model is given it: `pixels` (H, W, 3) uint8, upright, shrunk or cropped; and the size of the
    upright original."""

    pixels: NDArray[np.uint8]
    original_width: int
    original_height: int


@dataclass(frozen=True, slots=True)
class Answer:
    """`said` is the answer in words (parity.md B.15.2), `arrays` the same as numbers: `probs` (C,), or `boxes` (N, 4),
    x1 y1 x2 y2 as shares of the image, `scores` (N,) and `class_ids` (N,)."""

    said: dict[str, Any]
    arrays: dict[str, Array]


class Runner:
    """A model out of a folder of `export`. `settings` are the effective ones; `engine` computes its (first) graph;
    `max_pixels` and `max_bytes` limit what `read` takes. Several threads may use one runner."""

    def __init__(self, described: description.Description, model: Any, classes: list[str], engine: str) -> None:
        self.engine = engine
        self.task, self.model_name = described.task, described.model_name
        self.classes, self.settings = classes, described.settings
        self.max_pixels, self.max_bytes = MAX_PIXELS, MAX_BYTES
        self.batch_size = int(self.settings["validation_batch_size"])
        self._model = model
        self._rule = images.resize_rule(self.task, self.settings)
        self._limits = Limits().set_by(self.settings)
        self._grid = tiling.Grid.of(self.settings) if self.task == tasks.DETECTION else None

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        changes: Mapping[str, Any] | None = None,
        threads: int | None = None,
        file: str = MODEL,
        choice: Choice | None = None,
    ) -> Runner:
        """The model in `folder`, which holds model.onnx (for Faster and Mask R-CNN also heads.onnx), labels.json and
        settings.json; `changes` replace settings, `threads` limits those of the engine, `file` names another graph
        (model_<batch>.onnx) in place of model.onnx, `choice` is of the engine (else what the environment says).

        DataError where something is missing or does not belong together, UsageError for settings that are not
        acceptable.
        """
        described = description.read(folder, changes)
        classes = description.labels(folder)
        choice = choice or Choice.of()
        graph = Graph(folder / file, threads, choice)
        _check(graph, described, classes)
        family = graph.facts["family"]
        model: Any
        if family == "yolov5":
            model = Yolov5(graph, described.settings)
        elif family == "retinanet":
            model = RetinaNet(graph, described.settings)
        elif family == "rtdetrv2":
            model = RtDetr(graph, described.settings)
        elif family == "mask2former":
            model = Mask2Former(graph, described.settings)
        elif family in ("fasterrcnn", "maskrcnn"):
            heads = Graph(folder / HEADS, threads, choice)
            if heads.facts["weights"] != graph.facts["weights"]:
                raise DataError(f"{heads.path} does not belong to {graph.path}.", "Export the model again.")
            model = Rcnn(graph, heads, described.settings)
        else:
            model = Classifier(graph, described.task)
        return cls(described, model, classes, graph.engine)

    # --- Images ------------------------------------------------------------------------------------------------------

    def read(self, content: bytes | Path) -> Prepared:
        """One image, decoded, upright and of the size that the model wants. DataError with the reason where it is no
        image, cannot be decoded or is too large."""
        size = content.stat().st_size if isinstance(content, Path) and content.is_file() else 0
        size = len(content) if isinstance(content, bytes) else size
        if size > self.max_bytes:
            raise DataError(f"The image has {size:,} bytes, more than the {self.max_bytes:,} that are taken.")
        if content == b"":
            raise DataError("The image is empty.")
        try:
            picture = images.read(content, resize=self._rule, max_pixels=self.max_pixels)
        except ImportError as error:  # the readers of DICOM are extra packages
            raise DataError(f"The image is DICOM, and {error.name} is not installed here.") from error
        shown = picture.pixels
        if self.task in tasks.CLASSIFIES:
            resize, crop = self.settings["validation_resize_size"], self.settings["validation_crop_size"]
            shown = centre_crop(shown, resize, crop)
        return Prepared(shown, picture.original_width, picture.original_height)

    # --- Answers -----------------------------------------------------------------------------------------------------

    def predict(self, prepared: Sequence[Prepared], request: Request | None = None) -> list[Answer]:
        """One answer per image, in order, whatever else is in the list; thresholds, tiles and points of polygons as the
        request says, else as the settings do."""
        asked = request or Request()
        shown = [one.pixels for one in prepared]
        if self.task in tasks.CLASSIFIES:
            rows = [row for part in _parts(shown, self.batch_size) for row in self._model.scores(part)]
            return [Answer(answers.of_scores(row.tolist(), self.classes), {"probs": row}) for row in rows]
        limits = self._limits.asked_by(asked.thresholds)
        grid = asked.tiles or self._grid
        if grid is None:
            found = self._find(shown, limits)
        else:
            found = [self._tiled(one, grid, limits, asked.thresholds.detections_per_image) for one in shown]
        points = asked.max_polygon_points or self.settings.get("max_number_of_polygon_points") or MAX_POINTS
        return [self._answer(one, image, int(points)) for one, image in zip(found, shown, strict=True)]

    def outputs(self, batch: NDArray[np.float32], request: Request | None = None) -> dict[str, Array]:
        """What parity.md B.16 promises for a batch (B, 3, H, W) as the graph takes it: `output1` of logits
        (classification) or raw rows (yolov5), else `boxes_i`, `labels_i`, `scores_i` and `masks_i` of image i, in its
        pixels."""
        if isinstance(self._model, Classifier | Yolov5):
            return self._model.outputs(batch)
        limits = self._limits.asked_by((request or Request()).thresholds)
        named: dict[str, Array] = self._model.outputs(batch, limits)
        return named

    def _find(self, shown: Sequence[Array], limits: Limits) -> list[dict[str, Array]]:
        return [one for part in _parts(shown, self.batch_size) for one in self._model.find(part, limits)]

    def _tiled(self, image: Array, grid: tiling.Grid, limits: Limits, most: int | None) -> dict[str, Array]:
        places = tiling.views(image.shape[1], image.shape[0], grid)
        parts = [image[tile.top : tile.bottom, tile.left : tile.right] for tile in places]
        return tiling.merge(zip(places, self._find(parts, limits), strict=True), grid.nms_iou, most)

    def _answer(self, found: dict[str, Array], image: Array, points: int) -> Answer:
        height, width = image.shape[:2]
        said = answers.of_objects(found, width, height, self.classes, points)
        boxes = answers.shares(found["boxes"], width, height).astype(np.float32)
        return Answer(said, {"boxes": boxes, "scores": found["scores"], "class_ids": found["labels"]})


def _parts(items: Sequence[Array], size: int) -> Iterator[list[Array]]:
    remaining = iter(items)
    while part := list(islice(remaining, size)):
        yield part


def _check(graph: Graph, described: description.Description, classes: list[str]) -> None:
    """DataError where graph, labels and settings are not of one model."""
    facts, settings = graph.facts, described.settings
    if (facts["task"], facts["model_name"]) != (described.task, described.model_name):
        raise DataError(
            f"{graph.path} is of {facts['model_name']} ({facts['task']}), and {description.SETTINGS} of "
            f"{described.model_name} ({described.task}).",
            "Keep the files of one export together.",
        )
    if facts["classes"] != len(classes):
        raise DataError(
            f"{graph.path} knows {facts['classes']} classes, and {description.LABELS} names {len(classes)}.",
            "Keep the files of one export together.",
        )
    for name, exported in facts["fixed"].items():
        if settings[name] != exported:
            raise DataError(
                f"{graph.path} was exported for {name} {exported}, and the settings say {settings[name]}.",
                "Set it back, or export the model again.",
            )
