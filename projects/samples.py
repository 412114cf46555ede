"""Small made-up data sets with known truth, to try the site without data of one's own. No Django, no network.

Bright shapes lie on soft, slightly grainy gradients. Everything follows from the seed: the same arguments give the same
pixels, and with the same version of Pillow the same bytes. Some files are stored turned, with an EXIF orientation, as
cameras do; sizes and truth are always those of the image as a person sees it.
"""

from __future__ import annotations

import colorsys
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Truth = list[tuple[str, dict[str, Any] | None]]
Ring = list[tuple[float, float]]

CLASSES: dict[str, tuple[str, ...]] = {
    "multi_class": ("circle", "square", "triangle", "star"),
    "multi_label": ("circle", "square", "triangle", "star"),
    "object_detection": ("circle", "square", "triangle", "star"),
    "instance_segmentation": ("circle", "ring", "triangle", "star"),
}

INSTRUCTIONS: dict[str, str] = {
    "multi_class": "<p>Each image shows <strong>one large shape</strong>. Choose its name: circle, square, triangle or "
    "star.</p><p>Colour, size and turn do not matter.</p>",
    "multi_label": "<p>Tag <strong>every kind of shape</strong> that the image shows.</p><p>Two circles are still one "
    "tag. Colour, size and turn do not matter.</p>",
    "object_detection": "<p>Draw a box around <strong>every shape</strong>, as tight as you can, and give it the name "
    "of the shape.</p><p>The faint shadow does not belong to the shape. An image may show no shape at all.</p>",
    "instance_segmentation": "<p>Outline <strong>every shape</strong> along its border and give it the name of the "
    "shape.</p><p>A ring has a hole: the hole does not belong to it. Neither does the faint shadow.</p>",
}

# EXIF orientation: how Pillow turns what a person sees into what such a file stores.
_STORED_AS = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
    5: Image.Transpose.TRANSPOSE,
}
_EXIF_ORIENTATION = 0x0112
_TURNED_EVERY = 6
_FINER = 4
"""Shapes are drawn this much larger and shrunk, which smooths their borders."""


@dataclass(frozen=True, slots=True)
class SampleImage:
    """A file and what is on it. Width, height and truth are in pixels as a person sees the image.

    `truth` holds (class name, geometry) pairs; a geometry is `{"x", "y", "width", "height"}`,
    `{"parts": [{"outer": [[x, y], …], "holes": […]}]}`, or None where the class speaks of the whole image.
    """

    name: str
    bytes: bytes
    width: int
    height: int
    truth: Truth


@dataclass(frozen=True, slots=True)
class _Shape:
    kind: str
    outer: Ring
    hole: Ring | None

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        xs, ys = [x for x, _ in self.outer], [y for _, y in self.outer]
        return min(xs), min(ys), max(xs), max(ys)


def generate(task_type: str, count: int, seed: int) -> Iterator[SampleImage]:
    """Makes `count` images for a task type of `CLASSES`, one at a time.

    Raises ValueError for a task type that is not known.
    """
    if task_type not in CLASSES:
        raise ValueError(f"{task_type} is not one of {', '.join(CLASSES)}")
    for number in range(count):
        # A source of its own for every image: image 7 is the same whether 10 or 1,000 are made.
        yield _sample(task_type, number, seed, np.random.default_rng([seed, number, *task_type.encode()]))


