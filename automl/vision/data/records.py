"""What a label file says, after it was read: examples, their labels, and what was wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from automl.vision.errors import DataError

Polygon = tuple[float, ...]  # x1, y1, x2, y2, … as shares of width and height


@dataclass(frozen=True, slots=True)
class Labeled:
    """One object: `box` x1, y1, x2, y2 and `polygons`, the parts of its outline, as shares of the upright image."""

    label: str
    box: tuple[float, float, float, float]
    is_crowd: bool = False
    polygons: tuple[Polygon, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """One image and what people said about it. `labels` are for classification, `objects` for the other tasks."""

    url: str
    path: Path
    line: int = 0
    frame: int = 0
    labels: tuple[str, ...] = ()
    objects: tuple[Labeled, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Class names on this image, each as often as it occurs."""
        return self.labels or tuple(one.label for one in self.objects)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a label file or an image: where, which field, and what was expected there."""

    where: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.field}: {self.message}" if self.field else f"{self.where}: {self.message}"


@dataclass
class LabelFile:
    """All examples of one file, in its order, with `warnings` about what was accepted although it is unusual."""

    task: str
    examples: list[Example]
    warnings: list[str] = field(default_factory=list)

    def classes(self) -> list[str]:
        """Class names, sorted, so that the same data give the same indices."""
        return sorted({name for example in self.examples for name in example.names()})

    def count(self) -> Counter[str]:
        return Counter(name for example in self.examples for name in example.names())


class Problems:
    """Collects what is wrong with a file, so that one attempt shows all of it."""

    SHOWN = 20

    def __init__(self, source: Path) -> None:
        self.source = source
        self.refused: list[Problem] = []
        self.unusual: Counter[str] = Counter()
        self._first: dict[str, int] = {}

    def refuse(self, line: int, name: str, message: str) -> None:
        self.refused.append(Problem(f"line {line}", name, message))

    def warn(self, line: int, message: str) -> None:
        self.unusual[message] += 1
        self._first.setdefault(message, line)

    def warnings(self) -> list[str]:
        return [
            f"{self.source.name}: {message} (line {self._first[message]}"
            + (f" and {count - 1} more)" if count > 1 else ")")
            for message, count in self.unusual.items()
        ]

    def raise_if_any(self) -> None:
        """DataError with the first problems, each with its line, its field and what was expected."""
        if not self.refused:
            return
        alike: dict[tuple[str, str], list[Problem]] = {}
        for problem in self.refused:
            alike.setdefault((problem.field, problem.message), []).append(problem)
        groups = list(alike.values())
        shown = "\n".join(
            f"  {group[0]}" + (f" (and {len(group) - 1} more)" if len(group) > 1 else "")
            for group in groups[: self.SHOWN]
        )
        more = sum(len(group) for group in groups[self.SHOWN :])
        lines = len({problem.where for problem in self.refused})
        raise DataError(
            f"{self.source}: {lines} of its lines cannot be used:\n{shown}"
            + (f"\n  and {more} more" if more > 0 else ""),
            "\nCorrect them, or leave them out with --invalid-lines drop.",
        )
