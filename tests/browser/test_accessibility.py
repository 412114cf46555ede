"""axe-core on the labeling page of every kind of project, light and dark, and on what opens over it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.label_page import LabelPage
from tests.journeys.people import Person
from tests.support.running import ROOT, Site

pytestmark = [pytest.mark.browser]

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
MAKE = """
import json, sys, uuid
sys.path.insert(0, {root!r})
import numpy as np
from annotations.geometry import Box
from annotations.models import QueueEntry
from annotations.services import prelabels
from annotations.services.answers import AnswerAnnotation
from annotations.services.prelabels import Suggestion
from tests import factories
owner = factories.make_user("Axel", email="axel@access.example")
workspace = factories.make_workspace(owner, name="Access")
factories.add_member(workspace, user=factories.make_user("Ada", email="ada@story.example"))
classes = [{{"name": "cat", "description": "Has whiskers."}}, {{"name": "dog"}}]
made = {{}}
for kind in ("multi_class", "multi_label", "object_detection", "instance_segmentation"):
    images = factories.make_dataset_with_images(workspace, 12, width=320, height=240)
    read = "<p>Look <em>twice</em>.</p>" if kind == "multi_class" else ""
    made[kind] = factories.make_project(
        workspace, task_type=kind, classes=classes, dataset=images, name=kind, instructions=read).pk
entries = QueueEntry.objects.filter(project=made["object_detection"])
cat = factories.label_class(entries[0].project, "cat").pk
said = [Suggestion(entry.pk, AnswerAnnotation(uuid.uuid4(), cat, box=Box(20, 60, 70, 110)), 0.9) for entry in entries]
prelabels.store(actor=owner, project=entries[0].project, produced_by="detector", suggestions=said)
slices = np.linspace(-1000, 1000, 3 * 96 * 128).reshape(3, 96, 128).astype("int16")
scan = factories.dicom_bytes(slices, WindowCenter=40, WindowWidth=400)
files = factories.make_dataset_from_bytes(workspace, {{"scan.dcm": scan}})
made["scan"] = factories.make_project(workspace, task_type="object_detection", dataset=files, name="scan").pk
print(json.dumps(made))
"""
# What the page says of itself beyond the rules of WCAG 2.2 AA: axe's own advice is heard, too.
RUN = """async (only) => {
  // A colour on its way to another is no colour to judge.
  const frame = () => new Promise(requestAnimationFrame);
  const isChanging = () => document.getAnimations().some((one) => one instanceof CSSTransition);
  do await frame().then(frame); while (isChanging());
  const found = await axe.run(document, only ? { runOnly: only } : {});
  const said = (id) => ({ target, failureSummary }) => `${id}: ${target.join(" ")} ${failureSummary}`;
  return found.violations.flatMap(({ id, nodes }) => nodes.map(said(id)));
}"""


@pytest.fixture(scope="module")
def projects(live_site: Site) -> dict[str, int]:
    return dict(json.loads(live_site.manage("shell", "-v0", "-c", MAKE.format(root=str(ROOT))).splitlines()[-1]))


@pytest.fixture(scope="module")
def ada(live_site: Site, projects: dict[str, int], browser: Any) -> Iterator[Person]:
    person = Person(browser, live_site.url, "Ada")
    person.sign_in()
    yield person
    heard = list(person.complaints)
    person.context.close()
    assert heard == []


def problems(page: Any) -> list[str]:
    """What axe finds in light, and what is different in dark: contrast."""
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = list(page.evaluate(RUN, None))
    page.emulate_media(color_scheme="dark")
    found += [f"dark {one}" for one in page.evaluate(RUN, ["color-contrast"])]
    page.emulate_media(color_scheme="light")
    return found


def opened(ada: Person, project: int) -> LabelPage:
    """The labeling page, its instructions read and judged where they come first."""
    at = LabelPage(ada.page, ada.url, project)
    page = ada.go(f"/projects/{project}/label/")
    page.wait_for_selector("#label-page:is([data-tab=instructions], [data-opened])", state="attached")
    if page.is_visible("#start-labeling"):
        assert problems(page) == []
        at.start()
    else:
        at.look()
    return at


@pytest.mark.parametrize("kind", ["multi_class", "multi_label", "object_detection", "instance_segmentation", "scan"])
def test_the_labeling_page_has_no_barriers(ada: Person, projects: dict[str, int], kind: str) -> None:
    assert AXE.exists(), "axe-core is not here: script/test brings it"
    at = opened(ada, projects[kind])
    at.press(*{"multi_class": [], "multi_label": ["1"]}.get(kind, ["1", "Shift+R"]))
    assert problems(ada.page) == []


def test_what_opens_over_the_page_has_no_barriers(ada: Person, projects: dict[str, int]) -> None:
    page = ada.page
    at = opened(ada, projects["object_detection"])
    at.press("1", "Shift+R", "F2")
    page.wait_for_selector("#region-dialog[open]")
    assert problems(page) == []
    at.press("Escape", "?")
    page.wait_for_selector("#shortcuts-dialog[open]")
    assert problems(page) == []
    at.press("Escape", "Shift+I", "Shift+W")
    page.wait_for_selector("#look-panel:popover-open")
    assert problems(page) == []
    at.press("Escape")
    page.click("#regions-menu summary")
    assert problems(page) == []


def test_a_grid_has_no_barriers(ada: Person, projects: dict[str, int]) -> None:
    at = opened(ada, projects["multi_class"])
    page = ada.page
    at.next_after(lambda: page.click("[data-page-size='9']"))
    at.press("1", "ArrowRight", "2")
    assert problems(page) == []
