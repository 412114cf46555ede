"""Compares our entry point (Django's WSGI handler in threads behind uvicorn) with Django's own ASGI handler.

    .venv/bin/python bench/entry_points.py

Both serve the same database from one process each; rounds alternate. Prints Markdown rows: medians and the ratio.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.main_job import Connection
from tests.support import running
from tests.support.client import make_clients

OURS = ["labeling_site.asgi:application"]
DJANGOS = ["--factory", "django.core.asgi:get_asgi_application"]
CLIENTS = 8
ROUNDS = 5
SECONDS = 2.0


def serve(target: list[str], site: running.Site, stack: ExitStack) -> str:
    """The address of one uvicorn process that serves `target` on the site's home."""
    port = running.free_port()
    command = [sys.executable, "-m", "uvicorn", *target, "--port", str(port), "--no-access-log", "--log-level", "error"]
    environment = {**(site.env or {}), "DJANGO_SETTINGS_MODULE": "labeling_site.settings"}
    process = subprocess.Popen(command, cwd=running.ROOT, env=environment, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    url = f"http://127.0.0.1:{port}"
    running.wait_until(lambda: running.answers(url + "/healthz") == 200, seconds=30, what=" ".join(target))
    return url


def rate(url: str, key: str, path: str) -> float:
    """Requests a second with CLIENTS connections for SECONDS."""
    counts = [0] * CLIENTS
    end = time.perf_counter() + SECONDS

    def ask(number: int) -> None:
        connection = Connection(url, key)
        while time.perf_counter() < end:
            connection.call("GET", path)
            counts[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tessera-bench-")))
        site = running.start_site(folder / "home")
        stack.callback(site.stop)
        key = make_clients(site)[0].key
        ours, djangos = serve(OURS, site, stack), serve(DJANGOS, site, stack)
        for path in ("/healthz", "/api/v1/projects/", "/api/v1/me/"):
            found: dict[str, list[float]] = {ours: [], djangos: []}
            for _ in range(ROUNDS):
                for url, rates in found.items():
                    rates.append(rate(url, key, path))
            a, b = statistics.median(found[ours]), statistics.median(found[djangos])
            shown = f"ours {a:,.0f} | Django's ASGI handler {b:,.0f} | {a / b:.2f} ×"
            print(f"| `{path}`, {CLIENTS} clients, requests/s | {shown} |")


if __name__ == "__main__":
    main()
