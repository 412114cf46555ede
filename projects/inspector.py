"""Looks into files: hash, size as a person sees it, and what is wrong with those that cannot be labeled. No Django.

`python -m projects.inspector` does so in a process of its own, which ingest uses for more than a few files: Python's
lock would keep threads from using a second core, and a decoder that crashes or hangs takes only this process along.
Requests are lines of JSON, lists of [root, path, name, size, sha256]; each gets one line with as many answers.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import logging
import math
import os
import stat
import sys
import traceback
import warnings
from dataclasses import asdict
from typing import Any, BinaryIO

from projects import media

SMALL_BYTES = 16 * 1024 * 1024  # read at once; larger files are read piece by piece

Answer = dict[str, Any]


def open_inside(root: str | bytes, path: str | bytes) -> BinaryIO:
    """Opens a file below `root` for reading. Raises OSError when it is gone, or not below `root` after all links.

    Every component is opened without following links, so that nobody can swap a folder for a link between a check and
    the opening. Where there is a link, it is resolved first and its target, if inside, opened in the same way.
    """
    name = os.fsencode(path)
    refused = OSError(errno.ENOENT, "it is not in its folder any more")
    if not name or name.startswith(b"/") or b"\0" in name or b".." in name.split(b"/"):
        raise refused
    top = os.fsencode(root)
    try:
        descriptor = _open_without_links(top, name.split(b"/"))
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENOTDIR}:
            raise
        top = os.path.realpath(top)
        real = os.path.realpath(os.path.join(top, name))  # noqa: PTH118  bytes, which pathlib does not know
        if not is_inside(top, real) or real == top:
            raise refused from error
        descriptor = _open_without_links(top, real[len(top.rstrip(b"/")) + 1 :].split(b"/"))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise refused
    return os.fdopen(descriptor, "rb")


def is_inside(top: bytes, path: bytes) -> bool:
    """Whether one real path is the other or lies below it."""
    return path == top or path.startswith(top.rstrip(b"/") + b"/")


def _open_without_links(top: bytes, parts: list[bytes]) -> int:
    folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        # Without O_NONBLOCK a pipe put in the file's place would hold us for ever.
        return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)


def look_at(root: str, path: str, name: str, size: int, sha256: str = "") -> Answer:
    """`look` for the file at `path` below a folder; people call it `name`."""
    try:
        with open_inside(root, path) as handle:
            return look(handle, name, size, sha256)
    except OSError as error:
        return {"reason": f"The file cannot be read: {error.strerror or type(error).__name__}."}


def look(handle: BinaryIO, name: str, size: int, sha256: str = "") -> Answer:
    """What an item's row says about the bytes of `handle`, or {"reason": …}; really decodes them (JPEG at an eighth).

    A `sha256` that is known already is not computed again. Raises OSError only.
    """
    source = handle
    if size <= SMALL_BYTES:
        content = handle.read(SMALL_BYTES + 1)
        source = io.BytesIO(content)
        sha256 = sha256 or hashlib.sha256(content).hexdigest()
    else:
        sha256 = sha256 or _digest(handle)
    try:
        seen = media.probe(source, name, verify=True)
    except media.MediaError as error:
        return {"reason": str(error)}
    except OSError:
        raise
    except Exception as error:  # a decoder's defect on one file must not end the scan of all others; it is logged
        traceback.print_exc()
        return {"reason": f"The file could not be understood ({type(error).__name__})."}
    facts: dict[str, Any] = {"format": seen.format, "bit_depth": seen.bit_depth}
    if seen.notes:
        facts["notes"] = list(seen.notes)
    if seen.dicom:
        facts["dicom"] = _storable(asdict(seen.dicom))
    return {
        "sha256": sha256,
        "width": seen.width,
        "height": seen.height,
        "orientation": seen.orientation,
        "frames": seen.frames,
        "is_dicom": seen.is_dicom,
        "facts": facts,
    }


def _storable(values: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no infinity and no NaN, and PostgreSQL holds no NUL in text."""
    kept = {name: value for name, value in values.items() if not isinstance(value, float) or math.isfinite(value)}
    return {name: value.replace("\0", "") if isinstance(value, str) else value for name, value in kept.items()}


def _digest(handle: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := handle.read(1024 * 1024):
        digest.update(chunk)
    handle.seek(0)
    return digest.hexdigest()


def main() -> None:
    """Answers until the pipe closes, which it also does when the process that asks was killed."""
    os.nice(5)  # people who label go first
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")  # what a decoder only warns of, it has decoded
    # What a library prints must not end up between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        reply = [look_at(*request) for request in json.loads(line)]
        answers.write(json.dumps(reply).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
