"""Exported graphs and the runtime without torch: their answers are torch's."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn

from automl.vision import answers, description
from automl.vision.engines import Choice
from automl.vision.errors import DataError, UsageError
from automl.vision.export import export
from automl.vision.export.export import ALLOWED, ExportError, compare
from automl.vision.export.networks import parts_of
from automl.vision.predict import Predictor
from automl.vision.runtime import FILES, Request, Runner, Thresholds
from automl.vision.runtime.graphs import Graph
from automl.vision.tiling import Grid
from tests.vision.exporting import CLASSES, Made, coloured, made, make, png, scene, teach

QUICK = (
    "resnet18",
    "yolov5",
    *(pytest.param(name, marks=pytest.mark.long) for name in ("retinanet_resnet50_fpn", "maskrcnn_resnet18_fpn")),
)
# Larger than the network wants, smaller, upright, and one that has its size.
SOURCES = [png(300, 200, 1), png(90, 70, 2), png(100, 190, 3), png(128, 128, 4)]

Exports = Callable[[str], Made]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """A model of each name, exported when it is first asked for."""
    kept: dict[str, Made] = {}

    def exported(name: str) -> Made:
        if name not in kept:
            kept[name] = made(name, tmp_path_factory.mktemp(name))
        return kept[name]

    return exported


def said_by_torch(one: Made, sources: Sequence[bytes], request: Request | None = None) -> list[dict[str, Any]]:
    found = Predictor(one.model, CLASSES, one.settings)(sources, request)
    return [answer for _source, answer in found]  # type: ignore[misc]


def said_by_runner(runner: Runner, sources: Sequence[bytes], request: Request | None = None) -> list[dict[str, Any]]:
    return [answer.said for answer in runner.predict([runner.read(source) for source in sources], request)]


def assert_same(ours: list[dict[str, Any]], torchs: list[dict[str, Any]], allowed: float = 1e-4) -> int:
    """The same answers, as far as float32 goes; returns how many boxes there were."""
    assert len(ours) == len(torchs)
    count = 0
    for one, other in zip(ours, torchs, strict=True):
        if "probs" in one:
            assert one["labels"] == other["labels"]
            assert one["probs"] == pytest.approx(other["probs"], abs=1e-5)
            continue
        assert len(one["boxes"]) == len(other["boxes"])
        remaining = list(other["boxes"])
        for box in one["boxes"]:
            twin = min(remaining, key=lambda each: apart(each, box))
            assert apart(twin, box) < allowed, (box, twin)
            assert_same_polygons(box, twin)
            remaining.remove(twin)
            count += 1
    return count


def apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The difference of two scores, or a fifth of that of two boxes in any side where that is more; infinite for
    different classes."""
    if one["label"] != other["label"]:
        return float("inf")
    sides = [abs(one["box"][key] - other["box"][key]) for key in one["box"]]
    return float(max(max(sides) / 5, abs(one["score"] - other["score"])))