def _sample(task_type: str, number: int, seed: int, rng: np.random.Generator) -> SampleImage:
    width, height = (480, 640) if rng.random() < 0.3 else (640, 480)
    shapes = _choose_shapes(task_type, number, seed, width, height, rng)
    hue = float(rng.random())
    image = _background(width, height, hue, rng)
    for place, shape in enumerate(shapes):
        _draw(image, shape, _shape_colour(hue, place, rng))
    turn = [*_STORED_AS][number // _TURNED_EVERY % len(_STORED_AS)] if number % _TURNED_EVERY == 4 else 1
    return SampleImage(f"shape_{number + 1:04}.jpg", _encode(image, turn), width, height, _truth(task_type, shapes))


def _truth(task_type: str, shapes: list[_Shape]) -> Truth:
    if task_type in {"multi_class", "multi_label"}:
        return [(kind, None) for kind in CLASSES[task_type] if any(shape.kind == kind for shape in shapes)]
    if task_type == "object_detection":
        boxes = [(shape.kind, shape.bounds) for shape in shapes]
        return [(kind, {"x": x, "y": y, "width": r - x, "height": b - y}) for kind, (x, y, r, b) in boxes]
    return [
        (shape.kind, {"parts": [{"outer": _points(shape.outer), "holes": [_points(shape.hole)] if shape.hole else []}]})
        for shape in shapes
    ]


def _points(ring: Ring) -> list[list[float]]:
    return [[x, y] for x, y in ring]


def _choose_shapes(
    task_type: str, number: int, seed: int, width: int, height: int, rng: np.random.Generator
) -> list[_Shape]:
    """Shapes whose bounds keep clear of each other and of the border; in detection, one image in twelve has none."""
    kinds = CLASSES[task_type]
    if task_type == "multi_class":
        # Every round of four has each class once, in an order of its own: balanced, yet the name gives nothing away.
        order = np.random.default_rng([seed, number // len(kinds)]).permutation(len(kinds))
        return [_shape(kinds[order[number % len(kinds)]], width, height, rng.uniform(0.2, 0.36), rng)]
    if task_type == "multi_label":
        wanted = list(rng.permutation(len(kinds))[: rng.integers(1, len(kinds))])
        wanted += [wanted[0]] * int(rng.random() < 0.3)
    elif number % 12 == 11:
        wanted = []
    else:
        wanted = list(rng.integers(0, len(kinds), size=rng.integers(1, 6)))
    shapes: list[_Shape] = []
    for kind in wanted:
        shape = _free_shape(kinds[int(kind)], width, height, shapes, rng)
        if shape is not None:
            shapes.append(shape)
    return shapes


def _free_shape(kind: str, width: int, height: int, others: list[_Shape], rng: np.random.Generator) -> _Shape | None:
    """A shape at a free place, smaller with every vain try; None when the image is full."""
    for attempt in range(40):
        shape = _shape(kind, width, height, rng.uniform(0.07, 0.2) * 0.97**attempt, rng)
        if all(_apart(shape.bounds, other.bounds, gap=10) for other in others):
            return shape
    return None


def _apart(a: tuple[float, ...], b: tuple[float, ...], gap: float) -> bool:
    return a[2] + gap < b[0] or b[2] + gap < a[0] or a[3] + gap < b[1] or b[3] + gap < a[1]


def _shape(kind: str, width: int, height: int, size: float, rng: np.random.Generator) -> _Shape:
    """A shape of a radius given as a share of the shorter side, anywhere at least 8 pixels inside the image."""
    radius = size * min(width, height)
    x = rng.uniform(radius + 8, width - radius - 8)
    y = rng.uniform(radius + 8, height - radius - 8)
    corners = _OUTLINES[kind](rng.uniform(0, math.tau))

    def placed(scale: float) -> Ring:
        return [(round(x + px * radius * scale, 2), round(y + py * radius * scale, 2)) for px, py in corners]

    return _Shape(kind, placed(1.0), placed(rng.uniform(0.42, 0.6)) if kind == "ring" else None)


def _regular(count: int) -> Callable[[float], Ring]:
    return lambda turn: [
        (math.cos(turn + math.tau * i / count), math.sin(turn + math.tau * i / count)) for i in range(count)
    ]


def _star(turn: float) -> Ring:
    radii = [1.0, 0.45] * 5
    return [(r * math.cos(turn + math.pi * i / 5), r * math.sin(turn + math.pi * i / 5)) for i, r in enumerate(radii)]


_OUTLINES: dict[str, Callable[[float], Ring]] = {
    "circle": _regular(48),
    "ring": _regular(48),
    "square": _regular(4),
    "triangle": _regular(3),
    "star": _star,
}


def _background(width: int, height: int, hue: float, rng: np.random.Generator) -> Image.Image:
    """A diagonal gradient between two pale neighbours in hue, with soft spots of light and a little grain."""
    dark = np.array(colorsys.hls_to_rgb(hue, 0.72, 0.35)) * 255
    light = np.array(colorsys.hls_to_rgb((hue + 0.08) % 1, 0.9, 0.45)) * 255
    angle = rng.uniform(0, math.tau)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    ramp = math.cos(angle) * (x / width - 0.5) + math.sin(angle) * (y / height - 0.5)
    ramp = (ramp - ramp.min()) / (ramp.max() - ramp.min())
    for _ in range(4):
        spot_x, spot_y, reach = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.15, 0.4) * width
        distance = ((x - spot_x) ** 2 + (y - spot_y) ** 2) / (2 * reach**2)
        ramp += rng.uniform(-0.35, 0.35) * np.exp(-distance)
    pixels = dark + np.clip(ramp, 0, 1)[..., None] * (light - dark)
    pixels += rng.normal(0, 3, (height, width, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _shape_colour(background_hue: float, place: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Strong, and away from the hue of the background; neighbours in the image differ."""
    hue = (background_hue + 0.3 + 0.13 * (place % 4) + rng.uniform(-0.03, 0.03)) % 1
    red, green, blue = colorsys.hls_to_rgb(hue, rng.uniform(0.38, 0.5), 0.75)
    return int(red * 255), int(green * 255), int(blue * 255)


def _draw(image: Image.Image, shape: _Shape, colour: tuple[int, int, int]) -> None:
    """Paints a shape with a smooth border, a shadow under it and a slight shine."""
    left, top, right, bottom = (int(value) for value in shape.bounds)
    left, top, right, bottom = left - 12, top - 12, right + 14, bottom + 14
    size = (right - left, bottom - top)
    fine = Image.new("L", (size[0] * _FINER, size[1] * _FINER))
    pen = ImageDraw.Draw(fine)
    for ring, ink in ((shape.outer, 255), (shape.hole, 0)):
        if ring:
            # Pillow puts integer coordinates at the centre of a pixel, we at its corner.
            pen.polygon([((x - left) * _FINER - 0.5, (y - top) * _FINER - 0.5) for x, y in ring], fill=ink)
    mask = fine.resize(size, Image.Resampling.BOX)
    shadow = Image.new("L", size)
    shadow.paste(mask, (3, 4))
    shadow = shadow.filter(ImageFilter.GaussianBlur(4)).point(lambda level: level * 0.25)
    image.paste((30, 30, 45), (left, top), shadow)
    shine = np.linspace(1.16, 0.92, size[1])[:, None, None] * np.array(colour)
    paint = np.broadcast_to(np.clip(shine, 0, 255), (size[1], size[0], 3)).astype(np.uint8)
    image.paste(Image.fromarray(paint), (left, top), mask)


def _encode(image: Image.Image, orientation: int) -> bytes:
    out = io.BytesIO()
    if orientation == 1:
        image.save(out, "JPEG", quality=90)
    else:
        exif = Image.Exif()
        exif[_EXIF_ORIENTATION] = orientation
        image.transpose(_STORED_AS[orientation]).save(out, "JPEG", quality=90, exif=exif)
    return out.getvalue()
