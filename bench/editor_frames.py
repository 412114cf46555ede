"""Frames of the editor's canvas on a large scene, beside plain SVG and Konva, in one headless Chromium.

    .venv/bin/python bench/editor_frames.py --rounds 3

10,000 polygons of 20 corners over an image of 8000 × 5000 pixels, stage 1600 × 1000, software rendering, no limit on
frames a second. Konva (MIT) is fetched by npm into a temporary folder. Prints Markdown rows in milliseconds: the median
frame and the mean of all frames, medians of the rounds, and the ratios of the means. Other work on the machine spoils
means before medians.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from tests.support import running

HERE = Path(__file__).resolve().parent / "editor_frames"
KONVA = "konva@10.9.0"
FLAGS = [*running.CHROMIUM_FLAGS, "--disable-frame-rate-limit", "--disable-gpu-vsync"]
ROWS = {
    "first": "first draw, until it is on the screen",
    "all": "pan, everything in view",
    "close": "pan, close-up with about 200 in view",
    "edit": "edit one object, close-up",
    "editAll": "edit one object, everything in view",
}


def picture(width: int = 2048, height: int = 1280) -> bytes:
    """A photo-like JPEG: smooth colours with some noise."""
    noise = np.random.default_rng(1).normal(0, 12, (height, width, 3))
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x / width * 180, y / height * 180, 90 + 60 * np.sin(x / 90)], axis=-1)
    held = io.BytesIO()
    Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8)).save(held, "JPEG", quality=88)
    return held.getvalue()


@contextmanager
def served(konva: Path) -> Iterator[str]:
    """The address of a server for the page, the editor's modules, Konva and the picture."""
    image = picture()
    folders = {"/static/": running.ROOT / "static", "/bench/": HERE, "/konva/": konva}

    class Handler(SimpleHTTPRequestHandler):
        extensions_map = {
            **SimpleHTTPRequestHandler.extensions_map,
            ".mjs": "text/javascript",
            ".js": "text/javascript",
        }

        def do_GET(self) -> None:
            if self.path.startswith("/bench/image.jpg"):
                self.send_response(200)
                self.send_header("Content-Type", "image/jpeg")
                self.send_header("Content-Length", str(len(image)))
                self.end_headers()
                self.wfile.write(image)
            else:
                super().do_GET()

        def translate_path(self, path: str) -> str:
            path = path.partition("?")[0]
            for prefix, folder in folders.items():
                if path.startswith(prefix) and ".." not in path:
                    return str(folder / path.removeprefix(prefix))
            return str(HERE / "nothing")

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def install_konva(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not on PATH: Konva cannot be fetched.")
    command = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", KONVA]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    return folder / "node_modules" / "konva"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="polygons")
    parser.add_argument("--frames", type=int, default=60, help="frames for each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=["ours", "svg", "konva"], choices=["ours", "svg", "konva"])
    given = parser.parse_args()
    rounds: dict[str, dict[str, list[list[float]]]] = {name: {row: [] for row in ROWS} for name in given.methods}
    with tempfile.TemporaryDirectory(prefix="tessera-bench-") as folder, sync_playwright() as playwright:
        konva = install_konva(Path(folder)) if "konva" in given.methods else Path(folder)
        flags = FLAGS + (["--no-sandbox"] if os.geteuid() == 0 else [])
        with served(konva) as url:
            chromium = playwright.chromium.launch(executable_path=running.find_chromium(), args=flags)
            print(
                f"Chromium {chromium.version}, {given.count:,} polygons, {given.frames} frames × {given.rounds} rounds"
            )
            for _ in range(given.rounds):
                for name in given.methods:
                    page = chromium.new_page(viewport={"width": 1600, "height": 1000})
                    page.on("pageerror", lambda error: print("page error:", error))
                    page.goto(f"{url}/bench/page.html")
                    page.wait_for_function("() => globalThis.measure")
                    times = page.evaluate("([name, n, f]) => measure(name, n, f)", [name, given.count, given.frames])
                    for row in ROWS:
                        rounds[name][row].append(times[row] if isinstance(times[row], list) else [times[row]])
                    page.close()
            chromium.close()
    for row, title in ROWS.items():
        middle, mean = (
            {name: statistics.median(how(frames) for frames in rounds[name][row]) for name in given.methods}
            for how in (statistics.median, statistics.fmean)
        )
        cells = [f"{middle[name]:.1f}, {mean[name]:.1f}" for name in given.methods]
        ratios = [f"{mean[name] / mean['ours']:.1f} ×" for name in given.methods if name != "ours"]
        print(f"| {title} | {' | '.join(cells + ratios)} |", flush=True)


if __name__ == "__main__":
    main()
