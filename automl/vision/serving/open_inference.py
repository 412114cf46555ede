"""Open Inference Protocol v2: images in, tensors out, as JSON or with the binary tensor data extension.

Input `image`, BYTES [N]: image files, in JSON as base64 (the protocol leaves the encoding open), in the binary form
each as four bytes of its length, little-endian, and itself. Outputs: `predictions`, BYTES [N], the answers of the
scoring schema as JSON text, and the same numbers as tensors. Where images differ in their number of objects, K is the
largest, and what is beyond `num_detections` is 0 (-1 in `class_ids`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.vision.spec import tasks

from . import calls
from .calls import Call, Image
from .limits import Limits
from .refusals import bad

LENGTH_HEADER = "Inference-Header-Content-Length"
_EXAMPLE = 'Send {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ["<base64>"]}]}.'
_DTYPES = {"FP32": "<f4", "INT64": "<i8"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which outputs, in their order, and which of them as binary."""

    id: str | None
    outputs: list[str]
    binary: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tensor:
    """One output. `values` is an array, or a list of texts for BYTES."""

    name: str
    datatype: str
    values: NDArray[Any] | list[str]

    @property
    def shape(self) -> list[int]:
        return [len(self.values)] if isinstance(self.values, list) else list(self.values.shape)

    def as_bytes(self) -> bytes:
        if isinstance(self.values, list):
            encoded = [text.encode() for text in self.values]
            return b"".join(len(one).to_bytes(4, "little") + one for one in encoded)
        return self.values.astype(_DTYPES[self.datatype]).tobytes()


def outputs_of(task: str) -> list[tuple[str, str, list[int]]]:
    """(name, datatype, shape) of every output, -1 for what depends on the request."""
    if task in tasks.CLASSIFIES:
        return [("predictions", "BYTES", [-1]), ("probs", "FP32", [-1, -1])]
    return [
        ("predictions", "BYTES", [-1]),
        ("boxes", "FP32", [-1, -1, 4]),
        ("scores", "FP32", [-1, -1]),
        ("class_ids", "INT64", [-1, -1]),
        ("num_detections", "INT64", [-1]),
    ]


def parse(body: bytes, length: str | None, task: str, limits: Limits) -> tuple[Call, Wanted]:
    """The call and the wanted outputs. `length` is the value of Inference-Header-Content-Length, None for pure JSON.
    Refusal (400, 413) for what is not of the protocol."""
    text, rest = _divide(body, length)
    given = calls.parse_json(text)
    inputs = given.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise bad("schema", "The body needs exactly one input.", _EXAMPLE)
    images = _images(inputs[0], rest, length is not None, limits)
    parameters = _object(given, "parameters")
    own = {name: value for name, value in parameters.items() if name not in {"binary_data_output"}}
    wanted = _wanted(given, bool(parameters.get("binary_data_output")), task)
    return calls.checked(images, own, limits), wanted


