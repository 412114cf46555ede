"""What the server of a bundle adds to its model, and what batches across requests give back.

    .venv/bin/python bench/served_bundle.py --bundle bundles/screws
    .venv/bin/python bench/served_bundle.py --bundle bundles/screws --requests 100 --clients 8 --rounds 5
    .venv/bin/python bench/served_bundle.py --bundle bundles/screws --engine openvino --precision bf16

One image is sent as raw bytes over a kept connection. Rounds alternate between the runner without a server, the
server for one client, and many clients with and without batches. Prints Markdown rows: medians and ratios; and the
seconds from the start of serve.py to its first answer.
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from automl.vision.engines import ENGINES, PRECISIONS
from automl.vision.runtime import Choice, Runner
from tests.vision.exporting import png

IMAGE = png(640, 480, 1)


@contextmanager
def serving(bundle: Path, batch_size: int, choice: Choice) -> Iterator[tuple[int, float]]:
    """(port, seconds from the start of the process to its first answer)."""
    begin = time.monotonic()
    environment = {"PATH": os.environ["PATH"], "TESSERA_SERVE_BATCH_SIZE": str(batch_size), "LOG_LEVEL": "WARNING"}
    command = [sys.executable, "serve.py", "--port", "0", "--engine", choice.engine, "--precision", choice.precision]
    with subprocess.Popen(command, cwd=bundle, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition(":")[2])
            ask(port, 1)
            yield port, time.monotonic() - begin
        finally:
            process.terminate()


def ask(port: int, times: int) -> list[float]:
    """Seconds of each of `times` requests, one after the other over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        connection.request("POST", "/score", IMAGE, {"Content-Type": "image/png"})
        reply = connection.getresponse()
        body = reply.read()
        assert reply.status == 200, body
        seconds.append(time.perf_counter() - begin)
    connection.close()
    return seconds


def rate(port: int, clients: int, times: int) -> float:
    """Answers a second for that many clients at once."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda _: ask(port, times), range(clients)))
    return clients * times / (time.perf_counter() - begin)


def alone(runner: Runner, times: int) -> list[float]:
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        runner.predict([runner.read(IMAGE)])
        seconds.append(time.perf_counter() - begin)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", choices=ENGINES, default="auto")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    arguments = parser.parse_args()
    choice = Choice(arguments.engine, arguments.precision)
    runner = Runner.open(arguments.bundle / "artifacts", choice=choice)
    alone(runner, 5)
    direct, served, single, batched, starts = [], [], [], [], []
    with (
        serving(arguments.bundle, 1, choice) as (plain, first),
        serving(arguments.bundle, 8, choice) as (together, second),
    ):
        starts += [first, second]
        for _ in range(arguments.rounds):
            direct.append(statistics.median(alone(runner, arguments.requests)))
            served.append(statistics.median(ask(together, arguments.requests)))
            single.append(rate(plain, arguments.clients, arguments.requests // 2))
            batched.append(rate(together, arguments.clients, arguments.requests // 2))
    one, other = statistics.median(direct), statistics.median(served)
    print(f"{runner.model_name} on {runner.engine}, {choice.precision}\n")
    print("| | alone | served | ratio |\n| --- | --- | --- | --- |")
    print(f"| one client, p50 | {1000 * one:.1f} ms | {1000 * other:.1f} ms | {other / one:.2f} × |")
    without, with_batches = statistics.median(single), statistics.median(batched)
    print("\n| | batches of 1 | of up to 8 | ratio |\n| --- | --- | --- | --- |")
    print(
        f"| {arguments.clients} clients | {without:.0f} images/s | {with_batches:.0f} images/s | "
        f"{with_batches / without:.2f} × |"
    )
    print(f"\nFrom the start of serve.py to its first answer: {statistics.median(starts):.1f} s.")


if __name__ == "__main__":
    main()
