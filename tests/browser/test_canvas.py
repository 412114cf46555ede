"""The canvas of the labeling page in a real Chromium: pixels where they belong, whatever the view does, and no request
where none is needed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from tests.journeys.label_page import LabelPage, Point
from tests.journeys.people import Person
from tests.support.running import Site

pytestmark = [pytest.mark.browser]

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 180, 40), (40, 60, 220), (230, 220, 40)
MAKE = """
import io, json
import numpy as np
from PIL import Image
from tests import factories
from annotations.services import queue, submission
from tests.annotations.labeling import open_page

def png(pixels):
    held = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(held, "PNG")
    return held.getvalue()

quarters = np.zeros((300, 400, 3))
quarters[:150, :200], quarters[:150, 200:] = (220, 30, 30), (30, 180, 40)
quarters[150:, :200], quarters[150:, 200:] = (40, 60, 220), (230, 220, 40)
# Two frames of 12 bits: a dark and a bright half; what differs within a half shows through a narrow window only.
scan = np.zeros((2, 200, 300))
scan[0, :, :150], scan[0, :, 150:] = 100, 3000
scan[0, 100:, :150] = 130
scan[1] = 2000
# Stripes of two pixels, which a smaller picture shows grey, and red over the left half of the upper part.
stripes = np.repeat(np.where(np.arange(4600) % 4 < 2, 0, 255)[None, :, None], 900, axis=0).repeat(3, axis=2)
stripes[:100, :2300] = (220, 30, 30)
window = dict(WindowCenter=2048, WindowWidth=4096, Modality="CT", BitsStored=12, HighBit=11)
files = {
    "quarters": {f"{n}.png": png(quarters) for n in range(6)},
    "scan": {"scan.dcm": factories.dicom_bytes(scan.astype(np.uint16), **window)},
    "poster": {"poster.png": png(stripes)},
}
workspace = factories.make_workspace(factories.make_user("Olga", email="olga@canvas.example"), name="Canvas")
factories.add_member(workspace, user=factories.make_user("Bea", email="bea@story.example"))
made = {}
for name, content in files.items():
    dataset = factories.make_dataset_from_bytes(workspace, content, name=name)
    project = factories.make_project(
        workspace, task_type="object_detection", classes=["cat", "dog"], dataset=dataset, name=name
    )
    made[name] = project.pk
