"""Child processes of the supervisor: started in a group of their own, logged, restarted, and never left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from labeling_site.running.preflight import Trouble

ROOT = Path(__file__).resolve().parent.parent.parent
LOG_BYTES = 5 * 1024 * 1024
QUICK_DEATH_SECONDS = 10.0
MOST_QUICK_DEATHS = 5
LONGEST_PAUSE_SECONDS = 8.0
LOUD = re.compile(r"\b(ERROR|CRITICAL)\b")


class LogFile:
    """A log that keeps at most two files of LOG_BYTES: `name.log` and the one before it, `name.log.1`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: IO[bytes] = path.open("ab")
        self._lock = threading.Lock()
        self.is_full_disk = False

    def write(self, line: bytes) -> None:
        """Appends a line. A full disk loses the line, not the site: `is_full_disk` then says so."""
        with self._lock:
            try:
                if self._handle.tell() + len(line) > LOG_BYTES:
                    self._handle.close()
                    self.path.replace(self.path.with_name(self.path.name + ".1"))
                    self._handle = self.path.open("ab")
                self._handle.write(line)
                self._handle.flush()
                self.is_full_disk = False
            except OSError:
                self.is_full_disk = True


class Watchdog:
    """The small process that ends our children should we be killed; see watchdog.py."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("watchdog.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script)], stdin=subprocess.PIPE, start_new_session=True, cwd="/"
        )

    def _tell(self, line: str) -> None:
        pipe = self._process.stdin
        if pipe is None or self._process.poll() is not None:
            return  # killed by somebody: the children still end on an ordinary stop
        pipe.write(line.encode("ascii"))
        pipe.flush()

    def watch(self, group: int) -> None:
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._tell(f"-{group}\n")

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


class Child:
    """One long-running command. `tick` restarts it when it has died; `stop` ends its whole process group."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: LogFile,
        watchdog: Watchdog,
        say: Callable[[str], None],
        env: Mapping[str, str],
        pass_fds: Sequence[int] = (),
        grace_seconds: float = 10.0,
    ) -> None:
        self.name, self.command, self.env, self.pass_fds = name, list(command), dict(env), tuple(pass_fds)
        self.log, self.watchdog, self.say, self.grace_seconds = log, watchdog, say, grace_seconds
        self.last_lines: deque[str] = deque(maxlen=20)
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None
        self._started_at = self._start_again_at = self._last_said_at = 0.0
        self._quick_deaths = 0
        self._is_stopping = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=self.pass_fds,
            cwd=ROOT,
            env=self.env,
        )
        self.watchdog.watch(self._process.pid)
        self._started_at = time.monotonic()
        self._pump = threading.Thread(target=self._copy_output, args=(self._process,), daemon=True)
        self._pump.start()

    def _copy_output(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        for line in process.stdout:
            self.log.write(line)
            text = line.decode("utf-8", "replace").strip()
            if text:
                self.last_lines.append(text)
            if self._is_stopping:
                continue
            now = time.monotonic()
            if LOUD.search(text) and now - self._last_said_at > 1.0:
                self._last_said_at = now
                self.say(f"{self.name}: {text[:300]} (more in {self.log.path})")
            elif self.log.is_full_disk and now - self._last_said_at > 60.0:
                self._last_said_at = now
                self.say(f"{self.name}: the disk that holds {self.log.path} is full; free some space.")

    def tick(self) -> None:
        """Starts the command again if it died, later each time; Trouble once it dies at every start."""
        if self._process is None:
            if self._start_again_at and time.monotonic() >= self._start_again_at:
                self.start()
            return
        code = self._process.poll()
        if code is None:
            return
        self._end_group()
        lived = time.monotonic() - self._started_at
        self._quick_deaths = self._quick_deaths + 1 if lived < QUICK_DEATH_SECONDS else 1
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if self._quick_deaths >= MOST_QUICK_DEATHS:
            last = self.last_lines[-1][:300] if self.last_lines else "it printed nothing"
            raise Trouble(
                f"The {self.name} stopped {self._quick_deaths} times in a row ({how}): {last}. "
                f"Its log is {self.log.path}."
            )
        pause = min(LONGEST_PAUSE_SECONDS, 0.5 * 2 ** (self._quick_deaths - 1))
        self._start_again_at = time.monotonic() + pause
        self.say(f"The {self.name} stopped ({how}); starting it again.")

    def _end_group(self) -> None:
        """Takes leave of a leader that has ended: whatever it left running in its group goes with it."""
        process = self._process
        if process is None:
            return
        self._signal(signal.SIGKILL)
        process.wait()
        if self._pump:
            self._pump.join(timeout=5)
        if process.stdout:
            process.stdout.close()
        self.watchdog.forget(process.pid)
        self._process = None

    def _signal(self, number: int) -> None:
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # nobody is left in the group; macOS says "not permitted" when only zombies are

    def stop(self, is_impatient: Callable[[], bool] = lambda: False) -> None:
        """Asks the group to end, waits `grace_seconds` (less when `is_impatient`), then kills what is left."""
        self._is_stopping, self._start_again_at = True, 0.0
        if self._process is None:
            return
        if self._process.poll() is None:
            # To the leader alone: it knows how to tell its own children.
            self._process.terminate()
        end = time.monotonic() + self.grace_seconds
        while self._process.poll() is None and time.monotonic() < end and not is_impatient():
            time.sleep(0.05)
        self._end_group()
