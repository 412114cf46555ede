"""Suggestions, dense grids, keys of one's own, help and comments on the labeling page, in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journeys.label_page import LabelPage
from tests.journeys.people import Person
from tests.support.running import ROOT, Site

pytestmark = [pytest.mark.browser]

WIDTH, HEIGHT = 400, 300
MANY = [f"kind {number}" for number in range(1, 61)]
# name → task type, classes, how many images
PROJECTS: dict[str, tuple[str, list[str], int]] = {
    "boxes": ("object_detection", ["cat", "dog"], 8),
    "single": ("multi_class", ["cat", "dog", "owl"], 8),
    "dense": ("multi_class", MANY, 80),
    "several": ("multi_label", ["cat", "dog"], 10),
    "help": ("object_detection", ["cat", "dog"], 4),
    "keys": ("object_detection", ["cat", "dog"], 3),
}
MAKE = """
import json, sys, uuid
sys.path.insert(0, {root!r})
from annotations.geometry import Box
from annotations.models import QueueEntry
from annotations.services import comments, prelabels
from annotations.services.answers import AnswerAnnotation
from annotations.services.prelabels import Suggestion
from projects.services import class_examples, label_classes, projects as services
from tests import factories
owner = factories.make_user("Oona", email="oona@suggestions.example")
workspace = factories.make_workspace(owner, name="Suggestions")
factories.add_member(workspace, user=factories.make_user("Bob", email="bob@story.example"))
made = {{}}
for name, (kind, classes, images) in {projects!r}.items():
    files = factories.make_dataset_with_images(workspace, images, width={width}, height={height})
    project = factories.make_project(workspace, task_type=kind, classes=classes, dataset=files, name=name)
    made[name] = project.pk
    cat, dog = project.label_classes.order_by("position")[:2]
    entries = list(QueueEntry.objects.filter(project=project).select_related("project", "item").order_by("rank"))
    said = []
    for entry in entries:
        if name == "boxes":
            for n, sure in enumerate((0.95, 0.8, 0.6, 0.3)):
                one = AnswerAnnotation(uuid.uuid4(), cat.pk, box=Box(20 + 90 * n, 40, 60, 80))
                said.append(Suggestion(entry.pk, one, sure))
        elif name == "single":
            said.append(Suggestion(entry.pk, AnswerAnnotation(uuid.uuid4(), cat.pk), 0.7))
        elif name == "several":
            said.append(Suggestion(entry.pk, AnswerAnnotation(uuid.uuid4(), cat.pk), 0.9))
            said.append(Suggestion(entry.pk, AnswerAnnotation(uuid.uuid4(), dog.pk), 0.4))
    if said:
        prelabels.store(actor=owner, project=project, produced_by="detector 1", suggestions=said)
    if name == "help":
        services.update_project(actor=owner, project=project, instructions="<p>Mirrors are <b>not</b> cats.</p>")
        label_classes.describe_class(actor=owner, label_class=cat, description="Whiskers.")
        class_examples.add_example(actor=owner, label_class=cat, item=entries[0].item)
        class_examples.add_example(actor=owner, label_class=cat, item=entries[1].item, is_counter=True, note="a mirror")
        for entry in entries:
            comments.comment(actor=owner, entry=entry, text="Mind the tail.", point=(200.0, 150.0))
