"""Decoded and shrunk pixels in one memory-mapped file, so that the second epoch never opens an image again.

A folder holds `pixels.bin` (uint8 `[H,W,3]` one after the other) and `index.jsonl` (one line an image: content hash,
frame, offset, size, size of the original). Both only grow; a line is written after its pixels are, and a file lock lets
one process write at a time. So a crash loses at most the image at hand.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np

from automl.vision.errors import DataError

from . import images
from .images import Picture, Resize
from .records import Example

WINDOW: Final = 32  # images decoded ahead of the writer
MOST_BYTES: Final = 2 << 30  # of one image file
FULL: Final = (
    "Free some space, name another folder with --cache, or set advanced_settings to "
    '{"stream_image_files": true}, which decodes images anew in every epoch.'
)


@dataclass(frozen=True, slots=True)
class Entry:
    """Where the pixels of one image lie, and how large its upright original is."""

    key: str
    offset: int
    height: int
    width: int
    original_height: int
    original_width: int


def key_of(content: bytes, frame: int) -> str:
    """What an image is known by: the sha256 of its file, and the frame where it is not the first."""
    digest = hashlib.sha256(content).hexdigest()
    return f"{digest}:{frame}" if frame else digest


class PixelCache:
    """The images of one resize rule. `decoded` counts the images that this object had to decode."""

    def __init__(self, folder: Path, rule: Resize) -> None:
        """Opens or makes `folder`/<rule>; DataError where it cannot be written."""
        self.folder = folder / rule.key
        self.rule = rule
        self.decoded = 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._pixels = self.folder / "pixels.bin"
            self._index = self.folder / "index.jsonl"
            self._pixels.touch()
            self._index.touch()
        except OSError as error:
            raise DataError(f"The image cache {self.folder} cannot be written ({error.strerror}).", FULL) from error
        self._entries: dict[str, Entry] = {}
        self._map: np.memmap | None = None
        self._read_index()

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def entry(self, key: str) -> Entry:
        return self._entries[key]

    def pixels(self, key: str) -> np.ndarray:
        """`[H,W,3]` uint8, a read-only view of the file."""
        entry = self._entries[key]
        if self._map is None or self._map.size < entry.offset + entry.height * entry.width * 3:
            self._map = np.memmap(self._pixels, dtype=np.uint8, mode="r")
        size = entry.height * entry.width * 3
        return self._map[entry.offset : entry.offset + size].reshape(entry.height, entry.width, 3)

    def add(
        self,
        examples: Sequence[Example],
        *,
        workers: int,
        advance: Callable[[int], None] = lambda done: None,
    ) -> tuple[list[str | None], list[str]]:
        """Makes sure that the pixels of all `examples` are here: (key or None per example, a reason per None).

        `advance(done)` is called after every image and may raise to stop. DataError when the disk is full.
        """
        keys: list[str | None] = []
        reasons: list[str] = []
        with self._writing() as (pixels, index), ThreadPoolExecutor(max(1, workers)) as pool:
            for start in range(0, len(examples), WINDOW):
                for key, found in pool.map(self._look_up, examples[start : start + WINDOW]):
                    if isinstance(found, Picture) and key not in self._entries:
                        self._append(pixels, index, key, found)
                    if isinstance(found, str):
                        reasons.append(found)
                    keys.append(None if isinstance(found, str) else key)
                    advance(len(keys))
        return keys, reasons

    def _look_up(self, example: Example) -> tuple[str, Picture | str | None]:
        """(key, its picture, None where it is here already, or the reason why it cannot be used)."""
        try:
            content = _content(example.path)
            key = key_of(content, example.frame)
            if key in self._entries:
                return key, None
            return key, images.read(content, frame=example.frame, resize=self.rule)
        except DataError as error:
            return "", error.sentence.replace("the image", str(example.path), 1)

    def _append(self, pixels: IO[bytes], index: IO[str], key: str, picture: Picture) -> None:
        offset = pixels.seek(0, os.SEEK_END)
        height, width = picture.pixels.shape[:2]
        entry = Entry(key, offset, height, width, picture.original_height, picture.original_width)
        try:
            pixels.write(np.ascontiguousarray(picture.pixels).tobytes())
            pixels.flush()
            index.write(json.dumps([getattr(entry, name) for name in Entry.__slots__]) + "\n")
            index.flush()
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise DataError(f"The disk that holds the image cache {self.folder} is full.", FULL) from error
            raise
        self.decoded += 1
        self._entries[key] = entry

    @contextmanager
    def _writing(self) -> Iterator[tuple[IO[bytes], IO[str]]]:
        """The files, locked; what another process wrote meanwhile is read first, and a torn last line is cut off."""
        with self._pixels.open("ab") as pixels, self._index.open("a", encoding="utf-8") as index:
            fcntl.flock(index, fcntl.LOCK_EX)
            whole = self._read_index()
            if whole < self._index.stat().st_size:
                index.truncate(whole)
            yield pixels, index

    def _read_index(self) -> int:
        """Reads all whole lines whose pixels are there; returns their length in bytes."""
        there = self._pixels.stat().st_size
        whole = 0
        with self._index.open("rb") as lines:
            for line in lines:
                try:
                    entry = Entry(*json.loads(line)) if line.endswith(b"\n") else None
                except (ValueError, TypeError):
                    entry = None
                if entry is None or entry.offset + entry.height * entry.width * 3 > there:
                    break
                self._entries[entry.key] = entry
                whole += len(line)
        return whole


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path} is larger than {MOST_BYTES >> 30} GiB.")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


class Stream:
    """The same without a cache: every look at an image decodes it again (`stream_image_files`)."""

    def __init__(self, rule: Resize) -> None:
        self.rule = rule
        self.decoded = 0
        self._where: dict[str, Example] = {}
        self._entries: dict[str, Entry] = {}

    def entry(self, key: str) -> Entry:
        return self._entries[key]

    def pixels(self, key: str) -> np.ndarray:
        example = self._where[key]
        self.decoded += 1
        return images.read(example.path, frame=example.frame, resize=self.rule).pixels

    def add(
        self, examples: Sequence[Example], *, workers: int, advance: Callable[[int], None] = lambda done: None
    ) -> tuple[list[str | None], list[str]]:
        """As `PixelCache.add`, decoding each image once to know that it can be."""
        keys: list[str | None] = []
        reasons: list[str] = []
        with ThreadPoolExecutor(max(1, workers)) as pool:
            for start in range(0, len(examples), WINDOW):
                for example, found in zip(
                    examples[start : start + WINDOW],
                    pool.map(self._look_up, examples[start : start + WINDOW]),
                    strict=True,
                ):
                    if isinstance(found, str):
                        reasons.append(found)
                        keys.append(None)
                    else:
                        self._where[found.key], self._entries[found.key] = example, found
                        keys.append(found.key)
                    advance(len(keys))
        return keys, reasons

    def _look_up(self, example: Example) -> Entry | str:
        try:
            content = _content(example.path)
            picture = images.read(content, frame=example.frame, resize=self.rule)
        except DataError as error:
            return error.sentence.replace("the image", str(example.path), 1)
        height, width = picture.pixels.shape[:2]
        key = key_of(content, example.frame)
        return Entry(key, 0, height, width, picture.original_height, picture.original_width)
