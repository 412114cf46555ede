"""Runs a whole site on one machine: broker, web and worker, from the first check to the last process that ends.

`script/start` ends in here. Everything it starts ends with it: on Ctrl-C and SIGTERM in reverse order, and through the
watchdog even when this process is killed outright.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from types import FrameType

from labeling_site.core import env
from labeling_site.running import broker_server, health, preflight
from labeling_site.running.preflight import Trouble
from labeling_site.running.processes import ROOT, Child, LogFile, Watchdog

FIRST_ANSWER_SECONDS = 60.0
LEAST_FREE_MEGABYTES = 200


class Stopped(Exception):
    """Somebody asked us to end."""


class Supervisor:
    """One site on one data folder. `run` returns the exit code."""

    def __init__(self) -> None:
        self.home = env.home()
        self.host = env.text("HOST", "127.0.0.1")
        self.port = env.number("PORT", 8000, at_least=1, at_most=65535)
        self.public_url = env.public_url()
        self.children: list[Child] = []
        self.requests_to_stop = 0
        self._log: LogFile | None = None

    # --- Talking -----------------------------------------------------------------------------------------------------

    def say(self, sentence: str, *, is_secret: bool = False) -> None:
        """To the terminal and, unless it `is_secret`, to the log; a terminal that has gone is no reason to stop."""
        if self._log is not None and not is_secret:
            self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {sentence}\n".encode())
        try:
            print(sentence, flush=True)  # noqa: T201  this is what the terminal is for
        except OSError:
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  for the rest of our life

    # --- Life --------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        os.umask(0o077)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            preflight.make_home(self.home)
            preflight.require_space(self.home, env.number("MIN_FREE_MB", LEAST_FREE_MEGABYTES))
            with preflight.lock_home(self.home) as lock:
                lock.truncate(0)
                lock.write(f"process {os.getpid()}, {self.public_url}")
                lock.flush()
                return self._run_in_home()
        except Trouble as trouble:
            print(f"Tessera: {trouble}", file=sys.stderr, flush=True)  # noqa: T201
            return 1
        except OSError as error:
            print(f"Tessera: {preflight.explain(error, error.filename or self.home)}", file=sys.stderr)  # noqa: T201
            return 1

    def _run_in_home(self) -> int:
        self._log = LogFile(self.home / "logs" / "supervisor.log")
        door = preflight.listen(self.host, self.port)
        watchdog = Watchdog()
        try:
            self.say("Tessera: starting …")
            self._start_broker(watchdog)
            link = self._prepare()
            self._start_site(watchdog, door.fileno())
            self._wait_for_first_answer()
            self._welcome(link)
            while True:
                self._pause(0.2)
        except Stopped:
            self.say("Tessera: stopping …")
        except Trouble as trouble:
            self._log.write(f"Tessera: {trouble}\n".encode())
            raise
        finally:
            for child in reversed(self.children):
                child.stop(lambda: self.requests_to_stop > 1)
            watchdog.close()
            door.close()
        self.say("Tessera has stopped.")
        return 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requests_to_stop += 1

    def _pause(self, seconds: float) -> None:
        """Sleeps a little while keeping the children alive; raises Stopped once somebody asked us to end."""
        if self.requests_to_stop:
            raise Stopped
        for child in self.children:
            child.tick()
        time.sleep(seconds)

    # --- Steps -------------------------------------------------------------------------------------------------------

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "TESSERA_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}

    def _child(self, name: str, command: list[str], watchdog: Watchdog, fds: tuple[int, ...] = ()) -> Child:
        log = LogFile(self.home / "logs" / f"{name}.log")
        child = Child(name, command, log=log, watchdog=watchdog, say=self.say, env=self._environment(), pass_fds=fds)
        child.start()
        self.children.append(child)
        return child

    def _start_broker(self, watchdog: Watchdog) -> None:
        """Starts our own broker, unless REDIS_URL names another."""
        if env.text("REDIS_URL"):
            return
        binary = broker_server.find_server()
        if binary is None:
            raise Trouble(
                "There is no broker for this kind of machine in the packages. Install Valkey or Redis 6.2 or newer "
                "(Debian, Ubuntu: redis-server), or set REDIS_URL."
            )
        socket_path = broker_server.choose_socket(self.home)
        broker_server.end_orphan(socket_path)
        # Commands typed in another terminal find the broker through this note.
        (self.home / "run" / "redis_url").write_text(broker_server.url_of(socket_path), encoding="utf-8")
        command = broker_server.command(binary, data=self.home / "valkey", socket_path=socket_path)
        self._child("broker", command, watchdog)
        end = time.monotonic() + FIRST_ANSWER_SECONDS
        while not broker_server.is_ready(socket_path):
            if time.monotonic() > end:
                raise Trouble(f"The broker does not answer. Its log is {self.home / 'logs' / 'broker.log'}.")
            self._pause(0.02)

    def _prepare(self) -> str | None:
        """Database and static files brought up to date; returns the first administrator's link, if one is due."""
        log_path = self.home / "logs" / "prepare.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "labeling_site.running.prepare"],
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
            try:
                while process.poll() is None:
                    self._pause(0.05)
            finally:
                if process.poll() is None:
                    process.terminate()
                answer = process.communicate()[0].decode("utf-8", "replace").strip()
        if process.returncode != 0:
            lines = [line for line in log_path.read_text(encoding="utf-8", errors="replace").splitlines() if line]
            if process.returncode == 3:  # a sentence, see prepare.py
                raise Trouble("\n".join(lines))
            raise Trouble(f"Preparing the site failed: {lines[-1] if lines else 'no reason given'}. See {log_path}.")
        link = json.loads(answer.splitlines()[-1])["setup_link"]
        return str(link) if link else None

    def _start_site(self, watchdog: Watchdog, door: int) -> None:
        web = [sys.executable, "-m", "labeling_site.running.web", str(door)]
        worker = [sys.executable, "-m", "dramatiq", "labeling_site.worker", "--processes", "1"]
        worker += ["--threads", str(env.number("WORKER_THREADS", 2, at_least=1, at_most=64))]
        worker += ["--worker-shutdown-timeout", "8000"]
        # Python runs one thread at a time, so a second process is what makes use of a second core.
        processes = env.number("WEB_PROCESSES", min(2, os.cpu_count() or 1), at_least=1, at_most=64)
        for number in range(1, processes + 1):
            self._child("web" if number == 1 else f"web-{number}", web, watchdog, (door,))
        self._child("worker", worker, watchdog)

    def _wait_for_first_answer(self) -> None:
        end = time.monotonic() + FIRST_ANSWER_SECONDS
        answer = "nothing"
        while answer != "200":
            if time.monotonic() > end:
                raise Trouble(f"The site answers its health check with {answer}. See {self.home / 'logs' / 'web.log'}.")
            self._pause(0.05)
            local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  read, not bound
            answer = health.answer(local, self.port, self.public_url)

    def _welcome(self, link: str | None) -> None:
        self.say(f"Tessera is running at {self.public_url}")
        if link:
            self.say(f"First visit: make the administrator's account here, once: {link}", is_secret=True)
        self.say(f"Data and logs are in {self.home}. Ctrl-C stops everything.")


def main() -> None:
    sys.exit(Supervisor().run())


if __name__ == "__main__":
    main()