print(json.dumps(made))
"""


SUBMIT = """async ([url, body]) => {
  const token = document.querySelector("meta[name=csrf-token]").content;
  const headers = { "Content-Type": "application/json", "X-CSRFToken": token };
  return (await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })).status;
}"""


@pytest.fixture(scope="module")
def projects(live_site: Site) -> dict[str, int]:
    return dict(json.loads(live_site.manage("shell", "-v0", "-c", MAKE).splitlines()[-1]))


@pytest.fixture(scope="module")
def beas(live_site: Site, projects: dict[str, int], browser: Any) -> Iterator[Person]:
    person = Person(browser, live_site.url, "Bea")
    person.sign_in()
    yield person
    person.context.close()


@pytest.fixture
def bea(beas: Person) -> Iterator[Person]:
    beas.asked: list[str] = []  # type: ignore[attr-defined]

    def keep(request: Any) -> None:
        beas.asked.append(request.url)  # type: ignore[attr-defined]

    beas.page.on("request", keep)
    yield beas
    beas.page.remove_listener("request", keep)
    beas.page.evaluate("localStorage.removeItem('tessera.look')")
    heard, beas.complaints[:] = list(beas.complaints), []
    assert heard == []


@pytest.fixture
def desk(bea: Person, projects: dict[str, int]) -> Callable[[str], LabelPage]:
    def at(name: str) -> LabelPage:
        made = LabelPage(bea.page, bea.url, projects[name])
        made.open()
        assert made.task, made.reason
        return made

    return at


def rest(at: LabelPage) -> None:
    """Waits until the view rests and everything asked for is drawn."""
    at.page.wait_for_selector("#stage:not(.is-moving):not(.is-loading)", state="attached")
    at.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


class Seen:
    """What is on the screen now. Points are pixels of the window."""

    def __init__(self, at: LabelPage) -> None:
        rest(at)
        at.page.mouse.move(5, 300)  # no crosshair, no hover
        rest(at)
        self.image = Image.open(io.BytesIO(at.page.screenshot())).convert("RGB")

    def at(self, point: Point) -> tuple[int, ...]:
        found = self.image.getpixel((round(point[0]), round(point[1])))
        return tuple(found)  # type: ignore[arg-type]

    def is_near(self, point: Point, colour: tuple[int, int, int]) -> bool:
        return max(abs(a - b) for a, b in zip(self.at(point), colour, strict=True)) <= 24

    def spread(self, point: Point, reach: int = 12) -> int:
        """Between the darkest and the brightest pixel of a row around a point."""
        row = [self.at((point[0] + dx, point[1]))[0] for dx in range(-reach, reach)]
        return max(row) - min(row)


def stage_box(at: LabelPage) -> dict[str, float]:
    return dict(at.page.locator("#stage").bounding_box())


def turned(at: LabelPage, point: Point, turn: int) -> Point:
    """Where a pixel of the whole image lies after `turn` quarter turns clockwise, said independently of the editor."""
    box, (width, height) = stage_box(at), (at.item["width"], at.item["height"])
    shown = (width, height) if turn % 2 == 0 else (height, width)
    scale = min((box["width"] - 24) / shown[0], (box["height"] - 24) / shown[1], 12)
    dx, dy = (point[0] - width / 2) * scale, (point[1] - height / 2) * scale
    for _ in range(turn):
        dx, dy = -dy, dx
    return box["x"] + box["width"] / 2 + dx, box["y"] + box["height"] / 2 + dy


QUARTERS: list[tuple[Point, tuple[int, int, int]]] = [
    ((50, 40), RED), ((350, 40), GREEN), ((50, 260), BLUE), ((350, 260), YELLOW),
]  # fmt: skip


def test_four_quarter_turns_show_the_image_turned_and_keep_its_coordinates(bea: Person, desk: Any) -> None:
    at = desk("quarters")
    for turn in (0, 1, 2, 3):
        seen = Seen(at)
        for point, colour in QUARTERS:
            assert seen.is_near(turned(at, point, turn), colour), (turn, point)
        assert at.page.locator("#turn-value").text_content() == f"{turn * 90}°"
        at.press(">")
    assert Seen(at).is_near(turned(at, (50, 40), 0), RED)
    at.press("<", "1", "r")
    start, end = turned(at, (100, 50), 3), turned(at, (180, 120), 3)
    at.page.mouse.move(*start)
    at.page.mouse.down()
    at.page.mouse.move(*end, steps=3)
    at.page.mouse.up()
    assert at.regions() == ["80 × 70 at 100, 50"]
    # Arrow keys mean what is seen: after three turns, right on the screen is down in the image.
    at.press("m", "Shift+ArrowRight")
    assert at.regions() == ["80 × 70 at 100, 60"]
    # The × deletes where it is seen.
    at.page.mouse.move(*turned(at, (140, 90), 3))
    at.press("Delete")
    assert at.regions() == []


def test_shapes_and_image_stay_together_through_zoom_and_pan(bea: Person, desk: Any) -> None:
    at = desk("quarters")
    at.press("1", "r")
    at.drag((150, 100), (250, 200))
    at.press("Escape")
    box = stage_box(at)
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    before = Seen(at)
    line = at.to_screen((150, 150))
    assert not before.is_near(line, RED) and not before.is_near(line, BLUE), "the outline shows"
    at.page.mouse.move(*at.to_screen((200, 150)))
    for _ in range(4):
        at.page.mouse.wheel(0, -100)
    factor = 2.718281828 ** (0.0015 * 400)
    seen = Seen(at)
    edge = (middle[0] - 50 * at.scale() * factor, middle[1] - 30)
    column = [seen.at((edge[0] + dx, edge[1])) for dx in range(-3, 4)]
    assert len({pixel[0] // 40 for pixel in column}) > 1, "the left edge of the box is where the image says"
    # By hand, 60 to the right and 40 down.
    at.page.keyboard.down("Space")
    at.page.mouse.move(*middle)
    at.page.mouse.down()
    at.page.mouse.move(middle[0] + 60, middle[1] + 40, steps=4)
    at.page.mouse.up()
    at.page.keyboard.up("Space")
    moved = Seen(at)
    for dx, dy in ((-200, -130), (0, -90), (90, 60), (-90, 60), (200, 90)):
        was, now = seen.at((middle[0] + dx, middle[1] + dy)), moved.at((middle[0] + dx + 60, middle[1] + dy + 40))
        assert max(abs(a - b) for a, b in zip(was, now, strict=True)) <= 3, (dx, dy)
    at.press("x", "Delete", "f")
    assert at.regions() == []
    clean = Seen(at)
    assert clean.is_near(at.to_screen((150, 120)), RED), "nothing of the deleted box stays"


def test_zoom_to_the_selected_region_the_overview_and_the_ruler(bea: Person, desk: Any) -> None:
    at = desk("quarters")
    page = at.page
    at.press("Shift+Z")
    assert "Select a region first" in at.hint()
    at.press("2", "r")
    at.drag((20, 20), (60, 50))
    assert page.locator("#minimap").is_hidden()
    at.press("Shift+Z")
    rest(at)
    page.wait_for_selector("#minimap:not([hidden])")
    box = stage_box(at)
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    seen = Seen(at)
    assert not seen.is_near((middle[0], middle[1]), GREEN)
    # A press on the lower right of the overview goes to the yellow quarter.
    page.locator("#minimap").click(position={"x": 150, "y": 110})
    at.press("Escape", "m")
    rest(at)
    assert Seen(at).is_near(middle, YELLOW)
    at.press("Shift+N")
    page.wait_for_selector("#minimap", state="hidden")
    at.press("Shift+N", "f", "Shift+U")
    assert page.locator("#tool-ruler").get_attribute("aria-pressed") == "true"
    at.drag((100, 100), (130, 140))
    page.wait_for_function("() => document.querySelector('#live-status').textContent.startsWith('50 px (30 × 40)')")
    at.press("Escape", "Shift+U")
    assert page.locator("#tool-ruler").get_attribute("aria-pressed") == "false"
    at.press("x", "Delete")


def test_light_and_looks_cost_no_request_and_taste_is_kept(bea: Person, desk: Any) -> None:
    at = desk("quarters")
    page = at.page
    rest(at)
    bea.asked.clear()  # type: ignore[attr-defined]
    at.press("Shift+!")
    assert Seen(at).is_near(at.to_screen((50, 40)), (255 - 220, 255 - 30, 255 - 30))
    at.press("Shift+!", "Shift+T")
    assert page.evaluate("document.activeElement.id") == "brightness"
    page.locator("#brightness").fill("50")
    assert Seen(at).is_near(at.to_screen((50, 40)), (110, 15, 15))
    page.locator("#light-reset").click()
    at.press("Escape")
    page.wait_for_selector("#look-panel", state="hidden")
    assert Seen(at).is_near(at.to_screen((50, 40)), RED)
    at.press("1", "r")
    at.drag((20, 20), (180, 130))
    at.press("Escape")
    tinted = Seen(at)
    assert not tinted.is_near(at.to_screen((100, 75)), RED) or tinted.at(at.to_screen((100, 75))) != Seen(at).at(
        at.to_screen((190, 140))
    )
    at.press("Shift+O")
    plain = Seen(at)
    assert plain.at(at.to_screen((100, 75))) == plain.at(at.to_screen((190, 140))), "outlines only"
    at.press("Shift+%", "Shift+%", "Shift+%")
    assert "25 %" in at.hint()
    faint = Seen(at)
    edge = at.to_screen((20, 75))
    assert faint.at(edge) != plain.at(edge)
    # Others may be fetched ahead meanwhile; this one is not fetched again.
    assert not [url for url in bea.asked if f"/items/{at.item['id']}/" in url]  # type: ignore[attr-defined]
    at.press("x", "Delete")
    at.open()
    at.press("Shift+W")
    assert page.locator("#look-outline").is_checked() and page.locator("#opacity").input_value() == "25"
    at.press("Escape")


def test_window_and_level_frames_and_cine_of_a_scan(bea: Person, desk: Any) -> None:
    at = desk("scan")
    page = at.page
    dark, darker, bright = at.to_screen((40, 150)), at.to_screen((40, 50)), at.to_screen((220, 100))
    seen = Seen(at)
    assert abs(seen.at(dark)[0] - seen.at(darker)[0]) <= 3, "through the file's window both are black"
    assert seen.at(bright)[0] > 150
    assert "Level 2048, window 4096" in page.inner_text("#window-value")
    page.evaluate("() => new Promise((done) => setTimeout(done))")
    bea.asked.clear()  # type: ignore[attr-defined]
    at.press("w")
    at.drag((250, 180), (10, 180))  # to the left: a narrow window
    narrow = page.inner_text("#window-value")
    assert narrow != "Level 2048, window 4096"
    at.press("w")
    page.select_option("#window-preset", "brain")
    assert "Level 40, window 80" in page.inner_text("#window-value")
    assert Seen(at).at(darker)[0] == 255, "100 is white in a window up to 80"
    at.press(":", ":")
    assert page.locator("#window-preset").input_value() == "full"
    full = Seen(at)
    assert full.at(darker)[0] <= 3 and full.at(bright)[0] >= 252
    assert not [url for url in bea.asked if "/items/" in url], "no request for a window"  # type: ignore[attr-defined]
    at.press(":")
    assert page.locator("#window-preset").input_value() == "file"
    at.press(".")
    page.wait_for_function("() => document.querySelector('#frame-value').textContent.includes('2 of 2')")
    page.wait_for_load_state("networkidle")
    assert abs(Seen(at).at(dark)[0] - 124) <= 4
    assert [url for url in bea.asked if "/samples/" in url and "frame=1" in url]  # type: ignore[attr-defined]
    at.press("Shift+K")
    assert page.locator("#tool-play").get_attribute("aria-pressed") == "true"
    for text in ("1 of 2", "2 of 2", "1 of 2"):
        page.wait_for_function("(text) => document.querySelector('#frame-value').textContent.includes(text)", arg=text)
    at.press("Shift+K")
    assert page.locator("#tool-play").get_attribute("aria-pressed") == "false"
    assert not [url for url in bea.asked if "/image/" in url], "values only, no renditions"  # type: ignore[attr-defined]


def test_a_large_image_comes_in_tiles_of_what_is_looked_at(bea: Person, desk: Any) -> None:
    at = desk("poster")
    page = at.page
    rest(at)
    assert not [url for url in bea.asked if "/tiles/" in url], "whole, the coarse picture will do"  # type: ignore[attr-defined]
    point = at.to_screen((3000, 600))
    assert Seen(at).spread(point) < 120, "stripes of two pixels are not resolved"
    assert Seen(at).is_near(at.to_screen((500, 50)), RED)
    page.mouse.move(*point)
    with page.expect_response(lambda reply: "/tiles/0/" in reply.url):
        for _ in range(6):
            page.mouse.wheel(0, -300)
    page.wait_for_load_state("networkidle")
    box = stage_box(at)
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert Seen(at).spread(middle) > 200, "black and white"
    asked = {url.partition("/tiles/")[2].partition("/?")[0] for url in bea.asked if "/tiles/" in url}  # type: ignore[attr-defined]
    columns = {int(name.split("/")[1]) for name in asked if name.startswith("0/")}
    assert columns and max(columns) - min(columns) < 5, "only what is in view"
    bea.asked.clear()  # type: ignore[attr-defined]
    at.press("f", "+", "-")
    rest(at)
    assert not [url for url in bea.asked if "/tiles/0/" in url]  # type: ignore[attr-defined]


def test_a_crowd_of_regions_is_drawn_and_one_can_be_picked_out(bea: Person, desk: Any) -> None:
    at = desk("quarters")
    page = at.page
    [assignment] = at.task["assignments"]
    label_class = page.evaluate("JSON.parse(document.getElementById('label-context').textContent).classes[0].id")
    # 60 × 40 boxes of three pixels, and one that stands alone.
    places = [(10 + 6 * x, 10 + 6 * y, 3, 3) for x in range(60) for y in range(40)] + [(60, 265, 30, 20)]
    drawn = [
        {
            "id": f"00000000-0000-4000-8000-{number:012d}",
            "label_class": label_class,
            "box": {"x": x, "y": y, "width": width, "height": height},
        }
        for number, (x, y, width, height) in enumerate(places)
    ]
    answer = {"assignment": assignment["id"], "outcome": "labeled", "annotations": drawn}
    body = {"operation_id": "00000000-0000-4000-8000-ffffffffffff", "answers": [answer]}
    assert page.evaluate(SUBMIT, [f"/api/v1/tasks/{at.task['id']}/submit/", body]) == 200
    at.open()
    page.click("#previous")
    page.wait_for_selector("#badge-past:not([hidden])")
    page.wait_for_selector("#work-area:not([inert])", state="attached")
    assert page.inner_text("#objects-count") == str(len(places))
    seen = Seen(at)
    inside, alone, free = at.to_screen((11.5, 11.5)), at.to_screen((75, 275)), at.to_screen((20, 290))
    assert not seen.is_near(inside, RED), "small ones are filled"
    assert seen.is_near(free, BLUE)
    edge = at.to_screen((60, 275))
    assert not seen.is_near(edge, BLUE)
    # The one that stands alone: picked by a click, gone, and back again, and nothing else changes.
    at.press("m")
    page.mouse.click(*alone)
    assert page.locator(".object-pick[aria-pressed=true]").count() <= 1
    at.press("Delete")
    assert page.inner_text("#objects-count") == str(len(places) - 1)
    gone = Seen(at)
    assert gone.is_near(edge, BLUE) and gone.at(inside) == seen.at(inside)
    at.press("Control+z", "Escape", "Escape")
    assert page.inner_text("#objects-count") == str(len(places))
    back = Seen(at)
    assert back.at(edge) == seen.at(edge) and back.at(inside) == seen.at(inside)
