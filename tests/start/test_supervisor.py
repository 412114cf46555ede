"""A whole site under its supervisor: one command starts it, one signal ends it, and a killed part comes back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import running


@pytest.fixture
def site(tmp_path: Path) -> Iterator[running.Site]:
    site = running.start_site(tmp_path / "home")
    try:
        yield site
    finally:
        site.stop()


def processes_of(site: running.Site) -> dict[int, str]:
    """{process id: command} of everything that works in the site's home or carries it in its environment."""
    mark = f"TESSERA_HOME={site.home}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            works_there = (folder / "cwd").readlink().is_relative_to(site.home)  # Valkey writes over its environment
            if works_there or mark in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended while we looked, or is somebody else's
    return found


def pid_of(site: running.Site, words: str) -> int:
    return min(pid for pid, command in processes_of(site).items() if words in command)


def answers(site: running.Site) -> int:
    return running.answers(f"{site.url}/healthz")


def test_first_start_prints_address_and_setup_link_and_closes_its_data_to_others(site: running.Site) -> None:
    assert f"Tessera is running at {site.url}" in site.output
    assert site.setup_link is not None
    assert running.answers(site.setup_link) == 200
    assert site.home.stat().st_mode & 0o777 == 0o700
    key = site.home / "secrets" / "secret_key"
    assert key.stat().st_mode & 0o777 == 0o600
    for path in site.home.rglob("*"):
        assert path.is_symlink() or path.is_socket() or path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_in_order(site: running.Site, number: int) -> None:
    # Supervisor, broker, web, and a worker with its child; the watchdog works in / and is looked for by name.
    assert len(processes_of(site)) >= 5
    assert site.stop(number) == 0
    assert site.output.rstrip().endswith("Tessera has stopped.")
    assert processes_of(site) == {}


def test_a_second_start_finds_the_data(site: running.Site) -> None:
    site.manage("shell", "-c", "from projects.models import User; User.objects.create_user('kept@example.org')")
    site.stop()
    again = running.start_site(site.home, PORT=site.url.rpartition(":")[2])
    try:
        count = again.manage("shell", "-v0", "-c", "from projects.models import User; print(User.objects.count())")
        assert count.split()[-1] == "1"
    finally:
        again.stop()


def test_killed_parts_come_back(site: running.Site) -> None:
    for words in ("dramatiq", "valkey-server", "running.web"):
        old = pid_of(site, words)
        os.kill(old, signal.SIGKILL)
        running.wait_until(
            lambda words=words, old=old: (
                any(words in command and pid != old for pid, command in processes_of(site).items())
                and old not in processes_of(site)
            ),
            seconds=15,
            what=f"a new {words}",
        )
        assert answers(site) == 200
    assert "The worker stopped (signal SIGKILL); starting it again." in site.output


def test_a_person_is_not_turned_away_while_web_restarts(site: running.Site) -> None:
    os.kill(pid_of(site, "running.web"), signal.SIGKILL)
    # The supervisor holds the door: this connection waits for the new process instead of being refused.
    with socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2])), timeout=30) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 200")


def test_a_killed_supervisor_leaves_nothing_running_and_the_next_start_works(site: running.Site) -> None:
    site.process.kill()
    site.process.wait()
    running.wait_until(lambda: not processes_of(site), seconds=20, what="the end of all processes")
    again = running.start_site(site.home)
    try:
        assert answers(again) == 200
    finally:
        again.stop()


def test_one_home_runs_once(site: running.Site) -> None:
    other = running.start_site(site.home, wait=False)
    assert other.process.wait(timeout=30) == 1
    assert "already runs on" in other.output
    assert "Traceback" not in other.output
    assert answers(site) == 200


@pytest.mark.long
def test_a_long_home_works(tmp_path: Path) -> None:
    site = running.start_site(tmp_path / ("a-rather-long-folder-name-" * 5) / "home")
    try:
        assert answers(site) == 200
        # A command typed elsewhere finds the broker as well.
        code = "from django.core.cache import cache; cache.set('a', 1); print(cache.get('a'))"
        assert site.manage("shell", "-v0", "-c", code).split()[-1] == "1"
    finally:
        site.stop()
        (Path((site.home / "run" / "socket_folder").read_text())).rmdir()


@pytest.mark.parametrize(
    ("home", "sentence"),
    [("file/home", "is not a folder. Set TESSERA_HOME to a folder."), ("/proc/home", "Set TESSERA_HOME to another")],
)
def test_an_unusable_home_is_one_sentence(tmp_path: Path, home: str, sentence: str) -> None:
    (tmp_path / "file").write_text("kept")
    refused = refuse(tmp_path, TESSERA_HOME=str(tmp_path / home))
    assert sentence in refused
    assert (tmp_path / "file").read_text() == "kept"


def refuse(tmp_path: Path, **env: str) -> str:
    """The one sentence with which a start is refused; the folder of the home is not made up on the way."""
    done = subprocess.run(
        [sys.executable, "-m", "labeling_site.supervisor"],
        cwd=running.ROOT,
        env=running.clean_environment(**({"TESSERA_HOME": str(tmp_path / "home")} | env)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.startswith("Tessera: ")
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Port {port} on 127.0.0.1 is in use." in refuse(tmp_path, PORT=str(port))


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk], check=False).returncode == 0
    if not mounted:
        pytest.skip("needs root that may mount")
    try:
        assert "is nearly full: 0 MB free, 200 MB needed" in refuse(tmp_path, TESSERA_HOME=str(disk / "home"))
        sentence = refuse(tmp_path, TESSERA_HOME=str(disk / "home"), MIN_FREE_MB="0", PORT=str(running.free_port()))
        assert "full" in sentence
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_broker_that_does_not_answer_is_one_sentence_without_its_password(tmp_path: Path) -> None:
    port = running.free_port()
    url = f"redis://:very-secret@127.0.0.1:{port}/0"
    sentence = refuse(tmp_path, REDIS_URL=url, PORT=str(running.free_port()))
    assert f"The broker at redis://:…@127.0.0.1:{port}/0 does not answer" in sentence
    assert "very-secret" not in sentence


@pytest.mark.long
def test_a_part_that_dies_at_every_start_ends_the_site_with_its_last_line(tmp_path: Path) -> None:
    refused = refuse(tmp_path, WEB_THREADS="many", PORT=str(running.free_port()))
    assert "WEB_THREADS='many' must be a whole number" in refused
