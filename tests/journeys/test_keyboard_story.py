"""A new labeler's first day without a pointer: from the invitation link to the last image of every kind of project.

Every key goes down in a real Chromium and is counted; no pointer is ever used. TESSERA_STORY_PICTURES names a folder
for pictures of each step.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.label_page import LabelPage
from tests.journeys.people import PASSWORD, Person
from tests.support import running
from tests.support.running import ROOT, Site

pytestmark = [pytest.mark.browser]

WIDTHS = (1440, 1024, 390)
MAKE = """
import json, sys, uuid
sys.path.insert(0, {root!r})
import numpy as np
from annotations.geometry import Box
from annotations.models import QueueEntry
from annotations.services import prelabels
from annotations.services.answers import AnswerAnnotation
from annotations.services.prelabels import Suggestion
from projects.services import invitations
from tests import factories
owner = factories.make_user("Kaya", email="kaya@keys.example")
workspace = factories.make_workspace(owner, name="Keys")
factories.add_member(workspace, user=factories.make_user("Ole", email="ole@story.example"))
made = {{}}
def project(name, kind, dataset, classes, **more):
    found = factories.make_project(workspace, task_type=kind, classes=classes, dataset=dataset, name=name, **more)
    made[name] = found.pk
    return found
def images(count):
    return factories.make_dataset_with_images(workspace, count, width=320, height=240)
project("Pets", "multi_class", images(13), ["cat", "dog"], instructions="<p>One pet each. Look at the ears.</p>")
project("Last", "multi_class", images(1), ["cat", "dog"])
project("Rooms", "multi_label", images(2), ["bed", "lamp", "rug"])
boxes = project("Cards", "object_detection", images(4), ["ace", "king"])
ace = boxes.label_classes.get(name="ace")
surest = QueueEntry.objects.filter(project=boxes).order_by("rank")[:1]
said = [Suggestion(entry.pk, AnswerAnnotation(uuid.uuid4(), ace.pk, box=Box(20 + 90 * n, 60, 70, 110)), 0.9)
        for entry in surest for n in range(3)]
prelabels.store(actor=owner, project=boxes, produced_by="detector", suggestions=said)
project("Fields", "instance_segmentation", images(2), ["field"])
slices = np.linspace(-1000, 1000, 3 * 96 * 128).reshape(3, 96, 128).astype("int16")
scan = factories.dicom_bytes(slices, RescaleIntercept=0, RescaleSlope=1, WindowCenter=40, WindowWidth=400)
project("Scans", "object_detection", factories.make_dataset_from_bytes(workspace, {{"scan.dcm": scan}}), ["organ"])
_invitation, made["link"] = invitations.invite(actor=owner, workspace=workspace, role=factories.role("labeler"))
print(json.dumps(made))
"""


class Hands:
    """Nora's ten fingers: presses keys and counts them, walks with Tab as far as she must."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.keys = 0

    @property
    def page(self) -> Any:
        return self.person.page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.keys += 1

    def write(self, text: str) -> None:
        self.page.keyboard.type(text)

    def tab_to(self, selector: str, most: int = 30) -> None:
        """Walks to what `selector` names; fails where Tab does not lead there, or where one cannot see that it has."""
        here = "(selector) => document.activeElement?.matches(selector)"
        for _ in range(most):
            self.press("Tab")
            if self.page.evaluate(here, selector):
                assert self.page.evaluate("document.activeElement.matches(':focus-visible')"), (
                    f"{selector} hides its focus"
                )
                return
        raise AssertionError(f"{selector} is not among the next {most} stops of Tab")

    def counted(self, act: Any) -> int:
        """How many keys `act` takes."""
        before = self.keys
        act()
        return self.keys - before


@pytest.fixture(scope="module")
def made(live_site: Site) -> dict[str, Any]:
    return dict(json.loads(live_site.manage("shell", "-v0", "-c", MAKE.format(root=str(ROOT))).splitlines()[-1]))


@pytest.fixture(scope="module")
def nora(live_site: Site, made: dict[str, Any], browser: Any) -> Iterator[Person]:
    person = Person(browser, live_site.url, "Nora")
    person.context.add_init_script("addEventListener('pointerdown', () => console.error('a pointer was used'), true);")
    yield person
    heard = list(person.complaints)
    person.context.close()
    assert heard == []


