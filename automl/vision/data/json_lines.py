"""JSON objects out of a text file as people have them: one a line, over several lines, with trailing commas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from automl.vision.errors import DataError

from .records import Problems

_STRING_OR_COMMA: Final = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])')
_STRING: Final = re.compile(r'"(?:\\.|[^"\\])*"')
MOST_LINES: Final = 100_000  # of one object


def objects(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line where it begins, object) for each object of the file; what cannot be read is refused in `problems`."""
    pending: list[str] = []
    begin = 0
    for number, line in _lines(path):
        text = line.strip()
        if not pending and text in ("", "[", "]", ","):
            continue  # blank lines, and the brackets of a JSON list written one object a line
        if pending and text.startswith('{"image_url"'):
            problems.refuse(begin, "", "the JSON object does not end before the next one begins")
            pending = []
        if not pending:
            begin = number
        pending.append(text)
        if _depth(pending) > 0 and len(pending) < MOST_LINES:
            continue
        found = _parse(pending, begin, problems)
        pending = []
        if found is not None:
            yield begin, found
    if pending:
        problems.refuse(begin, "", "the JSON object does not end before the file does")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as text:
            yield from enumerate(text, start=1)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text.", "Expected JSON lines; save them as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def _depth(pending: list[str]) -> int:
    """Brackets that are still open at the end of these lines."""
    if len(pending) == 1:
        line = pending[0]
        if line.endswith(("}", "},")) and line.count("{") == line.count("}"):
            return 0
    bare = _STRING.sub("", "".join(pending))
    return bare.count("{") + bare.count("[") - bare.count("}") - bare.count("]")


def _parse(pending: list[str], begin: int, problems: Problems) -> dict[str, Any] | None:
    text = " ".join(pending)
    try:
        found = json.loads(text, parse_constant=_no_constant)
        if len(pending) > 1:
            problems.warn(begin, "JSON objects written over several lines were read as one line each")
    except ValueError:
        repaired = _STRING_OR_COMMA.sub(lambda m: m[0] if m[0] != "," else "", text.rstrip().removesuffix(","))
        try:
            found = json.loads(repaired, parse_constant=_no_constant)
        except ValueError as error:
            problems.refuse(begin, "", f"not a JSON object ({_reason(error)})")
            return None
        problems.warn(begin, "superfluous commas were left out")
    if not isinstance(found, dict):
        problems.refuse(begin, "", "expected a JSON object in braces")
        return None
    return found


def _reason(error: ValueError) -> str:
    return f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else str(error)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")
