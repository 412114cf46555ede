"""Of boxes that mean the same object the best one stays. Numpy alone: shared with the runtime without torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def greedy_nms(boxes: NDArray[np.floating], scores: NDArray[np.floating], iou_threshold: float) -> NDArray[np.int64]:
    """Indices of the boxes (N, 4; x1 y1 x2 y2) that stay, best score first.

    A box goes when its overlap with a better one that stayed is more than `iou_threshold`: intersection > threshold ×
    union. Boxes of equal score keep their order.
    """
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = boxes[order].T
    areas = (x2 - x1) * (y2 - y1)
    alive = np.ones(len(order), dtype=bool)
    kept = []
    for i in range(len(order)):
        if not alive[i]:
            continue
        kept.append(order[i])
        rest = slice(i + 1, None)
        wide = np.maximum(np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest]), 0)
        high = np.maximum(np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest]), 0)
        shared = wide * high
        alive[rest] &= ~(shared > iou_threshold * (areas[i] + areas[rest] - shared))
    return np.asarray(kept, dtype=np.int64)


def grouped_nms(
    boxes: NDArray[np.floating], scores: NDArray[np.floating], groups: NDArray[np.int64], iou_threshold: float
) -> NDArray[np.int64]:
    """`greedy_nms` within each group (a class, a level) alone; indices of all that stay, best score first."""
    kept = [np.zeros(0, np.int64)]
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        kept.append(members[greedy_nms(boxes[members], scores[members], iou_threshold)])
    indices = np.sort(np.concatenate(kept))
    return indices[np.argsort(-scores[indices], kind="stable")]
