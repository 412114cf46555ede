"""Reads files for ingest: which can be labeled, how large they are as people see them, and what is wrong with others.

Runs in worker threads and touches no database. Decoders let go of Python's lock, so a few threads use all cores;
memory is bounded by the few files that are open at a time and by projects.media, which decodes large ones singly.
"""

from __future__ import annotations

import hashlib
import io
import logging
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from django.conf import settings
from django.utils.translation import gettext as _

from labeling_site.core import errors
from projects import media
from projects.services.folders import FileFacts, readable

SMALL_BYTES = 16 * 1024 * 1024  # read at once; larger files are read piece by piece
THREADS = max(2, os.cpu_count() or 2)
IN_FLIGHT = 512  # files waiting or done out of order; only THREADS of them are open

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A file to look at: where it stands in the listing, the text to keep as its path, and how to open it."""

    facts: FileFacts
    path: str
    storage_key: str
    open: Callable[[], BinaryIO]
    sha256: str = ""
    is_beyond: bool = False  # beyond the limit of a project: counted, never opened


@dataclass(frozen=True)
class Finding:
    """What an item row will say about the file. `reason` is a sentence where the file is refused, else empty."""

    candidate: Candidate
    reason: str = ""
    sha256: str = ""
    width: int = 0
    height: int = 0
    orientation: int = 1
    frames: int = 1
    is_dicom: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


def refusal_by_name(candidate: Candidate) -> str:
    """Why a file is refused without being opened, or ""."""
    if candidate.facts.refusal:
        return candidate.facts.refusal
    if candidate.path != candidate.facts.path:
        return _("The name is not valid UTF-8; rename the file.")
    if len(candidate.path) > 1000:
        return _("The path is longer than 1,000 characters.")
    if PurePosixPath(candidate.path).suffix.lower() not in media.SUPPORTED_EXTENSIONS:
        return _("Files of this kind cannot be labeled.")
    if candidate.facts.size == 0:
        return _("The file is empty.")
    if candidate.facts.size > settings.MAX_FILE_BYTES:
        return _("The file is larger than %d MB.") % (settings.MAX_FILE_BYTES // 2**20)
    return ""


def inspect(candidate: Candidate) -> Finding:
    """Opens, hashes and really decodes one file (scaled down where the format allows). Never raises for a bad file."""
    if candidate.is_beyond:
        return Finding(candidate)
    if reason := refusal_by_name(candidate):
        return Finding(candidate, reason)
    try:
        with candidate.open() as handle:
            return _inspect(candidate, handle)
    except media.MediaError as error:
        return Finding(candidate, str(error))
    except errors.AppError as error:
        return Finding(candidate, str(error.detail))
    except OSError as error:
        return Finding(candidate, _("The file cannot be read: %s.") % (error.strerror or type(error).__name__))
    except Exception as error:  # a decoder's defect on one file must not end the scan of all others; it is logged
        log.exception("%s could not be inspected", candidate.path)
        return Finding(candidate, _("The file could not be understood (%s).") % type(error).__name__)


def _inspect(candidate: Candidate, handle: BinaryIO) -> Finding:
    source = handle
    if candidate.facts.size <= SMALL_BYTES:
        content = handle.read(SMALL_BYTES + 1)
        source = io.BytesIO(content)
        digest = candidate.sha256 or hashlib.sha256(content).hexdigest()
    else:
        digest = candidate.sha256 or _digest(handle)
    name = candidate.path.rpartition("/")[2]
    seen = media.probe(source, name, verify=True)
    facts: dict[str, Any] = {"format": seen.format, "bit_depth": seen.bit_depth}
    if seen.notes:
        facts["notes"] = [str(note) for note in seen.notes]
    if seen.dicom:
        facts["dicom"] = _storable(asdict(seen.dicom))
    return Finding(
        candidate,
        sha256=digest,
        width=seen.width,
        height=seen.height,
        orientation=seen.orientation,
        frames=seen.frames,
        is_dicom=seen.is_dicom,
        facts=facts,
    )


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


def inspect_all(candidates: Iterable[Candidate]) -> Iterator[Finding]:
    """Findings in the order of the candidates, at most IN_FLIGHT of them under way at any time."""
    waiting: deque[Future[Finding]] = deque()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="inspect") as pool:
        try:
            for candidate in candidates:
                waiting.append(pool.submit(inspect, candidate))
                if len(waiting) >= IN_FLIGHT:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def from_folder(facts: FileFacts, opener: Callable[[str], BinaryIO]) -> Candidate:
    """A candidate out of a folder's listing, opened through `opener(path)`.

    A path that no row can hold gets a stand-in that can be read.
    """
    shown = readable(facts.path)
    is_usable = shown == facts.path and len(shown) <= 1000
    if len(shown) > 1000:
        digest = hashlib.sha256(facts.order).hexdigest()[:8]
        shown = f"{shown[:980]}… {digest}"
    return Candidate(facts, shown, facts.path if is_usable else "", lambda: opener(facts.path))