@pytest.fixture
def hands(nora: Person) -> Hands:
    return Hands(nora)


def begin(nora: Person, hands: Hands, made: dict[str, Any], name: str) -> LabelPage:
    """From the list of projects to the first image, as a labeler finds it."""
    page = nora.go("/projects/")
    hands.tab_to(f"th a[href*='/projects/{made[name]}/']")
    hands.press("Enter")
    page.wait_for_url("**/label/")
    page.wait_for_selector("#label-page[data-tab]", state="attached")
    return LabelPage(page, nora.url, made[name])


def go_on(at: LabelPage, hands: Hands, *keys: str) -> int:
    """Presses keys the last of which brings the next page; how many they were."""
    hands.press(*keys[:-1])
    at.next_after(lambda: hands.press(keys[-1]))
    return len(keys)


def test_nora_joins_and_finds_her_work(nora: Person, hands: Hands, made: dict[str, Any]) -> None:
    page = nora.go(made["link"])
    nora.look("keys-invitation", widths=WIDTHS)
    if not page.evaluate("document.activeElement.matches('#id_name')"):
        hands.tab_to("#id_name")
    hands.write("Nora")
    hands.tab_to("#id_email", 3)
    hands.write(nora.email)
    hands.tab_to("#id_password", 3)
    hands.write(PASSWORD)
    hands.press("Enter")
    page.wait_for_url(lambda url: "/invitation" not in url)
    page.wait_for_selector("text=Pets")
    nora.look("keys-home", widths=WIDTHS)


def test_single_images_take_one_key_each_and_a_grid_less(nora: Person, hands: Hands, made: dict[str, Any]) -> None:
    at = begin(nora, hands, made, "Pets")
    page = nora.page
    page.wait_for_selector("#instructions-panel:not([hidden])")
    assert "Look at the ears" in page.inner_text("#instructions-text")
    nora.look("keys-instructions", widths=WIDTHS)
    hands.tab_to("#start-labeling", 6)
    at.next_after(lambda: hands.press("Enter"))
    nora.look("keys-one-image", widths=WIDTHS)
    assert [go_on(at, hands, key) for key in ("1", "2", "1", "2")] == [1, 1, 1, 1]
    # A page of nine: the layouts are a group of radio buttons.
    hands.tab_to("[data-page-size='1']")
    hands.press("ArrowRight", "ArrowRight", "ArrowRight")
    assert page.evaluate("document.activeElement.dataset.pageSize") == "9"
    at.next_after(lambda: hands.press("Space"))
    assert at.task and len(at.task["assignments"]) == 9

    def label_all_but_two() -> None:
        hands.press("1", "ArrowRight", "ArrowRight", "2", "ArrowDown", "2")

    spent = hands.counted(label_all_but_two)
    assert at.chips() == ["cat", "dog", "cat", "cat", "dog", "cat", "cat", "cat", "cat"]
    nora.look("keys-grid", widths=WIDTHS)
    assert spent + go_on(at, hands, "Enter") <= 9, "less than a key an image"
    assert at.reason == "empty"
    nora.look("keys-nothing-left", widths=WIDTHS)


def test_several_tags_go_on_an_image_by_their_keys(nora: Person, hands: Hands, made: dict[str, Any]) -> None:
    at = begin(nora, hands, made, "Rooms")
    nora.page.wait_for_selector("#label-page[data-opened]", state="attached")
    at.look()
    # The grid is remembered; single images again.
    assert at.task and len(at.task["assignments"]) == 2
    hands.tab_to("[data-page-size='9']")
    hands.press("ArrowLeft", "ArrowLeft", "ArrowLeft")
    at.next_after(lambda: hands.press("Space"))
    hands.press("1", "3")
    assert at.chips() == ["bed", "rug"]
    nora.look("keys-tags", widths=WIDTHS)
    at.next_after(lambda: hands.press("Enter"))
    assert go_on(at, hands, "2", "Enter") == 2
    assert at.reason == "empty"


