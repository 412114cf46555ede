"""What one request asks for, whichever schema it came in: images as bytes, and what to do differently with them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .limits import Limits
from .refusals import bad, too_large

_DATA_URL = re.compile(r"^data:[\w.+-]{1,100}/[\w.+-]{1,100}[\w=.+;-]{0,200},", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_ACCEPTED = "Accepted is what base64 makes of an image file, with or without line breaks."


@dataclass(frozen=True, slots=True)
class Image:
    """One image file. `explain` holds `xai_parameters` where an explanation is asked for."""

    content: bytes
    filename: str = "image"
    explain: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """The images of a request in their order, and settings as they were given (see `parameters`)."""

    images: list[Image]
    parameters: dict[str, Any] = field(default_factory=dict)


def checked(images: list[Image], parameters: Mapping[str, Any], limits: Limits) -> Call:
    """The call, unless it holds no image, too many, or too large ones: Refusal (400, 413)."""
    if not images:
        raise bad("no_image", "The request holds no image.", "Send at least one.")
    if len(images) > limits.max_images:
        raise too_large(
            "too_many_images",
            f"The request holds {len(images)} images; at most {limits.max_images} are taken at once.",
            "Send them in several requests.",
        )
    for at, image in enumerate(images):
        check_size(len(image.content), place(at, len(images)), limits)
        if not image.content:
            raise bad("image_unreadable", f"{place(at, len(images))} is empty.", "Send the bytes of an image file.")
    return Call(images, dict(parameters))


def place(at: int, count: int) -> str:
    """How messages name an image."""
    return "The image" if count == 1 else f"Image {at + 1} of {count}"


def check_size(size: int, name: str, limits: Limits) -> None:
    """Refusal (413) for more bytes than one image may have."""
    if size > limits.image_bytes:
        raise too_large(
            "image_too_large",
            f"{name} has {size / 1048576:.1f} MB; at most {limits.max_image_mb:g} MB are taken.",
            "Send it smaller or better compressed.",
        )


def from_base64(text: Any, name: str, limits: Limits) -> bytes:
    """The bytes behind base64 text as people send it: with line breaks, as a data URL, in the URL alphabet, without
    padding. Refusal (400, 413) that names where it stood."""
    if not isinstance(text, str):
        raise bad("base64", f"{name} is {_kind(text)}, not base64 text.", _ACCEPTED)
    check_size(len(text) * 3 // 4 - len(text) // 20, name, limits)  # line breaks are up to a twentieth of the text
    bare = _SPACES.sub("", _DATA_URL.sub("", text, count=1))
    bare = bare.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad("base64", f"{name} is not base64.", _ACCEPTED) from error


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object. Refusal (400) says where the text stops being JSON."""
    try:
        value = json.loads(body)
    except UnicodeDecodeError as error:
        raise bad("json", "The body is not UTF-8 text.", _IMAGES_ELSEWHERE) from error
    except json.JSONDecodeError as error:
        raise bad(
            "json", f"The body is not JSON (line {error.lineno}, column {error.colno}: {error.msg}).", _IMAGES_ELSEWHERE
        ) from error
    except RecursionError as error:
        raise bad("json", "The body is nested too deeply.") from error
    if not isinstance(value, dict):
        raise bad("json", f"The body is {_kind(value)}, not a JSON object.", EXAMPLE)
    return value


EXAMPLE = 'Send {"input_data": {"columns": ["image"], "data": ["<base64>"]}}.'
_IMAGES_ELSEWHERE = "To send an image as it is, use Content-Type: application/octet-stream."


def of_json(body: bytes, limits: Limits) -> Call:
    """The old product's v2 schema: `input_data` with `columns` and `data`, and beside it `parameters`.

    `index` is accepted, rows may be lists, and a value may be the JSON text (or object) with `image_base64`,
    `model_explainability` and `xai_parameters`. Refusal (400, 413) names what is wrong and where.
    """
    given = parse_json(body)
    unknown = sorted(set(given) - {"input_data", "parameters", "params"})
    if unknown or "input_data" not in given:
        what = f"The body has {', '.join(map(repr, unknown))}" if unknown else "The body has no 'input_data'"
        raise bad("schema", f"{what}.", EXAMPLE + " Settings go into 'parameters' beside it.")
    parameters = given.get("parameters") or given.get("params") or {}
    if not isinstance(parameters, dict):
        raise bad("schema", f"'parameters' is {_kind(parameters)}, not an object of settings.")
    cells = _cells(given["input_data"])
    if len(cells) > limits.max_images:  # before any of them is decoded
        checked([Image(b"x")] * len(cells), {}, limits)
    return checked([_image(cell, at, limits) for at, cell in enumerate(cells)], parameters, limits)


def _cells(table: Any) -> list[Any]:
    """The values of the column `image`."""
    if isinstance(table, list):
        table = {"data": table}
    if not isinstance(table, dict) or not isinstance(table.get("data"), list):
        raise bad("schema", "'input_data' holds no list 'data'.", EXAMPLE)
    columns, rows, index = table.get("columns", ["image"]), table["data"], table.get("index")
    if not isinstance(columns, list) or "image" not in columns:
        raise bad("schema", "'input_data' has no column 'image'.", EXAMPLE)
    if isinstance(index, list) and len(index) != len(rows):
        raise bad("schema", f"'index' has {len(index)} entries and 'data' {len(rows)}.", "Leave 'index' out.")
    column = columns.index("image")
    cells = []
    for at, row in enumerate(rows):
        if isinstance(row, list):
            if len(row) != len(columns):
                raise bad("schema", f"input_data.data[{at}] has {len(row)} values for {len(columns)} columns.", EXAMPLE)
            row = row[column]
        elif len(columns) > 1:
            raise bad("schema", f"input_data.data[{at}] is one value for {len(columns)} columns.", EXAMPLE)
        cells.append(row)
    return cells


def _image(cell: Any, at: int, limits: Limits) -> Image:
    name = f"input_data.data[{at}]"
    if isinstance(cell, str) and cell.lstrip()[:1] == "{":
        try:
            cell = json.loads(cell)
        except ValueError as error:
            raise bad("json", f"{name} begins like JSON and is none.", _ACCEPTED) from error
    if not isinstance(cell, dict):
        return Image(from_base64(cell, name, limits))
    if "image_base64" not in cell:
        raise bad("schema", f"{name} has no 'image_base64'.", "Beside it go model_explainability and xai_parameters.")
    content = from_base64(cell["image_base64"], f"{name}.image_base64", limits)
    wanted = str(cell.get("model_explainability", False)).strip().lower()
    if wanted not in {"true", "1", "false", "0"}:
        raise bad("schema", f"{name}.model_explainability is {wanted!r}.", "Allowed: true or false.")
    if wanted in {"false", "0"}:
        return Image(content)
    parameters = cell.get("xai_parameters") or {}
    if not isinstance(parameters, dict):
        raise bad("schema", f"{name}.xai_parameters is {_kind(parameters)}, not an object.")
    return Image(content, explain=parameters)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "true or false", dict: "an object", list: "a list", str: "text"}
    return kinds.get(type(value), "a number")
