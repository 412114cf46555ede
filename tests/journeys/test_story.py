"""The whole of labeling as people live it: set up, invite, make projects, label, follow, review, export.

One site, three people, each in a browser context of their own; the tests are chapters and rest on those before them.
TESSERA_STORY_PICTURES names a folder for screenshots and for the exported labels drawn over their images.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageOps
from pycocotools.coco import COCO

from tests.journeys import truth
from tests.journeys.label_page import LabelPage
from tests.journeys.people import PASSWORD, Person, pause_polling
from tests.support import running
from tests.support.running import Site

pytestmark = [pytest.mark.browser]

COUNTS = """
import json
from annotations.models import Annotation, QueueEntry
from projects.models import Project
print(json.dumps({p.name: [QueueEntry.objects.filter(project=p, final_response__outcome="labeled").count(),
    Annotation.objects.filter(response__final_for__project=p).count(), p.state] for p in Project.objects.all()}))
"""


@dataclass
class Story:
    site: Site
    browser: Any
    data: Path
    folder: Path
    people: dict[str, Person] = field(default_factory=dict)
    projects: dict[str, int] = field(default_factory=dict)
    clothes: dict[str, Path] = field(default_factory=dict)
    cards: dict[str, list[tuple[str, truth.Box]]] = field(default_factory=dict)
    nuclei: dict[str, list[list[truth.Point]]] = field(default_factory=dict)
    rejected: str = ""

    def person(self, name: str) -> Person:
        if name not in self.people:
            self.people[name] = Person(self.browser, self.site.url, name)
        return self.people[name]

    def desk(self, name: str, project: str) -> LabelPage:
        return LabelPage(self.person(name).page, self.site.url, self.projects[project])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, browser: Any, sample_data: Path) -> Iterator[Story]:
    site = running.start_site(tmp_path_factory.mktemp("story") / "home")
    story = Story(site, browser, sample_data, tmp_path_factory.mktemp("pictures"))
    try:
        yield story
    finally:
        for person in story.people.values():
            person.context.close()
        site.stop()


@pytest.fixture
def story(told: Story) -> Iterator[Story]:
    """Whatever a browser complained about during a chapter fails that chapter."""
    yield told
    for person in told.people.values():
        heard, person.complaints[:] = list(person.complaints), []
        assert heard == [], f"{person.name}'s browser complained"


# --- People ----------------------------------------------------------------------------------------------------------


def test_alice_opens_the_setup_link_and_owns_the_first_workspace(story: Story) -> None:
    alice = story.person("Alice")
    link = story.site.setup_link
    assert link is not None
    page = alice.go(link)
    alice.look("setup")
    page.fill("#id_name", "Alice")
    page.fill("#id_email", alice.email)
    page.fill("#id_password", PASSWORD)
    page.fill("#id_workspace_name", "Atelier")
    page.click("main form button")
    page.wait_for_url(f"{story.site.url}/**")
    page.wait_for_selector("text=Welcome to Atelier")
    alice.look("first-run")
    stranger = Person(story.browser, story.site.url, "Stranger")
    assert "Make the account" not in stranger.go(link).content(), "the link works once"
    stranger.context.close()


def test_bob_and_dana_join_by_invitation_links_as_labelers(story: Story) -> None:
    alice = story.person("Alice")
    for name in ("Bob", "Dana"):
        page = alice.go("/workspace/members/")
        page.select_option("#id_role", label="Labeler")
        page.click("#invite form button.btn-primary")
        link = page.input_value("#invitation-link")
        person = story.person(name)
        person.go(link)
        if name == "Bob":
            alice.look("members")
            person.look("invitation")
        person.page.fill("#id_name", name)
        person.page.fill("#id_email", person.email)
        person.page.fill("#id_password", PASSWORD)
        person.page.click("main form button")
        person.page.wait_for_selector("text=Atelier")
    rows = alice.go("/workspace/members/").locator("tbody tr").all_inner_texts()
    assert [name for name in ("Alice", "Bob", "Dana") if any(name in row for row in rows)] == ["Alice", "Bob", "Dana"]


# --- Projects --------------------------------------------------------------------------------------------------------


def begin_project(alice: Person, name: str, task_type: str) -> Any:
    page = alice.go("/projects/new/")
    page.fill("#id_name", name)
    page.check(f"input[name=task_type][value={task_type}]", force=True)
    page.click("[data-next]")
    page.click("[data-next]")
    return page


def finish_project(story: Story, name: str, classes: list[str], instructions: str = "") -> None:
    """From the data step to the dashboard of a running project."""
    page = story.person("Alice").page
    page.click("[data-next]")
    page.click("[data-next]")
    page.click("[data-do=bulk]")
    page.fill("#class-bulk", "\n".join(classes))
    page.click("[data-do=bulk-apply]")
    page.click("[data-next]")
    if instructions:
        page.click(".rich-area")
        page.keyboard.type(instructions)
    page.click("[data-next]")
    page.click("[data-next]")
    page.click("[data-create]")
    page.wait_for_url(re.compile(r"/projects/\d+/$"))
    story.projects[name] = int(re.findall(r"\d+", page.url)[-1])
    page.wait_for_selector(".pill[data-state=running]", timeout=60_000)


def test_alice_uploads_clothes_in_the_browser_and_makes_a_classification_project(story: Story) -> None:
    alice = story.person("Alice")
    story.clothes = truth.clothing(story.data, 3)
    files = []
    for name, path in story.clothes.items():
        (story.folder / name).symlink_to(path)
        files.append(str(story.folder / name))
    page = begin_project(alice, "Clothes", "multi_class")
    page.check("input[name=source][value=upload]", force=True)
    alice.look("wizard-data")
    with page.expect_file_chooser() as chooser:
        page.click("label[for=upload-files]")
    chooser.value.set_files(files)
    page.wait_for_function(
        "(n) => document.querySelector('file-uploader').counts.stored === n", arg=len(files), timeout=60_000
    )
    alice.look("wizard-uploaded")
    kinds = sorted({name.partition("_")[0] for name in story.clothes})
    finish_project(story, "Clothes", kinds, "What does one wear here?")
    alice.look("dashboard-empty")


def add_folder(alice: Person, name: str, folder: Path) -> None:
    page = alice.go("/datastores/")
    page.fill("#id_name", name)
    page.fill("#id_root", str(folder))
    page.click("main form.form button.btn-primary")
    page.wait_for_selector(f"th:has-text('{name}')")


def choose_folder(page: Any, name: str) -> None:
    page.check("input[name=source][value=datastore]", force=True)
    page.select_option("#id_datastore", label=name)
    page.fill("#id_dataset_name", name)


def test_alice_makes_projects_of_boxes_and_polygons_from_folders_with_a_scan_and_turned_photos(story: Story) -> None:
    alice = story.person("Alice")
    story.cards = truth.lay_out_cards(story.data, story.folder / "cards", 20)
    story.nuclei = truth.lay_out_nuclei(story.data, story.folder / "nuclei", 5)
    add_folder(alice, "card photos", story.folder / "cards")
    alice.look("datastores")
    add_folder(alice, "slides", story.folder / "nuclei")
    page = begin_project(alice, "Cards", "object_detection")
    choose_folder(page, "card photos")
    page.wait_for_selector("glob-preview >> text=24")
    finish_project(story, "Cards", truth.CARDS)
    page = begin_project(alice, "Nuclei", "instance_segmentation")
    choose_folder(page, "slides")
    finish_project(story, "Nuclei", ["nucleus"])
    alice.go("/projects/")
    alice.look("projects")
    alice.go("/datasets/")
    alice.look("datasets")


# --- Labeling --------------------------------------------------------------------------------------------------------


def kind_of(item: dict[str, Any]) -> str:
    return str(item["name"]).partition("_")[0]


def test_bob_labels_clothes_with_keys_alone(story: Story) -> None:
    bob = story.person("Bob")
    page = bob.go("/projects/")
    bob.look("projects-of-a-labeler")
    desk = story.desk("Bob", "Clothes")
    page.goto(f"{story.site.url}/projects/{desk.project}/label/")
    assert "What does one wear here?" in page.inner_text("#instructions-text")
    bob.look("label-instructions")
    assert page.evaluate("document.activeElement.id") == "instructions-scroll"
    assert desk.next_after(lambda: page.keyboard.press("i")), "I leads from the instructions to the first page"
    for _ in range(2):
        assert not desk.is_enabled("submit")
        # One key labels the image and brings the next one.
        desk.next_after(lambda: desk.press(desk.key_of(kind_of(desk.item))))
    bob.look("label-one-image")
    # Tab leads to the layout; arrows and space choose a page of nine.
    page.focus("[data-page-size='9']")
    desk.next_after(lambda: page.keyboard.press("Space"))
    assert desk.task and len(desk.task["assignments"]) == 9
    label_grid_by_keys(desk, "Bob")
    bob.look("label-grid")
    desk.submit()


def label_grid_by_keys(desk: LabelPage, who: str) -> None:
    """Walks over the grid with arrows, selects with space, tags with the class's key, deselects with Esc."""
    assert desk.task
    page = desk.page
    kinds = [kind_of(one["item"]) for one in desk.task["assignments"]]
    # Everything at once first, which is nearly always wrong and put right below.
    desk.press("a", desk.key_of(kinds[0]), "Escape")
    assert desk.chips() == [kinds[0]] * len(kinds)
    for kind in sorted(set(kinds[1:]) - {kinds[0]}):
        for at, one in enumerate(kinds):
            if one == kind:
                page.locator(".tile-select").nth(at).focus()
                desk.press("Space")
        desk.press(desk.key_of(kind), "Escape")
    assert desk.chips() == kinds, f"{who} sees the tags that were set"