def test_suggestions_take_one_key_and_a_box_takes_four(nora: Person, hands: Hands, made: dict[str, Any]) -> None:
    at = begin(nora, hands, made, "Cards")
    page = nora.page
    page.wait_for_selector("#label-page[data-opened]", state="attached")
    at.look()
    assert page.inner_text("#submit-text") == "Accept 3 and submit"
    nora.look("keys-suggestions", widths=WIDTHS)
    assert go_on(at, hands, "Enter") == 1
    # A box in the middle, one step to the right, sent.
    hands.press("2", "Shift+R", "ArrowRight")
    assert len(at.regions()) == 1
    # Its lower right corner ten pixels further, then numbers where they are known.
    before = at.regions()[0]
    hands.press("v", "Shift+ArrowRight")
    assert at.regions()[0] != before
    hands.press("F2")
    page.wait_for_selector("#region-dialog[open]")
    nora.look("keys-numbers", widths=WIDTHS)
    hands.press("Escape")
    page.wait_for_selector("#region-dialog:not([open])", state="attached")
    nora.look("keys-boxes", widths=WIDTHS)
    go_on(at, hands, "Enter")
    assert go_on(at, hands, "1", "Shift+R", "Enter") == 3
    assert go_on(at, hands, "n") == 1, "nothing on this one"
    assert at.reason == "empty"


def test_polygons_are_drawn_at_the_crosshair(nora: Person, hands: Hands, made: dict[str, Any]) -> None:
    at = begin(nora, hands, made, "Fields")
    page = nora.page
    page.wait_for_selector("#label-page[data-opened]", state="attached")
    at.look()
    hands.press("q", *["Shift+ArrowRight"] * 4, "q", *["Shift+ArrowDown"] * 4, "q", "Enter")
    [region] = at.regions()
    assert region.split(" at ")[0].count("×") == 1
    nora.look("keys-polygon", widths=WIDTHS)
    go_on(at, hands, "Enter")
    assert go_on(at, hands, "Shift+R", "Enter") == 2, "one class only: it need not be chosen"
    assert at.reason == "empty"


def test_a_scan_is_windowed_leafed_through_and_labeled(nora: Person, hands: Hands, made: dict[str, Any]) -> None:
    at = begin(nora, hands, made, "Scans")
    page = nora.page
    page.wait_for_selector("#label-page[data-opened]", state="attached")
    at.look()
    window = page.locator("#window-value")
    before = window.inner_text()
    hands.press(":")
    running.wait_until(lambda: window.inner_text() not in ("", before), seconds=5, what="another window")
    hands.press(".")
    running.wait_until(lambda: "2" in page.inner_text("#frame-value"), seconds=5, what="the next frame")
    hands.press("Shift+R")
    assert len(at.regions()) == 1
    nora.look("keys-scan", widths=WIDTHS)
    go_on(at, hands, "Enter")
    assert at.reason == "empty"
    mine = nora.get(f"projects/{at.project}/tasks/")["results"]
    assert mine[0]["assignments"][0]["response"]["annotations"][0]["frame"] == 1


def asked(person: Person, path: str) -> dict[str, Any]:
    """The reply to a POST of this person's session."""
    token = next(one["value"] for one in person.context.cookies() if "csrf" in one["name"])
    headers = {"X-CSRFToken": token, "Referer": person.url}
    reply = person.context.request.post(f"{person.url}/api/v1/{path}", data={}, headers=headers)
    assert reply.ok, reply.text()
    return dict(reply.json())


def test_an_image_that_comes_back_opens_by_itself(
    nora: Person, hands: Hands, made: dict[str, Any], browser: Any, live_site: Site
) -> None:
    ole = Person(browser, live_site.url, "Ole")
    ole.sign_in()
    held = asked(ole, f"projects/{made['Last']}/tasks/")["task"]["id"]
    at = begin(nora, hands, made, "Last")
    nora.page.wait_for_selector("#label-page[data-state=waiting]", state="attached")
    nora.look("keys-others-hold-the-last", widths=WIDTHS)
    asked(ole, f"tasks/{held}/release/")
    ole.context.close()
    # It looks every now and then; coming back to the tab is such a moment.
    nora.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    nora.page.wait_for_selector("#label-page[data-state=work]", state="attached")
    at.look()
    assert go_on(at, hands, "1") == 1
    assert at.reason == "empty"
