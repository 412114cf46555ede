"""Colours for label classes nobody chose one for."""

from __future__ import annotations

import colorsys

# The eight colours of Okabe and Ito (2008), made to be told apart by colour-blind people, without black, whose place
# on dark images is taken by a violet.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#7b61c4")
_GOLDEN_ANGLE = 0.381966


def colour_for(index: int) -> str:
    """The colour of class number `index` (from 0), as in #1f77b4: the palette, then hues a golden angle apart."""
    if index < len(PALETTE):
        return PALETTE[index]
    step = index - len(PALETTE)
    red, green, blue = colorsys.hls_to_rgb((0.05 + step * _GOLDEN_ANGLE) % 1, (0.5, 0.62, 0.42)[step % 3], 0.65)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
