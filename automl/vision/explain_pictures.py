"""The picture of an explanation: two by two, as parity.md B.15.4 describes it."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TOP_SHARE = 0.3
_COLOURS = np.array([[0, 0, 160], [0, 150, 90], [240, 220, 40], [255, 255, 255]], np.float64)
"""Blue, green, yellow, white: white is strongest."""


def picture(image: NDArray[np.floating], heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(2H, 2W, 3) from the crop (3, H, W) of 0..1 and the map (H, W) of 0..1: the crop; the map in colours; the map
    over the crop; the crop where the map is among its strongest 30 %."""
    pixels = (np.moveaxis(image, 0, 2) * 255).round().clip(0, 255)
    colours = coloured(heat)
    over = 0.5 * pixels + 0.5 * colours
    strongest = heat >= np.quantile(heat, 1 - TOP_SHARE)
    only = np.where(strongest[:, :, None], pixels, 0)
    rows = [np.concatenate(pair, axis=1) for pair in ((pixels, colours), (over, only))]
    return np.concatenate(rows, axis=0).astype(np.uint8)


def coloured(heat: NDArray[np.floating]) -> NDArray[np.float64]:
    """Colours (H, W, 3) of 0..255 for a map of 0..1."""
    at = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(heat, at, _COLOURS[:, channel]) for channel in range(3)], axis=2)


def as_base64(pixels: NDArray[np.uint8]) -> str:
    """The picture as a PNG in base64."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
