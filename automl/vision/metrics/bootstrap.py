"""How far a number may be off because the images happened to be these (Efron 1979, percentile intervals)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

ROUNDS = 200
CONFIDENCE = 0.95


def interval(
    images: int, statistic: Callable[[NDArray[np.int64]], float], *, rounds: int = ROUNDS, seed: int = 0
) -> tuple[float, float] | None:
    """The middle 95 % of `statistic` over resampled sets of images; None where it was never defined.

    `statistic` gets how often each image was drawn (images,) and returns a number, or NaN where it has none.
    """
    if images < 1:
        return None
    rng = np.random.default_rng(seed)
    draws = (np.bincount(rng.integers(0, images, images), minlength=images) for _ in range(rounds))
    values = np.asarray([statistic(times) for times in draws], dtype=np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
