"""Kills parts of a running site, as a machine that loses power does."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.running import Site


def pids(site: Site, word: str) -> list[int]:
    """Processes of this site (by its TESSERA_HOME) whose command line holds `word`."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue  # it ended meanwhile, or is not ours
        if word in command and f"TESSERA_HOME={site.home}".encode() in environment.split(b"\0"):
            found.append(int(folder.name))
    return found


def kill(site: Site, word: str) -> None:
    victims = pids(site, word)
    assert victims, f"no process of the site has {word} in its command line"
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # a child that went with its parent
