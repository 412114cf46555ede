"""Where first weights come from: the folder, its manifest, hashes, licences; and that they fit."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from automl.vision import models, weights
from automl.vision.models import mask2former, rtdetr
from automl.vision.weights_registry import REGISTRY
from tests.vision.yolox_reference import Trunk

TASK = "image-classification"
DETECTION = "image-object-detection"
SEGMENTATION = "image-instance-segmentation"


def put(folder: Path, tag: str, state: dict[str, Tensor], fits: list[str], **other: Any) -> weights.Policy:
    """A file of made-up weights in the folder, listed in its manifest."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{tag}.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    entry = {"tag": tag, "fits": fits, "file": path.name, "sha256": weights.sha256_of(path)}
    entry |= {"start": "imagenet", "licence": "apache-2.0", "layout": "whole", **other}
    (folder / "manifest.json").write_text(json.dumps([entry]))
    return weights.Policy(folder)


def random_state(model: Any, prefix: str = "network.", seed: int = 0) -> dict[str, Tensor]:
    """Another network's numbers under the names that the publisher uses."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name.removeprefix(prefix): torch.rand(value.shape, generator=generator)
        for name, value in model.state_dict().items()
        if name.startswith(prefix) and not name.endswith("num_batches_tracked")
    }


def test_a_classifier_starts_from_the_folder_except_its_head(tmp_path: Path) -> None:
    published = models.build("resnet18", task=TASK, num_classes=7, settings={})
    state = random_state(published)
    policy = put(tmp_path, "house.r18", state, ["resnet18"], mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5])
    model = models.build("resnet18", task=TASK, num_classes=3, settings={}, weights=policy)
    assert (model.start, model.start_tag, model.start_licence) == ("imagenet", "house.r18", "apache-2.0")
    assert torch.equal(model.state_dict()["network.layer3.0.conv1.weight"], state["layer3.0.conv1.weight"])
    assert torch.equal(model.state_dict()["network.bn1.running_var"], state["bn1.running_var"])
    assert model.network.fc.weight.shape == (3, 512)
    assert model.input_spec.mean == (0.5, 0.5, 0.5), "pixels are normalised as the weights want it"
    again = models.restore(model.state_dict(), "resnet18", task=TASK, num_classes=3, settings={})
    assert again.input_spec.mean == (0.5, 0.5, 0.5)


@pytest.mark.long
def test_dinov2_starts_from_the_publishers_file_and_from_timms(tmp_path: Path) -> None:
    """With positions of another image size, which are interpolated in the same way."""
    name, sizes = "dinov2_vits14", {"training_crop_size": 28, "validation_crop_size": 28}
    larger = {"training_crop_size": 56, "validation_crop_size": 56}
    state = random_state(models.build(name, task=TASK, num_classes=7, settings=larger))
    policy = put(tmp_path / "timm", "house.timm", state, [name], start="self-supervised")
    model = models.build(name, task=TASK, num_classes=3, settings=sizes, weights=policy)
    assert model.start == "self-supervised"
    assert torch.equal(model.network.reg_token, state["reg_token"])
    published = {each: value for each, value in state.items() if each not in {"reg_token", "head.weight", "head.bias"}}
    first = torch.rand_like(state["cls_token"])
    published |= {
        "register_tokens": state["reg_token"],
        "mask_token": torch.rand(1, 384),
        "cls_token": state["cls_token"] - first,
        "pos_embed": torch.cat([first, state["pos_embed"]], dim=1),
    }
    policy = put(tmp_path / "own", "house.own", published, [name], start="self-supervised", layout="dinov2")
    other = models.build(name, task=TASK, num_classes=3, settings=sizes, weights=policy)
    images = torch.rand(2, 3, 28, 28)
    assert torch.allclose(model.eval().embed(images), other.eval().embed(images), atol=1e-4)
    del published["register_tokens"]
    policy = put(tmp_path / "bare", "house.bare", published, [name], start="self-supervised", layout="dinov2")
    with pytest.raises(weights.WeightsError, match="no registers"):
        models.build(name, task=TASK, num_classes=3, settings=sizes, weights=policy)


def test_an_empty_folder_or_none_is_a_cold_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_WEIGHTS", str(tmp_path))
    model = models.build("resnet18", task=TASK, num_classes=3, settings={})
    assert (model.start, model.start_tag, model.start_licence) == ("cold", "", "")
    monkeypatch.delenv("TESSERA_WEIGHTS")
    assert weights.Policy.from_environment().folder is None


def test_a_backbone_starts_a_detector_and_fixes_its_statistics(tmp_path: Path) -> None:
    classifier = models.build("resnet18", task=TASK, num_classes=1000, settings={})
    name = "fasterrcnn_resnet18_fpn"
    policy = put(tmp_path, "house.r18", random_state(classifier), [name], layout="backbone")
    model = models.build(name, task=DETECTION, num_classes=2, settings={}, weights=policy)
    assert model.start == "imagenet"
    body = model.network.backbone.body
    assert torch.equal(body.layer2[0].conv1.weight, classifier_like(policy, "layer2.0.conv1.weight"))
    assert not body.bn1.training
    assert not body.bn1.weight.requires_grad
    assert model.network.backbone.fpn.inner_blocks[0][0].weight.requires_grad


def classifier_like(policy: weights.Policy, name: str) -> Tensor:
    assert policy.folder is not None
    return weights.read(next(policy.folder.glob("*.safetensors")))[name]


OLD_NAMES = {
    "retinanet_resnet50_fpn": (
        "head.classification_head.conv.2.0.weight",
        "head.classification_head.conv.4.weight",
    ),
    "maskrcnn_resnet50_fpn": ("roi_heads.mask_head.2.0.bias", "roi_heads.mask_head.mask_fcn3.bias"),
    "fasterrcnn_resnet50_fpn": ("rpn.head.conv.0.0.weight", "rpn.head.conv.weight"),
}


@pytest.mark.parametrize("name", OLD_NAMES)
def test_published_detectors_fit_under_their_old_names_too(name: str) -> None:
    from automl.vision.models import starting

    today, old = OLD_NAMES[name]
    assert starting._today(old) == today
    assert starting._today(today) == today
    assert starting._today("backbone.fpn.inner_blocks.1.weight") == "backbone.fpn.inner_blocks.1.0.weight"
    with torch.device("meta"):
        model = models.build(name, task=models.ARCHITECTURES[name].tasks[0], num_classes=2, settings={})
    assert f"network.{today}" in model.state_dict()


def test_a_coco_start_keeps_everything_but_the_class_rows(tmp_path: Path) -> None:
    name = "fasterrcnn_resnet18_fpn"
    published = models.build(name, task=DETECTION, num_classes=90, settings={})
    policy = put(tmp_path, "house.coco", random_state(published), [name], start="coco")
    model = models.build(name, task=DETECTION, num_classes=2, settings={}, weights=policy)
    assert model.start == "coco"
    state = classifier_like(policy, "roi_heads.box_head.fc6.weight")
    assert torch.equal(model.network.roi_heads.box_head.fc6.weight, state)
    assert model.network.roi_heads.box_predictor.cls_score.weight.shape[0] == 3


def test_published_coco_detectors_keep_their_numbers_although_their_norms_add_nothing(tmp_path: Path) -> None:
    name = "fasterrcnn_resnet18_fpn"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        published = models.build(name, task=DETECTION, num_classes=90, settings={})
    state = random_state(published)
    policy = put(tmp_path, f"{name}.coco_v1", state, [name], start="coco")
    body = models.build(name, task=DETECTION, num_classes=2, settings={}, weights=policy).eval().network.backbone.body
    x = torch.rand(1, 64, 8, 8)
    parts = {key: state[f"backbone.body.bn1.{key}"].reshape(1, -1, 1, 1) for key in BATCH_NORM}
    by_hand = (x - parts["running_mean"]) / parts["running_var"].sqrt() * parts["weight"] + parts["bias"]
    assert torch.allclose(body.bn1(x), by_hand, rtol=1e-4, atol=1e-4)


BATCH_NORM = ("running_mean", "running_var", "weight", "bias")


def test_weights_of_another_network_are_refused_and_say_what_is_missing(tmp_path: Path) -> None:
    other = models.build("resnet34", task=TASK, num_classes=3, settings={})
    state = random_state(other)
    del state["layer1.0.conv1.weight"]
    policy = put(tmp_path, "wrong", state, ["resnet18"])
    with pytest.raises(weights.WeightsError, match=r"wrong.safetensors does not fit resnet18: .*layer1.0.conv1"):
        models.build("resnet18", task=TASK, num_classes=3, settings={}, weights=policy)


def test_a_vit_of_another_image_size_gets_its_positions_interpolated(tmp_path: Path) -> None:
    settings = {"training_crop_size": 64, "validation_crop_size": 64}
    small = models.build("vits16r224", task=TASK, num_classes=2, settings=settings)
    policy = put(tmp_path, "house.vit", random_state(small), ["vits16r224"])
    larger = {"training_crop_size": 96, "validation_crop_size": 96}
    model = models.build("vits16r224", task=TASK, num_classes=2, settings=larger, weights=policy)
    positions = classifier_like(policy, "pos_embed")
    assert model.network.pos_embed.shape == (1, 37, 384)
    assert torch.allclose(model.network.pos_embed[:, 0], positions[:, 0])


# --- Networks of transformers ----------------------------------------------------------------------------------------


def test_rtdetr_starts_from_what_transformers_saves(tmp_path: Path) -> None:
    """Under the tag of the registry; with the published network's own classes in place it says what that one says."""
    published = published_rtdetr()
    published.save_pretrained(tmp_path / "saved")
    path = (tmp_path / "saved" / "model.safetensors").rename(tmp_path / "rtdetr_v2_r18vd.coco.safetensors")
    assert any("model.encoder.encoder.0.layers.0.self_attn.out_proj" in name for name in weights.read(path))
    policy = weights.Policy(tmp_path)
    settings = {"image_size": 64}
    model = models.build("rtdetrv2_r18", task=DETECTION, num_classes=80, settings=settings, weights=policy)
    assert (model.start, model.start_tag, model.start_licence) == ("coco", "rtdetr_v2_r18vd.coco", "apache-2.0")
    assert not any(module.training for name, module in model.named_modules() if "backbone" in name and "norm" in name)
    own = published.state_dict()
    state = {name: own[name.removeprefix("network.")] for name in model.class_rows()}
    assert not any(torch.equal(model.state_dict()[name], value) for name, value in state.items() if value.std() > 0)
    model.load_state_dict(state, strict=False)
    model.eval()
    images = torch.rand(2, 3, 64, 64)
    published.config.num_queries = model.network.config.num_queries
    with torch.no_grad():
        said, ours = published(images), torch.cat(rtdetr.said(model.network, model.normalize(images)), dim=2)
    wanted = torch.cat([said.logits, said.pred_boxes], dim=2)
    apart = torch.cdist(ours, wanted, p=math.inf)  # queries that are as good may swap
    assert max(float(apart.amin(dim=1).max()), float(apart.amin(dim=2).max())) < 1e-3