def test_dana_finishes_the_clothes_in_a_grid_of_four_by_arrow_keys(story: Story) -> None:
    desk = story.desk("Dana", "Clothes")
    page = story.person("Dana").page
    page.goto(f"{story.site.url}/projects/{desk.project}/label/")
    desk.start()
    desk.next_after(lambda: page.click("[data-page-size='4']"))
    # The keys alone: arrows walk, space selects, the class's key tags.
    while desk.task and len(desk.task["assignments"]) > 1:
        for at, one in enumerate(desk.task["assignments"]):
            desk.press("ArrowRight", "Space", desk.key_of(kind_of(one["item"])), "Space")
            assert page.locator(".tile").nth(at).locator(".chip-name").all_inner_texts() == [kind_of(one["item"])]
        desk.submit()
    while desk.task:
        desk.next_after(lambda: desk.press(desk.key_of(kind_of(desk.item))))
    # Bob's page of nine is still open: Dana is told that others hold the last images.
    assert desk.reason == "waiting"
    story.person("Dana").look("label-others-hold-the-rest")
    bobs = story.desk("Bob", "Clothes")
    assert bobs.open() and bobs.task
    label_grid_by_keys(bobs, "Bob")
    bobs.submit()
    assert bobs.reason == "empty"
    # The page looks again by itself, and at once when somebody comes back to its tab.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_selector("#label-page[data-state=empty]", state="attached")
    story.person("Dana").look("label-nothing-left")


