"""For every row of the table a number that changes with the value: a setting that is accepted and not used fails here.

`NUMBERS` maps a name to a function of one value that returns something to compare, and two values. A row without an
entry fails `test_every_row_has_a_number`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from automl.vision import models
from automl.vision.data import split
from automl.vision.data.images import resize_rule
from automl.vision.spec import ROWS, resolve, tasks
from automl.vision.train import speed
from automl.vision.train.datasets import TiledSet, workers_for
from automl.vision.train.distributed import processes_wanted
from automl.vision.train.schedules import Schedule, make_optimizer
from automl.vision.train.stopping import Tracker
from automl.vision.transforms import Pipeline
from tests.vision import pictures, tiny
from tests.vision.training import FAST, Made, run

CLASSIFICATION, DETECTION, SEGMENTATION = tasks.CLASSIFICATION, tasks.DETECTION, tasks.SEGMENTATION


class Bench:
    """What the functions below may use: data in a folder, and small runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self.colours = pictures.colours(folder / "colours")
        self.squares = pictures.squares(folder / "squares")
        self.polygons = pictures.squares(folder / "polygons", polygons=True)

    def run(self, task: str = CLASSIFICATION, **settings: Any) -> Made:
        self.count += 1
        labels = {DETECTION: self.squares, SEGMENTATION: self.polygons}.get(task, self.colours)
        return run(task, labels, self.folder / f"run{self.count}", **settings)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


def effective(task: str = CLASSIFICATION, model: str | None = None, **given: Any) -> dict[str, Any]:
    return resolve(task, model or ("resnet18" if task in tasks.CLASSIFIES else None), given).effective


def curve(**given: Any) -> list[float]:
    """The learning-rate factors of 12 epochs of 3 steps."""
    schedule = Schedule.of(effective(number_of_epochs=12, **given), 3)
    return [schedule.factor(step) for step in range(36)]


def stepped(**given: Any) -> list[float]:
    """A weight after three optimizer steps with gradients that change."""
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = make_optimizer([{"params": [weight]}], effective(learning_rate=0.1, **given))
    path = []
    for gradient in (1.0, -0.5, 0.25):
        weight.grad = torch.tensor([gradient])
        optimizer.step()
        path.append(float(weight))
    return path


def detector(name: str = "fasterrcnn_resnet18_fpn", task: str = DETECTION, **given: Any) -> Any:
    torch.manual_seed(0)
    small = {"image_size": 64} if name == "yolov5" else {"min_size": 64, "max_size": 96}
    return models.build(name, task=task, num_classes=3, settings=effective(task, name, **(small | given)))


def found(name: str = "fasterrcnn_resnet18_fpn", task: str = DETECTION, **given: Any) -> int:
    """How many boxes an untrained detector finds on noise: thresholds decide."""
    model = detector(name, task, **given).eval()
    return len(model.predict_step([torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))])[0]["boxes"])


def seen_by_backbone(**given: Any) -> tuple[int, ...]:
    model = detector(**given)
    batch, _ = model.network.transform([torch.rand(3, 200, 300)])
    return tuple(batch.image_sizes[0])


def frozen(value: int) -> int:
    model = models.build("resnet18", task=CLASSIFICATION, num_classes=3, settings=effective())
    model.freeze(value)
    return sum(not parameter.requires_grad for parameter in model.parameters())


def class_weights(value: str) -> list[float]:
    model = models.build(
        "resnet18", task=CLASSIFICATION, num_classes=2, settings=effective(weighted_loss=value), class_counts=[30, 10]
    )
    return [] if model.class_weights is None else [round(float(w), 4) for w in model.class_weights]


def stops_at(**given: Any) -> int:
    """The epoch after which a run ends whose metric never improves."""
    tracker = Tracker.of(effective(**given))
    for epoch in range(1, 40):
        tracker.seen(0.5, epoch)
        if tracker.is_over:
            return epoch
    return 40


