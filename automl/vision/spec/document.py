"""docs/hyperparameters.md, written from the table."""

from __future__ import annotations

from typing import Any

from .resolve import SCOPE_WORDS
from .rows import Row
from .table import ADVANCED, ROWS
from .tasks import TASKS

COMMAND = "python -m automl.vision list-hyperparameters --markdown > docs/hyperparameters.md"


def markdown() -> str:
    """The whole document."""
    lines = [
        "# Hyperparameters",
        "",
        f"Written by `{COMMAND}` from `automl/vision/spec/table.py`; do not edit it here.",
        "",
        "Names are accepted as they stand here or with dashes, and under the older names beside them. A value outside "
        "its range is refused. What a run used is in its `run.json`, beside what was asked for.",
    ]
    section = ""
    for row in ROWS:
        if row.section != section:
            section = row.section
            lines += [
                "",
                f"## {section}",
                "",
                "| name | older names | for | allowed | default | what it does |",
                "|---|---|---|---|---|---|",
            ]
        older = ", ".join(f"`{alias}`" for alias in row.aliases) or "–"
        effect = row.help.replace("|", "\\|")
        if row.applies_when:
            effect += f" Matters when `{row.applies_when[0]}` is {' or '.join(map(words, row.applies_when[1]))}."
        lines.append(
            f"| `{row.name}` | {older} | {SCOPE_WORDS[row.scope]} | {row.allowed()} | {default_words(row)} | {effect} |"
        )
    switches = ", ".join(f"`{name}` ({words(value)})" for name, value in ADVANCED.items())
    lines += ["", f"Switches of `advanced_settings`, with their defaults: {switches}.", ""]
    return "\n".join(lines)


def default_words(row: Row) -> str:
    """All defaults of a row with what they are for, the general one last."""
    parts = []
    for one in row.defaults:
        place = " ".join(one.models)
        kind = _tasks(one.tasks)
        where = ", ".join(part for part in (place.replace(" ", ", "), kind) if part)
        parts.append(f"{words(one.value)} ({where})" if where else words(one.value))
    return "; ".join(parts)


def _tasks(names: tuple[str, ...]) -> str:
    if not names or len(names) == len(TASKS):
        return ""
    return ", ".join(name.removeprefix("image-") for name in names)


def words(value: Any) -> str:
    if value is None:
        return "not given"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