def published_rtdetr() -> Any:
    """The network of 80 classes as transformers builds and saves it, with norms that do something."""
    from transformers import RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

    widths = [64, 128, 256, 512]
    backbone = RTDetrResNetConfig(depths=[2] * 4, hidden_sizes=widths, layer_type="basic", out_indices=[2, 3, 4])
    config = RTDetrV2Config(backbone_config=backbone, encoder_in_channels=widths[1:], hidden_expansion=0.5)
    config.decoder_layers, config.num_labels, config.tie_word_embeddings = 3, 80, False
    torch.manual_seed(0)
    network = RTDetrV2ForObjectDetection(config).eval()
    generator = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if value.is_floating_point() and value.ndim == 1 and "n_points_scale" not in name:
            value.copy_(value + 0.5 + 0.5 * torch.rand(value.shape, generator=generator))
    return network


@pytest.mark.long
def test_mask2former_starts_from_a_checkpoint_of_transformers(tmp_path: Path) -> None:
    """The same class with other numbers and classes, as `save_pretrained` writes it, listed in the manifest."""
    settings = {"image_size": 64}
    published = models.build("mask2former_swin_t", task=SEGMENTATION, num_classes=7, settings=settings)
    published.network.save_pretrained(tmp_path / "saved")
    state = weights.read(tmp_path / "saved" / "model.safetensors")
    assert any(".attention.self.relative_position_bias_table" in name for name in state), "under the published names"
    policy = put(tmp_path, "house.m2f", state, ["mask2former_swin_t"], start="coco", layout="transformers")
    model = models.build("mask2former_swin_t", task=SEGMENTATION, num_classes=3, settings=settings, weights=policy)
    assert (model.start, model.start_tag) == ("coco", "house.m2f")
    images = torch.rand(2, 3, 64, 64)
    (_logits, wanted), (_logits, found) = (
        mask2former.said(each.eval().network, each.normalize(images)) for each in (published, model)
    )
    assert torch.equal(found, wanted), "masks have nothing to do with classes"


