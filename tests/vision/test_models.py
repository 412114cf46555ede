"""All names behind one interface: sizes, losses, predictions, freezing. Big networks exist on the meta device only."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from automl.vision import models
from automl.vision.models import catalogue
from automl.vision.models.base import VisionModel
from automl.vision.requests import Thresholds
from automl.vision.spec import tasks

NAMES = sorted(models.ARCHITECTURES)
PUBLISHED_CLASSES = {"image-classification": 1000, "image-object-detection": 4, "image-instance-segmentation": 4}


def make(name: str, *, classes: int = 3, task: str | None = None, **settings: Any) -> VisionModel:
    torch.manual_seed(0)
    chosen = task or models.ARCHITECTURES[name].tasks[0]
    return models.build(name, task=chosen, num_classes=classes, settings=settings)


def test_the_names_are_the_24_of_the_parity_list() -> None:
    listed = [architecture for architecture in models.ARCHITECTURES.values() if architecture.listed]
    assert len(listed) == 24
    assert {models.architecture_of(name, task).name for task, name in models.DEFAULT_MODELS.items()} <= set(NAMES)


@pytest.fixture(scope="module")
def counts() -> dict[str, int]:
    found = {}
    for name in NAMES:
        with torch.device("meta"):
            classes = PUBLISHED_CLASSES[models.ARCHITECTURES[name].tasks[0]]
            counts_80 = models.ARCHITECTURES[name].family in {"yolov5", "rtdetrv2", "mask2former"}
            found[name] = make(name, classes=80 if counts_80 else classes).parameter_count()
    return found


def test_every_name_has_the_published_number_of_parameters(counts: dict[str, int]) -> None:
    for name, count in counts.items():
        assert count / 1e6 == pytest.approx(models.ARCHITECTURES[name].params_millions, rel=0.01), name


def test_names_beyond_the_list_are_marked_in_both_tables() -> None:
    more = {name for name, architecture in models.ARCHITECTURES.items() if not architecture.listed}
    assert more == {entry.name for entry in tasks.MODELS.values() if entry.beyond_parity}
    assert set(models.ARCHITECTURES) == set(tasks.MODELS)


def test_no_two_names_share_a_network(counts: dict[str, int]) -> None:
    assert len(set(counts.values())) == len(counts)


@pytest.mark.usefixtures("no_sockets")
@pytest.mark.parametrize(
    "name", ["mobilenetv2", "resnet18", "vits16r224", "yolov5", "fasterrcnn_resnet18_fpn", "rtdetrv2_r18"]
)
def test_construction_never_asks_the_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_WEIGHTS_DOWNLOAD", "1")
    with torch.device("meta"):
        assert make(name).start == "cold"


def test_names_can_be_read_without_torch() -> None:
    program = "import sys; from automl.vision import models; print(len(models.ARCHITECTURES), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(NAMES)), "False"]


def test_an_unknown_name_or_task_is_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"no model 'resnet18' for image-object-detection.*yolov5"):
        models.build("resnet18", task="image-object-detection", num_classes=2, settings={})
    with pytest.raises(ValueError, match=r"no task 'text'. Tasks are: image-classification"):
        models.build("resnet18", task="text", num_classes=2, settings={})
    assert models.task_of("image_object_detection") == "image-object-detection"
    assert models.task_of("image-multi-labeling") == "image-classification-multilabel"


# --- Classification --------------------------------------------------------------------------------------------------


def test_a_classifier_learns_predicts_and_embeds() -> None:
    model = make("resnet18")
    images, targets = torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 2, 0])
    losses = model.training_step(images, targets)
    losses["loss_classification"].backward()
    model.eval()
    logits = torch.stack([row["logits"] for row in model.predict_step(list(images))])
    assert logits.shape == (4, 3)
    features = model.embed(images)
    assert torch.allclose(model.classifier()(features), logits, atol=1e-5)  # type: ignore[operator]


@pytest.mark.parametrize("name", ["mobilenetv2", "vits16r224"])
def test_the_classifier_is_what_follows_the_embedding(name: str) -> None:
    model = make(name, training_crop_size=64, validation_crop_size=64).eval()
    image = torch.rand(1, 3, 64, 64)
    logits = model.predict_step(image)[0]["logits"]
    assert torch.allclose(model.classifier()(model.embed(image))[0], logits, atol=1e-5)  # type: ignore[operator]


def test_normalisation_is_inside() -> None:
    model = make("resnet18").eval()
    image = torch.rand(1, 3, 32, 32)
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (model.input_spec.mean, model.input_spec.std))
    by_hand = model.network((image - mean) / std)  # type: ignore[operator]
    assert torch.allclose(model.predict_step(image)[0]["logits"], by_hand[0])


def test_class_weights_follow_the_formula() -> None:
    images, targets = torch.rand(3, 3, 32, 32), torch.tensor([0, 1, 1])
    counts = [10, 30, 20]
    losses = {}
    for weighted in (0, 1, 2):
        torch.manual_seed(0)
        settings = {"weighted_loss": weighted}
        model = models.build(
            "resnet18", task="image-classification", num_classes=3, settings=settings, class_counts=counts
        )
        model.eval()  # same statistics each time
        losses[weighted] = model.training_step(images, targets)["loss_classification"].item()
        logits = torch.stack([row["logits"] for row in model.predict_step(images)])
    each = torch.nn.functional.cross_entropy(logits, targets, reduction="none").numpy()
    full = 60 / (3 * np.array(counts))[targets.numpy()]
    for weighted, weights in ((0, np.ones(3)), (1, np.sqrt(full)), (2, full)):
        assert losses[weighted] == pytest.approx((weights * each).sum() / weights.sum(), rel=1e-5)
    with pytest.raises(ValueError, match="class_counts"):
        make("resnet18", weighted_loss=1)


def test_multi_label_is_a_question_per_class() -> None:
    model = make("resnet18", task="image-classification-multilabel").eval()
    images, targets = torch.rand(2, 3, 32, 32), torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    logits = torch.stack([row["logits"] for row in model.predict_step(images)])
    expected = torch.nn.functional.binary_cross_entropy(logits.sigmoid(), targets)
    assert model.training_step(images, targets)["loss_classification"].item() == pytest.approx(
        float(expected), rel=1e-4
    )


def test_a_vit_wants_equal_crops_that_patches_divide() -> None:
    with pytest.raises(ValueError, match="training_crop_size and validation_crop_size have to be equal"):
        make("vits16r224", training_crop_size=224, validation_crop_size=256)
    with torch.device("meta"):
        assert make("vits16r224", training_crop_size=256, validation_crop_size=256).network.pos_embed.shape[1] == 257


# --- Detection and segmentation --------------------------------------------------------------------------------------

SMALL = {"min_size": 64, "max_size": 96, "image_size": 64, "model_size": "small", "box_score_threshold": 0.0}


def targets_for(masks: bool) -> list[dict[str, torch.Tensor]]:
    full = {"boxes": torch.tensor([[8.0, 4.0, 40.0, 30.0], [30.0, 20.0, 60.0, 44.0]]), "labels": torch.tensor([0, 2])}
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    full["is_crowd"], empty["is_crowd"] = torch.tensor([False, True]), torch.zeros(0, dtype=torch.bool)
    if masks:
        full["masks"], empty["masks"] = torch.zeros(2, 48, 64, dtype=torch.uint8), torch.zeros(0, 48, 64).byte()
        full["masks"][0, 4:30, 8:40] = 1
    return [full, empty]


def fewer_proposals(model: VisionModel) -> VisionModel:
    """A proposal network that passes on 40 boxes instead of 1,000, so that a test is over soon."""
    if hasattr(model.network, "rpn"):
        model.network.rpn._post_nms_top_n = {"training": 40, "testing": 40}  # type: ignore[union-attr]
    return model


@pytest.mark.parametrize(
    "name",
    [
        "yolov5",
        "fasterrcnn_resnet18_fpn",
        "retinanet_resnet50_fpn",
        "rtdetrv2_r18",
        pytest.param("maskrcnn_resnet18_fpn", marks=pytest.mark.long),
        pytest.param("mask2former_swin_t", marks=pytest.mark.long),
    ],
)
def test_a_detector_learns_and_predicts_in_pixels_of_the_image_given(name: str) -> None:
    model = fewer_proposals(make(name, **SMALL))
    images = [torch.rand(3, 48, 64), torch.rand(3, 48, 64)]
    losses = model.training_step(images, targets_for("mask" in name))
    total = torch.stack(list(losses.values())).sum()
    assert torch.isfinite(total)
    total.backward()
    model.eval()
    found = model.predict_step([torch.rand(3, 48, 64), torch.rand(3, 64, 32)])
    for one, (height, width) in zip(found, ((48, 64), (64, 32)), strict=True):
        assert one.keys() == {"boxes", "scores", "labels"} | ({"masks"} if "mask" in name else set())
        assert len(one["boxes"]), "with a threshold of 0 something is found"
        assert float(one["boxes"].min()) >= 0
        assert bool((one["boxes"].amax(dim=0) <= torch.tensor([width, height, width, height])).all())
        assert bool((one["scores"].diff() <= 0).all())
        assert set(one["labels"].tolist()) <= {0, 1, 2}
        if "masks" in one:
            assert one["masks"].shape[1:] == (height, width)
            assert one["masks"].dtype == torch.bool
    assert model.embed(images).shape[0] == 2
    image = [torch.rand(3, 48, 64)]
    before = len(model.predict_step(image)[0]["scores"])
    assert len(model.predict_step(image, Thresholds(detections_per_image=3))[0]["scores"]) == 3
    assert len(model.predict_step(image, Thresholds(box_score=1.0))[0]["scores"]) == 0
    assert len(model.predict_step(image)[0]["scores"]) == before, "thresholds of one request do not outlive it"


@pytest.mark.parametrize("name", ["yolov5", "fasterrcnn_resnet18_fpn", "rtdetrv2_r18"])
def test_crowds_are_not_learned(name: str) -> None:
    model = fewer_proposals(make(name, **SMALL))
    images = [torch.rand(3, 48, 64)] * 2
    with_crowd = targets_for(False)
    without = [{key: value[:1] for key, value in with_crowd[0].items()}, with_crowd[1]]
    values = []
    for targets in (with_crowd, without):
        torch.manual_seed(1)
        model.train()
        values.append({key: value.item() for key, value in model.training_step(images, targets).items()})
    assert values[0] == pytest.approx(values[1], rel=1e-4)


@pytest.mark.parametrize(
    ("name", "classes_at"),
    [
        ("resnet18", {"network.fc.weight", "network.fc.bias"}),
        ("yolov5", None),
        ("fasterrcnn_resnet18_fpn", None),
        ("retinanet_resnet50_fpn", None),
        ("maskrcnn_resnet18_fpn", None),
        ("rtdetrv2_r18", None),
        ("mask2former_swin_t", None),
    ],
)
def test_class_rows_name_exactly_the_tensors_that_change_with_the_classes(name: str, classes_at: Any) -> None:
    with torch.device("meta"):
        three, five = make(name, classes=3), make(name, classes=5)
    shapes = [{key: tuple(value.shape) for key, value in model.state_dict().items()} for model in (three, five)]
    changed = {key for key in shapes[0] if shapes[0][key] != shapes[1][key]}
    rows = three.class_rows()
    assert set(rows) == changed
    assert classes_at is None or changed == classes_at
    for key, row in rows.items():
        for shape, classes in zip(shapes, (3, 5), strict=True):
            assert shape[key][0] == row.count(classes), key


# --- Freezing and groups ---------------------------------------------------------------------------------------------

GROUPS = {"mobilenetv2": 19, "resnet18": 5, "resnest50": 5, "seresnext": 5, "vits16r224": 13, "vitl16r224": 25}
GROUPS |= {"yolov5": 10, "fasterrcnn_resnet18_fpn": 5, "retinanet_resnet50_fpn": 5, "maskrcnn_resnet18_fpn": 5}
GROUPS |= {"rtdetrv2_r18": 5, "mask2former_swin_t": 5}


@pytest.mark.parametrize(("name", "count"), GROUPS.items())
def test_each_group_freezes_something_more(name: str, count: int) -> None:
    with torch.device("meta"):
        model = make(name)
    frozen = [len(model.freeze(n)) for n in range(count + 1)]
    assert frozen[0] == 0
    assert all(later > earlier for earlier, later in itertools.pairwise(frozen))
    assert frozen[-1] < len(list(model.parameters())), "the head is never frozen"
    with pytest.raises(ValueError, match=f"0 to {count}"):
        model.freeze(count + 1)


def test_frozen_layers_neither_move_nor_count_statistics() -> None:
    model = make("resnet18")
    names = model.freeze(2)
    assert {name.split(".")[1] for name in names} == {"conv1", "bn1", "layer1"}
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.param_groups(), lr=0.5)
    model.train()
    model.training_step(torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 2, 0]))["loss_classification"].backward()
    optimizer.step()
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert not {key for key in moved if key.startswith(("network.conv1", "network.bn1", "network.layer1"))}
    assert {key for key in moved if key.startswith("network.layer2")}


@pytest.mark.parametrize("name", ["resnet18", "vits16r224", "yolov5", "rtdetrv2_r18"])
def test_parameter_groups_hold_everything_once_and_spare_biases(name: str) -> None:
    with torch.device("meta"):
        model = make(name)
    groups = {group["name"]: group for group in model.param_groups()}
    assert groups["no_decay"]["weight_decay"] == 0.0
    assert all(parameter.ndim > 1 for parameter in groups["decay"]["params"])
    together = [id(parameter) for group in groups.values() for parameter in group["params"]]
    assert sorted(together) == sorted(id(parameter) for parameter in model.parameters())


# --- Coming back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resnet18", "yolov5", "maskrcnn_resnet18_fpn", "rtdetrv2_r18"])
def test_a_model_comes_back_from_its_state(name: str) -> None:
    model = fewer_proposals(make(name, **SMALL)).eval()
    task = models.ARCHITECTURES[name].tasks[0]
    again = fewer_proposals(models.restore(model.state_dict(), name, task=task, num_classes=3, settings=SMALL))
    image = torch.rand(1, 3, 64, 64)
    one, other = model.predict_step(image)[0], again.predict_step(image)[0]
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert (again.start, again.training) == ("checkpoint", False)
    with pytest.raises(ValueError, match="are not of"):
        models.restore(model.state_dict(), name, task=task, num_classes=4, settings=SMALL)


def test_the_catalogue_names_every_default_size() -> None:
    assert dict(models.ARCHITECTURES["resnet18"].sizes)["validation_crop"] == 224
    assert catalogue.yolo_size_of("xlarge") == "extra_large"
    with pytest.raises(ValueError, match="small, medium, large, extra_large"):
        catalogue.yolo_size_of("tiny")