def training_view(task: str, position: int = 0, **given: Any) -> bytes:
    settings = effective(task, **given)
    random = np.random.default_rng(3)
    image = np.random.default_rng(1).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    from automl.vision.data.samples import Sample

    def look(at: int) -> Sample:
        return Sample(
            image.copy(),
            (60, 80),
            target=0,
            boxes=np.array([[5, 5, 40, 40]], np.float32),
            labels=np.array([0]),
            crowd=np.array([False]),
        )

    return Pipeline(task, settings, look, 4, training=True).prepare(position, random)[1].image.tobytes()


def tiles(labels: Path, **given: Any) -> tuple[int, tuple[int, ...]]:
    """How many views of 12 images are trained on, and the size of a tile."""
    from automl.vision import tiling
    from automl.vision.train import TrainJob
    from automl.vision.train.datasets import gather
    from automl.vision.train.progress import silent

    settings = effective(DETECTION, **given)
    grid = tiling.Grid.of(settings)
    job = TrainJob(DETECTION, labels, labels.parent / "tiles")
    data = gather(job, {**settings, "number_of_workers": 0}, 1, silent)
    if grid is None:
        return len(data.training), data.training.look(0).image.shape
    whole = TiledSet(data.training, grid)
    return len(whole), whole.look(1).image.shape


def tiled_boxes(value: float) -> int:
    """Boxes left of two that overlap by a third, found in two tiles."""
    from automl.vision import tiling

    grid = tiling.Grid.of(effective(DETECTION, tile_grid_size="2x1", tile_predictions_nms_threshold=value))
    assert grid is not None
    boxes = [torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[5.0, 0, 15, 10]])]
    parts = [
        (tiling.Tile(0, 0, 20, 20), {"boxes": box, "scores": torch.tensor([0.9]), "labels": torch.tensor([0])})
        for box in boxes
    ]
    return len(tiling.merge(parts, grid.nms_iou)["boxes"])


def polygon_points(value: int) -> int:
    from automl.vision.polygons import mask_to_polygons

    y, x = np.mgrid[:80, :80]
    circle = (x - 40) ** 2 + (y - 40) ** 2 < 900
    points = effective(SEGMENTATION, max_number_of_polygon_points=value)["max_number_of_polygon_points"]
    return max(len(np.reshape(ring, (-1, 2))) for ring in mask_to_polygons(circle, points))


def measured(value: str) -> list[str]:
    from automl.vision.metrics import evaluate

    box = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([0])}
    predictions, targets = [{**box, "scores": torch.tensor([0.9])}], [box]
    settings = effective(DETECTION, validation_metric_type=value)
    return sorted(evaluate(DETECTION, predictions, targets, classes=["a"], settings=settings))


def average_precision(value: float) -> float:
    from automl.vision.metrics import evaluate

    predictions = [
        {"boxes": torch.tensor([[0.0, 0, 10, 7]]), "scores": torch.tensor([0.9]), "labels": torch.tensor([0])}
    ]
    targets = [{"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([0])}]
    settings = effective(DETECTION, validation_iou_threshold=value)
    return float(evaluate(DETECTION, predictions, targets, classes=["a"], settings=settings)["mean_average_precision"])


def masks(value: float) -> int:
    model = detector("maskrcnn_resnet18_fpn", SEGMENTATION, mask_pixel_score_threshold=value, box_score_threshold=0.0)
    answer = model.eval().predict_step([torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))])[0]
    return int(answer["masks"].sum())


def written_masks(bench: Bench, **given: Any) -> list[str]:
    from automl.vision.cli.predict import _write_masks

    folder = bench.folder / f"masks{json.dumps(given, sort_keys=True).__hash__()}"
    folder.mkdir(exist_ok=True)
    settings = effective(SEGMENTATION, **given)
    answer = {"boxes": [{"polygon": [[0.1, 0.1, 0.9, 0.1, 0.9, 0.9]]}]}
    if settings["export_as_image"]:
        _write_masks(bench.folder / "squares" / "0.png", answer, folder, settings["image_type"])
    return sorted(path.suffix for path in folder.rglob("0_*"))


