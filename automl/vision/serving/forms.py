"""Forms as browsers and `curl -F` send them: files are images, other fields are settings."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from .calls import Call, Image, checked
from .limits import Limits
from .refusals import bad


class _InMemory(MultiPartParser):
    """The body is in memory already; nothing of it goes to a disk, which may be read-only."""

    spool_max_size = 1 << 62


async def of_form(body: bytes, content_type: str, limits: Limits) -> Call:
    """All files of a form in their order. Refusal (400, 413) where it is damaged, or holds no file."""

    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    parser = _InMemory(Headers({"content-type": content_type}), whole(), max_files=limits.max_images + 1, max_fields=64)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if "Too many files" in error.message:
            checked([Image(b"x")] * (limits.max_images + 1), {}, limits)
        raise bad("form", f"The form cannot be read ({error.message}).", _EXAMPLE) from error
    except (KeyError, ValueError) as error:
        raise bad("form", "The form cannot be read.", _EXAMPLE) from error
    images: list[Image] = []
    parameters: dict[str, Any] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            images.append(Image(await value.read(), value.filename or "image"))
        else:
            parameters[name] = value
    if not images:
        raise bad("no_image", "The form holds no file.", _EXAMPLE)
    return checked(images, parameters, limits)


_EXAMPLE = "Send files as curl does with -F image=@photo.jpg."
