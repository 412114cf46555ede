"""Hands files to the inspector and brings its findings back in order: a few here, many to processes of their own."""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256 as sha256_of
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from django.conf import settings
from django.utils.translation import gettext as _

from labeling_site.core import errors
from projects import inspector, media
from projects.services.folders import FileFacts, readable

PROCESSES = max(1, min(8, os.cpu_count() or 2))
TOGETHER = 32  # files per request to a process
SECONDS_PER_FILE = 60.0  # a decoder that takes longer hangs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A file to look at: where it stands in the listing, the text to keep as its path, and where its bytes are.

    `root` is the folder of this machine below which `storage_key` is a path; where there is none, `open` gives bytes.
    """

    facts: FileFacts
    path: str
    storage_key: str
    root: str = ""
    open: Callable[[], BinaryIO] | None = None
    sha256: str = ""
    is_beyond: bool = False  # beyond the limit of a project: counted, never opened

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Finding:
    """What an item row will say about a file (see inspector.look). `reason` is a sentence where it is refused."""

    candidate: Candidate
    reason: str
    answer: dict[str, Any]


def from_folder(facts: FileFacts, root: str) -> Candidate:
    """A candidate out of a folder's listing. A path that no row can hold gets a stand-in that can be read."""
    shown = readable(facts.path)
    is_usable = shown == facts.path and len(shown) <= 1000
    if len(shown) > 1000:
        shown = f"{shown[:980]}… {sha256_of(facts.order).hexdigest()[:8]}"
    return Candidate(facts, shown, facts.path if is_usable else "", root)


def refusal_by_name(candidate: Candidate) -> str:
    """Why a file is refused without being opened, or ""."""
    facts = candidate.facts
    if facts.refusal:
        return facts.refusal
    if readable(facts.path) != facts.path:
        return _("The name is not valid UTF-8; rename the file.")
    if len(facts.path) > 1000:
        return _("The path is longer than 1,000 characters.")
    if PurePosixPath(facts.path).suffix.lower() not in media.SUPPORTED_EXTENSIONS:
        return _("Files of this kind cannot be labeled.")
    if facts.size == 0:
        return _("The file is empty.")
    if facts.size > settings.MAX_FILE_BYTES:
        return _("The file is larger than %d MB.") % (settings.MAX_FILE_BYTES // 2**20)
    return ""


def inspect_all(candidates: Iterable[Candidate], *, apart: bool) -> Iterator[Finding]:
    """Findings in the order of the candidates. `apart` uses processes, which takes a moment to start.

    Memory is bounded: a few batches are under way, and only as many files are open as there are processes.
    """
    stream = iter(candidates)
    batches = iter(lambda: list(islice(stream, TOGETHER)), [])
    if not apart:
        for batch in batches:
            yield from _findings(batch, lambda requests: [inspector.look_at(*request) for request in requests])
        return
    with _Processes() as processes, ThreadPoolExecutor(PROCESSES, thread_name_prefix="inspect") as threads:
        waiting: deque[Future[list[Finding]]] = deque()
        try:
            for batch in batches:
                waiting.append(threads.submit(_findings, batch, processes.ask))
                if len(waiting) > 3 * PROCESSES:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


Ask = Callable[[list[list[Any]]], list[dict[str, Any]]]


def _findings(batch: list[Candidate], ask: Ask) -> list[Finding]:
    """Findings for one batch; files of this machine go through `ask` together, others are fetched one by one."""
    known = {index: _quick_answer(one) for index, one in enumerate(batch)}
    asked = [index for index, answer in known.items() if answer is None]
    if asked:
        ones = [batch[index] for index in asked]
        answers = ask([[one.root, one.storage_key, one.name, one.facts.size, one.sha256] for one in ones])
        known.update(zip(asked, answers, strict=True))
    return [
        Finding(one, str((known[index] or {}).get("reason", "")), known[index] or {}) for index, one in enumerate(batch)
    ]


def _quick_answer(candidate: Candidate) -> dict[str, Any] | None:
    """The answer where no file of this machine has to be opened for it."""
    if candidate.is_beyond:
        return {}
    if reason := refusal_by_name(candidate):
        return {"reason": reason}
    if candidate.open is None:
        return None
    try:
        with candidate.open() as handle:
            return inspector.look(handle, candidate.name, candidate.facts.size, candidate.sha256)
    except errors.AppError as error:
        return {"reason": str(error.detail)}
    except OSError as error:
        return {"reason": _("The file cannot be read: %s.") % (error.strerror or type(error).__name__)}


class _Died(Exception):
    """An inspector ended or hung before it answered."""


class _Processes:
    """As many inspectors as there are cores. They end when told to, and by themselves when we are killed."""

    def __init__(self) -> None:
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()

    def __enter__(self) -> _Processes:
        for _number in range(PROCESSES):
            self._idle.put(self._start())
        return self

    def __exit__(self, *error: object) -> None:
        for _number in range(PROCESSES):
            self._end(self._idle.get())

    def ask(self, requests: list[list[Any]]) -> list[dict[str, Any]]:
        """Answers to the requests. A file at which the inspector dies or hangs gets a reason, the others an answer."""
        process = self._idle.get()
        try:
            return self._exchange(process, requests)
        except _Died:
            self._end(process)
            process = self._start()
            if len(requests) == 1:
                log.error("the inspector died at %r", requests[0][1])
                return [{"reason": _("The decoder broke down at this file.")}]
        finally:
            self._idle.put(process)
        return [answer for request in requests for answer in self.ask([request])]

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "projects.inspector"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=settings.BASE_DIR)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()

    def _exchange(self, process: subprocess.Popen[bytes], requests: list[list[Any]]) -> list[dict[str, Any]]:
        if process.stdin is None or process.stdout is None:
            raise _Died
        try:
            process.stdin.write(json.dumps(requests).encode() + b"\n")
            process.stdin.flush()
        except OSError as error:
            raise _Died from error
        # An answer comes as a whole once the batch is done, so waiting for its first byte is waiting for all of it.
        if not select.select([process.stdout], [], [], SECONDS_PER_FILE * len(requests) ** 0.5)[0]:
            raise _Died
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            raise _Died
        answers: list[dict[str, Any]] = json.loads(line)
        return answers
