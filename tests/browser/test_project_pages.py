"""The pages of a project in a real Chromium: choosing, rejecting, zooming, tooltips, under the site's own policy.

Django's test client answers the browser's requests, so a page is the site's own, without a server.
"""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.urls import reverse

from annotations.geometry import Box
from annotations.models import QueueEntry, Review
from projects.models import Project, TaskType
from tests.annotations.labeling import answer_all, label_page, open_page, said, submit
from tests.factories import label_class, make_people, make_project

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

HERE = "http://tessera.test"
STATIC = Path(settings.BASE_DIR) / "static"


class Site:
    """Answers a page's requests with what the test client says; `complaints` is what the browser found wrong."""

    def __init__(self, page: Any, user: Any) -> None:
        self.page, self.client, self.complaints = page, Client(), []
        self.client.force_login(user)
        self.connection = connections["default"]
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.set_default_timeout(5000)
        page.route(re.compile(".*"), self.answer)
        page.route_web_socket(re.compile(".*/ws/events/"), lambda socket: None)

    def answer(self, route: Any) -> None:
        request = route.request
        path = request.url.removeprefix(HERE)
        if path.startswith("/static/"):
            file = STATIC / path.removeprefix("/static/").partition("?")[0]
            route.fulfill(body=file.read_bytes(), content_type=mimetypes.guess_type(file.name)[0] or "text/plain")
            return
        # Playwright calls back in a context of its own, where Django would open another connection: one that does not
        # see what this test's transaction holds.
        connections["default"] = self.connection
        if request.method == "POST":
            reply = self.client.post(path, parse_qs(request.post_data or ""), follow=True)
        else:
            reply = self.client.get(path, follow=True)
        body = reply.getvalue()
        wanted = ("Content-Type", "Content-Security-Policy")
        headers = {name: reply[name] for name in wanted if name in reply}
        route.fulfill(status=reply.status_code, body=body, headers=headers)

    def open(self, name: str, *args: object, query: str = "") -> Any:
        self.page.goto(f"{HERE}{reverse(name, args=args)}{query}")
        assert self.page.locator(".project-title").count() == 1, "this is a page of a project, not the sign-in page"
        return self.page


def labeled_project(count: int = 4) -> tuple[Any, Project]:
    people = make_people()
    project = make_project(people.workspace, images=count)
    for _ in range(count):
        label_page(people.alice, project, label_class(project, "cat"))
    return people, project


def statuses(project: Project) -> list[str]:
    return sorted(QueueEntry.objects.filter(project=project).values_list("status", flat=True))


def test_images_are_chosen_one_by_one_by_range_and_all_at_once(page: Any) -> None:
    people, project = labeled_project()
    site = Site(page, people.alice)
    site.open("project-data", project.pk, query="?layout=9")
    approve, ticks, note = (
        page.locator("button[value=approve]"),
        page.locator(".tile-tick"),
        page.locator("[data-chosen]"),
    )
    assert approve.is_disabled()
    ticks.nth(0).click()
    assert approve.is_enabled() and note.inner_text() == "(1 selected)"
    ticks.nth(2).click(modifiers=["Shift"])
    assert note.inner_text() == "(3 selected)"
    assert page.locator("[data-select-all]").evaluate("box => box.indeterminate")
    page.locator("[data-select-all]").click()
    assert note.inner_text() == "(4 selected)"
    approve.click()
    page.get_by_text("4 images approved.").wait_for()
    assert QueueEntry.objects.filter(project=project, approved=True).count() == 4
    assert site.complaints == []


def test_a_rejection_asks_for_a_comment_and_can_be_called_off(page: Any) -> None:
    people, project = labeled_project(1)
    site = Site(page, people.alice)
    site.open("project-data", project.pk, query="?layout=9")
    page.locator(".tile-tick").click()
    page.locator("[data-open-dialog=reject-dialog]").click()
    page.fill("#reject-comment", "Too dark")
    page.locator("#reject-dialog [data-close-dialog]").click()
    assert statuses(project) == ["labeled"]
    page.locator("[data-open-dialog=reject-dialog]").click()
    page.locator("#reject-dialog button[value=reject]").click()
    page.get_by_text("1 image rejected").wait_for()
    assert statuses(project) == ["unlabeled"]
    assert Review.objects.get().comment == "Too dark"
    assert site.complaints == []


