"""What a log must not hold: links that let somebody in."""

from __future__ import annotations

import logging
from typing import Any


class WithoutTokens(logging.Filter):
    """Blanks the token in a line about an address that holds one, as in `Bad Request: /invitations/…/`.

    Django writes a line for each refused request. An invitation whose form was filled in wrongly is still good.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        match = getattr(getattr(record, "request", None), "resolver_match", None)
        token = match.kwargs.get("token") if match else None
        if token:
            record.args = _without(token, record.args)
        return True


def _without(token: str, args: Any) -> Any:
    if isinstance(args, str):
        return args.replace(token, "…")
    return tuple(_without(token, one) for one in args) if isinstance(args, tuple) else args
