"""Small images and label files, made in a folder of the test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (50, 60, 200)}


def picture(name: str, seed: int, width: int = 64, height: int = 48) -> Image.Image:
    """Noise around the colour `name`; no two seeds give the same file."""
    noise = np.random.default_rng(seed).integers(-40, 40, (height, width, 3))
    return Image.fromarray(np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8))


def write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def colours(folder: Path, each: int = 10, names: Sequence[str] = ("red", "green", "blue"), multi: bool = False) -> Path:
    """A classification set of `each` images per colour; returns its JSON-lines file."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[dict[str, Any]] = []
    for at, name in enumerate(names):
        for number in range(each):
            picture(name, at * 1000 + number).save(folder / f"{name}{number}.png")
            lines.append({"image_url": f"{name}{number}.png", "label": [name] if multi else name})
    return write_lines(folder / "labels.jsonl", lines)


def squares(folder: Path, count: int = 12, *, polygons: bool = False, side: int = 96) -> Path:
    """A detection or segmentation set: a coloured square on grey, on every image."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[dict[str, Any]] = []
    names = list(COLOURS)
    for number in range(count):
        random = np.random.default_rng(number)
        pixels = np.full((side, side + 32, 3), 128, np.uint8)
        size = int(random.integers(side // 4, side // 2))
        left, top = (int(random.integers(0, limit - size)) for limit in (side + 32, side))
        name = names[number % 3]
        pixels[top : top + size, left : left + size] = COLOURS[name]
        pixels[0, 0] = number
        Image.fromarray(pixels).save(folder / f"{number}.png")
        x1, y1, x2, y2 = left / (side + 32), top / side, (left + size) / (side + 32), (top + size) / side
        label: dict[str, Any] = {"label": name}
        if polygons:
            label["polygon"] = [[x1, y1, x2, y1, x2, y2, x1, y2]]
        else:
            label |= {"topX": x1, "topY": y1, "bottomX": x2, "bottomY": y2, "isCrowd": 0}
        lines.append({"image_url": f"{number}.png", "label": [label]})
    return write_lines(folder / "labels.jsonl", lines)