def test_mask2former_starts_from_a_backbone_of_imagenet(tmp_path: Path) -> None:
    from transformers import SwinConfig, SwinForImageClassification

    torch.manual_seed(1)
    classifier = SwinForImageClassification(SwinConfig(num_labels=5))
    classifier.save_pretrained(tmp_path / "saved")
    file = (tmp_path / "saved" / "model.safetensors").rename(tmp_path / "swin-tiny-patch4-window7-224.safetensors")
    assert "swin.encoder.layers.3.blocks.1.attention.self.key.weight" in weights.read(file)
    policy = weights.Policy(tmp_path)
    model = models.build(
        "mask2former_swin_t", task=SEGMENTATION, num_classes=3, settings={"image_size": 64}, weights=policy
    )
    assert (model.start, model.start_licence) == ("imagenet", "apache-2.0")
    own = model.network.model.pixel_level_module.encoder.swin.state_dict()
    given = classifier.swin.state_dict()
    assert own.keys() <= given.keys()
    assert all(torch.equal(own[name], given[name]) for name in own)


def test_names_of_older_files_of_rtdetr_fit_too() -> None:
    from automl.vision.models.starting import transformers_network

    names = {
        "model.encoder.encoder.0.layers.0.self_attn.out_proj.weight": (
            "model.encoder.aifi.0.layers.0.self_attn.o_proj.weight"
        ),
        "model.encoder.encoder.0.layers.0.fc1.bias": "model.encoder.aifi.0.layers.0.mlp.fc1.bias",
        "model.decoder.layers.2.encoder_attn.output_proj.bias": "model.decoder.layers.2.encoder_attn.output_proj.bias",
        "class_embed.0.bias": "model.decoder.class_embed.0.bias",
    }
    found = transformers_network({name: torch.zeros(1) for name in names}, "rtdetrv2")
    assert set(found) == set(names.values())
    shared = {f"model.decoder.layers.{layer}.fc2.bias": torch.zeros(1) for layer in range(3)}
    shared["bbox_embed.0.layers.0.bias"] = torch.ones(1)
    found = transformers_network(shared, "rtdetrv2")
    heads = {f"model.decoder.bbox_embed.{layer}.layers.0.bias" for layer in range(3)}
    assert {name for name, value in found.items() if value} == heads


