"""A folder of this machine as a source of files: globs, walking in byte order, and opening without leaving it."""

# Names of files are bytes here, because not all of them are text, and pathlib knows text only.
# ruff: noqa: PTH112, PTH113, PTH116, PTH118

from __future__ import annotations

import os
import re
import stat
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.utils.translation import gettext as _

from labeling_site.core import errors
from projects import inspector
from projects.inspector import is_inside

MAX_DEPTH = 64


@dataclass(frozen=True)
class FileFacts:
    """A file as the listing shows it. `path` is relative to the root, with `/`, and may hold surrogate escapes.

    `refusal` is a sentence where the file must not be opened at all, such as a link that leads out of the folder.
    """

    path: str
    size: int
    fingerprint: str
    refusal: str = ""

    @property
    def order(self) -> bytes:
        """What "first" goes by: the bytes of the path."""
        return os.fsencode(self.path)


def readable(path: str) -> str:
    """The path as text that every database and page can hold: bytes that are no UTF-8 are shown as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace").replace("\0", "\\x00")


# --- Globs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Glob:
    """A path inside a datastore, compiled: the folder to begin in, and what must match from there on.

    `photos/` and `photos/**` mean every file below photos, `**/*.*` every file below the root, `photos/*.jpg` those
    directly in it, `**/*.jpg` at any depth. `*` and `?` stay inside one name; brackets are ordinary characters; an
    extension is compared without regard to case. `/` or nothing at all means every file.
    """

    base: str
    pattern: re.Pattern[bytes] | None

    def matches(self, path: bytes) -> bool:
        return self.pattern is None or self.pattern.fullmatch(path) is not None


def clean_path(path: str) -> str:
    """A relative path in its one spelling. Refuses what could lead elsewhere: `..`, backslashes, control characters."""
    parts = [part for part in path.strip().split("/") if part not in {"", "."}]
    if ".." in parts:
        raise errors.Invalid(_("A path may not hold “..”."), way_out=_("Write it from the datastore's own folder on."))
    if "\\" in path:
        raise errors.Invalid(_("A path may not hold a backslash."), way_out=_("Write folders with “/” between them."))
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in path):
        raise errors.Invalid(_("A path may not hold control characters."))
    if len(path) > 1000:
        raise errors.Invalid(_("A path may have 1,000 characters at most."))
    return "/".join(parts)


def parse_glob(path: str) -> Glob:
    """Reads a path as people type it. Raises Invalid for one that is not safe or not understood."""
    parts = clean_path(path).split("/")
    if parts == [""]:
        return Glob("", None)
    wild = next((index for index, part in enumerate(parts) if "*" in part or "?" in part), len(parts))
    base = "/".join(parts[:wild])
    rest = parts[wild:]
    if any("**" in part and part != "**" for part in rest):
        raise errors.Invalid(
            _("“**” has to stand alone between two slashes."), way_out=_("Write photos/** or photos/**/*.jpg.")
        )
    if not rest or rest in (["**"], ["**", "*.*"], ["**", "*"]):
        return Glob(base, None)
    prefix = re.escape(base.encode() + b"/") if base else b""
    return Glob(base, re.compile(prefix + _path_expression(rest), re.DOTALL))


# Matching must not take longer than about the length of the pattern times that of the path, whoever wrote either. So a
# gap and what stands behind it, up to the next gap, is an atomic group, (?>…), which keeps the first place that fits. A
# later place never helps what follows; without the group, a pattern of many stars is tried in more ways than there is
# time for, and nobody else gets an answer meanwhile.

# One character, which in UTF-8 is a first byte and any continuation bytes; other bytes count singly.
_ONE = rb"(?>[\xc0-\xf7][\x80-\xbf]+|[^/])"


def _path_expression(parts: list[str]) -> bytes:
    runs: list[list[str]] = [[]]
    for part in parts:
        if part == "**":
            runs.append([])
        else:
            runs[-1].append(part)
    *others, last = runs
    expression = b""
    for index, run in enumerate(others):
        names = b"".join(_name_expression(part, is_file=False) + b"/" for part in run)
        expression += b"(?>(?:[^/]+/)*?" + names + b")" if index and run else names
    if not last:
        return expression + b".+"
    gap = b"(?:[^/]+/)*" if others else b""
    names = b"".join(_name_expression(part, is_file=False) + b"/" for part in last[:-1])
    return expression + gap + names + _name_expression(last[-1], is_file=True)


def _name_expression(part: str, *, is_file: bool) -> bytes:
    if is_file and part == "*.*":
        return b"[^/]+"
    stem, dot, extension = part.rpartition(".") if is_file and "." in part else (part, "", "")
    # Pieces between stars; those of the extension are compared without regard to case.
    pieces = [_piece(text) for text in stem.split("*")]
    if dot:
        first, *rest = [_piece(text, any_case=True) for text in (dot + extension).split("*")]
        pieces = [*pieces[:-1], pieces[-1] + first, *rest]
    # Where characters are counted, a star must not stop in the middle of one.
    star = b"(?:" + _ONE + b")*" if "?" in part else b"[^/]*"
    begin, *middle = pieces[:-1] or [b""]
    end = (star if len(pieces) > 1 else b"") + pieces[-1]
    return begin + b"".join(b"(?>" + star + b"?" + piece + b")" for piece in middle if piece) + end


def _piece(text: str, *, any_case: bool = False) -> bytes:
    found = b"".join(_ONE if byte == 63 else re.escape(bytes([byte])) for byte in text.encode())
    return b"(?i:" + found + b")" if any_case else found


# --- Walking ---------------------------------------------------------------------------------------------------------


def walk(root: Path, glob: Glob, *, after: bytes = b"") -> Iterator[FileFacts]:
    """Files below `root` that match, in byte order of their paths, from behind the path `after` on.

    Memory is that of one folder's names per level. Links to files inside the root are files; links that lead out of
    it and links to folders come with a refusal; pipes, sockets and devices likewise. A folder that cannot be read is
    one entry with a refusal. Raises NotFound when the folder to begin in is not there.
    """
    top = os.fsencode(root)
    start = os.path.join(top, os.fsencode(glob.base)) if glob.base else top
    real_top = os.path.realpath(top)
    if not is_inside(real_top, os.path.realpath(start)):
        raise errors.NotFound(_("The path “%s” leads out of the datastore.") % glob.base)
    prefix = os.fsencode(glob.base)
    if os.path.isfile(start):
        if prefix > after:
            yield _facts(real_top, start, prefix)
        return
    if not os.path.isdir(start):
        raise errors.NotFound(
            _("There is no folder “%s” in this datastore.") % (glob.base or root.name),
            way_out=_("Check the path, and that the disk it lives on is there."),
        )
    yield from _walk_folder(real_top, start, prefix + b"/" if prefix else b"", glob, after, 0)


def _walk_folder(top: bytes, folder: bytes, prefix: bytes, glob: Glob, after: bytes, depth: int) -> Iterator[FileFacts]:
    try:
        with os.scandir(folder) as entries:
            # A folder sorts as its name with a slash behind it: so a depth-first walk meets paths in byte order.
            names = sorted(
                entry.name + b"/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries
            )
    except OSError as error:
        sentence = _("This folder cannot be read: %s.") % (error.strerror or "?")
        if depth == 0:
            raise errors.Conflict(sentence, way_out=_("Give the site's user the right to read it.")) from error
        if prefix > after:
            yield FileFacts(os.fsdecode(prefix), 0, "", sentence)
        return
    first = 0
    if after.startswith(prefix):
        # Everything before the cursor's own component is done; that component may be a folder done only in part.
        component = after[len(prefix) :].partition(b"/")
        first = bisect_left(names, component[0] + component[1])
    for name in names[first:]:
        path = prefix + name
        if name.endswith(b"/"):
            if depth >= MAX_DEPTH:
                yield FileFacts(os.fsdecode(path), 0, "", _("Folders are nested too deeply here."))
            else:
                yield from _walk_folder(top, os.path.join(folder, name[:-1]), path, glob, after, depth + 1)
        elif path > after and glob.matches(path):
            yield _facts(top, os.path.join(folder, name), path)


def count(root: Path, glob: Glob) -> int:
    """How many entries `walk` will yield, without looking at any file itself."""
    return sum(1 for _path in _paths(os.fsencode(root), glob))


def _paths(top: bytes, glob: Glob) -> Iterator[bytes]:
    base = os.fsencode(glob.base)
    start = os.path.join(top, base) if base else top
    if os.path.isfile(start):
        yield base
        return
    pending = [(start, base + b"/" if base else b"", 0)]
    while pending:
        folder, prefix, depth = pending.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        if glob.matches(prefix + entry.name):
                            yield prefix + entry.name
                    elif depth >= MAX_DEPTH:
                        yield prefix + entry.name
                    else:
                        pending.append((entry.path, prefix + entry.name + b"/", depth + 1))
        except OSError:
            yield prefix  # walk() reports it as one unreadable entry


def _facts(top: bytes, file: bytes, path: bytes) -> FileFacts:
    name = os.fsdecode(path)
    try:
        info = os.lstat(file)
        if stat.S_ISLNK(info.st_mode):
            if not is_inside(top, os.path.realpath(file)):
                return FileFacts(name, 0, "", _("This is a link that leads out of the datastore."))
            info = os.stat(file)
            if stat.S_ISDIR(info.st_mode):
                return FileFacts(name, 0, "", _("This is a link to a folder; links to folders are not followed."))
    except OSError as error:
        return FileFacts(name, 0, "", _("This file cannot be read: %s.") % (error.strerror or "?"))
    if not stat.S_ISREG(info.st_mode):
        return FileFacts(name, 0, "", _("This is no ordinary file."))
    return FileFacts(name, info.st_size, f"{info.st_mtime_ns:x}-{info.st_size:x}")


# --- Opening ---------------------------------------------------------------------------------------------------------


def open_inside(root: Path, path: str) -> BinaryIO:
    """Opens a file below `root` for reading. Raises NotFound when it is gone, or not below `root` after all links."""
    try:
        return inspector.open_inside(os.fsencode(root), path)
    except OSError as error:
        raise errors.NotFound(
            _("The file “%s” is no longer in its datastore.") % readable(path),
            way_out=_("Bring it back, or ask an owner of the workspace to look at the datastore."),
        ) from error
