"""Explanations say something about the model and the picture, not about nothing."""

from __future__ import annotations

import base64
import copy
import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from automl.vision import models
from automl.vision.explain import ALGORITHMS, Settings, attribute, integrated_gradients, xrai_map
from automl.vision.explain_pictures import as_base64, picture
from automl.vision.explain_segments import segment
from automl.vision.models.base import InputSpec, VisionModel

SIDE = 48
FEW = 8


def square(seed: int, colour: int) -> tuple[torch.Tensor, tuple[int, int]]:
    """Dark noise with a square of 16 pixels whose colour channel says the class; and where it is."""
    generator = torch.Generator().manual_seed(seed)
    image = 0.1 * torch.rand(3, SIDE, SIDE, generator=generator)
    top, left = torch.randint(0, SIDE - 16, (2,), generator=generator).tolist()
    image[:, top : top + 16, left : left + 16] = 0.05
    image[colour, top : top + 16, left : left + 16] = 0.95
    return image, (top, left)


class Small(VisionModel):
    """Three convolutions that see a few pixels around each place, so that there is a right answer to "where"."""

    def __init__(self) -> None:
        super().__init__(
            name="small", task="image-classification", num_classes=2, family="resnet", input_spec=InputSpec()
        )
        layers = [nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 1, 1)]
        self.network = nn.Module()
        self.network.layer4 = nn.Sequential(*layers, nn.ReLU())
        self.last = nn.Linear(16, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.network.layer4(images - 0.1).mean(dim=(2, 3)))  # type: ignore[operator]


