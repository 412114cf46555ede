"""Rich text for labelers: what people wrote, made safe to show."""

from __future__ import annotations

import re

import nh3
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext as _

from labeling_site.core import errors

# Pictures travel inside the text as data: addresses, so the limit is about a handful of them.
MAX_CHARACTERS = 4_000_000

_TAGS = {
    *("a", "b", "blockquote", "br", "code", "div", "em", "h2", "h3", "h4", "hr", "i", "img", "li", "ol", "p", "pre"),
    *("s", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"),
}
# The content-security policy forbids style attributes; size, alignment and indentation are classes of components.css.
_LOOKS = {"align-left", "align-center", "align-right", "text-small", "text-large", "indent-1", "indent-2", "indent-3"}
_BLOCKS = ("p", "div", "h2", "h3", "h4", "li", "ul", "ol", "blockquote", "td", "th", "span")
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+", re.ASCII)
_PASSED_OVER = re.compile(r"[\x00-\x20]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)
_LINKED = {"http", "https", "mailto"}


def sanitise(html: str) -> str:
    """The text with nothing left in it that could run, load from elsewhere or leave its frame.

    Raises TooLarge beyond four million characters.
    """
    if len(html) > MAX_CHARACTERS:
        raise errors.TooLarge(
            _("These instructions are too large."), way_out=_("Use smaller pictures, or link to a page.")
        )
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "img": {"src", "alt", "width", "height"}, "td": {"colspan", "rowspan"}},
        allowed_classes=dict.fromkeys(_BLOCKS, _LOOKS),
        attribute_filter=_only_safe_addresses,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        strip_comments=True,
    ).strip()


def clean_url(value: str) -> str:
    """The address of further instructions, or nothing. Raises Invalid for anything but http and https."""
    url = value.strip()
    if not url:
        return ""
    try:
        URLValidator(schemes=["http", "https"])(url)
        if len(url) > 500:
            raise ValidationError("long")
    except ValidationError:
        sentence = _("This is not an address of a web page.")
        raise errors.Invalid(
            sentence, way_out=_("It looks like https://example.org/rules."), fields={"instructions_url": [sentence]}
        ) from None
    return url


def _only_safe_addresses(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "src":
        return value if _PICTURE.fullmatch(value) else None
    if attribute == "href":
        # Browsers pass over tabs and line ends when they read what kind of address it is.
        scheme = _SCHEME.match(_PASSED_OVER.sub("", value))
        return value if scheme is None or scheme[1].lower() in _LINKED else None
    return value
