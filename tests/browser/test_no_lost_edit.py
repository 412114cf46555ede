"""Nothing that was done on the labeling page is lost, and it says how safe the work is; Chromium on a whole site."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journeys.label_page import LabelPage
from tests.journeys.people import PASSWORD, Person
from tests.support.running import Site, wait_until

pytestmark = [pytest.mark.browser]

# name → task type, how many images
PROJECTS: dict[str, tuple[str, int]] = {
    "offline": ("object_detection", 8),
    "journal": ("object_detection", 8),
    "signed out": ("object_detection", 6),
    "refused": ("object_detection", 8),
    "two browsers": ("object_detection", 1),
    "old drafts": ("object_detection", 3),
    "no storage": ("object_detection", 4),
}
MAKE = """
import json
from tests import factories
workspace = factories.make_workspace(factories.make_user("Ona", email="ona@safe.example"), name="Nothing lost")
factories.add_member(workspace, user=factories.make_user("Safira", email="safira@story.example"))
made = {{}}
for name, (kind, images) in {projects!r}.items():
    files = factories.make_dataset_with_images(workspace, images, width=400, height=300)
    made[name] = factories.make_project(workspace, task_type=kind, classes=["cat", "dog"], dataset=files, name=name).pk
print(json.dumps(made))
"""
SESSIONS_END = "from django.contrib.sessions.models import Session; Session.objects.all().delete()"
RETIRE = """
from django.utils import timezone
from projects.models import LabelClass
LabelClass.objects.filter(project={project}, path="{path}").update(retired_at={when})
"""


@pytest.fixture(scope="module")
def projects(live_site: Site) -> dict[str, int]:
    return dict(json.loads(live_site.manage("shell", "-v0", "-c", MAKE.format(projects=PROJECTS)).splitlines()[-1]))


@pytest.fixture(scope="module")
def somebody(live_site: Site, projects: dict[str, int], browser: Any) -> Iterator[Person]:
    person = Person(browser, live_site.url, "Safira")
    person.sign_in()
    yield person
    person.context.close()


@pytest.fixture
def safira(somebody: Person) -> Iterator[Person]:
    """One person all through; what a test broke is mended, and no complaint is left unexplained."""
    yield somebody
    somebody.page.unroute_all()
    heard, somebody.complaints[:] = list(somebody.complaints), []
    assert heard == []


@pytest.fixture
def desk(safira: Person, projects: dict[str, int]) -> Callable[[str], LabelPage]:
    def at(name: str, page: Any = None) -> LabelPage:
        made = LabelPage(page or safira.page, safira.url, projects[name])
        made.open()
        return made

    return at


# --- Saved, saved on this device, offline ----------------------------------------------------------------------------


def test_each_edit_reaches_the_server_by_itself(safira: Person, desk: Any) -> None:
    at = desk("journal")
    assert at.says("saved") == "Saved"
    at.draw(40)
    at.draw(200)
    at.wait_saved()
    assert at.task
    [one, two] = safira.draft(at.task["id"]) or []
    assert (round(one["box"]["x"]), round(two["box"]["x"])) == (40, 200)
    at.press("Delete", "Control+z", "Control+z")
    at.wait_saved()
    assert len(safira.draft(at.task["id"]) or []) == 1, "what was taken back is taken back there too"
    at.submit()
    assert [len(one) for one in safira.answers(at.project)] == [1]


def test_without_a_network_one_works_on_and_all_is_sent_once_when_it_is_back(safira: Person, desk: Any) -> None:
    at = desk("offline")
    page = at.page
    names = [at.item["name"]]
    page.wait_for_function("document.getElementById('label-page').dataset.opened")
    page.route("**/api/v1/**", lambda route: route.abort())
    at.draw(40)
    assert at.says("offline") == "Offline, saved on this device"
    # The page taken ahead opens although nothing can be sent.
    before = page.get_attribute("#label-page", "data-task")
    at.press("Enter")
    page.wait_for_function("(old) => document.getElementById('label-page').dataset.task !== old", arg=before)
    page.wait_for_selector("#stage:not(.is-loading)", state="attached")
    at.draw(100)
    assert at.regions() == ["60 × 60 at 100, 50"]
    assert safira.answers(at.project) == []
    # The connection comes back, but the first replies are lost on the way.
    lost: list[str] = []

    def lose(route: Any) -> None:
        if route.request.method == "POST" and len(lost) < 2:
            lost.append(str(route.fetch().status))
            route.abort()
        else:
            route.continue_()

    page.unroute_all()
    page.route("**/api/v1/tasks/*/*/", lose)
    page.evaluate("dispatchEvent(new Event('online'))")
    at.wait_saved()
    assert lost == ["200", "200"]
    assert [len(one) for one in safira.answers(at.project)] == [1], "sent twice, stored once"
    at.look()
    assert len(safira.draft(at.task["id"]) or []) == 1  # type: ignore[index]
    names.append(at.item["name"])
    assert len(set(names)) == 2
    at.submit()
    safira.forgive("ERR_FAILED")


def test_closing_the_tab_loses_nothing(safira: Person, desk: Any) -> None:
    at = desk("journal")
    name = at.item["name"]
    second = safira.context.new_page()
    at.page.route("**/operations/", lambda route: route.abort())
    at.draw(60)
    at.draw(220)
    assert at.says("offline")
    at.page.goto("about:blank")
    # Another tab of the same browser finds the work, shows it, and sends it.
    other = desk("journal", second)
    assert (other.item["name"], other.regions()) == (name, ["60 × 60 at 60, 50", "60 × 60 at 220, 50"])
    assert len(safira.draft(other.task["id"]) or []) == 2
    other.submit()
    second.close()
    safira.forgive("ERR_FAILED")


def busiest_renderer(browser: Any) -> int:
    """The process of the tab that runs in a circle."""
    asked = browser.new_browser_cdp_session()

    def used() -> dict[int, float]:
        rows = asked.send("SystemInfo.getProcessInfo")["processInfo"]
        return {int(row["id"]): row["cpuTime"] for row in rows if row["type"] == "renderer"}

    before = used()
    wait_until(
        lambda: max(one - before.get(pid, 0) for pid, one in used().items()) > 0.3, seconds=60, what="a busy tab"
    )
    after = used()
    asked.detach()
    return max(after, key=lambda pid: after[pid] - before.get(pid, 0))


def test_an_edit_outlives_a_tab_that_dies_in_the_same_moment(safira: Person, desk: Any, browser: Any) -> None:
    """The tab makes an edit, does nothing any more, hears nothing any more, and is killed."""
    second = safira.context.new_page()
    at = desk("journal", second)
    at.draw(60)
    at.draw(220)
    at.wait_saved()
    second.evaluate(
        "setTimeout(() => {"
        " document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Delete', bubbles: true }));"
        " for (;;); })"
    )
    with second.expect_event("crash"):
        os.kill(busiest_renderer(browser), signal.SIGKILL)
    second.close()
    assert at.task
    assert len(safira.draft(at.task["id"]) or []) == 2, "it was not sent"
    other = desk("journal")
    assert other.regions() == ["60 × 60 at 60, 50"]
    assert len(safira.draft(at.task["id"]) or []) == 1
    other.submit()


def test_another_machine_shows_what_was_done_here_and_keeps_what_it_did_not_see(
    safira: Person, desk: Any, browser: Any, live_site: Site
) -> None:
    at = desk("two browsers")
    at.draw(40)
    at.wait_saved()
    elsewhere = Person(browser, live_site.url, "Safira")
    elsewhere.sign_in()
    other = LabelPage(elsewhere.page, elsewhere.url, at.project)
    other.open()
    assert other.regions() == ["60 × 60 at 40, 50"]
    other.press("x", "2")
    other.press("m", "2")
    other.wait_saved()
    assert other.page.locator(".object-name").all_inner_texts() == ["1. dog"]
    # Here the box still says cat. Moving it would undo what was done there, so it is not taken; a new box is.
    at.press("m", "x", "ArrowRight")
    at.page.wait_for_selector("#refused-open:not([hidden])")
    at.draw(200)
    at.wait_saved()
    assert at.task
    assert [one["label_class"] for one in safira.draft(at.task["id"]) or []] != []
    names = {round(one["box"]["x"]) for one in safira.draft(at.task["id"]) or []}
    assert names == {40, 200}
    at.page.click("#refused-open")
    at.page.wait_for_selector("#refused-dialog[open]")
    assert "another browser" in at.page.inner_text("#refused-list")
    at.page.click("#refused-list button:has-text('Discard')")
    at.page.wait_for_selector("#refused-dialog:not([open])", state="attached")
    at.open()
    assert [one.split(" at ")[1] for one in at.regions()] == ["40, 50", "200, 50"]
    assert at.page.locator(".object-name").all_inner_texts() == ["1. dog", "2. cat"]
    at.submit()
    elsewhere.context.close()
    assert [len(one) for one in safira.answers(at.project)] == [2]


# --- Signed out ------------------------------------------------------------------------------------------------------


def test_who_is_signed_out_signs_in_on_the_page_and_goes_on(safira: Person, desk: Any, live_site: Site) -> None:
    at = desk("signed out")
    page = at.page
    live_site.manage("shell", "-v0", "-c", SESSIONS_END)
    at.draw(40)
    page.wait_for_selector("#sign-in-dialog[open]")
    assert at.says("signed_out") == "Signed out, saved on this device"
    page.fill("#sign-in-dialog input[type=email]", safira.email)
    page.fill("#sign-in-dialog input[type=password]", "not the password")
    page.click("#sign-in-body button")
    page.wait_for_selector("#sign-in-body :text('do not fit together')")
    page.fill("#sign-in-dialog input[type=password]", PASSWORD)
    page.click("#sign-in-body button")
    page.wait_for_selector("#sign-in-dialog:not([open])", state="attached")
    at.wait_saved()
    assert at.regions() == ["60 × 60 at 40, 50"]
    assert len(safira.draft(at.task["id"]) or []) == 1
    at.submit()
    assert [len(one) for one in safira.answers(at.project)] == [1]
    safira.forgive("401|400")


def test_who_signed_in_in_another_tab_need_not_do_it_again(safira: Person, desk: Any, live_site: Site) -> None:
    at = desk("signed out")
    live_site.manage("shell", "-v0", "-c", SESSIONS_END)
    at.draw(90)
    at.page.wait_for_selector("#sign-in-dialog[open]")
    second = safira.context.new_page()
    second.goto(f"{safira.url}/sign-in/")
    second.fill("#id_email", safira.email)
    second.fill("#id_password", PASSWORD)
    second.click("main button")
    second.wait_for_url(lambda url: "/sign-in/" not in url)
    second.close()
    at.page.keyboard.press("Escape")
    at.page.click("#saved-sign-in")
    at.wait_saved()
    assert len(safira.draft(at.task["id"]) or []) == 1
    at.submit()
    safira.forgive("401|403")


# --- What the site would not take ------------------------------------------------------------------------------------


def test_a_retired_class_puts_one_edit_aside_and_the_page_comes_back_when_it_is_submitted(
    safira: Person, desk: Any, live_site: Site, projects: dict[str, int]
) -> None:
    at = desk("refused")
    page = at.page
    name = at.item["name"]
    at.draw(40)
    at.wait_saved()
    live_site.manage("shell", "-v0", "-c", RETIRE.format(project=at.project, path="dog", when="timezone.now()"))
    at.press("2")
    at.drag((200, 50), (260, 110))
    page.wait_for_selector("#notice:not([hidden])")
    assert "has been retired" in page.inner_text("#notice-text")
    at.draw(300)
    at.wait_saved()
    assert len(safira.draft(at.task["id"]) or []) == 2, "the others went through"
    page.click("#refused-open")
    page.wait_for_selector("#refused-dialog[open]")
    assert "has been retired" in page.inner_text("#refused-list")
    with page.expect_download() as download:
        page.click("#refused-download")
    [kept] = json.loads(download.value.path().read_text())
    assert round(kept["changes"][0]["after"]["box"]["x"]) == 200
    page.keyboard.press("Escape")
    page.wait_for_selector("#refused-dialog:not([open])", state="attached")
    # Submitted with that box, the next page shows at once, and this one comes back with its work and a sentence.
    at.press("Enter")
    page.wait_for_function(
        "(old) => document.getElementById('label-page').dataset.task !== old", arg=str(at.task["id"])
    )
    page.wait_for_selector("#notice:has-text('could not be stored')")
    page.click("#notice-actions button:has-text('Open it again')")
    page.wait_for_function(
        "(old) => document.getElementById('label-page').dataset.task === old", arg=str(at.task["id"])
    )
    at.look()
    assert (at.item["name"], len(at.regions())) == (name, 3)
    assert safira.answers(at.project) == []
    # Its class changed, everything fits; what was put aside has been overtaken.
    at.page.locator(".object-pick", has_text="Unknown").or_(at.page.locator(".object-pick", has_text="dog")).click()
    at.press("m", "1")
    at.wait_saved()
    at.submit()
    assert [len(one) for one in safira.answers(at.project)] == [3]
    page.wait_for_selector("#refused-open", state="hidden")
    live_site.manage("shell", "-v0", "-c", RETIRE.format(project=at.project, path="dog", when="None"))
    safira.forgive("409")


def test_an_edit_on_which_the_site_fails_holds_nothing_up(safira: Person, desk: Any) -> None:
    at = desk("refused")
    page = at.page

    def fail(route: Any) -> None:
        poison = any(
            change["after"] and round(change["after"]["box"]["x"]) == 150
            for one in route.request.post_data_json["operations"]
            for change in one["changes"]
        )
        if poison:
            route.fulfill(status=500, body="{}", content_type="application/problem+json")
        else:
            route.continue_()

    page.route("**/operations/", fail)
    at.draw(40)
    at.draw(150)
    at.draw(300)
    page.wait_for_selector("#refused-open:not([hidden])", timeout=20_000)
    at.wait_saved()
    assert {round(one["box"]["x"]) for one in safira.draft(at.task["id"]) or []} == {40, 300}
    page.unroute_all()
    # The page is sent whole, with all that it shows.
    at.submit()
    assert len(safira.answers(at.project)[0]) == 3
    page.wait_for_selector("#refused-open", state="hidden")
    safira.forgive("500")


# --- Older browsers and older versions -------------------------------------------------------------------------------


def test_unsent_work_of_an_earlier_version_is_moved_to_the_server(safira: Person, desk: Any) -> None:
    at = desk("old drafts")
    user = safira.get("me/")["id"]
    one = at.task["assignments"][0]
    cat = at.page.evaluate("JSON.parse(document.getElementById('label-context').textContent).classes[0].id")
    old = {
        "item": one["item"]["id"],
        "annotations": [
            {
                "id": "11111111-1111-4111-8111-111111111111",
                "label_class": cat,
                "frame": 0,
                "box": {"x": 9, "y": 8, "width": 70, "height": 60},
            }
        ],
    }
    key = f"tessera.draft.{user}.{at.project}.{one['id']}"
    at.page.evaluate("([key, old]) => localStorage.setItem(key, JSON.stringify({...old, at: Date.now()}))", [key, old])
    at.open()
    assert at.regions() == ["70 × 60 at 9, 8"]
    at.wait_saved()
    assert len(safira.draft(at.task["id"]) or []) == 1
    assert at.page.evaluate("(key) => localStorage.getItem(key)", key) is None
    at.submit()


def test_a_browser_that_keeps_nothing_says_so_and_sends_at_once(
    browser: Any, live_site: Site, projects: dict[str, int]
) -> None:
    person = Person(browser, live_site.url, "Safira")
    person.context.add_init_script("Object.defineProperty(globalThis, 'indexedDB', { value: undefined });")
    person.sign_in()
    at = LabelPage(person.page, person.url, projects["no storage"])
    at.open()
    assert "keeps nothing" in person.page.inner_text("#notice-text")
    person.page.route("**/operations/", lambda route: route.abort())
    at.draw(40)
    assert at.says("unkept") == "Not saved yet: keep this page open"
    person.page.unroute_all()
    person.page.evaluate("dispatchEvent(new Event('online'))")
    at.wait_saved()
    assert len(person.draft(at.task["id"]) or []) == 1
    at.submit()
    person.context.close()