def kept_checkpoints(bench: Bench, value: int | None) -> list[str]:
    made = bench.run(checkpoint_frequency=value, number_of_epochs=4)
    return sorted(path.name for path in (made.output / "checkpoints").glob("epoch-*"))


def validation_size(value: float, bench: Bench) -> int:
    return int(bench.run(validation_data_size=value, number_of_epochs=1).record["validation_images"])


def start_weights(bench: Bench, **given: Any) -> float:
    made = bench.run(number_of_epochs=1, learning_rate=0.0, random_seed=9, **given)
    return float(torch.load(made.output / "outputs" / "model.pt", weights_only=True)["head.weight"].sum())


def shapes(bench: Bench, **given: Any) -> set[tuple[int, ...]]:
    return {size[-2:] for size in bench.run(number_of_epochs=1, **given).model.sizes}


def multi_scaled(value: bool) -> set[int]:
    """Sides of the batches that the yolov5 network sees in five steps."""
    model = detector("yolov5", model_size="small", image_size=128, multi_scale=value)
    sides = set()
    model.network.register_forward_pre_hook(lambda module, inputs: sides.add(inputs[0].shape[-1]))
    target = {"boxes": torch.tensor([[10.0, 10, 60, 60]]), "labels": torch.tensor([0])}
    with torch.no_grad():
        for seed in range(5):
            torch.manual_seed(seed)
            model.training_step([torch.rand(3, 128, 128)] * 2, [target] * 2)
    return sides


def layout(value: str) -> bool:
    model = torch.nn.Conv2d(3, 4, 3)
    speed.choose_layout(effective(memory_format=value)["memory_format"], model, lambda chosen: None)
    return model.weight.is_contiguous(memory_format=torch.channels_last)


def precision_of(value: str) -> Any:
    return speed.precision_for(effective(precision=value)["precision"], torch.device("cpu")).dtype


def history_of(bench: Bench, name: str, value: bool, key: str) -> bool:
    return bench.run(DETECTION, **{name: value}, number_of_epochs=1).record["history"][0][key] is not None


def said_by_the_graph(value: bool) -> float:
    """What the network that becomes an ONNX graph says about a grey image."""
    from automl.vision.export.networks import parts_of

    small = {"training_crop_size": 32, "validation_crop_size": 32, "validation_resize_size": 32}
    settings = effective(enable_onnx_normalization=value, **small)
    torch.manual_seed(0)
    model = models.build("resnet18", task=CLASSIFICATION, num_classes=3, settings=settings).eval()
    part = parts_of(model, normalize=settings["enable_onnx_normalization"], batch_size=None)[0]
    with torch.no_grad():
        return float(part.network(torch.full((1, 3, 32, 32), 0.3)).sum())


