"""Values out of query strings and JSON, with refusals that name the field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from labeling_site.core import errors

LONGEST_SEARCH = 1000  # databases refuse patterns from some length on


def row_id(text: str) -> int:
    """The number of a row as a form or a topic names it; 0, which no row has, for anything else."""
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def moment(data: Mapping[str, Any], name: str) -> datetime | None:
    """A date, or a date and time (in the site's zone where none is given); None where it is absent."""
    value = data.get(name)
    if not value:
        return None
    try:
        found = value if isinstance(value, datetime) else parse_datetime(str(value))
        if found is None and (day := parse_date(str(value))):
            found = datetime(day.year, day.month, day.day)
        if found is not None:
            found = found if timezone.is_aware(found) else timezone.make_aware(found)
            found.astimezone(UTC)  # as databases keep it: the first and last hours of the calendar have no such form
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise errors.Invalid(_("%s is not a date and time such as 2026-11-21T10:00:00Z.") % name, fields={name: ["?"]})
    return found


def whole(data: Mapping[str, Any], name: str) -> int | None:
    """A whole number of at most 18 digits; None where it is absent."""
    value = str(data.get(name, ""))
    if not value:
        return None
    if not value.isdecimal() or len(value) > 18:
        raise errors.Invalid(_("%s is a whole number.") % name, fields={name: ["?"]})
    return int(value)


def yes_or_no(data: Mapping[str, Any], name: str) -> bool | None:
    """True for "yes", False for "no"; None where it is absent."""
    value = data.get(name, "")
    if value not in ("", "yes", "no"):
        raise errors.Invalid(_("%s is yes or no.") % name, fields={name: ["yes", "no"]})
    return {"yes": True, "no": False}.get(value)


def searched(data: Mapping[str, Any], name: str) -> str:
    """Words to look for, trimmed; raises Invalid beyond LONGEST_SEARCH characters, more than anything here is long."""
    value = str(data.get(name, "")).strip()
    if len(value) > LONGEST_SEARCH:
        sentence = _("%(name)s has more than %(limit)d characters.") % {"name": name, "limit": LONGEST_SEARCH}
        raise errors.Invalid(sentence, fields={name: ["?"]})
    return value
