"""Measures the main job on a whole site of its own: import, hand-out and submit, export.

    .venv/bin/python bench/main_job.py                      SQLite, 10,000 items
    .venv/bin/python bench/main_job.py --postgres           the same on a PostgreSQL it starts
    .venv/bin/python bench/main_job.py --items 1000 --seconds 3

The client runs on the same machine and takes its share of it. "floor" is the same client asking for a small static
file, so what the harness itself costs. Prints Markdown rows; nothing here is asserted.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image

from tests.support import running
from tests.support.client import LABEL_EVERYTHING, Client, make_clients
from tests.support.postgres import find_binaries, running_postgres

PROCESSES = 4


class Connection:
    """One labeler's browser: a connection that stays open."""

    def __init__(self, url: str, key: str) -> None:
        self.http = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, data: object = None) -> tuple[float, bytes]:
        """Seconds, and the body; an answer that is no success ends the measurement."""
        began = time.perf_counter()
        self.http.request(method, path, None if data is None else json.dumps(data), self.headers)
        reply = self.http.getresponse()
        body = reply.read()
        seconds = time.perf_counter() - began
        if reply.status >= 400:
            raise RuntimeError(f"{method} {path}: {reply.status} {body[:300]!r}")
        return seconds, body


def labeler(url: str, key: str, project: int, label_class: int, end: float, out: dict[str, list[float]]) -> None:
    """Hand-out and answer in a loop until `end`, as fast as it goes."""
    connection = Connection(url, key)
    while time.time() < end:
        seconds, body = connection.call("POST", f"/api/v1/projects/{project}/tasks/", {"page_size": 1})
        task = json.loads(body)["task"]
        if task is None:
            return
        out["next"].append(seconds)
        answers = [{"assignment": task["assignments"][0]["id"], "annotations": [{"label_class": label_class}]}]
        sent = {"operation_id": str(uuid.uuid4()), "answers": answers}
        seconds, _body = connection.call("POST", f"/api/v1/tasks/{task['id']}/submit/", sent)
        out["submit"].append(seconds)


def floor(url: str, path: str, end: float, out: dict[str, list[float]]) -> None:
    connection = Connection(url, "none")
    while time.time() < end:
        out["floor"].append(connection.call("GET", path)[0])


def crowd(work: list[tuple], seconds: float) -> dict[str, list[float]]:  # type: ignore[type-arg]
    """Runs the labelers' loops in a few processes of threads; all times they measured, by kind."""
    results: multiprocessing.Queue = multiprocessing.Queue()  # type: ignore[type-arg]
    end = time.time() + seconds

    def share(part: list[tuple]) -> None:  # type: ignore[type-arg]
        found: dict[str, list[float]] = {"next": [], "submit": [], "floor": []}
        threads = [threading.Thread(target=function, args=(*args, end, found)) for function, *args in part]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        results.put(found)

    parts = [part for part in (work[at::PROCESSES] for at in range(PROCESSES)) if part]
    processes = [multiprocessing.get_context("fork").Process(target=share, args=(part,)) for part in parts]
    for process in processes:
        process.start()
    total: dict[str, list[float]] = {"next": [], "submit": [], "floor": []}
    for _ in processes:
        for kind, times in results.get(timeout=seconds + 120).items():
            total[kind] += times
    for process in processes:
        process.join()
    return total


def shown(times: list[float]) -> str:
    """p50 / p95 in milliseconds."""
    if len(times) < 2:
        return "–"
    return f"{1000 * statistics.median(times):.1f} / {1000 * statistics.quantiles(times, n=20)[-1]:.1f}"


def peak_memory(home: Path, word: str) -> int:
    """The largest VmHWM in kB among the site's processes whose command line holds `word`."""
    peak = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            if f"TESSERA_HOME={home}".encode() not in environment or word not in (folder / "cmdline").read_text():
                continue
            lines = (folder / "status").read_text().splitlines()
        except OSError:
            continue
        peak = max(peak, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM")))
    return peak


def measure_import(alice: Client, folder: Path, items: int) -> int:
    photos = folder / "photos"
    for number in range(items):
        path = photos / f"{number % 100:02d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < 100:
            Image.effect_noise((640, 480), 40 + number).convert("RGB").save(path, quality=80)
        else:
            os.link(photos / f"{number % 100:02d}" / f"{number % 100:06d}.jpg", path)
    dataset = alice.folder_dataset("bench", photos)
    began = time.perf_counter()
    project = alice.project("bench", "multi_class", dataset, ["cat", "dog"], seconds=0)
    alice.wait(lambda: alice.state(project) == "running", "the project", 1800)
    seconds = time.perf_counter() - began
    print(f"| import of {items:,} files of 640×480 from a folder | {seconds:.1f} s | {items / seconds:,.0f} items/s |")
    return project


def measure_labeling(clients: list[Client], project: int, seconds: float) -> None:
    alice = clients[0]
    cat = alice.classes(project)["cat"]
    for count in (1, 8, 32):
        ground = crowd([(floor, alice.url, "/static/css/tokens.css")] * count, min(seconds, 3))
        work = [(labeler, one.url, one.key, project, cat) for one in clients[1 : count + 1]]
        times = crowd(work, seconds)
        rate = len(times["submit"]) / seconds
        print(
            f"| {count} labelers, p50 / p95 ms | next {shown(times['next'])} | submit {shown(times['submit'])} | "
            f"{rate:,.0f} submits/s | floor {shown(ground['floor'])} |"
        )


def measure_export(site: running.Site, alice: Client, items: int) -> None:
    project = int(site.manage("shell", "-v0", "-c", LABEL_EVERYTHING.format(items=items)).split()[-1])
    alice.export(project, "csv", only_approved=True)  # an empty one first: what a worker needs anyway is in memory
    before = peak_memory(site.home, "dramatiq")
    began = time.perf_counter()
    content = alice.export(project)
    seconds = time.perf_counter() - began
    grown = (peak_memory(site.home, "dramatiq") - before) / 1024
    counts = json.loads(content)
    print(
        f"| COCO export of {len(counts['images']):,} × 5 boxes | {seconds:.1f} s | "
        f"worker's peak {before / 1024:.0f} MB before, {grown:+.0f} MB during |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10, help="of labeling for each number of labelers")
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tessera-bench-")))
        extra = {"LOCAL_FOLDERS": str(folder)}
        if options.postgres:
            binaries = find_binaries()
            if binaries is None:
                parser.exit(1, "no PostgreSQL binaries on this machine\n")
            extra["DATABASE_URL"] = stack.enter_context(running_postgres(binaries))
        site = running.start_site(folder / "home", **extra)
        stack.callback(site.stop)
        clients = make_clients(site, labelers=32)
        project = measure_import(clients[0], folder, options.items)
        measure_labeling(clients, project, options.seconds)
        measure_export(site, clients[0], options.items)


if __name__ == "__main__":
    main()
