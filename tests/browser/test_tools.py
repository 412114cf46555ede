"""The drawing tools of the labeling page in a real Chromium: one test per tool, per key, per way of working."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journeys.label_page import LabelPage
from tests.journeys.people import Person
from tests.support.running import Site

pytestmark = [pytest.mark.browser]

WIDTH, HEIGHT = 400, 300
# name → task type, how many images
PROJECTS = {"boxes": ("object_detection", 45), "outlines": ("instance_segmentation", 30)}
MAKE = """
import json
from tests import factories
workspace = factories.make_workspace(factories.make_user("Olga", email="olga@tools.example"), name="Tools")
factories.add_member(workspace, user=factories.make_user("Tom", email="tom@story.example"))
made = {{}}
for name, (kind, images) in {projects!r}.items():
    files = factories.make_dataset_with_images(workspace, images, width={width}, height={height})
    project = factories.make_project(workspace, task_type=kind, classes=["cat", "dog"], dataset=files, name=name)
    made[name] = project.pk
print(json.dumps(made))
"""
KEPT = ("tessera.snapping", "tessera.patterns", "tessera.layout")


@pytest.fixture(scope="module")
def projects(live_site: Site) -> dict[str, int]:
    code = MAKE.format(projects=PROJECTS, width=WIDTH, height=HEIGHT)
    return dict(json.loads(live_site.manage("shell", "-v0", "-c", code).splitlines()[-1]))


@pytest.fixture(scope="module")
def toms(live_site: Site, projects: dict[str, int], browser: Any) -> Iterator[Person]:
    person = Person(browser, live_site.url, "Tom")
    person.sign_in()
    yield person
    person.context.close()


@pytest.fixture
def tom(toms: Person) -> Iterator[Person]:
    toms.sent: list[dict[str, Any]] = []  # type: ignore[attr-defined]

    def keep(request: Any) -> None:
        if request.url.endswith("/submit/"):
            toms.sent.append(request.post_data_json)  # type: ignore[attr-defined]

    toms.page.on("request", keep)
    yield toms
    toms.page.remove_listener("request", keep)
    toms.page.evaluate("(names) => { for (const name of names) localStorage.removeItem(name); }", list(KEPT))
    heard, toms.complaints[:] = list(toms.complaints), []
    assert heard == []


@pytest.fixture
def desk(tom: Person, projects: dict[str, int]) -> Iterator[Callable[[str], LabelPage]]:
    """Opens the labeling page of a project of PROJECTS on a fresh image; what a test leaves there is skipped."""
    opened: list[LabelPage] = []

    def at(name: str) -> LabelPage:
        made = LabelPage(tom.page, tom.url, projects[name])
        made.open()
        assert made.task, made.reason
        opened.append(made)
        return made

    yield at
    for page in opened:
        leave(page)


def leave(at: LabelPage) -> None:
    """Answers the open image, if there is one, so that the next test begins on another."""
    if at.task is None or at.page.get_attribute("#label-page", "data-state") != "work":
        return
    for _ in range(4):
        at.press("Escape")
    if at.page.inner_text("#objects-count") == "0":
        at.next_after(lambda: at.page.click("#skip"))
    else:
        at.page.click("#skip")
        at.next_after(lambda: at.page.click("#confirm-dialog [data-confirm-ok]"))


def sent(tom: Person) -> list[dict[str, Any]]:
    """The annotations that were submitted last."""
    return list(tom.sent[-1]["answers"][0]["annotations"])  # type: ignore[attr-defined]


def names(at: LabelPage) -> list[str]:
    return list(at.page.locator(".object-name").all_inner_texts())


def selected(at: LabelPage) -> list[int]:
    """Numbers, from 1, of the selected regions."""
    rows = at.page.locator(".objects-list li[data-index]").all()
    return [n for n, row in enumerate(rows, 1) if row.locator(".object-pick[aria-pressed=true]").count()]


def shift_click(at: LabelPage, point: tuple[float, float]) -> None:
    at.page.keyboard.down("Shift")
    at.click(point)
    at.page.keyboard.up("Shift")


def ring_area(ring: list[list[float]]) -> float:
    pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs)) / 2


def area(annotation: dict[str, Any]) -> float:
    parts = annotation["polygon"]["parts"]
    return sum(ring_area(part["outer"]) - sum(map(ring_area, part["holes"])) for part in parts)


# --- Boxes -----------------------------------------------------------------------------------------------------------


def test_a_box_by_two_clicks_costs_two_actions(desk: Any) -> None:
    at = desk("boxes")
    at.press("1", "r")
    at.click((50, 40))
    assert not at.is_enabled("submit"), "half a box is not sent"
    at.click((50, 40))
    assert at.regions() == [], "the second click has to be somewhere else"
    at.click((150, 120))
    assert at.regions() == ["100 × 80 at 50, 40"]
    # From the lower right to the upper left, and by Enter instead of the second click.
    at.click((300, 200))
    at.click((200, 150))
    at.click((20, 200))
    at.move((60, 260))
    at.press("Enter")
    assert at.regions()[1:] == ["100 × 50 at 200, 150", "40 × 60 at 20, 200"]
    assert at.is_enabled("submit")


def test_esc_takes_back_only_the_corner_and_undo_brings_it_again(desk: Any) -> None:
    at = desk("boxes")
    at.press("1", "r")
    at.drag((20, 20), (80, 80))
    at.click((200, 100))
    at.press("Escape")
    assert at.regions() == ["60 × 60 at 20, 20"], "Esc never loses a finished box"
    at.press("Control+z")
    at.click((260, 160))
    assert at.regions()[1:] == ["60 × 60 at 200, 100"]
    # Another tool's key does not throw away what was begun.
    at.click((300, 200))
    at.press("m")
    assert at.hint() == "Finish what you are drawing first, or cancel it with Esc."
    at.click((340, 240))
    assert at.regions()[2:] == ["40 × 40 at 300, 200"]
    at.press("Control+z", "Control+z", "Control+z")
    assert at.regions() == []
    at.press("Control+Shift+z", "Control+y", "Control+y")
    assert len(at.regions()) == 3


def test_e_makes_a_box_of_four_outermost_points(desk: Any) -> None:
    at = desk("boxes")
    at.press("e")
    at.click((100, 50))
    assert at.hint() == "Choose a tag first."
    at.press("1")
    for point in [(100, 50), (180, 90), (120, 150), (60, 80)]:
        at.click(point)
    assert at.regions() == ["120 × 100 at 60, 50"]
    # Enter ends earlier; points are undone one by one.
    for point in [(300, 50), (350, 100), (390, 290)]:
        at.click(point)
    at.press("Control+z", "Enter")
    assert at.regions()[1:] == ["50 × 50 at 300, 50"]
    at.click((10, 10))
    at.press("Enter")
    assert at.hint().startswith("Click the topmost")
    at.press("Escape")
    assert len(at.regions()) == 2


def test_a_drawing_tool_takes_hold_of_nothing_but_the_handles_of_the_selected_box(desk: Any) -> None:
    at = desk("boxes")
    at.press("1", "r")
    at.drag((50, 50), (250, 250))
    at.press("Escape")
    at.drag((100, 100), (150, 150))
    assert at.regions() == ["200 × 200 at 50, 50", "50 × 50 at 100, 100"], "a box in a box"
    at.drag((50, 50), (90, 90))
    assert at.regions()[0] == "200 × 200 at 50, 50", "the corner of one that is not selected"
    # The corner of the selected one is a handle; with Ctrl it is not.
    at.drag((90, 90), (80, 80))
    assert at.regions()[2] == "30 × 30 at 50, 50"
    at.page.keyboard.down("Control")
    at.drag((80, 80), (140, 95))
    at.page.keyboard.up("Control")
    assert at.regions()[2:] == ["30 × 30 at 50, 50", "60 × 15 at 80, 80"]


def test_the_sign_that_deletes_is_hard_to_hit_by_accident(desk: Any) -> None:
    at = desk("boxes")
    at.press("1", "r")
    at.drag((100, 100), (200, 160))
    x, y = at.to_screen((200, 100))
    close = (x + 15, y - 15)
    # With a drawing tool in hand there is no such sign: a box can begin there.
    at.page.mouse.move(*close)
    at.page.mouse.down()
    at.page.mouse.move(close[0] + 80, close[1] + 60)
    at.page.mouse.up()
    assert len(at.regions()) == 2
    at.press("Control+z", "m", "x")
    # Pressed there and let go elsewhere, nor eleven pixels beside it, it does nothing.
    at.page.mouse.move(*close)
    at.page.mouse.down()
    at.page.mouse.move(close[0] + 60, close[1])
    at.page.mouse.up()
    assert len(at.regions()) == 1
    at.page.mouse.click(close[0] + 11, close[1])
    assert len(at.regions()) == 1
    at.press("x")
    at.page.mouse.click(*close)
    assert at.regions() == []


def test_a_click_that_trembles_moves_nothing(desk: Any) -> None:
    at = desk("boxes")
    at.press("1", "r")
    at.drag((100, 100), (200, 160))
    at.press("m")
    x, y = at.to_screen((150, 130))
    at.page.mouse.move(x, y)
    at.page.mouse.down()
    at.page.mouse.move(x + 2, y + 1)
    at.page.mouse.up()
    assert at.regions() == ["100 × 60 at 100, 100"]


def test_small_boxes_can_be_moved_by_their_middle(desk: Any) -> None:
    at = desk("boxes")
    at.press("1", "r")
    at.drag((100, 100), (106, 106))
    at.press("m")
    at.drag((103, 103), (203, 153))
    [said] = at.regions()
    assert said == "6 × 6 at 200, 150"


# --- Several at once -------------------------------------------------------------------------------------------------


def three(at: LabelPage) -> None:
    at.press("1", "r")
    for left in (20, 120, 220):
        at.drag((left, 100), (left + 60, 160))
    at.press("m")


def test_several_are_selected_moved_nudged_and_deleted_together(desk: Any) -> None:
    at = desk("boxes")
    three(at)
    at.click((50, 130))
    assert selected(at) == [1]
    shift_click(at, (150, 130))
    assert selected(at) == [1, 2]
    at.drag((50, 130), (60, 150))
    assert at.regions() == ["60 × 60 at 30, 120", "60 × 60 at 130, 120", "60 × 60 at 220, 100"]
    at.press("ArrowRight", "Shift+ArrowUp")
    assert at.regions()[:2] == ["60 × 60 at 31, 110", "60 × 60 at 131, 110"]
    # None leaves the image, and their distance stays.
    at.drag((60, 140), (60, 20))
    assert [one.partition(" at ")[2] for one in at.regions()][:2] == ["31, 0", "131, 0"]
    at.press("2")
    assert names(at) == ["1. dog", "2. dog", "3. cat"]
    at.press("Delete")
    assert len(at.regions()) == 1
    at.press("Control+z")
    assert names(at) == ["1. dog", "2. dog", "3. cat"], "one step"
    # Shift and a click takes one out of the selection; a click alone picks one.
    at.press("Shift+M")
    assert selected(at) == [1, 2, 3]
    shift_click(at, (250, 130))
    assert selected(at) == [1, 2]
    at.click((250, 130))
    assert selected(at) == [3]


def test_a_frame_selects_what_lies_wholly_inside(desk: Any) -> None:
    at = desk("boxes")
    three(at)
    at.drag((10, 80), (200, 180))
    assert selected(at) == [1, 2]
    at.page.keyboard.down("Shift")
    at.drag((210, 90), (300, 170))
    at.page.keyboard.up("Shift")
    assert selected(at) == [1, 2, 3]
    at.drag((10, 80), (60, 180))
    assert selected(at) == []
    at.move((10, 80))
    at.page.mouse.down()
    at.move((200, 180))
    at.press("Escape")
    at.page.mouse.up()
    assert selected(at) == [], "Esc stops the frame"


def test_copies_go_beside_on_the_same_image_and_to_the_same_place_on_the_next(desk: Any) -> None:
    at = desk("boxes")
    three(at)
    at.click((50, 130))
    at.press("d")
    assert len(at.regions()) == 4 and at.regions()[3].startswith("60 × 60 at ")
    assert at.regions()[3] != at.regions()[0] and selected(at) == [4]
    at.press("Control+z")
    at.press("Shift+M", "Control+c")
    assert at.hint() == "Copied: 3. Ctrl+V pastes, also on the next image."
    at.press("Control+v")
    assert len(at.regions()) == 6 and len(set(at.regions())) == 6, "none lies on another"
    at.press("Control+z")
    at.submit()
    at.press("Control+v")
    where = ["60 × 60 at 20, 100", "60 × 60 at 120, 100", "60 × 60 at 220, 100"]
    assert at.regions() == where and selected(at) == [1, 2, 3]
    # A reload keeps what was copied: it lives as long as the tab.
    at.press("Control+z")
    at.open()
    at.press("Control+v")
    assert at.regions() == where
    at.press("Control+x")
    assert at.regions() == []


def test_shift_d_repeats_the_regions_of_the_image_before(desk: Any) -> None:
    at = desk("boxes")
    three(at)
    at.press("2")
    at.submit()
    at.press("Shift+D")
    assert at.regions() == ["60 × 60 at 20, 100", "60 × 60 at 120, 100", "60 × 60 at 220, 100"]
    assert names(at) == ["1. cat", "2. cat", "3. dog"]


def test_regions_are_moved_forward_and_back(desk: Any) -> None:
    at = desk("boxes")
    at.press("1", "r")
    at.drag((50, 50), (150, 150))
    at.press("2")
    at.drag((300, 20), (380, 80))
    at.drag((100, 100), (200, 200))
    at.press("m")
    at.page.click(".object-pick >> nth=0")
    at.press("Shift+F")
    assert names(at) == ["1. dog", "2. dog", "3. cat"], "above the next one that it overlaps"
    at.press("Shift+F")
    assert at.hint() == "Nothing lies over it."
    at.press("Shift+B")
    assert names(at) == ["1. dog", "2. cat", "3. dog"]
    at.press("Control+z", "Control+z")
    assert names(at) == ["1. cat", "2. dog", "3. dog"]


# --- Hidden and locked -----------------------------------------------------------------------------------------------


def test_one_a_class_or_all_are_hidden_and_shown_again(desk: Any) -> None:
    at = desk("boxes")
    three(at)
    hidden = at.page.locator(".objects-list .is-hidden")
    at.click((50, 130))
    at.press("Shift+H")
    assert hidden.count() == 1 and selected(at) == []
    at.click((50, 130))
    assert selected(at) == [], "what cannot be seen cannot be hit"
    at.press("Shift+H")
    assert hidden.count() == 0
    at.press("Shift+G")
    assert hidden.count() == 3
    at.press("r", "1")
    at.drag((20, 200), (60, 240))
    assert hidden.count() == 0, "nobody draws what stays hidden"
    at.page.click("#regions-menu summary")
    at.page.click("[data-command=hide_class]")
    assert hidden.count() == 4
    assert at.page.locator(".tag-eye >> nth=0").get_attribute("aria-pressed") == "false"
    at.page.click(".object-hide >> nth=0")
    assert hidden.count() == 0, "shown from the list, with its class"


def test_one_or_a_class_is_locked(desk: Any) -> None:
    at = desk("boxes")
    three(at)
    at.click((50, 130))
    at.press("Shift+L")
    at.drag((50, 130), (80, 200))
    assert at.regions()[0] == "60 × 60 at 20, 100"
    assert at.hint() == "This region is locked. L unlocks."
    at.press("Delete", "2", "ArrowRight")
    assert names(at)[0] == "1. cat" and at.regions()[0] == "60 × 60 at 20, 100"
    # Of several only the free ones change.
    at.press("Shift+M", "ArrowRight")
    assert at.regions() == ["60 × 60 at 20, 100", "60 × 60 at 121, 100", "60 × 60 at 221, 100"]
    at.press("Escape")
    at.page.click(".object-pick >> nth=0")
    at.press("Shift+L", "ArrowDown")
    assert at.regions()[0] == "60 × 60 at 20, 101"
    at.page.click("#regions-menu summary")
    at.page.click("[data-command=lock_class]")
    assert at.hint() == "Regions with the tag cat are locked."
    at.press("ArrowDown")
    assert at.regions()[0] == "60 × 60 at 20, 101"


# --- Without a pointer, without colours, with fingers ----------------------------------------------------------------


def test_a_box_without_a_pointer(tom: Person, desk: Any) -> None:
    at = desk("boxes")
    at.press("1", "Shift+R")
    [said] = at.regions()
    side = int(said.split(" ")[0])
    assert said == f"{side} × {side} at {(WIDTH - side) // 2}, {(HEIGHT - side) // 2}", "in the middle of the view"
    at.press("Shift+ArrowLeft", "ArrowUp")
    left, top = (WIDTH - side) // 2 - 10, (HEIGHT - side) // 2 - 1
    assert at.regions() == [f"{side} × {side} at {left}, {top}"]
    # V takes hold of one corner, then of the other, then of the whole again.
    at.press("v", "Shift+ArrowRight", "ArrowDown")
    assert at.regions() == [f"{side + 10} × {side + 1} at {left}, {top}"]
    at.press("v", "Shift+ArrowLeft")
    assert at.regions() == [f"{side + 20} × {side + 1} at {left - 10}, {top}"]
    at.press("v", "ArrowUp")
    assert at.regions() == [f"{side + 20} × {side + 1} at {left - 10}, {top - 1}"]
    # Nothing selected: the arrow keys move a crosshair, and Q presses there.
    at.press("Escape", "q", *["Shift+ArrowRight"] * 4, *["Shift+ArrowDown"] * 3, "q")
    assert len(at.regions()) == 2
    width, height = (int(one) for one in at.regions()[1].partition(" at ")[0].split(" × "))
    assert (width, height) == (round(80 / at.scale()), round(60 / at.scale()))
    at.submit()
    assert len(sent(tom)) == 2


def test_the_list_does_everything_by_keyboard(desk: Any) -> None:
    at = desk("boxes")
    three(at)
    page = at.page
    page.locator(".object-pick >> nth=2").focus()
    assert page.locator(".objects-list button[tabindex='0']").count() == 5, "one row can be reached with Tab"
    at.press("ArrowUp", "ArrowUp", "Enter")
    assert selected(at) == [1]
    at.press("ArrowDown", "Space")
    assert selected(at) == [2]
    # To the right are its buttons: edit, hide, lock, delete.
    at.press("ArrowRight", "ArrowRight", "Enter")
    assert page.locator(".objects-list .is-hidden").count() == 1
    at.press("Enter", "ArrowRight", "Enter")
    assert page.locator(".object-lock >> nth=1").get_attribute("aria-pressed") == "true"
    at.press("Enter", "ArrowRight", "Enter")
    assert len(at.regions()) == 2
    # F2: tag, place and size in numbers.
    at.press("F2")
    page.wait_for_selector("#region-dialog[open]")
    page.select_option("#region-class", label="dog")
    for field, value in {"x": "10", "y": "20", "width": "30.5", "height": "40"}.items():
        page.fill(f"#region-{field}", value)
    page.keyboard.press("Enter")
    page.wait_for_selector("#region-dialog:not([open])", state="attached")
    assert "31 × 40 at 10, 20" in at.regions() or "30 × 40 at 10, 20" in at.regions()
    assert sorted(one[3:] for one in names(at)) == ["cat", "dog"]
    at.press("Control+z")
    assert sorted(one[3:] for one in names(at)) == ["cat", "cat"], "one step"


def test_x_says_in_words_where_the_next_region_lies(desk: Any) -> None:
    at = desk("boxes")
    three(at)
    at.press("Escape", "x")
    assert at.page.inner_text("#live-status") == "1 of 3: cat, 60 × 60 at 20, 100, left"
    at.press("x")
    assert at.page.inner_text("#live-status") == "2 of 3: cat, 60 × 60 at 120, 100, in the middle"


def test_a_long_list_makes_only_the_rows_that_show(desk: Any) -> None:
    at = desk("boxes")
    shapes = [{"label_class": 0, "box": {"x": n % 390, "y": n // 390, "width": 8, "height": 8}} for n in range(2000)]
    at.page.evaluate(
        "(shapes) => sessionStorage.setItem('tessera.copied.box', JSON.stringify({ item: 0, shapes }))", shapes
    )
    at.press("1")
    at.open()
    at.press("1", "Control+v")
    page = at.page
    assert page.inner_text("#objects-count") == "2000"
    assert page.locator(".objects-list li[data-index]").count() < 100
    at.press("Escape", "x")
    page.locator(".object-pick[tabindex='0']").focus()
    at.press("End")
    page.wait_for_selector(".object-name:text-is('2000. cat')")
    assert page.locator(".objects-list li[data-index]").count() < 100
    assert page.locator(".objects-list li[data-index='1999']").get_attribute("aria-posinset") == "2000"
    page.evaluate("document.activeElement.blur()")
    at.press("Shift+M", "Delete")
    assert page.inner_text("#objects-count") == "0"


def test_esc_closes_the_menu_and_nothing_else(desk: Any) -> None:
    at = desk("boxes")
    at.press("1", "r")
    at.click((50, 40))
    at.page.click("#regions-menu summary")
    at.press("Escape")
    at.page.wait_for_selector("#regions-menu:not([open])")
    at.click((150, 120))
    assert at.regions() == ["100 × 80 at 50, 40"], "the box that was begun is still there"
    at.page.click("#regions-menu summary")
    at.page.click("[data-command=duplicate]")
    assert len(at.regions()) == 2
    at.submit()


def test_line_patterns_stay_switched_on(desk: Any) -> None:
    at = desk("boxes")
    at.page.click("#regions-menu summary")
    at.page.click("[data-command=patterns]")
    assert at.hint() == "Each tag has its line pattern."
    at.open()
    assert at.page.get_attribute("#label-page", "data-patterns") == "on"
    found = [dot.get_attribute("data-pattern") for dot in at.page.locator(".tags-list .dot").all()]
    assert len(set(found)) == len(found) == 2


@pytest.fixture
def fingers(tom: Person) -> Iterator[Callable[..., None]]:
    """touch("touchStart" | "touchMove" | "touchEnd", *points in window pixels)."""
    session = tom.context.new_cdp_session(tom.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        found = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": found})

    yield touch
    session.detach()


def test_fingers_reach_handles_from_farther_away(desk: Any, fingers: Any) -> None:
    at = desk("boxes")
    at.press("1", "r")
    at.drag((100, 100), (250, 200))
    at.press("m")
    x, y = at.to_screen((250, 200))
    fingers("touchStart", (x + 15, y + 15))
    fingers("touchMove", (x + 15 + 20, y + 15 + 20))
    fingers("touchMove", (x + 15 + 40, y + 15 + 40))
    fingers("touchEnd")
    [said] = at.regions()
    assert said.endswith(" at 100, 100") and said != "150 × 100 at 100, 100"


def test_a_pinch_zooms_and_leaves_the_drawing_as_it_was(desk: Any, fingers: Any) -> None:
    at = desk("outlines")
    at.press("1", "p")
    for point in [(100, 100), (200, 100), (200, 200)]:
        x, y = at.to_screen(point)
        fingers("touchStart", (x, y))
        fingers("touchEnd")
    before = at.page.inner_text("#zoom-value")
    fingers("touchStart", (500, 300))
    fingers("touchStart", (500, 300), (600, 300))
    fingers("touchMove", (450, 300), (650, 300))
    fingers("touchMove", (400, 300), (700, 300))
    fingers("touchEnd")
    at.page.wait_for_function("(old) => document.getElementById('zoom-value').textContent !== old", arg=before)
    at.press("Enter")
    assert at.regions() == ["100 × 100 at 100, 100"], "three points, and none from the pinch"


# --- Polygons --------------------------------------------------------------------------------------------------------

SQUARE = [(100.0, 60.0), (220.0, 60.0), (220.0, 180.0), (100.0, 180.0)]


def test_a_freehand_line_closes_where_it_began(tom: Person, desk: Any) -> None:
    at = desk("outlines")
    at.press("1", "p")
    path = [(100, 100), (150, 60), (200, 60), (250, 100), (250, 160), (200, 200), (150, 200), (100, 160), (100, 101)]
    at.move(path[0])
    at.page.mouse.down()
    for point in path[1:]:
        at.page.mouse.move(*at.to_screen(point), steps=12)
    at.page.mouse.up()
    assert len(at.regions()) == 1
    # A stroke that ends elsewhere is one step of a drawing that goes on.
    at.move((300, 50))
    at.page.mouse.down()
    at.page.mouse.move(*at.to_screen((380, 50)), steps=10)
    at.page.mouse.move(*at.to_screen((380, 120)), steps=10)
    at.page.mouse.up()
    at.click((300, 120))
    at.press("Control+z")
    at.click((310, 130))
    at.press("Enter")
    assert at.regions()[1] == "80 × 80 at 300, 50"
    at.submit()
    [drawn, other] = sent(tom)
    assert 8 <= len(drawn["polygon"]["parts"][0]["outer"]) <= 14, "few points, near the hand's line"
    assert area(drawn) == pytest.approx(150 * 140 - 2 * 50 * 40, rel=0.03)
    assert 4 <= len(other["polygon"]["parts"][0]["outer"]) <= 6


def test_points_snap_to_a_neighbour_and_shift_follows_its_border(tom: Person, desk: Any) -> None:
    at = desk("outlines")
    at.press("1", "p")
    at.polygon([(60, 60), (160, 60), (190, 120), (160, 180), (60, 180)])
    at.press("2")
    # From beside one corner of the neighbour, round the outside, and back along its border.
    for point in [(161.5, 61), (300, 60), (300, 180)]:
        at.click(point)
    at.page.keyboard.down("Shift")
    at.click((161, 181))
    at.page.keyboard.up("Shift")
    at.page.keyboard.down("Shift")
    at.click((162, 62))
    at.page.keyboard.up("Shift")
    assert len(at.regions()) == 2
    # Ctrl looks past the border, and Shift+A past all borders.
    at.page.keyboard.down("Control")
    at.click((58, 182))
    at.page.keyboard.up("Control")
    at.press("Shift+A")
    at.click((61, 250))
    at.click((20, 250))
    at.press("Enter", "Shift+A")
    assert at.hint() == "Points snap to neighbouring borders. Ctrl looks past them."
    at.submit()
    first, second, third = (one["polygon"]["parts"][0]["outer"] for one in sent(tom))
    assert first[1] in second and first[3] in second
    assert third[0] not in first


def test_the_border_of_a_neighbour_is_followed_between_two_of_its_points(tom: Person, desk: Any) -> None:
    at = desk("outlines")
    at.press("1", "p")
    at.polygon([(60, 60), (160, 60), (190, 120), (160, 180), (60, 180)])
    at.press("2")
    at.click((160, 61))
    at.page.keyboard.down("Shift")
    at.click((161, 179))
    at.page.keyboard.up("Shift")
    at.click((300, 180))
    at.click((300, 60))
    at.press("Enter")
    at.submit()
    first, second = (one["polygon"]["parts"][0]["outer"] for one in sent(tom))
    assert first[1:4] == second[:3], "the corner between them came along"
    assert len(second) == 5


def test_b_cuts_along_a_line_in_one_step(tom: Person, desk: Any) -> None:
    at = desk("outlines")
    at.press("1", "p")
    at.polygon(SQUARE)
    at.press("b")
    at.drag((160, 30), (160, 220))
    assert sorted(at.regions()) == ["60 × 120 at 100, 60", "60 × 120 at 160, 60"]
    assert at.hint() == "Regions after the cut: 2"
    at.press("Control+z")
    assert at.regions() == ["120 × 120 at 100, 60"]
    # A line of several points, ended by Enter; it may bend inside.
    at.press("Escape")
    for point in [(80, 120), (160, 120), (160, 200)]:
        at.click(point)
    at.press("Enter")
    assert sorted(at.regions()) == ["120 × 120 at 100, 60", "60 × 60 at 100, 120"]
    at.drag((300, 20), (350, 200))
    assert at.hint() == "The line does not go through a region. Ctrl+Z brings it back."
    at.press("Escape")
    at.submit()
    assert sum(map(area, sent(tom))) == pytest.approx(120 * 120, rel=0.02)


def test_o_takes_a_piece_out_and_a_adds_one(tom: Person, desk: Any) -> None:
    at = desk("outlines")
    at.press("o")
    at.click((10, 10))
    assert at.hint() == "Select the region first, or begin on it."
    at.press("1", "p")
    at.polygon(SQUARE)
    at.press("o")
    at.polygon([(130, 90), (190, 90), (190, 150), (130, 150)])
    at.press("a")
    at.polygon([(300, 100), (350, 100), (350, 150)])
    at.polygon([(200, 100), (260, 100), (260, 140), (200, 140)])
    assert at.regions() == ["250 × 120 at 100, 60"], "one region all the time"
    at.press("o")
    at.polygon([(10, 200), (50, 200), (50, 250)])
    assert at.hint() == "The piece lies outside the region."
    at.press("Escape")
    at.submit()
    [one] = sent(tom)
    parts = one["polygon"]["parts"]
    assert sorted((len(part["holes"]), len(part["outer"])) for part in parts) == [(0, 3), (1, 8)]
    assert area(one) == pytest.approx(120 * 120 - 60 * 60 + 50 * 50 / 2 + 40 * 40, rel=0.02)


def test_the_selected_are_joined_and_apart_they_stay_parts(tom: Person, desk: Any) -> None:
    at = desk("outlines")
    at.press("1", "p")
    at.polygon(SQUARE)
    at.polygon([(220, 60), (300, 60), (300, 180), (220, 180)])
    at.polygon([(20, 220), (80, 220), (80, 280), (20, 280)])
    at.press("2")
    at.polygon([(320, 200), (380, 200), (380, 280)])
    at.press("m", "Shift+M", "Shift+J")
    assert at.hint() == "Only regions of the same tag can be joined."
    shift_click(at, (370, 220))
    at.press("Shift+J")
    assert at.hint() == "Joined: 3, parts now: 2"
    assert sorted(at.regions()) == ["280 × 220 at 20, 60", "60 × 80 at 320, 200"]
    at.press("Control+z")
    assert len(at.regions()) == 4
    at.press("Control+y")
    at.submit()
    joined = max(sent(tom), key=area)
    assert sorted(len(part["outer"]) for part in joined["polygon"]["parts"])[0] == 4
    assert area(joined) == pytest.approx(200 * 120 + 60 * 60, rel=0.02)


def test_an_outline_that_crosses_itself_is_mended(tom: Person, desk: Any) -> None:
    at = desk("outlines")
    at.press("1", "p")
    at.polygon([(100, 60), (220, 180), (220, 60), (100, 180)])
    assert at.regions() == ["120 × 120 at 100, 60"]
    at.submit()
    [one] = sent(tom)
    assert len(one["polygon"]["parts"]) == 2
    assert area(one) == pytest.approx(120 * 120 / 2, rel=0.02)


def test_a_polygon_without_a_pointer(tom: Person, desk: Any) -> None:
    at = desk("outlines")
    at.press("1", "Shift+R")
    [said] = at.regions()
    side = int(said.split(" ")[0])
    # Its first point is the upper left corner: moved, given a neighbour, which is taken away again.
    at.press("v", "Shift+ArrowUp", "q", "Shift+ArrowUp", "Shift+ArrowUp")
    assert at.regions()[0].startswith(f"{side} × {side + 25}") or at.regions()[0].startswith(f"{side} × {side + 24}")
    at.press("Delete")
    assert at.regions()[0].startswith(f"{side} × {side + 10}")
    at.press("Escape", "Escape", "p")
    # Point by point with the crosshair, closed by Enter.
    at.press("q", *["Shift+ArrowRight"] * 5, "q", *["Shift+ArrowDown"] * 5, "q", "Enter")
    assert len(at.regions()) == 2
    at.submit()
    assert [len(one["polygon"]["parts"][0]["outer"]) for one in sent(tom)] == [4, 3]
