"""Two tabs of one person on the labeling page, and the pages that a tab takes ahead; Chromium on a whole site."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journeys.label_page import LabelPage
from tests.journeys.people import Person
from tests.support.running import Site

pytestmark = [pytest.mark.browser]

# name → task type, how many images
PROJECTS: dict[str, tuple[str, int]] = {
    "tabs": ("object_detection", 8),
    "last one": ("object_detection", 1),
    "given back": ("object_detection", 6),
    "ahead": ("multi_class", 12),
}
MAKE = """
import json
from tests import factories
workspace = factories.make_workspace(factories.make_user("Ona", email="ona@tabs.example"), name="Two tabs")
factories.add_member(workspace, user=factories.make_user("Tilda", email="tilda@story.example"))
made = {{}}
for name, (kind, images) in {projects!r}.items():
    files = factories.make_dataset_with_images(workspace, images, width=400, height=300)
    made[name] = factories.make_project(workspace, task_type=kind, classes=["cat", "dog"], dataset=files, name=name).pk
print(json.dumps(made))
"""


@pytest.fixture(scope="module")
def projects(live_site: Site) -> dict[str, int]:
    return dict(json.loads(live_site.manage("shell", "-v0", "-c", MAKE.format(projects=PROJECTS)).splitlines()[-1]))


@pytest.fixture(scope="module")
def somebody(live_site: Site, projects: dict[str, int], browser: Any) -> Iterator[Person]:
    person = Person(browser, live_site.url, "Tilda")
    person.sign_in()
    yield person
    person.context.close()


@pytest.fixture
def tilda(somebody: Person) -> Iterator[Person]:
    """One person all through; what a test broke is mended, and no complaint is left unexplained."""
    yield somebody
    somebody.page.unroute_all()
    heard, somebody.complaints[:] = list(somebody.complaints), []
    assert heard == []


@pytest.fixture
def desk(tilda: Person, projects: dict[str, int]) -> Callable[[str], LabelPage]:
    def at(name: str, page: Any = None) -> LabelPage:
        made = LabelPage(page or tilda.page, tilda.url, projects[name])
        made.open()
        return made

    return at


# --- Two tabs --------------------------------------------------------------------------------------------------------


def test_two_tabs_work_on_two_pages_and_say_the_same(tilda: Person, desk: Any) -> None:
    at = desk("tabs")
    second = tilda.context.new_page()
    other = desk("tabs", second)
    assert at.task and other.task and at.task["id"] != other.task["id"]
    at.draw(40)
    other.draw(100)
    at.wait_saved()
    other.wait_saved()
    at.page.route("**/operations/", lambda route: route.abort())
    second.route("**/operations/", lambda route: route.abort())
    at.draw(200)
    assert at.says("offline") and other.says("offline")
    at.page.unroute_all()
    second.unroute_all()
    second.evaluate("dispatchEvent(new Event('online'))")
    at.wait_saved()
    other.wait_saved()
    assert len(tilda.draft(at.task["id"]) or []) == 2, "one tab sends for both"
    at.submit()
    other.submit()
    second.close()
    assert sorted(len(one) for one in tilda.answers(at.project)) == [1, 2]
    tilda.forgive("ERR_FAILED")


def test_a_page_is_open_in_one_tab_at_a_time(tilda: Person, desk: Any) -> None:
    at = desk("last one")
    at.draw(40)
    at.wait_saved()
    second = tilda.context.new_page()
    other = desk("last one", second)
    assert (other.task, other.reason) == (None, "elsewhere")
    other.next_after(lambda: second.click("#take-over"))
    assert other.regions() == ["60 × 60 at 40, 50"]
    at.page.wait_for_selector("#label-page[data-state=elsewhere]", state="attached")
    other.draw(200)
    other.submit()
    second.close()
    assert [len(one) for one in tilda.answers(at.project)] == [2]


def test_what_a_closed_tab_gives_back_late_is_not_taken_from_the_next_tab(tilda: Person, desk: Any) -> None:
    second = tilda.context.new_page()
    closed = desk("given back", second)
    assert closed.task
    second.evaluate(
        "const real = fetch; globalThis.fetch = (...given) =>"
        " String(given[0]).endsWith('/release/') ? new Promise(() => {}) : real(...given)"
    )
    second.goto("about:blank")
    at = desk("given back")
    at.draw(40)
    at.wait_saved()
    # Only now the site hears of the closed tab.
    arrived = at.page.evaluate(
        "async (id) => (await fetch(`/api/v1/tasks/${id}/release/`, {method: 'POST', headers:"
        " {'X-CSRFToken': document.querySelector('meta[name=csrf-token]').content}})).status",
        closed.task["id"],
    )
    assert arrived == 200
    at.draw(200)
    at.wait_saved()
    assert at.page.is_hidden("#notice")
    at.submit()
    second.close()
    assert [len(one) for one in tilda.answers(at.project)] == [2]


# --- No waiting ------------------------------------------------------------------------------------------------------


def test_the_next_image_shows_before_the_site_has_heard_of_the_last_one(tilda: Person, desk: Any) -> None:
    at = desk("ahead")
    page = at.page
    # The page ahead is there: its lease is taken, and its picture fetched.
    page.wait_for_selector("#label-page[data-ahead]", state="attached")
    tasks = tilda.get(f"projects/{at.project}/tasks/")["results"]
    assert len([one for one in tasks if one["state"] == "open"]) > 1
    waiting: list[Any] = []
    page.route("**/submit/", lambda route: waiting.append(route))
    before = at.item["name"]
    at.press("1")
    page.wait_for_function(
        "(old) => document.getElementById('label-page').dataset.task !== old", arg=str(at.task["id"])
    )
    page.wait_for_selector("#stage:not(.is-loading)", state="attached")
    assert at.says("device") == "Saved on this device"
    while not waiting:
        page.wait_for_timeout(20)
    waiting[0].continue_()
    page.unroute_all()
    at.look()
    assert at.item["name"] != before
    sent = waiting[0].request.post_data_json["answers"][0]
    assert sent["actions"] == 1, "one key for the class, which also submits"
    # Previous and next go on working.
    page.keyboard.press("j")
    page.wait_for_selector("#badge-past:not([hidden])")
    assert at.chips() == ["cat"]
    page.keyboard.press("k")
    page.wait_for_selector("#badge-past", state="hidden")


def test_pages_taken_ahead_are_given_back_when_the_tab_closes(tilda: Person, desk: Any) -> None:
    desk("ahead")
    second = tilda.context.new_page()
    at = desk("ahead", second)
    for page in (tilda.page, second):
        page.wait_for_selector("#label-page[data-ahead]", state="attached")
    second.goto("about:blank")

    def held() -> list[int]:
        tasks = tilda.get(f"projects/{at.project}/tasks/")["results"]
        return [one["id"] for one in tasks if one["state"] == "open"]

    tilda.page.goto("about:blank")
    for _ in range(200):
        if not held():
            break
        second.wait_for_timeout(50)
    assert held() == []
    second.close()