def draw_boxes(desk: LabelPage, wanted: dict[str, list[tuple[str, truth.Box]]]) -> None:
    for name, (left, top, width, height) in wanted[desk.item["path"]]:
        desk.press(desk.key_of(name))
        desk.drag((left, top), (left + width, top + height))
    assert len(desk.regions()) == len(wanted[desk.item["path"]])


def look_through_another_window(desk: LabelPage) -> None:
    """W and a drag change level and window of a scan; W again gives the drawing tool back."""
    value = desk.page.locator("#window-value")
    before = value.inner_text()
    desk.press("w")
    desk.drag((40, 40), (90, 70))
    running.wait_until(lambda: value.inner_text() not in {"", before}, seconds=5, what="another window")
    assert desk.regions() == [], "nothing is drawn meanwhile"
    desk.page.select_option("#window-preset", "file")
    desk.press("w")


def test_bob_and_dana_draw_boxes_at_the_same_time_while_the_dashboard_moves_by_itself(story: Story) -> None:
    alice = story.person("Alice")
    board = alice.go(f"/projects/{story.projects['Cards']}/")
    pause_polling(board)
    board.evaluate("window.neverReloaded = true")
    before = board.evaluate("window.tesseraSocketFrames")
    desks = [story.desk("Bob", "Cards"), story.desk("Dana", "Cards")]
    opened = [desk.open() for desk in desks]
    assert opened[0] and opened[1]
    seen: set[str] = set()
    while any(desk.task for desk in desks):
        held = [desk.item["path"] for desk in desks if desk.task]
        assert len(set(held)) == len(held), "two people hold the same image"
        for desk in (one for one in desks if one.task):
            assert desk.item["path"] not in seen, "an image was handed out twice"
            seen.add(desk.item["path"])
            if desk.item["is_dicom"]:
                look_through_another_window(desk)
            draw_boxes(desk, story.cards)
            if "turned/" in desk.item["path"] and desk is desks[0]:
                story.person("Bob").look("label-boxes", widths=(1440,))
            desk.submit()
    assert seen == set(story.cards)
    board.wait_for_selector(f'live-panel title:has-text("Completed: {len(seen)} (100 %)")', state="attached")
    assert board.evaluate("window.neverReloaded"), "the dashboard was reloaded"
    assert board.evaluate("window.tesseraSocketFrames") - before >= 5
    people = board.inner_text(".board-people")
    assert "Bob" in people and "Dana" in people
    alice.look("dashboard")


