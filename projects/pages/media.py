"""The picture of an item, as the labeling page, the data tab and API clients show it: whole, in tiles, or as values."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from rest_framework.exceptions import AuthenticationFailed

from labeling_site.core import errors
from projects import selectors
from projects.api.authentication import ApiKeyAuthentication
from projects.models import Item
from projects.services import renditions, tiles

FOR_EVER = "private, max-age=31536000, immutable"
ASK_AGAIN = "private, no-cache"


def item_image_url(item: Item, *, max_side: int = renditions.DEFAULT_SIDE, frame: int = 0) -> str:
    """The address of the item's image; it changes with the file, so browsers may keep what they got for ever."""
    query: dict[str, Any] = {"max_side": renditions.snap(max_side), "v": renditions.version_of(item)}
    if frame:
        query["frame"] = frame
    return f"{reverse('item-image', args=[item.pk])}?{urlencode(query)}"


def item_samples_url(item: Item) -> str | None:
    """The address of the values of a grey DICOM file's frames; None for everything else."""
    photometric = ((item.facts or {}).get("dicom") or {}).get("photometric", "")
    if not item.is_dicom or not photometric.startswith("MONOCHROME"):
        return None
    return f"{reverse('item-samples', args=[item.pk])}?v={renditions.version_of(item)}"


def item_tiles(item: Item) -> dict[str, Any] | None:
    """How a large image comes in squares: {url with {level}, {column} and {row}, side, levels}; None for others."""
    levels = tiles.levels_of(item)
    if not levels:
        return None
    first = reverse("item-tile", args=[item.pk, 0, 0, 0])
    url = f"{first.removesuffix('0/0/0/')}{{level}}/{{column}}/{{row}}/?v={renditions.version_of(item)}"
    return {"url": url, "side": tiles.SIDE, "levels": levels}


def _number(request: HttpRequest, name: str, default: int, most: int) -> int:
    text = request.GET.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) > most:
        raise errors.Invalid(_("%(name)s has to be a whole number up to %(most)d.") % {"name": name, "most": most})
    return int(text)


def _window(request: HttpRequest) -> tuple[float, float] | None:
    text = request.GET.get("window", "")
    if not text:
        return None
    found = re.fullmatch(r"(-?[0-9]{1,7}(?:\.[0-9]{1,4})?),([0-9]{1,7}(?:\.[0-9]{1,4})?)", text)
    if not found:
        raise errors.Invalid(_("window is a centre and a width, as in 40,400."))
    return float(found[1]), float(found[2])


def _viewer(request: HttpRequest) -> Any:
    """The person signed in, or the one behind an API key, so that programs may fetch images too."""
    if request.user.is_authenticated or "Authorization" not in request.headers:
        return request.user
    try:
        found = ApiKeyAuthentication().authenticate(request)
    except AuthenticationFailed as error:
        raise errors.SignInNeeded(str(error.detail), way_out=_("Send a valid API key.")) from error
    return found[0] if found else request.user


def _item_for(request: HttpRequest, item_id: int) -> Item:
    """An item that whoever asks may see; anything else does not exist."""
    item = selectors.visible_item(_viewer(request), item_id)
    if item is None:
        raise errors.NotFound(_("There is no such thing here, or it is not yours to see."))
    return item


@require_safe
def item_image(request: HttpRequest, item_id: int) -> HttpResponse:
    """A re-encoded JPEG or PNG of an item that this person may see: ?max_side=2048&frame=0&window=40,400&v=…"""
    item = _item_for(request, item_id)
    asked: dict[str, Any] = {
        "max_side": max(1, _number(request, "max_side", renditions.DEFAULT_SIDE, 65535)),
        "frame": _number(request, "frame", 0, 9_999_999),
        "window": _window(request),
    }
    etag = renditions.key_of(item, **asked)
    return _sent(request, item, etag, lambda: renditions.rendition(item, **asked))


@require_safe
def item_samples(request: HttpRequest, item_id: int) -> HttpResponse:
    """The values of a grey DICOM frame, for windowing in the browser (renditions.samples): ?frame=0&v=…"""
    item = _item_for(request, item_id)
    frame = _number(request, "frame", 0, 9_999_999)
    etag = renditions.samples_key(item, frame=frame)
    response = _sent(request, item, etag, lambda: renditions.samples(item, frame=frame))
    if response.content:
        if re.search(r"\bgzip\b", request.headers.get("Accept-Encoding", "")):
            response["Content-Encoding"] = "gzip"
        else:
            response.content = gzip.decompress(response.content)
    response["Vary"] = "Cookie, Authorization, Accept-Encoding"
    return response


@require_safe
def item_tile(request: HttpRequest, item_id: int, level: int, column: int, row: int) -> HttpResponse:
    """A square of a large image (services/tiles.py): ?v=…"""
    item = _item_for(request, item_id)
    place = {"level": level, "column": column, "row": row}
    etag = tiles.key_of(item, **place)
    return _sent(request, item, etag, lambda: tiles.tile(item, **place))


def _sent(request: HttpRequest, item: Item, key: str, draw: Callable[[], renditions.CachedRendition]) -> HttpResponse:
    """What `draw` gives, under headers that keep it from being taken for anything else; 304 where it is known."""
    etag = f'"{key}"'
    response: HttpResponse
    if etag in request.headers.get("If-None-Match", ""):
        response = HttpResponseNotModified()
    else:
        drawn = draw()
        response = HttpResponse(drawn.content, content_type=drawn.content_type)
        suffix = {"image/png": "png", "image/jpeg": "jpg"}.get(drawn.content_type)
        kind = f'inline; filename="item-{item.pk}.{suffix}"' if suffix else "attachment"
        response["Content-Disposition"] = kind
    response["ETag"] = etag
    response["Cache-Control"] = FOR_EVER if request.GET.get("v") == renditions.version_of(item) else ASK_AGAIN
    response["Vary"] = "Cookie, Authorization"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
