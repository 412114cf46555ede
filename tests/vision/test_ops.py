"""Our two operators against computations in numpy that were written without looking at them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from automl.vision import ops


def weights_of(
    roi: np.ndarray, shape: tuple[int, int], bins: tuple[int, int], sampling: int, aligned: bool
) -> np.ndarray:
    """RoIAlign is linear: how much each pixel (bins down, bins across, H, W) counts for each bin of one RoI."""
    height, width = shape
    x1, y1, x2, y2 = roi - (0.5 if aligned else 0.0)
    wide, high = x2 - x1, y2 - y1
    if not aligned:
        wide, high = max(wide, 1.0), max(high, 1.0)
    down = sampling if sampling > 0 else int(np.ceil(high / bins[0]))
    across = sampling if sampling > 0 else int(np.ceil(wide / bins[1]))
    result = np.zeros((*bins, height, width))
    for i in range(bins[0]):
        for j in range(bins[1]):
            for a in range(down):
                for b in range(across):
                    y = y1 + (i + (a + 0.5) / down) * high / bins[0]
                    x = x1 + (j + (b + 0.5) / across) * wide / bins[1]
                    if y < -1 or y > height or x < -1 or x > width:
                        continue
                    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
                    top, left = int(y), int(x)
                    for row, near in ((top, 1 - (y - top)), (min(top + 1, height - 1), y - top)):
                        for column, close in ((left, 1 - (x - left)), (min(left + 1, width - 1), x - left)):
                            result[i, j, row, column] += near * close / (down * across)
    return result


ROIS = np.array(
    [
        [0, 1.3, 2.1, 7.9, 9.4],
        [1, 0.0, 0.0, 3.2, 3.3],
        [0, -4.0, -3.0, 5.0, 20.0],  # far over the edge
        [1, 2.0, 2.0, 2.3, 2.4],  # smaller than a pixel
        [1, 5.5, 1.0, 11.0, 8.0],
    ]
)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("sampling", [2, 1, 0, -1])
def test_roi_align_has_the_values_and_gradients_of_the_sum_written_out(sampling: int, aligned: bool) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 3, 12, 10))
    upstream = rng.normal(size=(len(ROIS), 3, 4, 3))
    values = np.zeros_like(upstream)
    gradient = np.zeros_like(features)
    for k, (image, *corners) in enumerate(ROIS):
        weights = weights_of(np.array(corners) * 0.5, (12, 10), (4, 3), sampling, aligned)
        values[k] = np.einsum("ijhw,chw->cij", weights, features[int(image)])
        gradient[int(image)] += np.einsum("ijhw,cij->chw", weights, upstream[k])
    inside = torch.tensor(features, requires_grad=True)
    out = ops.roi_align(inside, torch.tensor(ROIS), 0.5, 4, 3, sampling, aligned)
    out.backward(torch.tensor(upstream))
    assert np.abs(out.detach().numpy() - values).max() < 1e-12
    assert inside.grad is not None
    assert np.abs(inside.grad.numpy() - gradient).max() < 1e-12


def test_roi_align_of_no_rois_and_of_a_map_of_one_pixel() -> None:
    features = torch.rand(1, 2, 5, 5, requires_grad=True)
    nothing = ops.roi_align(features, torch.zeros(0, 5), 1.0, 7, 7, 2, False)
    assert nothing.shape == (0, 2, 7, 7)
    nothing.sum().backward()
    one = torch.full((1, 1, 1, 1), 3.0)
    assert torch.equal(
        ops.roi_align(one, torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]]), 1.0, 2, 2, 2, False),
        torch.full((1, 1, 2, 2), 3.0),
    )


def test_roi_align_keeps_the_dtype_of_the_features() -> None:
    features = torch.rand(1, 2, 6, 6)
    roi = torch.tensor([[0.0, 1.0, 1.0, 5.0, 5.0]])
    half = ops.roi_align(features.bfloat16(), roi, 1.0, 3, 3, 2, True)
    assert half.dtype == torch.bfloat16
    assert torch.allclose(half.float(), ops.roi_align(features, roi, 1.0, 3, 3, 2, True), atol=0.02)


def slow_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda n: (-scores[n], n)):
        for j in kept:
            wide = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
            high = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
            shared = max(wide, 0) * max(high, 0)
            areas = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (boxes[i], boxes[j]))
            if shared > threshold * (areas - shared):
                break
        else:
            kept.append(i)
    return kept


@pytest.mark.parametrize("seed", range(5))
def test_nms_keeps_what_the_rule_keeps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 30, (60, 2)).astype(np.float32)
    boxes = np.hstack([corner, corner + rng.integers(1, 20, (60, 2))]).astype(np.float32)
    scores = rng.integers(0, 10, 60).astype(np.float32) / 10  # many equal ones
    kept = ops.nms(torch.tensor(boxes), torch.tensor(scores), 0.4)
    assert kept.dtype == torch.int64
    assert kept.tolist() == slow_nms(boxes, scores, 0.4)


def test_nms_of_nothing() -> None:
    assert ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5).shape == (0,)


def test_torchvision_works_in_a_fresh_process_and_says_which_operators_it_has() -> None:
    program = """
from automl.vision import ops
import torch, torchvision
boxes = torch.tensor([[0., 0, 9, 9], [1, 1, 9, 9], [20, 20, 30, 30]])
print(ops.KIND, torchvision.ops.nms(boxes, torch.tensor([.5, .9, .1]), .5).tolist())
print(tuple(torchvision.ops.roi_align(torch.rand(1, 2, 8, 8), [boxes[:2]], 3).shape))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    kind, shape = done.stdout.splitlines()
    assert kind in {"fallback [1, 2]", "compiled [1, 2]"}
    assert shape == "(2, 2, 3, 3)"
