"""The table of hyperparameters: names, ranges, defaults, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from automl.vision import spec
from automl.vision.errors import UsageError
from automl.vision.spec import document, tasks
from tests.support import running

CLASSIFICATION, DETECTION = tasks.CLASSIFICATION, tasks.DETECTION
# Parity B.5: the defaults that depend on task and model.
DEFAULTS = [
    (CLASSIFICATION, "resnet50", {"training_batch_size": 78, "learning_rate": 0.01, "number_of_epochs": 15}),
    (CLASSIFICATION, "vits16r224", {"training_batch_size": 128, "learning_rate": 0.0125}),
    (CLASSIFICATION, "vitb16r224", {"validation_batch_size": 48, "learning_rate": 0.0125}),
    (CLASSIFICATION, "vitl16r224", {"training_batch_size": 10, "learning_rate": 0.001}),
    (tasks.MULTILABEL, "resnet50", {"learning_rate": 0.035}),
    (tasks.MULTILABEL, "vitb16r224", {"learning_rate": 0.025}),
    (tasks.MULTILABEL, "vitl16r224", {"learning_rate": 0.002}),
    (DETECTION, "yolov5", {"number_of_epochs": 30, "training_batch_size": 16, "learning_rate": 0.01}),
    (DETECTION, "yolov5", {"validation_batch_size": 16, "box_score_threshold": 0.1, "model_size": "medium"}),
    (DETECTION, "fasterrcnn_resnet50_fpn", {"training_batch_size": 2, "validation_batch_size": 1, "min_size": 600}),
    (DETECTION, "retinanet_resnet50_fpn", {"learning_rate": 0.005, "box_score_threshold": 0.3, "max_size": 1333}),
    (DETECTION, "rtdetrv2_r18", {"learning_rate": 1e-4, "optimizer": "adamw", "nms_iou_threshold": 1.0}),
    (tasks.SEGMENTATION, "maskrcnn_resnet50_fpn", {"training_batch_size": 2, "max_number_of_polygon_points": 100}),
]


@pytest.mark.parametrize(("task", "model", "expected"), DEFAULTS)
def test_defaults_are_those_of_task_and_model(task: str, model: str, expected: dict[str, Any]) -> None:
    effective = spec.resolve(task, model).effective
    assert {name: effective[name] for name in expected} == expected


def test_all_24_models_have_a_whole_set_of_settings() -> None:
    names = {entry.name for task in spec.TASKS for entry in spec.models_for(task) if not entry.beyond_parity}
    assert len(names) == 24
    for task in spec.TASKS:
        for entry in spec.models_for(task):
            effective = spec.resolve(task, entry.name).effective
            assert {row.name for row in spec.ROWS if row.applies_to(task, entry)} == set(effective)


def test_models_are_those_that_can_be_built() -> None:
    from automl.vision.models import ARCHITECTURES

    assert {name: entry.tasks for name, entry in spec.MODELS.items()} == {
        name: known.tasks for name, known in ARCHITECTURES.items()
    }


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"lr_scheduler": "step"}, "learning_rate_scheduler", "step"),
        ({"grad_accumulation_step": "4"}, "gradient_accumulation_step", 4),
        ({"amsgrad": "1"}, "ams_gradient", True),
        ({"split_ratio": 0.3}, "validation_data_size", 0.3),
        ({"--box_nms_thresh": 0.4}, "nms_iou_threshold", 0.4),
        ({"box_iou_thresh": 0.4}, "nms_iou_threshold", 0.4),
        ({"nms_iou_thresh": 0.4}, "nms_iou_threshold", 0.4),
        ({"box_score_thresh": "0.2"}, "box_score_threshold", 0.2),
        ({"img_size": 320}, "image_size", 320),
        ({"model-size": "xlarge"}, "model_size", "extra_large"),
        ({"tile_grid_size": "(3, 2)"}, "tile_grid_size", (3, 2)),
        ({"tile_grid_size": "3x2"}, "tile_grid_size", (3, 2)),
        ({"tile_predictions_nms_thresh": 0.1}, "tile_predictions_nms_threshold", 0.1),
        ({"early_stopping": 0}, "early_stopping", False),
        ({"early_stopping": "True"}, "early_stopping", True),
        ({"layers_to_freeze": 0}, "layers_to_freeze", 0),
        ({"warmup_cosine_lr_warmup_epochs": 0}, "warmup_cosine_lr_warmup_epochs", 0),
        ({"log_validation_loss": "Enable"}, "log_validation_loss", True),
        ({"image_size": 650}, "image_size", 672),
    ],
)
def test_every_spelling_is_read_as_the_v2_name(given: dict[str, Any], name: str, value: Any) -> None:
    assert spec.resolve(DETECTION, "yolov5", given).effective[name] == value


def test_old_names_of_sizes() -> None:
    given = {"valid_resize_size": 300, "valid_crop_size": 160, "train_crop_size": 128}
    effective = spec.resolve(CLASSIFICATION, "resnet18", given).effective
    names = ("validation_resize_size", "validation_crop_size", "training_crop_size")
    assert [effective[name] for name in names] == [300, 160, 128]


@pytest.mark.parametrize(
    ("task", "model", "given", "words"),
    [
        (DETECTION, "yolov5", {"learning_rate": 1.5}, "learning_rate cannot be 1.5. Allowed: a number from 0 to 1."),
        (DETECTION, "yolov5", {"learning_rate": float("nan")}, "learning_rate cannot be nan"),
        (DETECTION, "yolov5", {"number_of_epochs": 0}, "Allowed: a whole number from 1 to 100000"),
        (DETECTION, "yolov5", {"number_of_epochs": 1.5}, "number_of_epochs cannot be 1.5"),
        (DETECTION, "yolov5", {"number_of_epochs": True}, "number_of_epochs cannot be True"),
        (DETECTION, "yolov5", {"optimizer": "rmsprop"}, "Allowed: sgd, adam, adamw."),
        (DETECTION, "yolov5", {"tile_overlap_ratio": 1}, "without 1"),
        (DETECTION, "yolov5", {"tile_grid_size": "1x1"}, "columns x rows"),
        (DETECTION, "yolov5", {"learning_rat": 0.1}, "Did you mean learning_rate?"),
        (DETECTION, "yolov5", {"min_size": 600}, "It is a setting of: Faster R-CNN, RetinaNet and Mask R-CNN."),
        (DETECTION, "yolov5", {"lr_scheduler": "step", "learning_rate_scheduler": "warmup_cosine"}, "given twice"),
        (DETECTION, "yolov5", {"layers_to_freeze": 11}, "Allowed: 0 to 10."),
        (DETECTION, "rtdetrv2_r18", {"min_size": 600}, "min_size has no meaning for rtdetrv2_r18"),
        (DETECTION, "rtdetrv2_r18", {"image_size": 32}, "Its square has 64 pixels or more."),
        (DETECTION, "rtdetrv2_r18", {"multi_scale": True}, "It is a setting of: yolov5."),
        (DETECTION, "yolov5", {"advanced_settings": "{"}, "a JSON object"),
        (DETECTION, "yolov5", {"advanced_settings": '{"mosaic": true}'}, "Known are apply_mosaic_for_yolo"),
        (DETECTION, "yolov5", {"checkpoint_filename": "model.pt"}, "belong together"),
        (DETECTION, "resnet18", {}, "The task image-object-detection has no model 'resnet18'. Choose one of: yolov5"),
        (DETECTION, "fasterrcnn_resnet18_fpn", {"min_size": 900, "max_size": 800}, "is larger than max_size"),
        (tasks.SEGMENTATION, None, {"tile_grid_size": "3x2"}, "It is a setting of: detection models."),
        (CLASSIFICATION, "vitb16r224", {"training_crop_size": 192}, "Give both the same value."),
        (
            CLASSIFICATION,
            "vits16r224",
            {"training_crop_size": 200, "validation_crop_size": 200},
            "patches of 16 pixels",
        ),
        (CLASSIFICATION, "dinov2_vits14", {"training_crop_size": 224, "validation_crop_size": 196}, "Give both"),
        ("image-captioning", None, {}, "There is no task 'image-captioning'."),
    ],
)
def test_what_is_refused_and_how(task: str, model: str | None, given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        spec.resolve(task, model, given)
    assert words in str(refused.value)


def test_requested_and_effective_are_told_apart() -> None:
    found = spec.resolve(DETECTION, "yolov5", {"img_size": 650, "beta1": 0.8, "validation_metric_type": "none"})
    assert found.requested == {"image_size": 650, "beta1": 0.8, "validation_metric_type": "none"}
    assert found.effective["image_size"] == 672
    assert found.effective["early_stopping"] is False
    assert any("beta1 has no effect" in note for note in found.notes)
    assert any("multiple of 32" in note for note in found.notes)
    assert any("last epoch is kept" in note for note in found.notes)


def test_the_document_is_current() -> None:
    written = (running.ROOT / "docs" / "hyperparameters.md").read_text(encoding="utf-8")
    assert written == document.markdown(), f"write it again: {document.COMMAND}"


def test_the_table_needs_no_torch() -> None:
    code = "import sys, automl.vision.spec, automl.vision.spec.document; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=running.ROOT, check=True, timeout=60)
