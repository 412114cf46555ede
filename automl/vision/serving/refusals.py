"""What the server answers when it does not answer: a status, a code for programs, a sentence and a way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """An answer of 400 and above. `code` never changes, so programs may compare it."""

    def __init__(
        self, status: int, code: str, sentence: str, way_out: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{sentence} {way_out}".strip())
        self.status, self.code, self.sentence, self.way_out = status, code, sentence, way_out
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> dict[str, Any]:
        """`error` is where Open Inference Protocol v2 wants the sentence; the rest is beside it."""
        return {"error": str(self), "code": self.code, "request_id": request_id}


def bad(code: str, sentence: str, way_out: str = "") -> Refusal:
    """400: the request cannot be understood as it is."""
    return Refusal(400, code, sentence, way_out)


def too_large(code: str, sentence: str, way_out: str) -> Refusal:
    """413: more than this server takes."""
    return Refusal(413, code, sentence, way_out)


def busy(sentence: str) -> Refusal:
    """429: no room at the moment."""
    return Refusal(429, "busy", sentence, "Try again in a second, or ask another replica.", {"Retry-After": "1"})


def unavailable(code: str, sentence: str, way_out: str) -> Refusal:
    """503: not now, not here."""
    return Refusal(503, code, sentence, way_out, {"Retry-After": "5"})
