"""What must hold before anything starts, each refusal as one sentence. Standard library only: it runs before set-up."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import IO

FOLDERS = ("db", "media", "run", "secrets", "logs", "valkey")
MEGABYTE = 1024 * 1024


class Trouble(Exception):
    """The site cannot start; the message is a sentence for the person who typed the command, with a way out."""


def explain(error: OSError, path: Path | str, variable: str = "TESSERA_HOME") -> Trouble:
    """The sentence for an operating-system error about `path`, whose place `variable` decides."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Trouble(f"The disk that holds {path} is full. Free some space, or set {variable} to another disk.")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return Trouble(f"{path} cannot be written. Change its permissions, or set {variable} to a folder you own.")
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return Trouble(f"{path} is not a folder. Set {variable} to a folder.")
    return Trouble(f"{path} cannot be used ({error.strerror or error}). Set {variable} to another folder.")


def nearest_existing(path: Path) -> Path:
    """`path`, or the closest parent of it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def require_space(path: Path, megabytes: int, variable: str = "TESSERA_HOME") -> None:
    """Raises Trouble where the disk below `path` has fewer than `megabytes` (2**20 bytes) free."""
    try:
        free = shutil.disk_usage(nearest_existing(path)).free // MEGABYTE
    except OSError as error:
        raise explain(error, path, variable) from error
    if free < megabytes:
        raise Trouble(
            f"The disk that holds {path} is nearly full: {free} MB free, {megabytes} MB needed. "
            f"Free some space, or set {variable} to another disk."
        )


def require_writable(folder: Path, variable: str = "TESSERA_HOME") -> None:
    """Raises Trouble unless a small file can be written in `folder` right now."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable-") as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise explain(error, folder, variable) from error


def make_home(home: Path) -> None:
    """Makes the data folder and its rooms, closed to other accounts, and tries to write there."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in FOLDERS:
            (home / name).mkdir(exist_ok=True, mode=0o700)
        (home / "secrets").chmod(0o700)
    except OSError as error:
        raise explain(error, home) from error
    require_writable(home)


def look_at_home(home: Path) -> None:
    """As `make_home`, without making or changing anything."""
    there = nearest_existing(home)
    if not there.is_dir():
        raise explain(NotADirectoryError(errno.ENOTDIR, ""), home)
    if not os.access(there, os.W_OK | os.X_OK):
        raise explain(PermissionError(errno.EACCES, ""), home)


def lock_home(home: Path) -> IO[str]:
    """Holds the data folder until the returned file is closed; Trouble where another supervisor has it."""
    path = home / "run" / "supervisor.lock"
    try:
        handle = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise explain(error, path) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.seek(0)
        holder = handle.read().strip() or "another process"
        handle.close()
        raise Trouble(
            f"Tessera already runs on {home} ({holder}). Stop it, or set TESSERA_HOME to another folder."
        ) from error
    return handle


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket on `host`:`port`; Trouble names the port where it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    # Without it a restart would have to wait for the kernel to forget the last connections.
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
        door.listen(1024)
    except (OSError, OverflowError) as error:
        door.close()
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            sentence = (
                f"Port {port} on {host} is in use. Stop the program that has it, or choose another: PORT={port + 1}"
            )
        elif number in {errno.EACCES, errno.EPERM}:
            sentence = f"Port {port} may not be opened by this account. Choose one above 1023, such as PORT=8000."
        else:
            sentence = (
                f"{host}:{port} cannot be listened on ({error}). Set HOST and PORT to an address of this machine."
            )
        raise Trouble(sentence) from error
    return door