Number = Callable[[Bench, Any], Any]
NUMBERS: dict[str, tuple[Number, Any, Any]] = {
    "number_of_epochs": (lambda b, v: len(b.run(number_of_epochs=v).record["history"]), 1, 2),
    "training_batch_size": (lambda b, v: max(b.run(training_batch_size=v, number_of_epochs=1).model.batches), 4, 8),
    "validation_batch_size": (lambda b, v: {s[0] for s in b.run(validation_batch_size=v).model.sizes[-2:]}, 2, 6),
    "gradient_accumulation_step": (
        lambda b, v: torch.load(
            b.run(gradient_accumulation_step=v, number_of_epochs=1).output / "checkpoints" / "last.pt",
            weights_only=True,
        )["steps_taken"],
        1,
        3,
    ),
    "early_stopping": (lambda b, v: stops_at(early_stopping=v), True, False),
    "early_stopping_patience": (lambda b, v: stops_at(early_stopping_patience=v), 2, 4),
    "early_stopping_delay": (lambda b, v: stops_at(early_stopping_delay=v), 2, 7),
    "learning_rate": (lambda b, v: b.run(learning_rate=v).rates, 0.1, 0.01),
    "learning_rate_scheduler": (lambda b, v: curve(learning_rate_scheduler=v), "step", "warmup_cosine"),
    "step_lr_gamma": (lambda b, v: curve(learning_rate_scheduler="step", step_lr_gamma=v), 0.5, 0.1),
    "step_lr_step_size": (lambda b, v: curve(learning_rate_scheduler="step", step_lr_step_size=v), 5, 2),
    "warmup_cosine_lr_cycles": (lambda b, v: curve(warmup_cosine_lr_cycles=v), 0.45, 0.25),
    "warmup_cosine_lr_warmup_epochs": (lambda b, v: curve(warmup_cosine_lr_warmup_epochs=v), 0, 3),
    "optimizer": (lambda b, v: stepped(optimizer=v), "sgd", "adam"),
    "momentum": (lambda b, v: stepped(momentum=v), 0.9, 0.5),
    "weight_decay": (lambda b, v: stepped(weight_decay=v), 0.0, 0.1),
    "nesterov": (lambda b, v: stepped(nesterov=v), True, False),
    "beta1": (lambda b, v: stepped(optimizer="adam", beta1=v), 0.9, 0.5),
    "beta2": (lambda b, v: stepped(optimizer="adamw", beta2=v), 0.999, 0.5),
    "ams_gradient": (lambda b, v: stepped(optimizer="adam", beta2=0.5, ams_gradient=v), True, False),
    "evaluation_frequency": (
        lambda b, v: [bool(e["metrics"]) for e in b.run(evaluation_frequency=v, number_of_epochs=4).record["history"]],
        1,
        3,
    ),
    "validation_data_size": (lambda b, v: validation_size(v, b), 0.2, 0.5),
    "checkpoint_frequency": (kept_checkpoints, None, 2),
    "layers_to_freeze": (lambda b, v: frozen(v), 1, 3),
    "checkpoint_run_id": (
        lambda b, v: start_weights(b, checkpoint_run_id=v and str(b.run(learning_rate=0.3).output)),
        None,
        "run",
    ),
    "checkpoint_dataset_id": (
        lambda b, v: start_weights(
            b,
            checkpoint_dataset_id=v and str(b.run(learning_rate=0.3).output / "checkpoints"),
            checkpoint_filename=v and "last.pt",
        ),
        None,
        "folder",
    ),
    "checkpoint_filename": (
        lambda b, v: start_weights(
            b,
            checkpoint_dataset_id=str(b.run(learning_rate=0.3, checkpoint_frequency=1).output / "checkpoints"),
            checkpoint_filename=v,
        ),
        "epoch-0001.pt",
        "epoch-0002.pt",
    ),
    "number_of_workers": (lambda b, v: workers_for(effective(number_of_workers=v)), 0, 3),
    "random_seed": (
        lambda b, v: split.stratified(
            [tiny_example(at) for at in range(20)],
            [str(at) for at in range(20)],
            0.2,
            effective(random_seed=v)["random_seed"],
        ),
        1,
        2,
    ),
    "distributed": (lambda b, v: processes_wanted(effective(distributed=v), 4, {}), True, False),
    "enable_onnx_normalization": (lambda b, v: said_by_the_graph(v), True, False),
    "augmentations": (lambda b, v: training_view(CLASSIFICATION, augmentations=v), "default", "none"),
    "advanced_settings": (
        lambda b, v: training_view(DETECTION, image_size=64, advanced_settings=v),
        '{"apply_mosaic_for_yolo": true}',
        '{"apply_mosaic_for_yolo": false}',
    ),
    "weighted_loss": (lambda b, v: class_weights(v), "1", "2"),
    "validation_resize_size": (
        lambda b, v: (
            resize_rule(
                CLASSIFICATION, effective(training_crop_size=32, validation_crop_size=32, validation_resize_size=v)
            ).short
        ),
        64,
        96,
    ),
    "validation_crop_size": (lambda b, v: shapes(b, validation_crop_size=v, training_crop_size=24), 24, 20),
    "training_crop_size": (lambda b, v: shapes(b, training_crop_size=v), 24, 20),
    "validation_metric_type": (lambda b, v: measured(v), "voc", "coco"),
    "validation_iou_threshold": (lambda b, v: average_precision(v), 0.5, 0.8),
    "min_size": (lambda b, v: seen_by_backbone(min_size=v), 64, 48),
    "max_size": (lambda b, v: seen_by_backbone(min_size=64, max_size=v), 70, 96),
    "image_size": (lambda b, v: resize_rule(DETECTION, effective(DETECTION, image_size=v)).long, 320, 640),
    "model_size": (
        lambda b, v: detector("yolov5", model_size=v).parameter_count(),
        "small",
        "medium",
    ),
    "multi_scale": (lambda b, v: len(multi_scaled(v)) > 1, True, False),
    "box_score_threshold": (lambda b, v: found(box_score_threshold=v), 0.0, 0.99),
    "nms_iou_threshold": (lambda b, v: found(box_score_threshold=0.0, nms_iou_threshold=v), 0.1, 1.0),
    "box_detections_per_image": (
        lambda b, v: found(box_score_threshold=0.0, box_detections_per_image=v),
        2,
        5,
    ),
    "tile_grid_size": (lambda b, v: tiles(b.squares, tile_grid_size=v, image_size=64), None, "2x1"),
    "tile_overlap_ratio": (
        lambda b, v: tiles(b.squares, tile_grid_size="2x1", image_size=64, tile_overlap_ratio=v),
        0.0,
        0.5,
    ),
    "tile_predictions_nms_threshold": (lambda b, v: tiled_boxes(v), 0.25, 0.5),
    "mask_pixel_score_threshold": (lambda b, v: masks(v), 0.3, 0.7),
    "max_number_of_polygon_points": (lambda b, v: polygon_points(v), 10, 60),
    "export_as_image": (lambda b, v: written_masks(b, export_as_image=v), True, False),
    "image_type": (lambda b, v: written_masks(b, export_as_image=True, image_type=v), "png", "bmp"),
    "log_training_metrics": (lambda b, v: history_of(b, "log_training_metrics", v, "training_metrics"), True, False),
    "log_validation_loss": (lambda b, v: history_of(b, "log_validation_loss", v, "validation_loss"), True, False),
    "precision": (lambda b, v: precision_of(v), "fp32", "bf16"),
    "memory_format": (lambda b, v: layout(v), "channels_last", "channels_first"),
    "compile": (lambda b, v: speed.Compiled(lambda: 0, effective(compile=v)["compile"], "eager").wanted, True, False),
    "frozen_features_first": (
        lambda b, v: len(b.run(frozen_features_first=v, number_of_epochs=1).result.stages),
        True,
        False,
    ),
}


