"""Numbers for the charts that templates draw as SVG: `components/_donut.html` and `components/_bars.html`.

Lengths are strings with a full stop, because an SVG attribute must not follow the reader's locale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a whole. `css` names its colour: seg-done, seg-skipped, seg-review, seg-open, class-0 … class-11."""

    label: Any
    count: int
    css: str


def donut(segments: Sequence[Segment], *, title: Any, note: Any = "") -> dict[str, Any]:
    """Context of `_donut.html`: the first segment's share, in whole per cent, stands in the middle.

    The share is rounded down and is 100 only when nothing else is left. An empty whole draws an empty ring.
    """
    total = sum(segment.count for segment in segments)
    rows = []
    before = 0
    for segment in segments:
        rows.append(
            {
                "label": segment.label,
                "count": segment.count,
                "css": segment.css,
                "percent": _share(segment.count, total),
                "offset": f"{-100 * before / total if total else 0:.3f}",
                "length": f"{100 * segment.count / total if total else 0:.3f}",
            }
        )
        before += segment.count
    percent = segments[0].count * 100 // total if total else 0
    return {"title": title, "note": note, "total": total, "percent": percent, "segments": rows}


def bars(rows: Iterable[tuple[Any, int, str]], *, title: Any, total: int | None = None) -> dict[str, Any]:
    """Context of `_bars.html`. A row is (label, count, colour): colour is a css class or #rrggbb.

    Bars are as long as their count beside the largest; the percentage is of `total`, by default the sum of counts.
    """
    rows = list(rows)
    whole = sum(count for _label, count, _colour in rows) if total is None else total
    largest = max((count for _label, count, _colour in rows), default=0)
    return {
        "title": title,
        "total": whole,
        "rows": [
            {
                "label": label,
                "count": count,
                "percent": _share(count, whole),
                "width": f"{100 * count / largest if largest else 0:.2f}",
                "css": "" if colour.startswith("#") else colour,
                "colour": colour if colour.startswith("#") else "",
            }
            for label, count, colour in rows
        ],
    }


def _share(count: int, total: int) -> str:
    """Per cent to show: whole, but never 0 for something and never 100 for less than all."""
    if not total or not count:
        return "0"
    if count == total:
        return "100"
    share = 100 * count / total
    return "<1" if share < 1 else str(min(99, round(share)))