def test_removing_a_skipped_image_is_asked_first(page: Any) -> None:
    people = make_people()
    project = make_project(people.workspace, images=1)
    task = open_page(people.alice, project)
    submit(people.alice, task, answer_all(task, [], outcome="skipped"))
    Site(page, people.alice).open("project-data", project.pk, query="?status=skipped&layout=list")
    page.locator("input[name=entries]").click()
    page.locator("button[value=remove]").click()
    page.locator("#confirm-dialog [value=cancel]").click()
    assert statuses(project) == ["skipped"]
    page.locator("button[value=remove]").click()
    page.locator("[data-confirm-ok]").click()
    page.get_by_text("1 image removed from the project.").wait_for()
    assert statuses(project) == ["removed"]


def test_the_single_view_zooms_pans_and_goes_on(page: Any) -> None:
    people, project = labeled_project(2)
    site = Site(page, people.alice)
    site.open("project-data", project.pk, query="?layout=1")
    zoom, sheet = page.locator("[data-zoom-value]"), page.locator("[data-sheet]")
    assert zoom.inner_text() == "100 %"
    page.locator("[data-zoom=in]").click()
    assert zoom.inner_text() == "130 %"
    box = page.locator("[data-stage]").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    before = sheet.evaluate("sheet => sheet.getBoundingClientRect().x")
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 100, steps=2)
    page.mouse.up()
    assert sheet.evaluate("sheet => sheet.getBoundingClientRect().x") == pytest.approx(before - 20, abs=1)
    page.keyboard.press("f")
    assert zoom.inner_text() == "100 %"
    newest = page.locator("[data-go=next]").get_attribute("href")
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**{newest}")
    assert site.complaints == []


def test_a_line_of_the_correction_marks_its_box_which_lies_where_it_was_drawn(page: Any) -> None:
    people = make_people()
    project = make_project(people.workspace, task_type=TaskType.BOX, images=1)
    cat = label_class(project, "cat")
    task = open_page(people.alice, project)
    submit(people.alice, task, answer_all(task, said(cat, box=Box(16, 12, 32, 24))))
    site = Site(page, people.alice)
    site.open("project-data", project.pk, query="?layout=1")
    page.locator("[aria-labelledby=correct-title] summary").click()
    page.locator(".object-list select").hover()
    assert page.locator("rect.is-marked").count() == 1
    stage = page.locator("[data-stage]").bounding_box()
    drawn = page.locator("rect[data-shape]").evaluate(
        "rect => { const a = rect.getBoundingClientRect(); return [a.x + a.width / 2, a.y + a.height / 2, a.width]; }"
    )
    # The image is 64 × 48 and fits the stage; the box is its middle half.
    scale = min(stage["width"] / 64, stage["height"] / 48)
    assert drawn[0] == pytest.approx(stage["x"] + stage["width"] / 2, abs=4)
    assert drawn[1] == pytest.approx(stage["y"] + stage["height"] / 2, abs=4)
    assert drawn[2] == pytest.approx(32 * scale, abs=8)
    assert site.complaints == []


def test_the_donut_tells_its_counts(page: Any) -> None:
    people, project = labeled_project(3)
    site = Site(page, people.alice)
    site.open("project", project.pk)
    page.locator(".legend li").first.hover()
    assert page.locator(".donut-tip").inner_text() == "Completed: 3 (100 %)"
    page.locator("h1").hover()
    assert page.locator(".donut-tip").is_hidden()
    assert site.complaints == []


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_scrolls_sideways(page: Any, width: int) -> None:
    people = make_people()
    long = "An unusually long name " * 5
    classes = [f"{long[:100]} {number}" for number in range(12)]
    project = make_project(people.workspace, name=long[:118] + "x", classes=classes, images=3)
    label_page(people.alice, project, project.label_classes.order_by("id")[0])
    page.set_viewport_size({"width": width, "height": 900})
    site = Site(page, people.alice)
    names = ["overview", "classes", "instructions", "quality", "general", "workforce"]
    pages: list[tuple[Any, ...]] = [("project", project.pk), ("project-exports", project.pk)]
    pages += [("project-details-section", project.pk, section) for section in names]
    for args in pages:
        site.open(*args)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, args
    for layout in ("1", "4", "9", "list"):
        site.open("project-data", project.pk, query=f"?layout={layout}")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, layout
    assert site.complaints == []