def render(wanted: Wanted, model: str, version: str, tensors: Sequence[Tensor]) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON part where binary data follow it."""
    by_name = {one.name: one for one in tensors}
    described, tail = [], []
    for name in wanted.outputs:
        tensor = by_name[name]
        output: dict[str, Any] = {"name": name, "datatype": tensor.datatype, "shape": tensor.shape}
        if name in wanted.binary:
            tail.append(tensor.as_bytes())
            output["parameters"] = {"binary_data_size": len(tail[-1])}
        elif isinstance(tensor.values, list):
            output |= {"parameters": {"content_type": "application/json"}, "data": tensor.values}
        else:
            output["data"] = tensor.values.ravel().tolist()
        described.append(output)
    answer: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": described}
    if wanted.id is not None:
        answer["id"] = wanted.id
    text = json.dumps(answer, ensure_ascii=False).encode()
    return (text, None) if not tail else (text + b"".join(tail), len(text))


def tensors_of(answers: Sequence[Any], task: str) -> list[Tensor]:
    """All outputs for the answers of a call."""
    said = Tensor("predictions", "BYTES", [json.dumps(one.said, ensure_ascii=False) for one in answers])
    if task in tasks.CLASSIFIES:
        return [said, Tensor("probs", "FP32", np.stack([one.arrays["probs"] for one in answers]).astype(np.float32))]
    counts = np.array([len(one.arrays["scores"]) for one in answers], np.int64)
    most = int(counts.max(initial=0))
    boxes = np.zeros((len(answers), most, 4), np.float32)
    scores = np.zeros((len(answers), most), np.float32)
    classes = np.full((len(answers), most), -1, np.int64)
    for at, (one, count) in enumerate(zip(answers, counts, strict=True)):
        boxes[at, :count] = np.reshape(one.arrays["boxes"], (-1, 4))
        scores[at, :count], classes[at, :count] = one.arrays["scores"], one.arrays["class_ids"]
    return [
        said,
        Tensor("boxes", "FP32", boxes),
        Tensor("scores", "FP32", scores),
        Tensor("class_ids", "INT64", classes),
        Tensor("num_detections", "INT64", counts),
    ]


def _divide(body: bytes, length: str | None) -> tuple[bytes, bytes]:
    if length is None:
        return body, b""
    if not length.strip().isdecimal() or int(length) > len(body):
        raise bad(
            "schema",
            f"{LENGTH_HEADER} is {length!r} for a body of {len(body)} bytes.",
            "It is the length of the JSON part.",
        )
    return body[: int(length)], body[int(length) :]


def _images(given: dict[str, Any], rest: bytes, has_header: bool, limits: Limits) -> list[Image]:
    if given.get("name") != "image":
        raise bad("schema", f"There is no input {given.get('name')!r}; the model has one, named 'image'.", _EXAMPLE)
    if given.get("datatype") != "BYTES":
        raise bad("schema", f"The input 'image' has the datatype BYTES, not {given.get('datatype')!r}.", _EXAMPLE)
    size = _object(given, "parameters").get("binary_data_size")
    if size is not None:
        if not has_header:
            raise bad("schema", f"Binary data need the header {LENGTH_HEADER}.", "It is the length of the JSON part.")
        if size != len(rest):
            raise bad("schema", f"binary_data_size is {size!r}, but {len(rest)} bytes follow the JSON part.")
        contents = _elements(rest, limits)
    else:
        data = given.get("data")
        if not isinstance(data, list):
            raise bad("schema", "The input 'image' has no list 'data'.", _EXAMPLE)
        if len(data) > limits.max_images:  # before any of them is decoded
            calls.checked([Image(b"x")] * len(data), {}, limits)
        contents = [calls.from_base64(one, f"inputs[0].data[{at}]", limits) for at, one in enumerate(_flat(data))]
    shape = given.get("shape")
    if shape not in ([len(contents)], [len(contents), 1]):
        raise bad("schema", f"The input 'image' has the shape {shape!r} and {len(contents)} elements.", _EXAMPLE)
    return [Image(content) for content in contents]


def _flat(data: list[Any]) -> list[Any]:
    return [one[0] if isinstance(one, list) and len(one) == 1 else one for one in data]


def _elements(rest: bytes, limits: Limits) -> list[bytes]:
    """What length and bytes, in turn, hold."""
    found: list[bytes] = []
    at = 0
    while at < len(rest) and len(found) <= limits.max_images:
        size = int.from_bytes(rest[at : at + 4], "little")
        if at + 4 + size > len(rest):
            raise bad(
                "schema",
                f"Element {len(found)} of the binary data ends after them.",
                "Each element is four bytes of its length, little-endian, and itself.",
            )
        found.append(rest[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def _wanted(given: dict[str, Any], all_binary: bool, task: str) -> Wanted:
    known = [name for name, _datatype, _shape in outputs_of(task)]
    asked = given.get("outputs")
    names, binary = known, set(known) if all_binary else set()
    if asked:
        if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked):
            raise bad("schema", "'outputs' is no list of objects.", 'Such as [{"name": "predictions"}].')
        names = [str(one.get("name")) for one in asked]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise bad("schema", f"There is no output {unknown[0]!r}.", f"There are {', '.join(known)}.")
        for one in asked:
            as_binary = _object(one, "parameters").get("binary_data", all_binary)
            (binary.add if as_binary else binary.discard)(one["name"])
    own_id = given.get("id")
    return Wanted(None if own_id is None else str(own_id), names, frozenset(binary & set(names)))


def _object(given: dict[str, Any], key: str) -> dict[str, Any]:
    value = given.get(key) or {}
    if not isinstance(value, dict):
        raise bad("schema", f"{key!r} is not an object.")
    return value
