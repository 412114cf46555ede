"""The labeling page in a real Chromium against a whole site: tools, keys, and what happens when things go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journeys.label_page import LabelPage
from tests.journeys.people import Person
from tests.support.running import Site, be_ready_to_intercept

pytestmark = [pytest.mark.browser]

WIDTH, HEIGHT = 400, 300
TEN = [f"kind {number}" for number in range(1, 11)]
# name → task type, classes, how many images
PROJECTS: dict[str, tuple[str, list[str], int]] = {
    "drawing": ("object_detection", ["cat", "dog"], 9),
    "going wrong": ("object_detection", ["cat", "dog"], 6),
    "outlines": ("instance_segmentation", ["cat", "dog"], 4),
    "grid": ("multi_class", TEN, 20),
    "several": ("multi_label", ["cat", "dog"], 4),
    "last": ("multi_class", ["cat", "dog"], 1),
    "walking": ("multi_class", ["cat", "dog"], 4),
}
MAKE = """
import json
from tests import factories
workspace = factories.make_workspace(factories.make_user("Olga", email="olga@label.example"), name="Label page")
factories.add_member(workspace, user=factories.make_user("Bob", email="bob@story.example"))
made = {{}}
for name, (kind, classes, images) in {projects!r}.items():
    files = factories.make_dataset_with_images(workspace, images, width={width}, height={height})
    project = factories.make_project(workspace, task_type=kind, classes=classes, dataset=files, name=name)
    made[name] = project.pk
