"""One family of errors for all doors: what went wrong in a sentence, and the way out."""

from __future__ import annotations

from typing import Any, ClassVar


class AppError(Exception):
    """A refusal that a person can read. Doors render it once each: problem+json, a page, a message in the admin.

    `detail` is the sentence; `way_out` says what to do; `fields` maps field names to lists of sentences, where "?"
    stands for the detail itself.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "This cannot be done"

    def __init__(
        self,
        detail: Any,
        *,
        way_out: Any = "",
        fields: dict[str, list[str]] | None = None,
        code: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(str(detail))
        self.detail = detail
        self.way_out = way_out
        self.fields = {
            name: [str(detail) if sentence == "?" else sentence for sentence in sentences]
            for name, sentences in (fields or {}).items()
        }
        self.extra = extra
        if code:
            self.code = code  # type: ignore[misc]

    def __str__(self) -> str:
        return f"{self.detail} {self.way_out}".strip()


class Invalid(AppError):
    """The request says something we cannot accept."""

    code, status, title = "invalid", 400, "Something in this request is not right"


class SignInNeeded(AppError):
    code, status, title = "sign_in_needed", 401, "Sign in first"


class Forbidden(AppError):
    """You may see this but not do that; the missing right is named."""

    code, status, title = "forbidden", 403, "You lack a right"


class NotFound(AppError):
    """There is no such thing, or you may not know of it."""

    code, status, title = "not_found", 404, "Not found"


class Conflict(AppError):
    """The state of things does not allow this now."""

    code, status, title = "conflict", 409, "This does not fit the present state"


class Gone(AppError):
    code, status, title = "gone", 410, "No longer there"


class TooLarge(AppError):
    code, status, title = "too_large", 413, "Too large"


class TooMany(AppError):
    code, status, title = "too_many_requests", 429, "Too many requests"


class Unavailable(AppError):
    """A part the site needs does not answer."""

    code, status, title = "unavailable", 503, "Not available now"
