"""Prediction of files, and predictions stored so that every number can be computed again."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_masks
from torch import Tensor

from automl.vision import metrics, models, predictions
from automl.vision.errors import DataError
from automl.vision.models.base import InputSpec
from automl.vision.predict import Failure, Predictor, said
from automl.vision.requests import Request, Thresholds
from automl.vision.tiling import Grid
from tests.vision.detections import make_images
from tests.vision.test_tiling import BrightSpots

CLASSIFIES = {"training_crop_size": 32, "validation_crop_size": 32, "validation_resize_size": 40}
DETECTS = {"min_size": 600, "max_size": 1333}


def png(image: Tensor) -> bytes:
    buffer = io.BytesIO()
    pixels = (image.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def with_box(width: int, height: int, box: tuple[int, int, int, int]) -> bytes:
    image = torch.zeros(3, height, width)
    image[:, box[1] : box[3], box[0] : box[2]] = 1
    return png(image)


def classifier(task: str = "image-classification") -> Predictor:
    torch.manual_seed(0)
    model = models.build("resnet18", task=task, num_classes=3, settings=CLASSIFIES)
    return Predictor(model, ["cat", "dog", "emu"], {**CLASSIFIES, "validation_batch_size": 2})


def test_a_classifier_answers_each_file_in_order_and_says_which_it_could_not_read(tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    good = [png(torch.rand(3, 50, 60, generator=rng)) for _ in range(3)]
    path = tmp_path / "last.png"
    path.write_bytes(good[2])
    sources: list[Any] = [good[0], b"no image", good[1], tmp_path / "missing.png", path]
    answers = list(classifier()(sources))
    assert [isinstance(answer, Failure) for answer in answers] == [False, True, False, True, False]
    assert "missing.png does not exist" in answers[3].sentence  # type: ignore[union-attr]
    source, answer = answers[4]  # type: ignore[misc]
    assert source == path
    assert answer["labels"] == ["cat", "dog", "emu"]
    assert sum(answer["probs"]) == pytest.approx(1.0, abs=1e-6)
    alone = list(classifier()([good[2]]))
    assert alone[0][1]["probs"] == pytest.approx(answer["probs"], abs=1e-5)  # type: ignore[index]


def test_multi_label_answers_are_independent() -> None:
    predictor = classifier("image-classification-multilabel")
    _source, answer = next(iter(predictor([png(torch.rand(3, 40, 40))])))  # type: ignore[misc]
    assert sum(answer["probs"]) != pytest.approx(1.0, abs=1e-3)
    assert said({"probs": [0.5, 0.4, 0.9], "labels": ["a", "b", "c"]}, predictor.model.task) == ["a", "c"]
    assert said({"probs": [0.5, 0.4, 0.9], "labels": ["a", "b", "c"]}, "image-classification") == ["c"]


def test_embeddings_are_what_the_last_layer_sees() -> None:
    predictor = classifier()
    image = png(torch.rand(3, 40, 40))
    rows = [row for _source, row in predictor.embeddings([image] * 3)]  # type: ignore[misc]
    assert np.stack(rows).shape == (3, 512)
    logits = predictor.model.classifier()(torch.from_numpy(rows[0]))  # type: ignore[operator]
    _source, answer = next(iter(predictor([image])))  # type: ignore[misc]
    assert logits.softmax(0).tolist() == pytest.approx(answer["probs"], abs=1e-5)


def test_boxes_are_shares_of_the_image() -> None:
    predictor = Predictor(BrightSpots(), ["a", "b"], DETECTS)
    _source, answer = next(iter(predictor([with_box(200, 100, (20, 30, 120, 80))])))  # type: ignore[misc]
    assert answer == {
        "boxes": [
            {
                "box": {"topX": 0.1, "topY": 0.3, "bottomX": 0.6, "bottomY": 0.8},
                "label": "b",
                "score": pytest.approx(0.9),
            }
        ]
    }


def test_tiles_may_be_asked_for_by_a_request_or_come_from_training() -> None:
    small = with_box(160, 120, (90, 70, 96, 76))
    plain = Predictor(BrightSpots(), ["a", "b"], DETECTS)
    assert next(iter(plain([small])))[1]["boxes"] == []  # type: ignore[index]
    assert len(next(iter(plain([small], Request(tiles=Grid(3, 2)))))[1]["boxes"]) == 1  # type: ignore[index]
    trained = Predictor(BrightSpots(), ["a", "b"], {**DETECTS, "tile_grid_size": (3, 2)})
    assert len(next(iter(trained([small])))[1]["boxes"]) == 1  # type: ignore[index]


class Discs(BrightSpots):
    """Segments what is bright, and notes the thresholds that it was asked with."""

    def __init__(self) -> None:
        super().__init__()
        self.task = "image-instance-segmentation"
        self.input_spec = InputSpec()
        self.asked: list[Thresholds | None] = []

    def predict_step(self, images: Any, thresholds: Thresholds | None = None) -> list[dict[str, Tensor]]:
        self.asked.append(thresholds)
        return [{**self._one(image), "masks": image[:1] > 0.5} for image in images]


def test_segments_come_with_polygons_of_at_most_the_points_asked_for() -> None:
    y, x = torch.meshgrid(torch.arange(100), torch.arange(100), indexing="ij")
    image = ((x - 50) ** 2 + (y - 50) ** 2 < 900).float().expand(3, -1, -1)
    model = Discs()
    predictor = Predictor(model, ["a", "b"], {**DETECTS, "max_number_of_polygon_points": 30})
    _source, answer = next(iter(predictor([png(image)])))  # type: ignore[misc]
    ring = answer["boxes"][0]["polygon"][0]
    assert len(ring) <= 60
    assert all(0 <= value <= 1 for value in ring)
    request = Request(thresholds=Thresholds(box_score=0.7), max_polygon_points=8)
    _source, fewer = next(iter(predictor([png(image)], request)))  # type: ignore[misc]
    assert len(fewer["boxes"][0]["polygon"][0]) <= 16
    assert model.asked[-1] == Thresholds(box_score=0.7)


def test_the_number_of_classes_has_to_be_the_models() -> None:
    with pytest.raises(ValueError, match="2 classes, not 1"):
        Predictor(BrightSpots(), ["a"], DETECTS)


# --- Stored predictions ----------------------------------------------------------------------------------------------


def test_detection_numbers_are_the_same_from_the_file(tmp_path: Path) -> None:
    made = make_images(np.random.default_rng(0), images=6, classes=2, objects=5, detections=12)
    found, targets = (list(column) for column in zip(*made, strict=True))
    names = [f"{i}.jpg" for i in range(6)]
    path = tmp_path / "predictions.jsonl"
    assert predictions.write(path, names, found, targets) == 6
    again = predictions.read(path)
    assert again[0] == names
    settings = {"validation_metric_type": "coco_voc"}
    before, after = (
        metrics.evaluate("image-object-detection", *pair, classes=["a", "b"], settings=settings)
        for pair in ((found, targets), again[1:])
    )
    assert before == after
    assert json.loads(path.read_text().splitlines()[0])["image"] == "0.jpg"


def test_classification_numbers_are_the_same_from_the_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores = torch.from_numpy(rng.dirichlet([1, 1, 1], 20))
    targets = torch.from_numpy(rng.integers(0, 3, 20))
    predictions.write(tmp_path / "p.jsonl", map(str, range(20)), scores, targets)
    _names, said_again, true_again = predictions.read(tmp_path / "p.jsonl")
    before, after = (
        metrics.evaluate("image-classification", *pair, classes=["a", "b", "c"])
        for pair in ((scores, targets), (said_again, true_again))
    )
    assert before == after


def test_masks_are_the_same_from_the_file_and_are_cocos_run_lengths(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    masks = rng.random((3, 9, 7)) < 0.5
    for mask in [*masks, np.zeros((4, 4), bool), np.ones((4, 4), bool)]:
        encoded = predictions.encode_mask(mask)
        assert np.array_equal(predictions.decode_mask(encoded), mask)
        theirs = coco_masks.frPyObjects(encoded, *mask.shape)
        assert np.array_equal(coco_masks.decode(theirs).astype(bool), mask)
    one = {"boxes": np.zeros((3, 4)), "scores": np.ones(3), "labels": np.zeros(3, int), "masks": masks}
    true = {"boxes": np.zeros((3, 4)), "labels": np.zeros(3, int), "masks": masks, "is_crowd": np.zeros(3, bool)}
    predictions.write(tmp_path / "p.jsonl", ["a"], [one], [true])
    _names, found, _targets = predictions.read(tmp_path / "p.jsonl")
    assert np.array_equal(found[0]["masks"], masks)


def test_a_line_that_is_no_prediction_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"image": "a", "scores": [1], "target": 0}\n{"image": "b"}\n')
    with pytest.raises(DataError, match="line 2"):
        predictions.read(path)
    with pytest.raises(ValueError, match="shorter"):
        predictions.write(path, ["a", "b"], [[1.0]], [0])
    assert path.read_text().startswith('{"image": "a", "scores": [1]')
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.jsonl"]