print(json.dumps(made))
"""
LOSE_LEASE = """
from datetime import timedelta
from django.utils import timezone
from annotations.models import Assignment
from annotations.services.queue import expire_overdue
from projects.models import Project
Assignment.objects.filter(task={task}).update(expires_at=timezone.now() - timedelta(hours=1))
print(expire_overdue(Project.objects.get(pk={project})))
"""

OTHER_ANSWERS = """
import uuid
from annotations.models import Assignment, QueueEntry
from annotations.services import queue, submission
from annotations.services.answers import Answer
from projects.models import User
from tests import factories
lost = Assignment.objects.select_related("project__workspace").get(task={task})
QueueEntry.objects.filter(pk=lost.entry_id).update(rank=-1)
other = factories.add_member(lost.project.workspace, name="Otto")
task = queue.next_task(actor=other, project=lost.project).task
[row] = task.assignments.all()
assert row.entry_id == lost.entry_id
submission.submit_task(actor=other, task=task, operation_id=uuid.uuid4(), answers=[Answer(row.pk)])
"""
OPINIONS = """
from annotations.models import Response
found = Response.objects.filter(entry__project={project}, kind="opinion")
print([[one.author.name, one.annotations.count(), one.final_for.exists()] for one in found])
"""


@pytest.fixture(scope="module")
def projects(live_site: Site) -> dict[str, int]:
    code = MAKE.format(projects=PROJECTS, width=WIDTH, height=HEIGHT)
    return dict(json.loads(live_site.manage("shell", "-v0", "-c", code).splitlines()[-1]))


@pytest.fixture(scope="module")
def bobs(live_site: Site, projects: dict[str, int], browser: Any) -> Iterator[Person]:
    person = Person(browser, live_site.url, "Bob")
    be_ready_to_intercept(person.context)
    person.sign_in()
    yield person
    person.context.close()


@pytest.fixture
def bob(bobs: Person) -> Iterator[Person]:
    bobs.sent: list[dict[str, Any]] = []  # type: ignore[attr-defined]

    def keep(request: Any) -> None:
        if request.url.endswith("/submit/"):
            bobs.sent.append(request.post_data_json)  # type: ignore[attr-defined]

    bobs.page.on("request", keep)
    yield bobs
    bobs.page.remove_listener("request", keep)
    bobs.page.unroute_all()
    bobs.page.evaluate("localStorage.removeItem('tessera.layout')")
    heard, bobs.complaints[:] = list(bobs.complaints), []
    assert heard == []


@pytest.fixture
def desk(bob: Person, projects: dict[str, int]) -> Callable[[str], LabelPage]:
    """Opens the labeling page of a project of PROJECTS."""

    def at(name: str) -> LabelPage:
        made = LabelPage(bob.page, bob.url, projects[name])
        made.open()
        assert made.task, made.reason
        return made

    return at


def last_sent(bob: Person) -> list[dict[str, Any]]:
    """The annotations of the first image of the page sent last."""
    return list(bob.sent[-1]["answers"][0]["annotations"])  # type: ignore[attr-defined]


def box(found: dict[str, Any]) -> list[float]:
    return [found["box"][name] for name in ("x", "y", "width", "height")]


def near(found: list[float], wanted: list[float]) -> bool:
    """Within one screen pixel or so."""
    return found == pytest.approx(wanted, abs=1.2)


# --- Boxes -----------------------------------------------------------------------------------------------------------


def test_r_draws_a_box_that_can_be_moved_resized_nudged_and_deleted(bob: Person, desk: Any) -> None:
    at = desk("drawing")
    assert not at.is_enabled("submit")
    at.press("r")
    at.drag((50, 50), (150, 130))
    assert at.hint() == "Choose a tag first." and at.regions() == []
    at.press("1")
    at.drag((50, 50), (150, 130))
    assert at.regions() == ["100 × 80 at 50, 50"]
    assert at.is_enabled("submit")
    # Its corner can be pulled while the box tool is in hand; M moves the whole.
    at.drag((150, 130), (170, 150))
    assert at.regions() == ["120 × 100 at 50, 50"]
    at.press("m")
    at.drag((110, 100), (140, 120))
    assert at.regions() == ["120 × 100 at 80, 70"]
    at.press("ArrowRight", "ArrowRight", "Shift+ArrowDown")
    assert at.regions() == ["120 × 100 at 82, 80"]
    # The class of the selected box changes by its key, and the steps come back one by one.
    at.press("2")
    assert at.page.locator(".object-name").all_inner_texts() == ["1. dog"]
    at.press("Delete")
    assert at.regions() == [] and not at.is_enabled("submit")
    at.press("Control+z", "Control+z", "Control+z")
    assert at.regions() == ["120 × 100 at 80, 70"], "nudges in a row are one step"
    at.press("Control+Shift+z", "Control+y")
    assert at.page.locator(".object-name").all_inner_texts() == ["1. dog"]
    assert at.regions() == ["120 × 100 at 82, 80"]
    at.submit()
    [drawn] = last_sent(bob)
    assert near(box(drawn), [82, 80, 120, 100])


def test_t_places_boxes_of_the_last_size_inside_the_image(bob: Person, desk: Any) -> None:
    at = desk("drawing")
    at.press("1", "t")
    at.click((200, 150))
    assert at.regions() == ["50 × 50 at 175, 125"]
    at.press("r")
    at.drag((20, 20), (100, 60))
    at.press("t")
    at.click((300, 250))
    assert at.regions()[-1] == "80 × 40 at 260, 230"
    at.click((398, 5))
    assert at.regions()[-1] == "80 × 40 at 320, 0", "a box stays inside the image"
    at.submit()
    assert len(last_sent(bob)) == 4


def test_l_locks_all_but_the_newest_box(desk: Any) -> None:
    at = desk("drawing")
    at.press("1", "r")
    at.drag((20, 20), (80, 80))
    at.drag((200, 150), (260, 210))
    at.press("l", "m")
    at.drag((50, 50), (90, 90))
    assert at.regions()[0] == "60 × 60 at 20, 20"
    assert at.hint() == "This region is locked. L unlocks."
    at.press("Delete")
    assert len(at.regions()) == 2
    at.drag((230, 180), (240, 190))
    assert at.regions()[1] == "60 × 60 at 210, 160", "the newest one can still be changed"
    at.press("l")
    at.drag((50, 50), (90, 90))
    assert at.regions()[0] == "60 × 60 at 60, 60"
    at.submit()


def test_esc_cancels_what_is_being_drawn_and_one_click_alone_is_no_box(desk: Any) -> None:
    at = desk("drawing")
    at.press("1", "r")
    at.move((50, 50))
    at.page.mouse.down()
    at.move((120, 120))
    at.press("Escape")
    at.move((160, 160))
    at.page.mouse.up()
    assert at.regions() == [] and not at.is_enabled("submit")
    at.click((80, 80))
    assert at.regions() == [] and not at.is_enabled("submit"), "the first of two clicks"
    at.press("Escape")
    at.drag((350, 250), (500, 400))
    assert at.regions() == ["50 × 50 at 350, 250"], "a box ends where the image ends"
    at.press("Escape")
    assert at.page.locator(".object-pick[aria-pressed=true]").count() == 0
    at.submit()


def test_regions_are_deleted_by_their_buttons_and_all_at_once_after_a_question(desk: Any) -> None:
    at = desk("drawing")
    at.press("1", "r")
    for left in (20, 120, 220):
        at.drag((left, 100), (left + 60, 160))
    at.page.click(".object-delete >> nth=0")
    assert len(at.regions()) == 2
    at.page.click("#regions-menu summary")
    at.page.click("#tool-delete-all")
    at.page.click("#confirm-dialog button[value=cancel]")
    assert len(at.regions()) == 2
    at.page.click("#regions-menu summary")
    at.page.click("#tool-delete-all")
    at.page.click("#confirm-dialog [data-confirm-ok]")
    at.page.wait_for_selector(".object-place", state="detached")
    at.page.click("#tool-undo")
    assert len(at.regions()) == 2
    # The × beside the selected region lies at its upper right corner, while nothing can be drawn there.
    at.press("m", "x")
    x, y = (
        at.to_screen((280, 100))
        if at.page.locator(".object-pick >> nth=1").get_attribute("aria-pressed") == "true"
        else at.to_screen((180, 100))
    )
    at.page.mouse.click(x + 15, y - 15)
    assert len(at.regions()) == 1
    at.submit()


def test_n_says_deliberately_that_there_is_nothing(bob: Person, desk: Any) -> None:
    at = desk("drawing")
    before = at.item["id"]
    at.press("Enter")
    assert at.hint() == "Draw something first, or say that there are no objects."
    at.next_after(lambda: at.press("n"))
    sent = bob.sent[-1]["answers"][0]  # type: ignore[attr-defined]
    assert (sent["outcome"], sent["skip_reason"], sent["annotations"]) == ("labeled", "", [])
    assert at.item["id"] != before


def test_a_box_drawn_in_a_zoomed_and_moved_view_lies_where_it_was_drawn(bob: Person, desk: Any) -> None:
    at = desk("drawing")
    page = at.page
    at.press("1", "r")
    # The wheel keeps the point under the pointer where it is.
    anchor = (100.0, 80.0)
    here = at.to_screen(anchor)
    fitted = page.inner_text("#zoom-value")
    at.move(anchor)
    page.mouse.wheel(0, -600)
    page.wait_for_function("(old) => document.getElementById('zoom-value').textContent !== old", arg=fitted)
    page.mouse.down()
    page.mouse.move(here[0] + 200, here[1] + 150, steps=3)
    page.mouse.up()
    [said] = at.regions()
    assert said.endswith("at 100, 80")
    assert said != "200 × 150 at 100, 80"
    # Space and a drag move the image; F shows it whole again, where the same box is found at its place.
    page.keyboard.down("Space")
    page.mouse.move(600, 400)
    page.mouse.down()
    page.mouse.move(640, 420)
    page.mouse.up()
    page.keyboard.up("Space")
    assert at.regions() == [said], "moving the view changes nothing that is drawn"
    at.press("f")
    page.wait_for_function("(old) => document.getElementById('zoom-value').textContent === old", arg=fitted)
    at.press("+", "+", "-", "0")
    assert page.inner_text("#zoom-value") == "100 %"
    at.press("f", "g", "g", "h", "h")
    width, height = (int(one) for one in said.partition(" at ")[0].split(" × "))
    at.press("m")
    at.drag((100 + width / 2, 80 + height / 2), (100 + width / 2 + 30, 80 + height / 2))
    assert at.regions() == [said.replace("at 100", "at 130")]
    at.submit()
    assert near(box(last_sent(bob)[0])[:2], [130, 80])


# --- Polygons --------------------------------------------------------------------------------------------------------

SQUARE = [(100.0, 60.0), (220.0, 60.0), (220.0, 180.0), (100.0, 180.0)]


def test_p_closes_by_enter_by_a_double_click_and_by_the_first_point(bob: Person, desk: Any) -> None:
    at = desk("outlines")
    at.press("p")
    at.click(SQUARE[0])
    assert at.hint() == "Choose a tag first."
    at.press("1")
    at.polygon(SQUARE)
    assert at.regions() == ["120 × 120 at 100, 60"]
    # A double click.
    for point in [(250.0, 40.0), (350.0, 40.0)]:
        at.click(point)
    at.page.mouse.dblclick(*at.to_screen((350, 140)))
    assert at.regions()[1] == "100 × 100 at 250, 40"
    # The first point.
    for point in [(250.0, 200.0), (350.0, 200.0), (350.0, 280.0), (250.0, 200.0)]:
        at.click(point)
    assert at.regions()[2] == "100 × 80 at 250, 200"
    at.submit()
    sent = last_sent(bob)
    assert [len(one["polygon"]["parts"][0]["outer"]) for one in sent] == [4, 3, 3]
    for drawn, meant in zip(sent[0]["polygon"]["parts"][0]["outer"], SQUARE, strict=True):
        assert near(drawn, list(meant))


def test_esc_and_undo_while_a_polygon_is_drawn(desk: Any) -> None:
    at = desk("outlines")
    at.press("1", "p")
    for point in SQUARE:
        at.click(point)
    assert not at.is_enabled("submit"), "an open polygon is not sent"
    at.press("Control+z", "Control+z", "Control+Shift+z", "Enter")
    assert at.regions() == ["120 × 120 at 100, 60"]
    at.press("Control+z")
    assert at.regions() == []
    for point in SQUARE:
        at.click(point)
    at.press("Escape")
    assert at.regions() == [] and not at.is_enabled("submit")
    at.click((50, 50))
    at.click((60, 60))
    at.press("Enter")
    assert at.hint() == "A polygon needs three points that enclose an area."
    at.press("Escape")
    at.polygon(SQUARE)
    at.submit()


def test_u_adds_takes_and_moves_points_and_a_key_changes_the_class(bob: Person, desk: Any) -> None:
    at = desk("outlines")
    at.press("1", "p")
    at.polygon(SQUARE)
    at.press("u")
    at.drag((160, 60), (160, 20))
    assert at.regions() == ["120 × 160 at 100, 20"], "an edge gives a new point, which can be pulled at once"
    at.click((160, 20))
    assert at.regions() == ["120 × 120 at 100, 60"], "a click takes the point away"
    at.drag((220, 180), (260, 220))
    assert at.regions() == ["160 × 160 at 100, 60"]
    at.press("2", "m")
    at.drag((150, 100), (160, 110))
    assert at.regions() == ["160 × 160 at 110, 70"]
    assert at.page.locator(".object-name").all_inner_texts() == ["1. dog"]
    at.submit()
    assert len(last_sent(bob)[0]["polygon"]["parts"][0]["outer"]) == 4


# --- Classification --------------------------------------------------------------------------------------------------


def test_layouts_select_all_and_undo_in_a_grid(bob: Person, desk: Any) -> None:
    at = desk("grid")
    page = at.page
    for size in (4, 6, 9):
        at.next_after(lambda size=size: page.click(f"[data-page-size='{size}']"))
        assert page.locator(".tile").count() == size == len(at.task["assignments"])
    assert page.get_attribute("[data-page-size='9']", "aria-checked") == "true"
    # With nothing selected and nothing pointed at, a tag goes to all that have none.
    at.press("1")
    assert at.chips() == ["kind 1"] * 9
    at.press("1")
    assert at.hint() == "Every image has a tag. Point at one or select some to change it."
    at.press("a", "2")
    assert at.chips() == ["kind 2"] * 9
    assert at.is_enabled("submit")
    # The round button, then the class's key; a new tag replaces the old one.
    at.press("a")
    page.locator(".tile-select").nth(0).click()
    at.press("9")
    assert at.chips() == ["kind 9"] + ["kind 2"] * 8
    # The tenth class has a letter.
    at.press(at.key_of("kind 10"))
    assert at.chips()[0] == "kind 10"
    page.locator(".chip-x").nth(0).click()
    assert len(at.chips()) == 8 and not at.is_enabled("submit")
    at.press("Enter")
    assert at.hint() == "Every image needs a tag first."
    at.press("Control+z")
    assert at.chips()[0] == "kind 10"
    at.press("Control+z", "Control+z", "Control+Shift+z")
    assert at.chips()[0] == "kind 9"
    # Search: slash, a name, Enter.
    at.press("/")
    page.keyboard.type("kind 3")
    at.press("Enter")
    assert at.chips()[0] == "kind 3"
    # Another layout keeps what is tagged and begins with the next page.
    page.click("[data-page-size='4']")
    assert at.hint() == "The new layout starts with the next page." and len(at.chips()) == 9
    at.submit()
    assert len(at.task["assignments"]) == 4
    assert {len(one["annotations"]) for one in bob.sent[-1]["answers"]} == {1}  # type: ignore[attr-defined]


def test_images_of_a_grid_are_skipped_with_a_reason_and_the_rest_labeled(bob: Person, desk: Any) -> None:
    at = desk("grid")
    page = at.page
    if len(at.task["assignments"]) == 1:
        at.next_after(lambda: page.click("[data-page-size='4']"))
    at.press("ArrowRight", "Space", "Shift+S")
    page.fill("#skip-reason", "blurred")
    page.keyboard.press("Enter")
    page.wait_for_selector(".chip-name:has-text('Skipped')")
    assert at.chips() == ["Skipped"]
    at.press("a", "ArrowRight", "Space")
    for tile in page.locator(".tile-select").all()[1:]:
        if tile.get_attribute("aria-pressed") == "false":
            tile.click()
    if page.locator(".tile-select").nth(0).get_attribute("aria-pressed") == "true":
        page.locator(".tile-select").nth(0).click()
    at.press("1")
    assert at.chips() == ["Skipped", "kind 1", "kind 1", "kind 1"]
    at.submit()
    answers = bob.sent[-1]["answers"]  # type: ignore[attr-defined]
    assert [one["outcome"] for one in answers] == ["skipped", "labeled", "labeled", "labeled"]
    assert answers[0]["skip_reason"] == "blurred"


def test_several_tags_an_image(bob: Person, desk: Any) -> None:
    at = desk("several")
    page = at.page
    at.press("1", "2")
    assert at.chips() == ["cat", "dog"]
    at.press("1")
    assert at.chips() == ["dog"], "the same key takes the tag away"
    at.submit()
    assert len(last_sent(bob)) == 1
    at.next_after(lambda: page.click("[data-page-size='4']"))
    at.press("a", "1")
    assert page.locator(".tile-select[aria-pressed=true]").count() == 0, "a tag deselects"
    at.press("a", "2")
    assert at.chips() == ["cat", "dog"] * 3
    at.submit()
    assert at.reason == "empty"


def test_skip_previous_next_resume_and_correct(bob: Person, desk: Any) -> None:
    at = desk("walking")
    page = at.page
    at.next_after(lambda: at.press("s"))
    assert bob.sent[-1]["answers"][0]["outcome"] == "skipped"  # type: ignore[attr-defined]
    first = at.item["name"]
    at.next_after(lambda: at.press("1"))
    second = at.item["name"]
    assert not at.is_enabled("resume")
    page.keyboard.press("j")
    page.wait_for_selector("#badge-past:not([hidden])")
    assert at.chips() == ["cat"] and at.is_enabled("resume")
    page.keyboard.press("j")
    page.wait_for_selector(".chip-name:has-text('Skipped')")
    page.keyboard.press("k")
    page.wait_for_selector(".chip-name:has-text('cat')")
    # A correction of an earlier page, by one key too; it leads back to the page that is open.
    with page.expect_response(lambda reply: reply.url.endswith("/submit/")) as corrected:
        at.press("2")
    assert corrected.value.ok
    said = corrected.value.json()["task"]["assignments"][0]
    assert said["item"]["name"] == first
    assert len(said["response"]["annotations"]) == 1
    page.wait_for_selector("#badge-past", state="hidden")
    page.click("#tool-info")
    assert second in page.inner_text("#info-list")
    page.keyboard.press("Escape")
    page.wait_for_selector("#info-dialog:not([open])", state="attached")
    at.next_after(lambda: at.press("1"))


def test_instructions_and_shortcuts_open_and_close_by_key(desk: Any) -> None:
    at = desk("walking")
    page = at.page
    at.press("i")
    assert page.locator("#instructions-panel").is_visible()
    at.press("1", "Enter")
    at.press("i")
    assert at.chips() == [], "while the instructions are read no key labels anything"
    at.press("?")
    assert page.locator("#shortcuts-dialog").is_visible()
    shown = page.inner_text("#shortcuts-dialog")
    assert "Select all images" in shown and "Draw a box" not in shown
    at.press("Escape")
    page.wait_for_selector("#shortcuts-dialog:not([open])", state="attached")


def test_the_end_of_the_queue_leads_home(bob: Person, desk: Any) -> None:
    at = desk("last")
    at.next_after(lambda: at.press("1"))
    assert at.reason == "empty"
    panel = at.page.locator("[data-state-panel=empty]")
    assert "Nothing left to label" in panel.inner_text()
    panel.get_by_role("link", name="To the home page").click()
    at.page.wait_for_url(f"{bob.url}/projects/")


# --- When things go wrong --------------------------------------------------------------------------------------------


def test_a_reload_brings_back_what_was_not_sent(desk: Any) -> None:
    at = desk("going wrong")
    name = at.item["name"]
    at.press("2", "r")
    at.drag((40, 40), (90, 90))
    at.wait_saved()
    at.open()
    assert at.item["name"] == name
    assert at.regions() == ["50 × 50 at 40, 40"]
    at.submit()


def test_a_lost_lease_is_said_and_the_work_can_still_be_sent(live_site: Site, bob: Person, desk: Any) -> None:
    at = desk("going wrong")
    page = at.page
    at.press("1", "r")
    at.drag((60, 60), (160, 160))
    code = LOSE_LEASE.format(task=at.task["id"], project=at.project)
    assert live_site.manage("shell", "-v0", "-c", code).strip().endswith(("1", "2"))
    # Coming back to the tab asks whether the page is still one's own.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_selector("#notice:not([hidden])")
    said = page.inner_text("#notice-text")
    assert "given back" in said and "kept on this device" in said
    assert at.regions() == ["100 × 100 at 60, 60"]
    at.submit()
    [drawn] = last_sent(bob)
    assert near(box(drawn), [60, 60, 100, 100])
    done = [one for one in bob.get(f"projects/{at.project}/tasks/")["results"] if one["state"] == "submitted"]
    assert done[0]["assignments"][0]["response"]["outcome"] == "labeled"


def test_work_that_comes_too_late_is_offered_as_a_second_opinion(live_site: Site, bob: Person, desk: Any) -> None:
    at = desk("going wrong")
    page = at.page
    at.press("1", "r")
    at.drag((60, 60), (160, 160))
    at.wait_saved()
    code = LOSE_LEASE + OTHER_ANSWERS
    live_site.manage("shell", "-v0", "-c", code.format(task=at.task["id"], project=at.project))
    before = page.get_attribute("#label-page", "data-opened")
    at.press("Enter")
    page.wait_for_selector("#notice:has-text('Somebody else has this image now')")
    page.wait_for_function("(old) => document.getElementById('label-page').dataset.opened !== old", arg=before)
    page.click("#refused-open")
    page.wait_for_selector("#refused-list .refused-row")
    assert page.locator("#refused-list .refused-row").count() == 1
    page.keyboard.press("Escape")
    page.click("#notice button:has-text('Send as a second opinion')")
    page.wait_for_selector("#hint:has-text('Kept as a second opinion')")
    page.wait_for_selector("#refused-open", state="hidden")
    at.look()
    kept = live_site.manage("shell", "-v0", "-c", OPINIONS.format(project=at.project)).splitlines()[-1]
    assert kept == "[['Bob', 1, False]]"
    bob.forgive("409")


def test_an_image_that_does_not_load_is_said_and_can_be_skipped(
    bob: Person, desk: Any, projects: dict[str, int]
) -> None:
    page = bob.page
    page.route("**/items/*/image/**", lambda route: route.fulfill(status=503, body="later"))
    at = desk("going wrong")
    page.wait_for_selector("#notice:not([hidden])")
    assert "This image could not be loaded" in page.inner_text("#notice-text")
    page.unroute("**/items/*/image/**")
    at.next_after(lambda: page.click("#skip"))
    assert bob.sent[-1]["answers"][0]["outcome"] == "skipped"  # type: ignore[attr-defined]
    bob.forgive("503")
