"""How few actions a practised person needs: counted in a real Chromium, as the page receives them.

A key that goes down and a button that goes down are one action each; moving the pointer is none.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.label_page import LabelPage
from tests.journeys.people import Person
from tests.support.running import ROOT, Site

pytestmark = [pytest.mark.browser]

GRID = 36
CLASSES = ["ant", "bee", "cat", "dog", "eel"]
COUNT = """
globalThis.actions = { keys: 0, clicks: 0 };
addEventListener("keydown", (event) => event.isTrusted && !event.repeat && (actions.keys += 1), true);
addEventListener("pointerdown", (event) => event.isTrusted && (actions.clicks += 1), true);
"""
MAKE = """
import json, sys, uuid
sys.path.insert(0, {root!r})
from annotations.geometry import Box
from annotations.models import QueueEntry
from annotations.services import prelabels
from annotations.services.answers import AnswerAnnotation
from annotations.services.prelabels import Suggestion
from tests import factories
owner = factories.make_user("Rhea", email="rhea@reach.example")
workspace = factories.make_workspace(owner, name="Reach")
factories.add_member(workspace, user=factories.make_user("Pia", email="pia@story.example"))
made = {{}}
def project(name, kind, images):
    files = factories.make_dataset_with_images(workspace, images, width=120, height=90)
    found = factories.make_project(workspace, task_type=kind, classes={classes!r}, dataset=files, name=name)
    made[name] = found.pk
    return found, list(QueueEntry.objects.filter(project=found).order_by("item__path"))
project("single", "multi_class", 12)
project("drawn", "object_detection", 3)
boxes, entries = project("boxes", "object_detection", 6)
cat = boxes.label_classes.get(name="cat")
said = [Suggestion(entry.pk, AnswerAnnotation(uuid.uuid4(), cat.pk, box=Box(10 + 30 * n, 20, 25, 40)), 0.9)
        for entry in entries for n in range(3)]
prelabels.store(actor=owner, project=boxes, produced_by="detector", suggestions=said)
for name, pages in (("pointing", 5), ("clicking", 5)):
    found, entries = project(name, "multi_class", {grid} * pages)
    # A cluster is a run of neighbours in the queue.
    for rank, entry in enumerate(entries):
        entry.rank, entry.queue = rank, "clustered"
    QueueEntry.objects.bulk_update(entries, ["rank", "queue"], batch_size=500)
