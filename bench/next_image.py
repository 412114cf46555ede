"""Measures submit → next image painted in Chromium, with pages taken ahead and without.

    .venv/bin/python bench/next_image.py                 40 images of 12 megapixels, an answer about every second
    .venv/bin/python bench/next_image.py --pause 0.3     a faster hand

A whole site of its own on the loopback, one multi-class project, one labeler, one key an image. The
clock of the page runs from that key's keydown to the frame after the one in which the next image was drawn to the
canvas, so the frame itself is on the screen. "Without" answers every request for a page ahead with "nothing ahead", all
else being equal. "Warm" repeats it on images whose renditions the site has already made. Prints Markdown rows; nothing
here is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image, ImageFilter
from playwright.sync_api import sync_playwright

from tests.journeys.people import Person
from tests.support import running
from tests.support.client import Client, make_clients

SIZE = (4000, 3000)
# Resolves to milliseconds between the key that answers and the painting of the image that follows it.
WATCH = """
() => new Promise((resolve) => {
  const page = document.getElementById("label-page"), stage = document.getElementById("stage");
  const old = page.dataset.opened;
  let began = null;
  addEventListener("keydown", (event) => { began ??= event.timeStamp; }, { capture: true, once: true });
  const look = () => {
    if (page.dataset.opened !== old && (!page.dataset.task || !stage.classList.contains("is-loading"))) {
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - began)));
    } else requestAnimationFrame(look);
  };
  look();
})
"""
NAME_ALICE = "from projects.models import User; User.objects.filter(name='Alice').update(email='alice@story.example')"
NOTHING_AHEAD = json.dumps({"task": None, "remaining": 0, "reason": "scarce"})


def make_photos(folder: Path, count: int) -> None:
    """JPEGs of 12 megapixels with the detail of a photo: blurred noise at several scales, 3 to 5 MB each."""
    folder.mkdir(parents=True)
    dice = np.random.default_rng(7)
    coarse = Image.fromarray(dice.integers(0, 255, (300, 400, 3), dtype=np.uint8)).resize(
        SIZE, Image.Resampling.BICUBIC
    )
    fine = Image.fromarray(dice.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)).filter(
        ImageFilter.GaussianBlur(1)
    )
    base = np.asarray(Image.blend(coarse, fine, 0.35))
    for number in range(count):
        picture = np.roll(base, (number * 37) % SIZE[0], axis=1)
        Image.fromarray(picture).save(folder / f"photo-{number:03d}.jpg", quality=88)


def answer_all(person: Person, project: int, count: int, pause: float, *, ahead: bool) -> list[float]:
    """Labels `count` pages; the milliseconds that each next image took."""
    page = person.page
    page.unroute_all()
    if not ahead:

        def nothing(route: Any) -> None:
            if (route.request.post_data_json or {}).get("ahead"):
                route.fulfill(status=200, body=NOTHING_AHEAD, content_type="application/json")
            else:
                route.continue_()

        page.route(f"**/api/v1/projects/{project}/tasks/", nothing)
    page.goto(f"{person.url}/projects/{project}/label/")
    page.wait_for_selector("#label-page[data-opened]")
    page.wait_for_selector("#stage:not(.is-loading)", state="attached")
    times: list[float] = []
    for _ in range(count):
        page.wait_for_timeout(pause * 1000)
        handle = page.evaluate_handle("() => { window.nextImage = (" + WATCH + ")(); }")
        handle.dispose()
        page.keyboard.press("1")
        times.append(float(page.evaluate("window.nextImage")))
        assert page.get_attribute("#label-page", "data-task"), "too few images"
    page.wait_for_selector("#saved-state[data-state=saved][data-waiting='0']", state="attached", timeout=60_000)
    return times


def shown(times: list[float]) -> str:
    """p50 / p95 in milliseconds."""
    return f"{statistics.median(times):.0f} / {statistics.quantiles(times, n=20)[-1]:.0f}"


def project_of(alice: Client, dataset: int, name: str) -> int:
    return alice.project(name, "multi_class", dataset, ["a", "b"], seconds=300)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds of looking at each image")
    asked = parser.parse_args()
    count = asked.images - 8
    with tempfile.TemporaryDirectory(prefix="tessera-bench-") as folder, sync_playwright() as playwright:
        sets = {name: Path(folder) / name for name in ("cold ahead", "cold without")}
        for path in sets.values():
            make_photos(path, asked.images)
        site = running.start_site(Path(folder) / "home", LOCAL_FOLDERS=folder)
        flags = running.CHROMIUM_FLAGS + (["--no-sandbox"] if os.geteuid() == 0 else [])
        browser = playwright.chromium.launch(executable_path=running.find_chromium(), headless=True, args=flags)
        try:
            [alice] = make_clients(site)
            site.manage("shell", "-v0", "-c", NAME_ALICE)
            person = Person(browser, site.url, "Alice")
            person.sign_in()
            datasets = {name: alice.folder_dataset(name, path) for name, path in sets.items()}
            print(f"| submit → next image painted, {asked.pause:g} s an image, p50 / p95 ms | ahead | without |")
            print("| --- | --- | --- |")
            results: dict[str, str] = {}
            for name, dataset in datasets.items():
                ahead = name.endswith("ahead")
                for state in ("cold", "warm"):
                    project = project_of(alice, dataset, f"{name} {state}")
                    times = answer_all(person, project, count, asked.pause, ahead=ahead)
                    results[f"{state} {ahead}"] = shown(times)
            for state, what in (("cold", "renditions made on demand"), ("warm", "renditions there already")):
                print(f"| {count} images of 12 MP, {what} | {results[state + ' True']} | {results[state + ' False']} |")
        finally:
            browser.close()
            site.stop()


if __name__ == "__main__":
    main()
