"""torchvision's two compiled operators, in plain torch where the compiled ones do not fit the installed torch.

torchvision is published for one build of torch only; beside a CPU build of torch its extension cannot be loaded and
even `import torchvision` fails. Import this module before torchvision, everywhere: the compiled operators are used
where they load, and `nms` and `roi_align` are defined here where they do not. torchvision.io is not replaced: images
are decoded with Pillow.

    from automl.vision import ops  # first
    import torchvision
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from automl.vision.suppression import greedy_nms

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor",
)


def nms(dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """`greedy_nms` for tensors of any device: int64 indices on the device of `dets`."""
    boxes = dets.detach().float().cpu().numpy()
    kept = greedy_nms(boxes, scores.detach().float().cpu().numpy(), iou_threshold)
    return torch.from_numpy(kept).to(dets.device)


def roi_align(
    input: Tensor,
    rois: Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """RoIAlign (He et al. 2017, Mask R-CNN, section 3) with the conventions of torchvision's compiled operator.

    `input` (N, C, H, W), `rois` (K, 5) rows of image index, x1, y1, x2, y2 in pixels that `spatial_scale` maps to the
    feature map; returns (K, C, pooled_height, pooled_width) in the dtype of `input`. Each bin is the mean of a grid of
    bilinear samples: sampling_ratio² of them, or as many as the bin has pixels where `sampling_ratio` <= 0. Samples
    more than one pixel outside the map are 0. `aligned` shifts coordinates by half a pixel and lets RoIs be smaller
    than a pixel.
    """
    features = input if input.dtype in (torch.float32, torch.float64) else input.float()
    boxes = rois[:, 1:].detach().to(features.dtype) * spatial_scale - (0.5 if aligned else 0.0)
    corner, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    if not aligned:
        size = size.clamp(min=1.0)
    bins = size / torch.tensor([pooled_width, pooled_height], dtype=size.dtype, device=size.device)
    shape = (len(rois), features.shape[1], pooled_height, pooled_width)
    if not len(rois):
        return input.flatten()[:0].reshape(shape)  # still a part of the graph
    result = features.new_zeros(shape)
    for image, across, down, members in _groups(rois, bins, sampling_ratio):
        rows = _samples(corner[members, 1], bins[members, 1], pooled_height, down)
        columns = _samples(corner[members, 0], bins[members, 0], pooled_width, across)
        result = result.index_copy(0, members, _pooled(features[image], rows, columns, (down, across)))
    return result.to(input.dtype)


def _groups(rois: Tensor, bins: Tensor, sampling_ratio: int) -> list[tuple[int, int, int, Tensor]]:
    """RoIs that can be sampled at once: (image, samples across a bin, samples down a bin, indices of the RoIs)."""
    images = rois[:, 0].detach().to(torch.int64)
    if sampling_ratio > 0:
        counts = torch.full((len(rois), 2), sampling_ratio, dtype=torch.int64, device=rois.device)
    else:
        counts = bins.detach().ceil().to(torch.int64).clamp(min=1)
    keys, group = torch.unique(torch.column_stack([images, counts]), dim=0, return_inverse=True)
    return [
        (image, across, down, torch.nonzero(group == i).flatten())
        for i, (image, across, down) in enumerate(keys.tolist())
    ]


def _samples(start: Tensor, bin_size: Tensor, bins: int, per_bin: int) -> Tensor:
    """Coordinates (K, bins × per_bin) of evenly spread samples along one axis."""
    steps = (torch.arange(bins * per_bin, dtype=start.dtype, device=start.device) + 0.5) / per_bin
    return start[:, None] + steps[None, :] * bin_size[:, None]


def _pooled(features: Tensor, rows: Tensor, columns: Tensor, per_bin: tuple[int, int]) -> Tensor:
    """Means (K, C, bins, bins) over `per_bin` samples down and across, of one feature map (C, H, W) at the crossings of
    `rows` (K, bins × down) and `columns` (K, bins × across).

    Each bin is a weighted sum of pixels, which is what an embedding bag computes on all cores, forth and back;
    grid_sample of one map works on one core.
    """
    down, across = per_bin
    channels, height, width = features.shape
    y, y_weights = _neighbours(rows, height)
    x, x_weights = _neighbours(columns, width)
    index = y[:, :, None, :, None] * width + x[:, None, :, None, :]
    weights = y_weights[:, :, None, :, None] * x_weights[:, None, :, None, :] / (down * across)
    shape = (len(rows), rows.shape[1] // down, down, columns.shape[1] // across, across, 4)
    index, weights = (
        each.reshape(shape).permute(0, 1, 3, 2, 4, 5).reshape(-1, down * across * 4) for each in (index, weights)
    )
    pixels = features.permute(1, 2, 0).reshape(height * width, channels)
    pooled = F.embedding_bag(index, pixels, mode="sum", per_sample_weights=weights)
    return pooled.reshape(len(rows), shape[1], shape[3], channels).permute(0, 3, 1, 2)


def _neighbours(at: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The two pixels beside each coordinate `at` (K, S) of an axis of `size` pixels: indices and weights (K, S, 2)."""
    inside = (at >= -1) & (at <= size)
    near = at.clamp(0, size - 1)
    low = near.to(torch.int64)
    part = near - low
    weights = torch.stack([1 - part, part], dim=-1) * inside[..., None]
    return torch.stack([low, (low + 1).clamp(max=size - 1)], dim=-1), weights


def _load_compiled() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("torchvision is not installed; install requirements-vision.txt with constraints.txt")
    folder = Path(next(iter(spec.submodule_search_locations)))
    for library in sorted(path for path in folder.glob("_C*") if path.suffix in {".so", ".pyd", ".dylib"}):
        try:
            torch.ops.load_library(library)
        except OSError:
            continue  # made for another build of torch; the caller takes the other way
        return True
    return False


def _install() -> tuple[str, torch.library.Library | None]:
    """Which operators are in use, and the library object that has to live as long as they do."""
    if "torchvision" in sys.modules or _load_compiled():
        importlib.import_module("torchvision")
        return "compiled", None
    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    for name in ("nms", "qnms"):
        library.impl(name, nms, "CompositeExplicitAutograd")
    library.impl("roi_align", roi_align, "CompositeImplicitAutograd")
    torchvision = importlib.import_module("torchvision")
    # torchvision asks this before every call; roi_align's module has a name of its own for it, without which it would
    # compile a version at run time, and that needs a C++ compiler.
    torchvision.extension._has_ops = lambda: True
    sys.modules["torchvision.ops.roi_align"]._has_ops = lambda: True  # type: ignore[attr-defined]
    return "fallback", library


KIND, _LIBRARY = _install()
"""`compiled` or `fallback`: which operators torchvision uses in this process."""