# --- yolov5 from YOLOX ----------------------------------------------------------------------------------------------


def test_yolox_weights_give_the_same_features(tmp_path: Path) -> None:
    """Against a YOLOX trunk written for this test alone, whose tensors are named as YOLOX names them."""
    torch.manual_seed(0)
    reference = Trunk(depth=1, width=0.5).eval()
    for value in reference.state_dict().values():
        if value.is_floating_point() and value.ndim == 1:
            value.uniform_(0.5, 1.5)  # norms that do something
    policy = put(
        tmp_path,
        "house.yolox",
        {f"backbone.{name}": value for name, value in reference.state_dict().items()},
        ["yolov5-small"],
        start="coco",
        layout="yolox",
        mean=[0, 0, 0],
        std=[1 / 255] * 3,
    )
    settings = {"model_size": "small", "image_size": 96}
    model = models.build("yolov5", task=DETECTION, num_classes=2, settings=settings, weights=policy).eval()
    assert (model.start, model.options) == ("coco", {"plan": 5, "scale": 255.0})
    rgb = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        wanted = reference(rgb.flip(1) * 255)  # YOLOX sees BGR of 0..255
        found = model.network.features(model.normalize(rgb))
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))
    again = models.restore(model.state_dict(), "yolov5", task=DETECTION, num_classes=2, settings=settings)
    assert again.options == model.options
    assert torch.allclose(again.network.features(again.normalize(rgb))[0], found[0])