def tiny_example(at: int) -> Any:
    from automl.vision.data import Example

    return Example(str(at), Path(str(at)), labels=("a",))


def test_every_row_has_a_number() -> None:
    assert {row.name for row in ROWS} == set(NUMBERS)


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_a_number_changes_with_the_value(name: str, bench: Bench) -> None:
    number, one, other = NUMBERS[name]
    assert number(bench, one) != number(bench, other)
    assert number(bench, one) == number(bench, one)  # by the value, not by chance


def test_the_curves_are_those_that_were_decided() -> None:
    cosine = curve(warmup_cosine_lr_warmup_epochs=2, warmup_cosine_lr_cycles=0.45)
    assert cosine[:6] == pytest.approx([1 / 7, 2 / 7, 3 / 7, 4 / 7, 5 / 7, 6 / 7])
    assert cosine[6] == 1.0
    assert cosine[21] == pytest.approx(0.5 * (1 + np.cos(2 * np.pi * 0.45 * 0.5)))
    assert curve(learning_rate_scheduler="step", step_lr_step_size=5)[::15] == [1.0, 0.5, 0.25]


def test_the_last_epoch_is_kept_without_a_metric(bench: Bench) -> None:
    made = bench.run(DETECTION, validation_metric_type="none", number_of_epochs=3, evaluate=tiny.evaluate)
    assert (made.result.value, made.result.best_epoch, made.result.epochs) == (None, 3, 3)
    assert FAST["number_of_epochs"] == 2