print(json.dumps(made))
"""
DECIDED = """
import json
from collections import Counter
from annotations.models import Annotation, PrelabelDecision
rows = PrelabelDecision.objects.filter(response__entry__project={project}, response__final_for__isnull=False)
print(json.dumps(Counter(rows.values_list("decision", flat=True))))
"""


@pytest.fixture(scope="module")
def projects(live_site: Site) -> dict[str, int]:
    code = MAKE.format(root=str(ROOT), projects=PROJECTS, width=WIDTH, height=HEIGHT)
    return dict(json.loads(live_site.manage("shell", "-v0", "-c", code).splitlines()[-1]))


@pytest.fixture(scope="module")
def bobs(live_site: Site, projects: dict[str, int], browser: Any) -> Iterator[Person]:
    person = Person(browser, live_site.url, "Bob")
    person.sign_in()
    yield person
    person.context.close()


@pytest.fixture
def bob(bobs: Person) -> Iterator[Person]:
    yield bobs
    bobs.page.unroute_all()
    bobs.page.evaluate("localStorage.clear()")
    bobs.page.set_viewport_size({"width": 1440, "height": 900})
    keep(bobs, keymap=None, labeling=None)
    heard, bobs.complaints[:] = list(bobs.complaints), []
    assert heard == []


@pytest.fixture
def desk(bob: Person, projects: dict[str, int]) -> Callable[[str], LabelPage]:
    """Opens the labeling page of a project of PROJECTS; instructions are passed over."""

    def at(name: str) -> LabelPage:
        made = LabelPage(bob.page, bob.url, projects[name])
        let_go(bob, made.project)
        if name == "help":
            bob.page.goto(f"{bob.url}/projects/{made.project}/label/")
            made.start()
        else:
            made.open()
        assert made.task, made.reason
        return made

    return at


def send(person: Person, method: str, path: str, body: dict[str, Any]) -> None:
    """A request with the session of a person, as a page would make it."""
    token = next(one["value"] for one in person.context.cookies() if "csrf" in one["name"])
    reply = person.context.request.fetch(
        f"{person.url}/api/v1/{path}",
        method=method,
        data=body,
        headers={"X-CSRFToken": token, "Referer": person.url},
    )
    assert reply.ok, reply.text()


def keep(person: Person, **preferences: Any) -> None:
    """Sets preferences of a person."""
    send(person, "PATCH", "me/", {"preferences": preferences})


def let_go(person: Person, project: int) -> None:
    """Gives back what the tests before left open or had taken ahead, so that pages have the size that is asked for."""
    person.go("/account/")
    for task in person.get(f"projects/{project}/tasks/?page_size=100")["results"]:
        if task["state"] == "open":
            send(person, "POST", f"tasks/{task['id']}/release/", {})


def grid(at: LabelPage, size: int) -> Any:
    """A page of so many images."""
    if at.task and len(at.task["assignments"]) != size:
        at.next_after(lambda: at.page.click(f"[data-page-size='{size}']"))
    assert at.task and len(at.task["assignments"]) == size
    return at.page


def aim(page: Any, index: int) -> None:
    """Moves the pointer onto a tile, as a hand does: some way, and then to its middle."""
    box = page.locator(".tile").nth(index).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 12, y - 8)
    page.mouse.move(x, y)
    assert "is-aimed" in (page.locator(".tile").nth(index).get_attribute("class") or "")


def decided(site: Site, project: int) -> dict[str, int]:
    return dict(json.loads(site.manage("shell", "-v0", "-c", DECIDED.format(project=project)).splitlines()[-1]))


# --- Suggestions -----------------------------------------------------------------------------------------------------


def test_boxes_are_accepted_corrected_and_dismissed_each_by_one_action(
    live_site: Site, bob: Person, desk: Any, projects: dict[str, int]
) -> None:
    at = desk("boxes")
    page = at.page
    assert page.inner_text("#suggestions-count") == "Suggestions: 4"
    assert page.inner_text("#submit-text") == "Accept 4 and submit"
    assert at.regions() == ["suggested, 95 %", "suggested, 80 %", "suggested, 60 %", "suggested, 30 %"]
    # A drag of its edge corrects one; M lets one be picked up, Delete dismisses it; undo brings it back.
    at.press("m")
    at.click((140, 80))
    at.drag((170, 80), (180, 80))
    assert at.regions()[1] == "70 × 80 at 110, 40"
    at.click((230, 80))
    at.press("Delete")
    assert page.inner_text("#submit-text") == "Accept 2 and submit"
    at.press("Control+z")
    assert page.inner_text("#submit-text") == "Accept 3 and submit"
    at.press("Control+Shift+z")
    # Y accepts the one that is selected and goes on to the next.
    at.press("Escape", "y")
    assert page.locator(".object-pick[aria-pressed=true] .object-place").inner_text() == "suggested, 95 %"
    at.press("y")
    assert at.regions()[0] == "60 × 80 at 20, 40"
    assert page.locator(".object-pick[aria-pressed=true] .object-place").inner_text() == "suggested, 30 %"
    # What was done to them survives a reload.
    page.wait_for_timeout(300)
    at.open()
    assert at.regions() == ["60 × 80 at 20, 40", "70 × 80 at 110, 40", "suggested, 30 %"]
    at.submit()
    assert decided(live_site, projects["boxes"]) == {"accepted": 2, "edited": 1, "dismissed": 1}


def test_the_slider_decides_what_is_shown_accepted_and_sent(bob: Person, desk: Any) -> None:
    at = desk("boxes")
    page = at.page
    page.locator("#suggestions-threshold").evaluate(
        "(slider) => { slider.value = 70; slider.dispatchEvent(new Event('input')); }"
    )
    assert page.inner_text("#suggestions-count") == "Suggestions: 2, less sure ones hidden: 2"
    assert page.inner_text("#submit-text") == "Accept 2 and submit"
    at.press("Shift+Y")
    assert page.inner_text("#suggestions-count") == "Suggestions: 0, less sure ones hidden: 2"
    assert page.inner_text("#submit-text") == "Submit"
    at.submit()
    mine = bob.get(f"projects/{at.project}/tasks/")["results"]
    newest = next(one for one in mine if one["state"] == "submitted")
    assert len(newest["assignments"][0]["response"]["annotations"]) == 2
    # The threshold is remembered, and dismissing what is shown says deliberately that there is nothing.
    assert page.inner_text("#suggestions-count") == "Suggestions: 2, less sure ones hidden: 2"
    at.press("Shift+Delete")
    assert not at.is_enabled("submit")
    assert at.is_enabled("no-objects")
    at.next_after(lambda: at.press("n"))


def test_a_suggested_class_is_a_dashed_chip_that_enter_accepts_and_a_key_replaces(
    live_site: Site, bob: Person, desk: Any, projects: dict[str, int]
) -> None:
    at = desk("single")
    page = at.page
    assert page.locator("#page-chips .chip.is-suggested").inner_text().split() == ["cat", "70", "%"]
    first = at.item["id"]
    at.submit()
    at.next_after(lambda: at.press("2"))
    assert decided(live_site, projects["single"]) == {"accepted": 1, "dismissed": 1}
    # Undo brings the last image back, with its answer; another key corrects it and leads on again.
    now = at.item["name"]
    page.keyboard.press("Control+z")
    page.wait_for_selector("#badge-past:not([hidden])")
    assert at.chips() == ["dog"]
    page.keyboard.press("Control+z")
    page.wait_for_function("() => document.querySelector('.chip-name').textContent === 'cat'")
    with page.expect_response(lambda reply: reply.url.endswith("/submit/")) as corrected:
        at.press("3")
    assert corrected.value.json()["task"]["assignments"][0]["item"]["id"] == first
    page.wait_for_selector("#badge-past", state="hidden")
    page.wait_for_selector("#work-area:not([inert])", state="attached")
    page.click("#tool-info")
    assert now in page.inner_text("#info-list")
    page.keyboard.press("Escape")
    page.wait_for_selector("#info-dialog:not([open])", state="attached")
    at.next_after(lambda: page.click("#skip"))


def test_a_key_held_down_labels_one_image(bob: Person, desk: Any) -> None:
    at = desk("single")
    sent: list[str] = []
    bob.page.on("request", lambda request: request.url.endswith("/submit/") and sent.append(request.url))

    def hold() -> None:
        for _ in range(12):
            bob.page.keyboard.down("1")

    at.next_after(hold)
    bob.page.wait_for_selector("#work-area:not([inert])", state="attached")
    bob.page.keyboard.down("1")
    bob.page.keyboard.up("1")
    assert len(sent) == 1
    assert at.chips() == ["cat"]


def test_one_key_is_a_choice(bob: Person, desk: Any) -> None:
    keep(bob, labeling={"one_key": "never"})
    at = desk("single")
    at.press("2")
    assert at.chips() == ["dog"]
    assert at.is_enabled("submit")
    at.press("?")
    assert at.page.locator("#one-key").input_value() == "never"
    with bob.page.expect_response(lambda reply: reply.url.endswith("/me/")) as kept:
        at.page.select_option("#one-key", "single")
    assert kept.value.ok
    at.press("Escape")
    at.page.wait_for_selector("#shortcuts-dialog:not([open])", state="attached")
    at.next_after(lambda: at.press("3"))


def test_several_suggested_classes_are_taken_up_one_by_one(
    live_site: Site, bob: Person, desk: Any, projects: Any
) -> None:
    at = desk("several")
    page = at.page
    assert page.locator(".chip.is-suggested").count() == 2
    at.press("1")
    assert page.locator(".chip.is-suggested").count() == 1
    page.get_by_role("button", name="Dismiss the suggestion dog").click()
    assert at.chips() == ["cat"]
    at.submit()
    assert decided(live_site, projects["several"]) == {"accepted": 1, "dismissed": 1}
    grid(at, 4)
    assert page.inner_text("#submit-text") == "Accept 8 and submit"
    at.press("2", "2")
    assert page.locator(".chip.is-suggested").all_inner_texts() == ["cat\n90 %"] * 4
    at.submit()


# --- Dense grids -----------------------------------------------------------------------------------------------------


def test_a_dense_grid_is_answered_by_pointing_at_the_exceptions(bob: Person, desk: Any) -> None:
    at = desk("dense")
    page = grid(at, 36)
    assert page.locator("#grid").get_attribute("data-columns") == "6"
    aim(page, 7)
    at.press("3")
    assert at.chips() == ["kind 3"], "only the one that is pointed at"
    # The aim is spent; a hand that trembles on the same tile means nothing.
    page.mouse.move(*(value + 1 for value in middle(page, 7)))
    at.press("1")
    assert at.chips().count("kind 1") == 35
    assert at.chips().count("kind 3") == 1
    # After the rest is filled, pointing at another one changes that one.
    aim(page, 8)
    at.press("2")
    assert at.chips().count("kind 1") == 34
    at.press("Control+z", "Control+z")
    assert at.chips() == ["kind 3"]
    at.press("Control+Shift+z")
    # Several at once: clicks select; the first click after a tag begins a new selection.
    for index in (0, 1):
        page.locator(".tile-select").nth(index).click()
    at.press("4")
    page.locator(".tile-select").nth(2).click()
    at.press("5")
    assert [at.chips()[index] for index in (0, 1, 2)] == ["kind 4", "kind 4", "kind 5"]
    assert len(at.task["assignments"]) == 36
    at.submit()


def middle(page: Any, index: int) -> tuple[float, float]:
    box = page.locator(".tile").nth(index).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_grid_by_keyboard_alone(bob: Person, desk: Any) -> None:
    at = desk("dense")
    page = grid(at, 9)
    page.mouse.move(5, 5)
    at.press("ArrowRight", "ArrowDown", "2")
    assert page.locator(".tile").nth(3).locator(".chip-name").all_inner_texts() == ["kind 2"]
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("Image 4: ") and focused.endswith(", kind 2")
    # Z shows it as large as the window; the keys of classes are for it; Esc leads back to the grid as it was.
    at.press("ArrowRight", "z")
    page.wait_for_selector("#enlarge-dialog[open]")
    assert page.inner_text("#enlarge-title").startswith("5 / 9")
    at.press("3", "ArrowRight", "4", "Control+z", "5")
    assert page.locator("#enlarge-chips .chip-name").all_inner_texts() == ["kind 5"]
    at.press("Escape")
    page.wait_for_selector("#enlarge-dialog:not([open])", state="attached")
    assert at.chips() == ["kind 2", "kind 3", "kind 5"]
    # Esc takes the aim away, and the next key is for all the rest.
    at.press("Escape", "1")
    assert at.chips().count("kind 1") == 6
    unanswered = page.locator(".tile-select[aria-label$='No tag yet']").count()
    assert unanswered == 0
    at.submit()


@pytest.mark.parametrize("width", [390, 1024])
def test_a_dense_grid_fits_narrow_screens(bob: Person, desk: Any, width: int) -> None:
    at = desk("dense")
    grid(at, 16)
    bob.page.set_viewport_size({"width": width, "height": 800})
    over = bob.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert over <= 0
    tile = bob.page.locator(".tile").nth(0).bounding_box()
    assert tile["width"] > 90
    # Tags can be reached and chosen with a finger.
    bob.page.locator(".tile-select").nth(0).click()
    row = bob.page.locator(".tag-pick").nth(1)
    row.click()
    assert at.chips() == ["kind 2"]
    at.press("Control+z")


# --- Keys of one's own -----------------------------------------------------------------------------------------------


def record(page: Any, action: str, key: str) -> None:
    page.click(f"[data-record={action}]")
    page.keyboard.press(key)


def test_keys_are_changed_with_warnings_kept_and_reset(bob: Person, desk: Any) -> None:
    at = desk("keys")
    page = at.page
    at.press("?")
    page.click("#keymap-edit")
    for key, said in [("F5", "belongs to the browser"), ("3", "chooses a tag")]:
        record(page, "skip", key)
        assert said in page.inner_text("#keymap-said")
        page.keyboard.press("Escape")
    assert page.locator("#shortcuts-dialog").is_visible(), "Esc ended only the recording"
    # A key that means something already: asked first, and nothing is changed by leaving it.
    record(page, "lock", "r")
    assert "R means “Draw a box” already" in page.inner_text("#keymap-said")
    page.get_by_role("button", name="Leave it").click()
    assert page.inner_text("[data-record=lock]") == "L"
    record(page, "lock", "r")
    with page.expect_response(lambda reply: reply.url.endswith("/me/")) as kept:
        page.click("#keymap-take")
    assert kept.value.json()["preferences"]["keymap"] == {"lock": ["r"], "box": []}
    assert page.inner_text("[data-record=lock]") == "R"
    assert page.inner_text("[data-record=box]") == "no key"
    record(page, "box", ";")
    page.wait_for_selector("#keymap-said:has-text('Your keys are kept')")
    page.click("#keymap-edit")
    at.press("Escape")
    page.wait_for_selector("#shortcuts-dialog:not([open])", state="attached")
    # They hold at once and after a reload; buttons and the letters of classes follow.
    for _ in range(2):
        assert page.get_attribute("#tool-lock", "title") == "Lock regions (R)"
        at.press("m", ";")
        assert page.get_attribute("[data-tool=box]", "aria-pressed") == "true"
        at.press("r")
        assert page.get_attribute("#tool-lock", "aria-pressed") == "true"
        at.open()
    at.press("?")
    page.click("#keymap-edit")
    with page.expect_response(lambda reply: reply.url.endswith("/me/")) as reset:
        page.click("#keymap-reset")
    assert "keymap" not in reset.value.json()["preferences"]
    assert page.inner_text("[data-record=box]") == "R"
    at.press("Escape")
    page.wait_for_selector("#shortcuts-dialog:not([open])", state="attached")


def test_nothing_happens_while_an_input_method_composes(bob: Person, desk: Any) -> None:
    at = desk("keys")
    page = at.page
    before = at.item["id"]
    for key in ("s", "n", "1", "Enter"):
        page.evaluate(
            "(key) => document.body.dispatchEvent("
            "new KeyboardEvent('keydown', { key, isComposing: true, bubbles: true }))",
            key,
        )
    page.wait_for_function("() => document.getElementById('submit').getAttribute('aria-busy') !== 'true'")
    assert at.regions() == []
    page.click("#tool-info")
    assert at.item["name"] in page.inner_text("#info-list")
    assert at.item["id"] == before


# --- Help ------------------------------------------------------------------------------------------------------------


def test_instructions_stay_beside_the_image_and_examples_come_on_demand(bob: Person, desk: Any) -> None:
    at = desk("help")
    page = at.page
    with page.expect_response(lambda reply: reply.url.endswith("/me/")) as kept:
        at.press("Shift+I")
    assert kept.value.json()["preferences"]["labeling"] == {"help": "instructions"}
    assert "Mirrors are not cats." in page.inner_text("#help-instructions")
    assert page.locator("#stage").is_visible()
    assert page.locator(".example").count() == 0
    about = page.get_by_role("button", name="About cat")
    about.click()
    assert "Whiskers." in page.inner_text(".class-help")
    assert page.locator(".example").count() == 2
    assert page.locator(".example.is-counter").inner_text().split("\n") == ["Not this", "a mirror"]
    page.wait_for_function(
        "() => [...document.querySelectorAll('.example img')].every((one) => one.complete && one.naturalWidth)"
    )
    about.click()
    assert page.locator(".class-help").count() == 0
    # The next page of this person has it open again.
    page.reload()
    page.wait_for_selector("#label-page[data-state=work]")
    assert page.locator("#help-instructions").is_visible()
    with page.expect_response(lambda reply: reply.url.endswith("/me/")):
        page.click("#help-close")
    assert not page.locator("#help-panel").is_visible()


def test_comments_are_pinned_answered_settled_and_ask_the_lead(
    bob: Person, desk: Any, projects: dict[str, int]
) -> None:
    at = desk("help")
    page = at.page
    assert page.inner_text("#comments-count") == "1"
    # The pin of the owner's remark lies where it points, at any zoom.
    page.wait_for_selector(".pin")
    for _ in range(2):
        pin = page.locator(".pin").bounding_box()
        x, y = at.to_screen((200, 150))
        assert abs(pin["x"] - x) < 3 and abs(pin["y"] + pin["height"] - y) < 3
        at.press("+", "-", "f")
    page.locator(".pin").click()
    page.wait_for_selector("#help-comments:visible .thread")
    assert "Mind the tail." in page.inner_text(".thread")
    page.fill(".thread-form input", "I do.")
    with page.expect_response(lambda reply: reply.url.endswith("/reply/")) as answered:
        page.keyboard.press("Enter")
    assert answered.value.ok
    page.wait_for_selector(".reply:has-text('I do.')")
    # One's own, at a point; letters typed are letters and no shortcuts.
    page.locator(".thread-form input").blur()
    at.press("c")
    page.keyboard.type("Is this one thing or two?")
    page.check("#comment-lead")
    page.click("#comment-pin")
    at.click((100, 60))
    assert page.inner_text("#comment-pin-text").startswith("At ")
    with page.expect_response(lambda reply: reply.url.endswith("/comments/")) as written:
        page.keyboard.press("Control+Enter")
    made = written.value.json()
    assert made["asks_lead"] and abs(made["point"][0] - 100) < 2 and abs(made["point"][1] - 60) < 2
    page.wait_for_selector(".pin >> nth=1")
    assert at.regions() == [], "the press that placed the pin drew nothing"
    with page.expect_response(lambda reply: reply.url.endswith("/resolve/")):
        page.get_by_role("button", name="Settle").nth(1).click()
    page.wait_for_selector(".thread.is-resolved")
    assert page.locator(".pin").count() == 1
    # Esc ends the choice of a place, and nothing else.
    page.click("#comment-pin")
    page.locator("#comment-text").blur()
    at.press("Escape")
    assert page.get_attribute("#comment-pin", "aria-pressed") == "false"


def test_a_comment_that_cannot_be_kept_is_said_and_stays_in_its_field(bob: Person, desk: Any) -> None:
    at = desk("help")
    page = at.page
    at.press("c")
    page.keyboard.type("Hello?")
    page.route("**/comments/", lambda route: route.abort())
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#comments-said:not([hidden])")
    assert page.input_value("#comment-text") == "Hello?"
    bob.forgive("ERR_FAILED")
    page.unroute("**/comments/")
    # Half written, it stays with its image: it is not about the next one, and is there again when one comes back.
    page.locator("#comment-text").blur()
    at.next_after(lambda: at.press("n"))
    assert page.input_value("#comment-text") == ""
    page.keyboard.press("j")
    page.wait_for_selector("#badge-past:not([hidden])")
    assert page.input_value("#comment-text") == "Hello?"
