"""What people may call things."""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext as _

from labeling_site.core import errors
from projects.models.label_class import name_key

__all__ = ["clean_name", "clean_text", "name_key"]

# Marks that turn the direction of the text after them: a name could pass for another one.
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Control, surrogate, line separator, paragraph separator.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_INVISIBLE_CATEGORIES = frozenset({"Cf", "Zs"})


def clean_name(value: str, *, field: str = "name", limit: int = 120, slash: bool = False) -> str:
    """The name, trimmed and composed (NFC).

    Raises Invalid for an empty or too long name, control characters, and, unless `slash`, for a `/`.
    """
    name = unicodedata.normalize("NFC", value).strip()
    if any(unicodedata.category(char) in _REFUSED_CATEGORIES or char in _DIRECTION_MARKS for char in name):
        raise _refusal(field, _("A name cannot hold control characters."), _("Type it again instead of pasting it."))
    if all(unicodedata.category(char) in _INVISIBLE_CATEGORIES for char in name):
        raise _refusal(field, _("A name is needed."), _("Give 1 to %d characters.") % limit)
    if len(name) > limit:
        raise _refusal(field, _("This name is too long."), _("Give 1 to %d characters.") % limit)
    if "/" in name and not slash:
        raise _refusal(field, _("A name cannot hold a slash (/)."), _("Use another sign, such as a dash."))
    return name


def clean_text(value: str, *, field: str, limit: int) -> str:
    """Free text of several lines, trimmed; raises Invalid when it is too long or holds control characters."""
    text = value.replace("\r\n", "\n").strip()
    if any(unicodedata.category(char) in {"Cc", "Cs"} and char not in "\n\t" for char in text):
        raise _refusal(field, _("This text holds control characters."), _("Type it again instead of pasting it."))
    if len(text) > limit:
        raise _refusal(field, _("This text is too long."), _("Give at most %d characters.") % limit)
    return text


def _refusal(field: str, sentence: str, way_out: str) -> errors.Invalid:
    return errors.Invalid(sentence, way_out=way_out, fields={field: [f"{sentence} {way_out}"]})