# --- What is refused -------------------------------------------------------------------------------------------------


def test_a_file_with_another_hash_than_the_known_one_is_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "resnet18.tv_in1k.pth")
    with pytest.raises(weights.WeightsError, match=r"resnet18\.tv_in1k has f37072fd"):
        models.build("resnet18", task=TASK, num_classes=3, settings={}, weights=weights.Policy(tmp_path))


def test_licences_that_nobody_allowed_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = models.build("resnet18", task=TASK, num_classes=3, settings={})
    put(tmp_path, "house.nc", random_state(model), ["resnet18"], licence="CC-BY-NC-4.0")
    assert weights.find("resnet18", weights.Policy(tmp_path)) is None
    monkeypatch.setenv("TESSERA_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TESSERA_WEIGHTS_LICENCES", "cc-by-nc-4.0")
    allowed = models.build("resnet18", task=TASK, num_classes=3, settings={})
    assert allowed.start_licence == "cc-by-nc-4.0"


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("code of the file ran",))


def test_code_in_a_file_never_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, saved, other = tmp_path / "a.pth", tmp_path / "b.pth", tmp_path / "c.npz"
    plain.write_bytes(pickle.dumps({"weight": Evil()}))
    torch.save({"weight": Evil()}, saved)
    other.write_bytes(b"PK")
    for path in (plain, saved, other):
        with pytest.raises(weights.WeightsError, match=path.name):
            weights.read(path)
    assert capsys.readouterr().out == ""


def test_files_that_are_broken_or_hold_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"no header")
    torch.save([torch.zeros(2)], tmp_path / "b.pth")
    torch.save({"model": {"weight": torch.ones(2)}}, tmp_path / "c.pth")
    for name in ("a.safetensors", "b.pth"):
        with pytest.raises(weights.WeightsError, match=name):
            weights.read(tmp_path / name)
    assert weights.read(tmp_path / "c.pth")["weight"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"file": "../elsewhere.pth"}, "a name in the folder"),
        ({"sha256": "abc"}, "64 digits"),
        ({"start": "magic"}, "imagenet, coco, self-supervised"),
        ({"tag": None}, "missing tag"),
    ],
)
def test_a_manifest_entry_that_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    entry = {"tag": "a", "fits": ["resnet18"], "file": "a.pth", "sha256": "0" * 64}
    entry |= {"start": "coco", "licence": "mit", "layout": "whole", **change}
    if change.get("tag", "") is None:
        del entry["tag"]
    (tmp_path / "manifest.json").write_text(json.dumps([entry]))
    with pytest.raises(weights.WeightsError, match=f"entry 0.*{sentence}"):
        weights.find("resnet18", weights.Policy(tmp_path))


def test_the_registry_holds_only_what_the_product_may_use() -> None:
    names = set(models.ARCHITECTURES) - {"yolov5"} | {f"yolov5-{size}" for size in models.catalogue.YOLO_SIZES}
    fitting = {name for entry in REGISTRY for name in entry.fits}
    assert fitting == names, "every name has weights somewhere, and none is unknown"
    assert {entry.licence for entry in REGISTRY} <= weights.ALLOWED_LICENCES
    assert all(entry.url.startswith("https://") for entry in REGISTRY if entry.url)
    coco = {name for entry in REGISTRY if entry.start == "coco" for name in entry.fits if "yolo" not in name}
    of_torchvision = {f"{kind}_resnet50_fpn" for kind in ("fasterrcnn", "retinanet", "maskrcnn")}
    assert coco == of_torchvision | {"rtdetrv2_r18", "rtdetrv2_r50"}
