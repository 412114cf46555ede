"""Reading the bytes of a file: never more than allowed at once, and never mistaking a storage failure for bad data."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from .errors import DAMAGED, EMPTY, TOO_LARGE, MediaError
from .facts import Limits

MAX_READ: Final = 512 << 20
_BIG: Final = 256 << 20
_one_big_decode = threading.Lock()


class Source:
    """A seekable stream that bounds each read and remembers when the stream itself fails.

    Decoders turn every trouble into "bad file". `failure` keeps what the storage raised, so that a lost connection
    is reported as such and no good file is called damaged.
    """

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.failure: Exception | None = None
        with self._watched():
            self.size = raw.seek(0, io.SEEK_END)
            raw.seek(0)
        self._position = 0

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.failure = error
            raise

    def read(self, count: int | None = -1) -> bytes:
        """At most `count` bytes from here, all that is left for None or a negative count."""
        left = max(0, self.size - self._position)
        wanted = left if count is None or count < 0 else min(count, left)
        if wanted > MAX_READ:
            raise MediaError(
                TOO_LARGE, f"The file needs {wanted >> 20} MB in memory at once; at most {MAX_READ >> 20} MB are read."
            )
        with self._watched():
            data = self._raw.read(wanted)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start of the file")
        with self._watched():
            self._position = self._raw.seek(base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def head(self, count: int) -> bytes:
        """The first `count` bytes; the position is at the start afterwards."""
        self.seek(0)
        data = self.read(count)
        self.seek(0)
        return data


@contextmanager
def opened(source: BinaryIO | Path) -> Iterator[Source]:
    """A `Source` over a path (closed afterwards) or over a seekable stream (left open).

    Raises OSError where the file or the stream cannot be read, MediaError where it is empty.
    """
    if isinstance(source, Path):
        with source.open("rb") as raw, opened(raw) as watched:
            yield watched
        return
    watched = Source(source)
    if watched.size == 0:
        raise MediaError(EMPTY, "The file is empty.")
    yield watched


@contextmanager
def refusing(source: Source, sentence: str) -> Iterator[None]:
    """Around a decoder: whatever it raises becomes a MediaError, save what the storage raised.

    Decoders of hostile data raise nearly anything, from SyntaxError to AttributeError, so all of it is caught here,
    in this one place, and handed on as a refusal with its cause attached.
    """
    try:
        yield
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError(TOO_LARGE, "There was not enough memory to decode the picture.") from error
    except Exception as error:
        if source.failure is not None and error is not source.failure:
            raise source.failure from error
        if source.failure is not None:
            raise
        raise MediaError(DAMAGED, sentence) from error
    except BaseException as error:
        # A decoder written in Rust that trips over hostile data raises this, which is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise MediaError(DAMAGED, sentence) from error


@contextmanager
def memory_for(needed: int, limits: Limits) -> Iterator[None]:
    """Around a decode that needs about `needed` bytes.

    More than `limits.max_memory` is refused. Of the large ones (over 256 MB) only one runs at a time in a process,
    so a process with many threads needs room for one large picture, not for one per thread.
    """
    limits.check_memory(needed)
    if needed <= _BIG:
        yield
        return
    with _one_big_decode:
        yield
