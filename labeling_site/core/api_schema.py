"""What the generated OpenAPI schema says beyond the views themselves: what a refusal looks like."""

from __future__ import annotations

from typing import Any

PROBLEM = {
    "type": "object",
    "description": "A refusal (RFC 9457). “detail” is a sentence for people, “code” a word for programs.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "examples": ["forbidden", "not_found", "lease_lost"]},
        "detail": {"type": "string"},
        "way_out": {"type": "string", "description": "What to do about it."},
        "fields": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        "missing": {"description": "The right that is missing, in a 403."},
        "retry_after": {"type": "integer", "description": "Seconds to wait, in a 429."},
    },
    "required": ["type", "title", "status", "code", "detail"],
}


def describe_refusals(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A hook of drf-spectacular: every operation may answer with a problem."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    reference = {"$ref": "#/components/schemas/Problem"}
    for methods in result["paths"].values():
        for operation in methods.values():
            operation["responses"]["default"] = {
                "description": "A refusal",
                "content": {"application/problem+json": {"schema": reference}},
            }
    return result
