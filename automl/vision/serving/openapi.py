"""The description of the server for programs: OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from automl.vision.spec import row_named, tasks

from . import open_inference
from .limits import Limits
from .parameters import changeable

_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_JSON_TYPES = {"int": "integer", "float": "number"}


def document(
    name: str, version: str, task: str, model_name: str, classes: Sequence[str], limits: Limits
) -> dict[str, Any]:
    """The whole document for one model."""
    names = changeable(task, model_name)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{name} ({task})",
            "version": version,
            "summary": f"Scores images with {model_name}.",
            "description": f"Classes: {', '.join(classes)}. At most {limits.max_images} images and "
            f"{limits.max_body_mb:g} MB a request, {limits.max_image_mb:g} MB and {limits.max_megapixels:g} million "
            "pixels an image.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"key": []}, {}],
        "paths": _paths(name, names),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(task, names),
            "responses": _responses(),
        },
    }


def _paths(name: str, names: Sequence[str]) -> dict[str, Any]:
    model = f"/v2/models/{name}"
    return {
        "/score": {
            "post": {
                "operationId": "score",
                "summary": "Scores images: one as raw bytes, or several as JSON or as a form.",
                "parameters": [
                    {
                        "name": "filename",
                        "in": "query",
                        "description": "What the answer to raw bytes calls the image.",
                        "schema": {"type": "string"},
                    },
                    *({"name": one, "in": "query", "schema": _setting(one)} for one in names),
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                        "image/*": {"schema": {"type": "string", "format": "binary"}},
                        "application/json": {"schema": _ref("ScoreRequest")},
                        "multipart/form-data": {"schema": _ref("ScoreForm")},
                    },
                },
                "responses": {
                    "200": _answer(
                        {"oneOf": [_ref("NamedPrediction"), {"type": "array", "items": _ref("Prediction")}]},
                        "One object with its filename for raw bytes, a list otherwise.",
                    ),
                    **_refusals("400", "401", "413", "415", "429", "503"),
                },
            }
        },
        f"{model}/infer": {
            "post": {
                "operationId": "infer",
                "summary": "Open Inference Protocol v2, also with the binary tensor data extension.",
                "parameters": [
                    {
                        "name": open_inference.LENGTH_HEADER,
                        "in": "header",
                        "description": "Length of the JSON part where binary tensor data follow it.",
                        "schema": {"type": "integer", "minimum": 0},
                    }
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": _ref("InferRequest")}},
                },
                "responses": {
                    "200": _answer(_ref("InferResponse"), "The outputs that were asked for, all without asking."),
                    **_refusals("400", "401", "404", "413", "415", "429", "503"),
                },
            }
        },
        model: {"get": _get("model", "Inputs and outputs of the model.")},
        f"{model}/ready": {"get": _get("modelReady", "Whether the model takes requests.", "503")},
        "/v2": {"get": _get("server", "The server and the extensions it knows.")},
        "/v2/health/live": {"get": {**_get("live", "Whether the process answers."), "security": [{}]}},
        "/v2/health/ready": {"get": {**_get("ready", "Whether it takes requests.", "503"), "security": [{}]}},
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Measures for Prometheus.",
                "responses": {
                    "200": {
                        "description": "Its text format.",
                        "content": {"text/plain": {"schema": {"type": "string"}}},
                    },
                    **_refusals("401"),
                },
            }
        },
        "/openapi.json": {"get": _get("openapi", "This document.")},
        "/": {"get": _get("index", "What is served here.")},
    }


def _get(operation: str, summary: str, *more: str) -> dict[str, Any]:
    responses = {"200": _answer({"type": "object"}, summary), **_refusals("401")}
    responses |= {code: {"description": "Not now."} for code in more}
    return {"operationId": operation, "summary": summary, "responses": responses}


def _schemas(task: str, names: Sequence[str]) -> dict[str, Any]:
    settings = {
        "type": "object",
        "description": "What is done differently for this request.",
        "properties": {one: _setting(one) for one in names},
        "additionalProperties": False,
    }
    cell = {"type": "string", "description": "base64 of an image file, or JSON text as ExplainedImage describes it."}
    rows = {"oneOf": [cell, {"type": "array", "items": cell}, _ref("ExplainedImage")]}
    return {
        "Prediction": _prediction(task),
        "NamedPrediction": {
            "allOf": [
                _ref("Prediction"),
                {"type": "object", "required": ["filename"], "properties": {"filename": {"type": "string"}}},
            ]
        },
        "Settings": settings,
        "ScoreRequest": {
            "type": "object",
            "required": ["input_data"],
            "additionalProperties": False,
            "properties": {
                "input_data": {
                    "type": "object",
                    "required": ["data"],
                    "properties": {
                        "columns": {"type": "array", "items": {"type": "string"}, "default": ["image"]},
                        "index": {"type": "array"},
                        "data": {"type": "array", "minItems": 1, "items": rows},
                    },
                },
                "parameters": _ref("Settings"),
                "params": _ref("Settings"),
            },
        },
        "ExplainedImage": {
            "type": "object",
            "required": ["image_base64"],
            "properties": {
                "image_base64": {"type": "string"},
                "model_explainability": {"type": "boolean", "default": False},
                "xai_parameters": {"type": "object"},
            },
        },
        "ScoreForm": {
            "type": "object",
            "properties": {"image": {"type": "array", "items": {"type": "string", "format": "binary"}}},
        },
        "InferRequest": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": {"type": "string"},
                "parameters": {"type": "object"},
                "inputs": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["name", "shape", "datatype"],
                        "properties": {
                            "name": {"const": "image"},
                            "datatype": {"const": "BYTES"},
                            "shape": {"type": "array", "items": {"type": "integer"}},
                            "parameters": {"type": "object"},
                            "data": {"type": "array", "items": {"type": "string"}},
                        },
                    },
                },
                "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
            },
        },
        "InferResponse": {
            "type": "object",
            "required": ["model_name", "outputs"],
            "properties": {
                "id": {"type": "string"},
                "model_name": {"type": "string"},
                "model_version": {"type": "string"},
                "outputs": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "datatype", "shape"],
                        "properties": {
                            "name": {"enum": [one for one, _kind, _shape in open_inference.outputs_of(task)]},
                            "datatype": {"type": "string"},
                            "shape": {"type": "array", "items": {"type": "integer"}},
                            "data": {"type": "array"},
                            "parameters": {"type": "object"},
                        },
                    },
                },
            },
        },
        "Error": {
            "type": "object",
            "required": ["error", "code", "request_id"],
            "properties": {
                "error": {"type": "string", "description": "What is wrong, and the way out."},
                "code": {"type": "string", "description": "The same in a word that does not change."},
                "request_id": {"type": "string"},
            },
        },
    }


def _prediction(task: str) -> dict[str, Any]:
    """parity.md B.15.2."""
    if task in tasks.CLASSIFIES:
        return {
            "type": "object",
            "required": ["probs", "labels"],
            "properties": {
                "probs": {"type": "array", "items": _SHARE},
                "labels": {"type": "array", "items": {"type": "string"}},
                "visualizations": {"description": "base64 of a PNG, a list of them for multi-label."},
                "attributions": {"description": "Numbers [3][H][W], a list of them for multi-label."},
            },
        }
    corners = ("topX", "topY", "bottomX", "bottomY")
    one = {
        "box": {"type": "object", "required": list(corners), "properties": dict.fromkeys(corners, _SHARE)},
        "label": {"type": "string"},
        "score": _SHARE,
    }
    if task == tasks.SEGMENTATION:
        one["polygon"] = {"type": "array", "items": {"type": "array", "items": _SHARE}}
    objects = {"type": "array", "items": {"type": "object", "required": list(one), "properties": one}}
    return {"type": "object", "required": ["boxes"], "properties": {"boxes": objects}}


def _setting(name: str) -> dict[str, Any]:
    row = row_named(name)
    if row.kind == "grid":
        return {"type": "string", "pattern": r"^\d{1,2}x\d{1,2}$", "description": f"{row.help} {row.allowed()}."}
    schema: dict[str, Any] = {"type": _JSON_TYPES[row.kind], "description": row.help}
    bounds = (("minimum", row.low, row.low_open), ("maximum", row.high, row.high_open))
    return schema | {
        f"exclusive{word.capitalize()}" if is_open else word: value
        for word, value, is_open in bounds
        if value is not None
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_REFUSALS = {
    "400": "The request cannot be understood; the sentence says what, and what would be right.",
    "401": "The key is missing or wrong.",
    "404": "There is no such model or version here.",
    "413": "More bytes, pixels or images than this server takes.",
    "415": "A content type that says nothing of an image.",
    "429": "Too much to do at the moment.",
    "503": "Not ready, shutting down, or no answer in time.",
}


def _refusals(*codes: str) -> dict[str, Any]:
    return {code: {"$ref": f"#/components/responses/{code}"} for code in codes}


def _responses() -> dict[str, Any]:
    return {code: _answer(_ref("Error"), description) for code, description in _REFUSALS.items()}