def test_both_outline_nuclei_point_by_point(story: Story) -> None:
    desks = [story.desk("Bob", "Nuclei"), story.desk("Dana", "Nuclei")]
    for desk in desks:
        desk.open()
    while any(desk.task for desk in desks):
        for desk in (one for one in desks if one.task):
            outlines = [apart(points, desk.scale()) for points in story.nuclei[desk.item["path"]]]
            story.nuclei[desk.item["path"]] = outlines
            for points in outlines:
                desk.polygon(points)
            assert len(desk.regions()) == len(outlines)
            if desk is desks[1]:
                story.person("Dana").look("label-polygons", widths=(1440,))
            desk.submit()


def apart(points: list[truth.Point], scale: float) -> list[truth.Point]:
    """Begins at the corner that stands most alone, without those so near to it that a click would close the polygon."""

    def gap(one: truth.Point, other: truth.Point) -> float:
        return float(((one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2) ** 0.5 * scale)

    at = max(range(len(points)), key=lambda n: min(gap(points[n], one) for one in points if one != points[n]))
    first, *rest = points[at:] + points[:at]
    return [first, *(one for one in rest if gap(first, one) > 12)]


def test_alice_pauses_a_project_which_tells_its_labelers_so_until_she_starts_it_again(story: Story) -> None:
    alice = story.person("Alice")
    page = alice.go(f"/projects/{story.projects['Nuclei']}/")
    page.click(".project-commands button[value=pause]")
    page.wait_for_selector(".pill[data-state=paused]")
    desk = story.desk("Bob", "Nuclei")
    assert desk.open() is None and desk.reason == "paused"
    story.person("Bob").look("label-paused")
    page.click(".project-commands button[value=start]")
    page.wait_for_selector(".pill[data-state=running]")
    desk.next_after(lambda: desk.page.click("[data-get-next]:visible"))
    assert desk.reason == "empty"


# --- Review ----------------------------------------------------------------------------------------------------------


def test_alice_rejects_with_a_comment_which_the_labeler_reads_and_then_approves(story: Story) -> None:
    alice, bob = story.person("Alice"), story.person("Bob")
    number = story.projects["Cards"]
    page = alice.go(f"/projects/{number}/data/?layout=9")
    alice.look("data")
    page.locator(".tile a").first.click()
    page.wait_for_selector("[data-stage]")
    alice.look("data-one-image")
    story.rejected = page.inner_text("[aria-current=page][title]")
    page.click("[data-open-dialog=reject-dialog]")
    page.fill("#reject-comment", "The border must touch the card")
    page.click("#reject-dialog button[value=reject]")
    page.get_by_text("1 image rejected").wait_for()
    desk = story.desk("Bob", "Cards")
    desk.open()
    assert desk.task and desk.item["name"] == story.rejected
    assert "The border must touch the card" in bob.page.inner_text("#rejections")
    bob.look("label-returned")
    desk.press("r")
    draw_boxes(desk, story.cards)
    assert desk.submit() is None
    page = alice.go(f"/projects/{number}/data/?layout=9")
    page.locator("[data-select-all]").click()
    chosen = page.locator(".tile-tick:checked").count()
    page.click("button[value=approve]")
    page.get_by_text(f"{chosen} images approved.").wait_for()
    alice.go(f"/projects/{number}/")
    assert f"{chosen} of 24 labeled assets approved" in alice.page.inner_text(".board-progress")


# --- Export ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(told: Story) -> dict[str, dict[str, Any]]:
    """Each project's COCO file, made on its page and downloaded by the link there."""
    alice, found = told.person("Alice"), {}
    for name, number in told.projects.items():
        page = alice.go(f"/projects/{number}/exports/")
        page.check("input[name=format][value=coco]", force=True)
        page.click("main form.card-body button.btn-primary")
        button = page.locator("button[value=download]")
        button.wait_for(timeout=30_000)
        with page.expect_download() as download:
            button.click()
        path = told.folder / f"{name}.json"
        download.value.save_as(path)
        assert download.value.suggested_filename.endswith(".json")
        found[name] = json.loads(path.read_text())
        if name == "Cards":
            alice.look("exports")
    return found


def by_file(coco: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {one["file_name"]: [] for one in coco["images"]}
    names = {one["id"]: one["file_name"] for one in coco["images"]}
    for one in coco["annotations"]:
        found[names[one["image_id"]]].append(one)
    return found


def test_the_exports_open_in_pycocotools_and_hold_what_the_database_holds(
    story: Story, exported: dict[str, dict[str, Any]]
) -> None:
    counts = json.loads(story.site.manage("shell", "-v0", "-c", COUNTS))
    for name, coco in exported.items():
        opened = COCO(str(story.folder / f"{name}.json"))
        assert [len(opened.imgs), len(opened.anns)] == counts[name][:2]
        assert counts[name][2] == "running"
        assert len(coco["images"]) == {"Clothes": 30, "Cards": 24, "Nuclei": 5}[name]


def test_the_exported_classes_are_those_that_were_chosen(story: Story, exported: dict[str, dict[str, Any]]) -> None:
    coco = exported["Clothes"]
    classes = {one["id"]: one["name"] for one in coco["categories"]}
    said = {path: [classes[one["category_id"]] for one in found] for path, found in by_file(coco).items()}
    assert said == {name: [name.partition("_")[0]] for name in story.clothes}


def test_the_exported_boxes_lie_where_they_were_drawn_on_turned_photos_too(
    story: Story, exported: dict[str, dict[str, Any]]
) -> None:
    coco = exported["Cards"]
    classes = {one["id"]: one["name"] for one in coco["categories"]}
    found = by_file(coco)
    assert set(found) == set(story.cards)
    for path, wanted in story.cards.items():
        assert sorted(classes[one["category_id"]] for one in found[path]) == sorted(name for name, _ in wanted)
        for name, box in wanted:
            best = max(truth.box_iou(one["bbox"], box) for one in found[path] if classes[one["category_id"]] == name)
            assert best >= 0.95, f"{name} of {path}: IoU {best:.3f}"
    sizes = {one["file_name"]: (one["width"], one["height"]) for one in coco["images"]}
    assert {sizes[f"turned/{name}"] for name in truth.TURNED} == {(1800, 1200)}
    picture(story, "Cards", story.folder / "cards", coco)


def test_the_exported_polygons_lie_where_they_were_drawn(story: Story, exported: dict[str, dict[str, Any]]) -> None:
    coco = exported["Nuclei"]
    sizes = {one["file_name"]: (one["width"], one["height"]) for one in coco["images"]}
    found = by_file(coco)
    assert set(found) == set(story.nuclei)
    for path, outlines in story.nuclei.items():
        assert len(found[path]) == len(outlines)
        for points in outlines:
            drawn = [truth.pairs(one["segmentation"][0]) for one in found[path]]
            best = max(truth.polygon_iou(one, points, *sizes[path]) for one in drawn)
            assert best >= 0.95, f"{path}: IoU {best:.3f}"
    picture(story, "Nuclei", story.folder / "nuclei", coco)


def picture(story: Story, name: str, folder: Path, coco: dict[str, Any]) -> None:
    """Draws the exported labels over the oriented images, for eyes; only where TESSERA_STORY_PICTURES asks."""
    target = os.environ.get("TESSERA_STORY_PICTURES")
    if not target:
        return
    for path, objects in by_file(coco).items():
        if path.endswith(".dcm"):
            continue
        with Image.open(folder / path) as opened:
            seen = ImageOps.exif_transpose(opened).convert("RGB")
        pen = ImageDraw.Draw(seen)
        for one in objects:
            x, y, width, height = one["bbox"]
            pen.rectangle([x, y, x + width, y + height], outline=(255, 0, 90), width=max(1, seen.width // 300))
            for ring in one.get("segmentation") or []:
                pen.polygon(truth.pairs(ring), outline=(0, 255, 90))
        seen.save(Path(target) / f"export-{name}-{path.replace('/', '-')}.png")


# --- Afterwards ------------------------------------------------------------------------------------------------------


def test_every_page_that_the_story_left_out_is_quiet_too(story: Story) -> None:
    alice = story.person("Alice")
    number = story.projects["Cards"]
    pages = {
        "details": f"/projects/{number}/details/",
        "details-classes": f"/projects/{number}/details/classes/",
        "dashboard-clothes": f"/projects/{story.projects['Clothes']}/",
        "data-clothes": f"/projects/{story.projects['Clothes']}/data/?layout=list",
        "data-nuclei": f"/projects/{story.projects['Nuclei']}/data/?layout=4",
        "account": "/account/",
        "workspace": "/workspace/settings/",
    }
    for name, path in pages.items():
        alice.go(path)
        alice.look(name)
    assert story.person("Bob").get("me/")["name"] == "Bob"