print(json.dumps(made))
"""


@pytest.fixture(scope="module")
def projects(live_site: Site) -> dict[str, int]:
    code = MAKE.format(root=str(ROOT), classes=CLASSES, grid=GRID)
    return dict(json.loads(live_site.manage("shell", "-v0", "-c", code).splitlines()[-1]))


@pytest.fixture(scope="module")
def pia(live_site: Site, projects: dict[str, int], browser: Any) -> Iterator[Person]:
    person = Person(browser, live_site.url, "Pia")
    person.sign_in()
    person.context.add_init_script(COUNT)
    yield person
    heard = list(person.complaints)
    person.context.close()
    assert heard == []


def opened(pia: Person, project: int, images: int = 1) -> LabelPage:
    at = LabelPage(pia.page, pia.url, project)
    at.open()
    assert at.task, at.reason
    if len(at.task["assignments"]) != images:
        at.next_after(lambda: pia.page.click(f"[data-page-size='{images}']"))
    pia.page.evaluate("() => { actions.keys = 0; actions.clicks = 0; }")
    return at


def actions(page: Any) -> dict[str, int]:
    return dict(page.evaluate("() => actions"))


def labels(person: Person, project: int) -> dict[str, str]:
    """File → the class that counts now."""
    names = {one["id"]: one["name"] for one in person.get(f"projects/{project}/label-classes/")}
    found: dict[str, str] = {}
    address = f"projects/{project}/tasks/?page_size=100"
    while address:
        reply = person.get(address)
        for task in reply["results"]:
            for one in task["assignments"]:
                if one["response"]:
                    found[one["item"]["path"]] = names[one["response"]["annotations"][0]["label_class"]]
        address = (reply["next"] or "").partition("/api/v1/")[2]
    return found


def truth(project: str, pages: int) -> dict[str, str]:
    """File → class: each page is a cluster of one class; one image in ten is in truth of one of two others."""
    drawn = random.Random(project)
    wrong = set(drawn.sample(range(pages * GRID), pages * GRID // 10))
    found = {}
    for index in range(pages * GRID):
        page = index // GRID
        majority = CLASSES[page % len(CLASSES)]
        others = [CLASSES[(page + step) % len(CLASSES)] for step in (1, 2)]
        found[f"image-{index:04d}.png"] = drawn.choice(others) if index in wrong else majority
    return found


def paths(at: LabelPage) -> list[str]:
    assert at.task
    return [str(one["item"]["path"]) for one in at.task["assignments"]]


def majority(right: dict[str, str], at: LabelPage) -> str:
    seen = [right[path] for path in paths(at)]
    return max(set(seen), key=seen.count)


def test_a_single_image_takes_one_key(pia: Person, projects: dict[str, int]) -> None:
    at = opened(pia, projects["single"])
    right = {}
    for number in range(10):
        key = str(number % len(CLASSES) + 1)
        right[paths(at)[0]] = CLASSES[int(key) - 1]
        at.next_after(lambda key=key: pia.page.keyboard.press(key))
    assert actions(pia.page) == {"keys": 10, "clicks": 0}
    assert labels(pia, at.project) == right


def test_a_box_from_nothing_takes_two_actions(pia: Person, projects: dict[str, int]) -> None:
    at = opened(pia, projects["drawn"])
    for number in range(3):
        pia.page.evaluate("() => { actions.keys = 0; actions.clicks = 0; }")
        pia.page.keyboard.press(str(number + 1))
        at.drag((20, 20), (60, 50))
        assert actions(pia.page) == {"keys": 1, "clicks": 1}
        assert at.regions() == ["40 × 30 at 20, 20"]
        at.submit()
    assert at.reason == "empty"


def test_a_page_of_suggestions_takes_one_key(pia: Person, projects: dict[str, int]) -> None:
    at = opened(pia, projects["boxes"])
    for _ in range(6):
        assert pia.page.inner_text("#submit-text") == "Accept 3 and submit"
        at.submit()
    assert at.reason == "empty"
    assert actions(pia.page) == {"keys": 6, "clicks": 0}
    mine = pia.get(f"projects/{at.project}/tasks/?page_size=100")["results"]
    drawn = [one["origin"] for task in mine for one in task["assignments"][0]["response"]["annotations"]]
    assert drawn == ["prelabel"] * 18


def test_a_clustered_grid_takes_015_keys_an_image_by_pointing(pia: Person, projects: dict[str, int]) -> None:
    """The exceptions first, one key each for the image pointed at; then one key for all the rest, which submits."""
    right = truth("pointing", 5)
    choose_one_key(pia, "grid")
    at = opened(pia, projects["pointing"], GRID)
    page = pia.page
    while at.task:
        most = majority(right, at)
        for index, path in enumerate(paths(at)):
            if right[path] != most:
                tile = page.locator(".tile").nth(index).bounding_box()
                page.mouse.move(tile["x"] + 20, tile["y"] + 20)
                page.mouse.move(tile["x"] + 40, tile["y"] + 40)
                page.keyboard.press(key_of(right[path]))
        at.next_after(lambda most=most: page.keyboard.press(key_of(most)))
    spent = actions(page)
    assert labels(pia, at.project) == right
    assert spent["clicks"] == 0
    assert spent["keys"] / len(right) <= 0.15, spent


def test_a_clustered_grid_takes_015_keys_an_image_by_clicking(pia: Person, projects: dict[str, int]) -> None:
    """One key for the majority, clicks and a key for each kind of exception, one key to submit: as it comes."""
    right = truth("clicking", 5)
    choose_one_key(pia, "single")
    at = opened(pia, projects["clicking"], GRID)
    page = pia.page
    while at.task:
        most = majority(right, at)
        page.mouse.move(5, 5)
        page.keyboard.press(key_of(most))
        for kind in sorted({right[path] for path in paths(at)} - {most}):
            for index, path in enumerate(paths(at)):
                if right[path] == kind:
                    page.locator(".tile-select").nth(index).click()
            page.keyboard.press(key_of(kind))
        at.submit()
    spent = actions(page)
    assert labels(pia, at.project) == right
    assert spent["clicks"] == len(right) // 10, "one click for each exception"
    assert spent["keys"] / len(right) <= 0.15, spent


def key_of(name: str) -> str:
    return str(CLASSES.index(name) + 1)


def choose_one_key(pia: Person, mode: str) -> None:
    token = next(one["value"] for one in pia.context.cookies() if "csrf" in one["name"])
    reply = pia.context.request.patch(
        f"{pia.url}/api/v1/me/",
        data={"preferences": {"labeling": {"one_key": mode}}},
        headers={"X-CSRFToken": token, "Referer": pia.url},
    )
    assert reply.ok, reply.text()
