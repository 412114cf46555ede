"""JSON bodies of requests, of a bounded size, less what no database can keep."""

from __future__ import annotations

import io
import re
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils.translation import gettext as _
from rest_framework.parsers import JSONParser

from labeling_site.core import errors

# Written as escapes, these come through JSON as single characters: NUL and halves of surrogate pairs.
_SUSPECT = re.compile(rb"\\u(0000|d[89a-f])", re.IGNORECASE)
_REFUSED = re.compile("[\0\ud800-\udfff]")


class JsonBody(JSONParser):
    """DRF's strict JSON (no NaN, no Infinity); raises Invalid for text with NUL or half a character in it."""

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        # Read from the connection itself, so Django's own limit has not been asked.
        limit = int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise RequestDataTooBig
        try:
            found = super().parse(io.BytesIO(body), media_type, parser_context)
            is_refused = bool(_SUSPECT.search(body)) and _has_refused(found)
        except RecursionError:
            raise errors.Invalid(_("The JSON of this request is nested too deeply.")) from None
        if is_refused:
            raise errors.Invalid(_("The text of this request holds characters that cannot be kept."))
        return found


def _has_refused(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_REFUSED.search(value))
    if isinstance(value, dict):
        return any(_has_refused(one) for pair in value.items() for one in pair)
    return isinstance(value, list) and any(map(_has_refused, value))