@pytest.fixture(scope="module")
def trained() -> Any:
    """A network that tells red squares from blue ones."""
    torch.manual_seed(0)
    model = Small()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(150):
        labels = [(step + i) % 2 for i in range(8)]
        images = torch.stack([square(100 + 8 * step + i, 2 * label)[0] for i, label in enumerate(labels)])
        loss = nn.functional.cross_entropy(model(images), torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    assert [int(logits_of(model, square(i, 2 * (i % 2))[0]).argmax()) for i in range(8)] == [i % 2 for i in range(8)]
    return model


@torch.no_grad()
def logits_of(model: Any, image: torch.Tensor) -> torch.Tensor:
    return model(image[None])[0]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_maps_point_at_the_square(trained: Any, algorithm: str) -> None:
    inside, outside = 0.0, 0.0
    for seed in range(2):
        label = seed % 2
        image, (top, left) = square(seed, 2 * label)
        attributions, heat = attribute(trained, image, label, Settings(algorithm, n_steps=FEW))
        assert attributions.shape == (3, SIDE, SIDE)
        assert heat.shape == (SIDE, SIDE)
        assert 0 <= heat.min() <= heat.max() <= 1
        mask = np.zeros((SIDE, SIDE), bool)
        mask[top - 2 if top > 2 else 0 : top + 18, left - 2 if left > 2 else 0 : left + 18] = True
        inside, outside = inside + float(heat[mask].mean()), outside + float(heat[~mask].mean())
    assert inside > 1.2 * outside


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_deleting_by_the_map_hurts_more_than_deleting_at_random(trained: Any, algorithm: str) -> None:
    by_map, at_random = 0.0, 0.0
    rng = np.random.default_rng(0)
    for seed in range(2):
        label = seed % 2
        image, _place = square(seed, 2 * label)
        _attributions, heat = attribute(trained, image, label, Settings(algorithm, n_steps=FEW))
        order = np.argsort(-heat.ravel(), kind="stable")[: SIDE * SIDE // 5]
        for chosen, which in ((order, "map"), (rng.permutation(SIDE * SIDE)[: len(order)], "random")):
            changed = image.clone().reshape(3, -1)
            changed[:, torch.from_numpy(chosen.copy())] = 0.05
            logits = logits_of(trained, changed.reshape(3, SIDE, SIDE))
            margin = float(logits[label] - logits[1 - label])
            by_map, at_random = (by_map + margin, at_random) if which == "map" else (by_map, at_random + margin)
    assert by_map < at_random


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_maps_change_when_the_weights_are_random(trained: Any, algorithm: str) -> None:
    other = copy.deepcopy(trained)
    torch.manual_seed(5)
    for parameter in other.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    image, _place = square(1, 2)
    one, two = (attribute(model, image, 1, Settings(algorithm, n_steps=FEW))[1] for model in (trained, other))
    assert two.std() == 0 or np.corrcoef(one.ravel(), two.ravel())[0, 1] < 0.9
    before = logits_of(trained, image)
    attribute(trained, image, 1, Settings(algorithm, n_steps=2))
    assert torch.equal(before, logits_of(trained, image)), "the model is as before"


@pytest.mark.parametrize("method", ["riemann_middle", "gausslegendre"])
def test_integrated_gradients_add_up_to_the_difference_of_logits(trained: Any, method: str) -> None:
    image, _place = square(2, 0)
    black = torch.zeros_like(image)
    settings = Settings("integrated_gradients", n_steps=60, approximation_method=method)
    total = float(integrated_gradients(trained, image, 0, black, settings).sum())
    difference = float((logits_of(trained, image) - logits_of(trained, black))[0])
    assert total == pytest.approx(difference, rel=0.1, abs=0.1)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2", "vits16r224", "dinov2_vits14"])
@pytest.mark.parametrize("algorithm", ["guided_gradcam", "guided_backprop"])
def test_the_networks_of_the_product_have_maps(name: str, algorithm: str) -> None:
    torch.manual_seed(0)
    side = 28 if name.startswith("dinov2") else 32  # a multiple of its patches
    settings = {"training_crop_size": side, "validation_crop_size": side}
    model: Any = models.build(name, task="image-classification", num_classes=2, settings=settings).eval()
    attributions, heat = attribute(model, torch.rand(3, side, side), 1, Settings(algorithm))
    assert np.isfinite(attributions).all()
    assert heat.shape == (side, side)


def test_segments_follow_the_colours() -> None:
    image, (top, left) = square(3, 0)
    labels = segment(image.numpy(), 250.0)
    middle = labels[top + 8, left + 8]
    found = labels == middle
    wanted = np.zeros((SIDE, SIDE), bool)
    wanted[top : top + 16, left : left + 16] = True
    assert (found & wanted).sum() / (found | wanted).sum() > 0.5
    assert len(np.unique(labels)) < 60


@pytest.mark.parametrize("fast", [True, False])
def test_xrai_ranks_regions_by_what_they_add(fast: bool) -> None:
    image, (top, left) = square(3, 0)
    values = np.zeros((3, SIDE, SIDE))
    values[:, top : top + 16, left : left + 16] = 1.0
    heat = xrai_map(image.numpy(), values, fast=fast)
    assert heat[top + 8, left + 8] == 1.0
    assert heat[(top + 24) % SIDE, (left + 24) % SIDE] < 1.0


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="xrai, integrated_gradients"):
        Settings("lime")
    with pytest.raises(ValueError, match="at least 2, not 1"):
        Settings(n_steps=1)
    with pytest.raises(ValueError, match="riemann_middle"):
        Settings(approximation_method="simpson")


def test_the_picture_is_two_by_two_and_shows_the_strongest_part_alone() -> None:
    image = np.full((3, 10, 10), 0.5)
    heat = np.linspace(0, 1, 100).reshape(10, 10)
    drawn = picture(image, heat)
    assert drawn.shape == (20, 20, 3)
    assert drawn[0, 0].tolist() == [128, 128, 128]
    assert drawn[9, 19].tolist() == [255, 255, 255]
    shown = drawn[10:, 10:].any(axis=2)
    assert shown.sum() == pytest.approx(30, abs=1)
    assert shown[9, 9]
    decoded = Image.open(io.BytesIO(base64.b64decode(as_base64(drawn))))
    assert np.array_equal(np.asarray(decoded), drawn)