def assert_same_polygons(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Polygons cover the same pixels but for a few at their edge: a pixel more may make other corners go."""
    assert ("polygon" in one) == ("polygon" in other)
    if "polygon" not in one:
        return
    from automl.vision.data.samples import rasterize

    drawn = [
        rasterize([[np.reshape(ring, (-1, 2)) * 200 for ring in each["polygon"]]], 200, 200)[0] > 0
        for each in (one, other)
    ]
    assert (drawn[0] ^ drawn[1]).sum() <= max(8, 0.05 * drawn[1].sum())


# --- The same answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUICK)
def test_every_graph_says_what_torch_says(name: str, exports: Exports) -> None:
    written = exports(name).written
    assert {path.name for path in written.files} <= set(FILES)
    assert len(written.files) == (2 if "rcnn" in name else 1)
    assert 0 < written.largest < ALLOWED * 10
    for path in written.files:
        onnx.checker.check_model(str(path))
    parts = parts_of(exports(name).model, normalize=True, batch_size=None)
    for part, path in zip(parts, written.files, strict=True):
        compare(part, path, name, "openvino")  # raises where it is not within the same bounds


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", QUICK)
def test_the_runner_says_what_the_predictor_says(name: str, engine: str, exports: Exports) -> None:
    one = exports(name)
    runner = Runner.open(one.folder, choice=Choice(engine))
    assert runner.engine == engine
    torchs = said_by_torch(one, SOURCES)
    # OpenVINO rounds elsewhere, and is as near to the exact numbers as torch is.
    allowed = 1e-4 if engine == "onnxruntime" else 2e-4
    count = assert_same(said_by_runner(runner, SOURCES), torchs, allowed)
    assert name == "resnet18" or count > 10, "enough was found to compare"
    alone = said_by_runner(runner, SOURCES[1:2])
    assert_same(alone, torchs[1:2], allowed)  # whatever else is asked at the same time
    if name != "resnet18":
        nothing = Request(Thresholds(box_score=1.0))
        assert said_by_runner(runner, SOURCES[:2], nothing) == [{"boxes": []}] * 2


def test_bf16_says_nearly_always_the_class_that_fp32_says(tmp_path: Path) -> None:
    """Of a network that knows its classes."""
    kinds = np.arange(60, 260) % 3
    pixels = np.stack([coloured(64, 64, seed).transpose(2, 0, 1) for seed in range(60, 260)]).astype(np.float32) / 255
    model, settings = make("resnet18")
    teach(model)
    path = export(model, CLASSES, settings, tmp_path).files[0]
    choices = (Choice("onnxruntime"), Choice("openvino", "bf16"))
    exact, rough = (Graph(path, choice=choice).run_images(pixels)["output1"] for choice in choices)
    assert (exact.argmax(axis=1) == kinds).mean() > 0.9
    assert (rough.argmax(axis=1) == exact.argmax(axis=1)).mean() >= 0.995


@pytest.mark.parametrize("name", ["yolov5", pytest.param("retinanet_resnet50_fpn", marks=pytest.mark.long)])
def test_tiles_and_thresholds_of_a_request_mean_the_same(name: str, exports: Exports) -> None:
    one = exports(name)
    runner = Runner.open(one.folder)
    thresholds = Thresholds(box_score=0.1, nms_iou=0.3, detections_per_image=5)
    for request in (Request(tiles=Grid(2, 2)), Request(thresholds), Request(thresholds, Grid(3, 1, 0.1, 0.4))):
        ours, torchs = said_by_runner(runner, SOURCES, request), said_by_torch(one, SOURCES, request)
        assert assert_same(ours, torchs) > 3
        assert request.tiles or max(len(each["boxes"]) for each in ours) <= 5


def test_tiles_of_the_training_are_used_at_prediction(exports: Exports) -> None:
    one = exports("yolov5")
    tiled = {"tile_grid_size": (2, 1), "tile_overlap_ratio": 0.1}
    runner = Runner.open(one.folder, changes=tiled)
    torchs = list(Predictor(one.model, CLASSES, {**one.settings, **tiled})(SOURCES))
    assert assert_same(said_by_runner(runner, SOURCES), [answer for _source, answer in torchs]) > 3  # type: ignore[misc]


@pytest.mark.long
def test_polygons_have_at_most_the_points_asked_for(exports: Exports) -> None:
    one = exports("maskrcnn_resnet18_fpn")
    runner = Runner.open(one.folder)
    request = Request(Thresholds(mask_pixel_score=0.45), max_polygon_points=12)
    ours = said_by_runner(runner, SOURCES[:2], request)
    assert assert_same(ours, said_by_torch(one, SOURCES[:2], request)) > 3
    for box in (box for each in ours for box in each["boxes"]):
        points = [len(ring) // 2 for ring in box["polygon"]]
        assert sum(points) <= 12 or min(points) == 3  # every part has at least three
    nothing = Request(Thresholds(box_score=1.0))
    assert said_by_runner(runner, SOURCES[:2], nothing) == [{"boxes": []}] * 2


@pytest.mark.long
def test_arrays_are_the_answer_as_numbers(exports: Exports) -> None:
    runner = Runner.open(exports("maskrcnn_resnet18_fpn").folder)
    answer = runner.predict([runner.read(SOURCES[0])])[0]
    rows = answer.said["boxes"]
    assert answer.arrays["boxes"].shape == (len(rows), 4)
    assert answer.arrays["boxes"][0].tolist() == pytest.approx(list(rows[0]["box"].values()))
    assert [CLASSES[at] for at in answer.arrays["class_ids"]] == [row["label"] for row in rows]
    assert answer.arrays["scores"].tolist() == pytest.approx([row["score"] for row in rows])
    classifier = Runner.open(exports("resnet18").folder)
    said = classifier.predict([classifier.read(SOURCES[0])])[0]
    assert said.arrays["probs"].tolist() == pytest.approx(said.said["probs"])


@pytest.mark.long
def test_outputs_have_the_names_of_the_parity_list(exports: Exports) -> None:
    image = torch.stack([torch.from_numpy(scene(160, 128, seed).copy()).permute(2, 0, 1) / 255 for seed in (1, 2)])
    for name in ("retinanet_resnet50_fpn", "maskrcnn_resnet18_fpn"):
        one = exports(name)
        given = Runner.open(one.folder).outputs(image.numpy())
        kinds = {"boxes", "labels", "scores"} | ({"masks"} if "mask" in name else set())
        assert set(given) == {f"{kind}_{at}" for kind in kinds for at in (0, 1)}
        torchs = {key: value.numpy() for key, value in one.model.predict_step(image)[0].items()}
        drawn = torchs.pop("masks", None)
        ours = {kind: given[f"{kind}_0"] for kind in torchs}
        assert_same(*([answers.of_objects(each, 160, 128, CLASSES, 0)] for each in (ours, torchs)))
        if drawn is not None:
            assert given["masks_0"].shape == (len(ours["scores"]), 1, 128, 160)
            assert given["masks_0"].max() <= 1
            assert (given["masks_0"] > 0.5).sum() == pytest.approx(drawn.sum(), rel=0.02)
    yolo = exports("yolov5")
    rows = Runner.open(yolo.folder).outputs(image[:, :, :, :128].contiguous().numpy())["output1"]
    assert rows.shape == (2, 3 * (16**2 + 8**2 + 4**2), 5 + len(CLASSES))


def test_several_labels_are_probabilities_of_their_own(tmp_path: Path) -> None:
    one = made("resnet18", tmp_path, task="image-classification-multilabel")
    runner = Runner.open(tmp_path)
    ours = said_by_runner(runner, SOURCES)
    assert_same(ours, said_by_torch(one, SOURCES))
    assert sum(ours[0]["probs"]) != pytest.approx(1, abs=1e-3)


# --- Kinds of graphs -------------------------------------------------------------------------------------------------


def test_normalisation_may_stay_outside(tmp_path: Path, exports: Exports) -> None:
    one = made("resnet18", tmp_path, enable_onnx_normalization=False)
    assert one.written.normalization == "outside"
    runner = Runner.open(tmp_path)
    assert_same(said_by_runner(runner, SOURCES), said_by_torch(one, SOURCES))
    pixels = np.full((1, 3, 64, 64), 0.5, np.float32)
    spec = one.model.input_spec
    mean, std = (np.array(each, np.float32).reshape(1, 3, 1, 1) for each in (spec.mean, spec.std))
    inside = Runner.open(exports("resnet18").folder).outputs(pixels)["output1"]
    assert runner.outputs((pixels - mean) / std)["output1"] == pytest.approx(inside, abs=1e-4)


def test_a_graph_for_one_batch_size_answers_any_number_of_images(tmp_path: Path) -> None:
    one = made("resnet18", tmp_path, batch_size=3, validation_batch_size=8)
    assert [path.name for path in one.written.files] == ["model_3.onnx"]
    shape = onnx.load(one.written.files[0]).graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in shape] == [3, 3, 64, 64]
    runner = Runner.open(tmp_path, file="model_3.onnx")
    assert_same(said_by_runner(runner, SOURCES), said_by_torch(one, SOURCES))
    with pytest.raises(UsageError, match="batch size cannot be 0"):
        export(one.model, CLASSES, one.settings, tmp_path, 0)


def test_a_graph_that_differs_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    model, settings = make("resnet18")

    class Drifts(nn.Module):
        """Says something else each time."""

        def __init__(self, inside: nn.Module) -> None:
            super().__init__()
            self.inside, self.calls = inside, 0

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            shift = 0.0 if torch.onnx.is_in_onnx_export() else 0.01
            return self.inside(images) + shift  # type: ignore[no-any-return]

    model.network = Drifts(model.network)  # type: ignore[arg-type]
    with pytest.raises(ExportError, match="differs from torch by 0.01 in output1"):
        export(model, CLASSES, settings, tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- What is refused -------------------------------------------------------------------------------------------------


def copy_of(one: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(one.folder, tmp_path / "copy"))


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, exports: Exports) -> None:
    folder = copy_of(exports("resnet18"), tmp_path)
    description.write_json(folder / "labels.json", ["one", "two"])
    with pytest.raises(DataError, match=r"knows 3 classes, and labels.json names 2"):
        Runner.open(folder)
    (folder / "labels.json").unlink()
    with pytest.raises(DataError, match=r"There is no .*labels.json"):
        Runner.open(folder)
    shutil.copy(exports("yolov5").folder / "model.onnx", folder)
    description.write_json(folder / "labels.json", CLASSES)
    with pytest.raises(DataError, match=r"is of yolov5 \(image-object-detection\), and settings.json of resnet18"):
        Runner.open(folder)
    (folder / "model.onnx").write_bytes(b"torn")
    with pytest.raises(DataError, match="is no ONNX graph that can be opened"):
        Runner.open(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(DataError, match=r"There is no .*model.onnx"):
        Runner.open(folder)
    with pytest.raises(DataError, match="holds no training"):
        Runner.open(tmp_path)


def test_a_graph_of_somebody_else_is_refused(tmp_path: Path, exports: Exports) -> None:
    folder = copy_of(exports("resnet18"), tmp_path)
    graph = onnx.load(folder / "model.onnx")
    del graph.metadata_props[:]
    onnx.save(graph, folder / "model.onnx")
    with pytest.raises(DataError, match="was not written by `export`"):
        Runner.open(folder)


def test_settings_are_checked_and_may_be_changed(tmp_path: Path, exports: Exports) -> None:
    folder = copy_of(exports("yolov5"), tmp_path)
    found = json.loads((folder / "settings.json").read_text())
    found["settings"]["box_score_threshold"] = 0.9
    description.write_json(folder / "settings.json", found)
    assert Runner.open(folder).settings["box_score_threshold"] == 0.9
    assert Runner.open(folder, changes={"box_score_thresh": "0.2"}).settings["box_score_threshold"] == 0.2
    with pytest.raises(UsageError, match="box_score_threshold"):
        Runner.open(folder, changes={"box_score_threshold": 7})
    with pytest.raises(DataError, match="was exported for image_size 128, and the settings say 256"):
        Runner.open(folder, changes={"image_size": 256})


def test_what_is_no_image_gets_a_sentence(tmp_path: Path, exports: Exports) -> None:
    runner = Runner.open(exports("resnet18").folder)
    with pytest.raises(DataError, match="is no image"):
        runner.read(b"hello")
    with pytest.raises(DataError, match="is empty"):
        runner.read(b"")
    with pytest.raises(DataError, match="does not exist"):
        runner.read(tmp_path / "missing.png")
    runner.max_pixels = 5000
    with pytest.raises(DataError, match="has 90 × 70 pixels, more than the 5,000 that are taken"):
        runner.read(SOURCES[1])
    runner.max_pixels, runner.max_bytes = 10_000, 100
    with pytest.raises(DataError, match="bytes, more than the 100 that are taken"):
        runner.read(SOURCES[1])


def test_images_are_read_upright(exports: Exports) -> None:
    runner = Runner.open(exports("yolov5").folder)
    image = Image.open(io.BytesIO(SOURCES[0]))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = io.BytesIO()
    image.save(turned, "PNG", exif=exif)
    ready = runner.read(turned.getvalue())
    assert (ready.original_width, ready.original_height) == (200, 300)
    assert ready.pixels.shape == (128, 85, 3)
