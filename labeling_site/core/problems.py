"""An AppError as RFC 9457 problem+json, for the API and for scripts on pages."""

from __future__ import annotations

from typing import Any

from labeling_site.core import errors

PROBLEM_JSON = "application/problem+json"


def problem(error: errors.AppError) -> dict[str, Any]:
    """An AppError as RFC 9457 members."""
    body: dict[str, Any] = {
        "type": f"about:blank#{error.code}",
        "title": str(error.title),
        "status": error.status,
        "code": error.code,
        "detail": str(error.detail),
    }
    if error.way_out:
        body["way_out"] = str(error.way_out)
    if error.fields:
        body["fields"] = error.fields
    return body | error.extra
