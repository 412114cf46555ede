"""Chaos: a labeler edits while network, web process and tab die at random; nothing is lost and nothing doubled."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Error

from tests.journeys.label_page import LabelPage
from tests.journeys.people import Person
from tests.support import running
from tests.support.killing import kill, pids
from tests.support.running import Site, wait_until

pytestmark = [pytest.mark.browser]

WIDTH, HEIGHT = 400, 300
COLUMNS, ROWS = 5, 4
MOST_OBJECTS = 8
MAKE = """
from tests import factories
workspace = factories.make_workspace(factories.make_user("Olaf", email="olaf{seed}@chaos.example"), name="Chaos {seed}")
factories.add_member(workspace, user=factories.make_user("Chaya", email="chaya{seed}@story.example"))
files = factories.make_dataset_with_images(workspace, {images}, width=400, height=300)
project = factories.make_project(workspace, task_type="object_detection", classes=["cat", "dog"], dataset=files)
print(project.pk)
"""
STORED = """
import json
from annotations.models import Draft, Response
from annotations.services.recounting import recount
from projects.models import Project
found = {{}}
for one in Response.objects.filter(entry__project={project}).prefetch_related("annotations__label_class"):
    rows = [[a.label_class.name, a.x, a.y, a.width, a.height] for a in one.annotations.order_by("position")]
    found.setdefault(one.assignment.task_id, []).append(rows)
left = Draft.objects.filter(assignment__project={project}, is_open=True).count()
print(json.dumps([found, left, len(recount(project=Project.objects.get(pk={project})))]))
"""
Object = tuple[str, float, float, float, float]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of its own: its web process is killed."""
    site = running.start_site(tmp_path_factory.mktemp("chaos") / "home")
    try:
        yield site
    finally:
        site.stop()


class Chaos:
    """One labeler and everything that goes wrong around her. `expected` is what she sent, by task."""

    def __init__(self, site: Site, person: Person, project: int, seed: int) -> None:
        self.site = site
        self.person = person
        self.project = project
        self.dice = random.Random(seed)
        self.expected: dict[int, list[Object]] = {}
        self.trouble_left = 0
        self.deck: list[str] = []
        self.happened: dict[str, int] = {}
        self.edits = 0
        self.objects: list[Object] = []
        self.steps: list[list[Object]] = []
        self.selected = False
        self.begin()

    # --- The page ---

    def begin(self) -> None:
        """Opens the labeling page in a fresh tab, insisting until the site answers."""
        page = self.person.context.new_page()
        self.at = LabelPage(page, self.person.url, self.project)
        self.at.task = {"assignments": [{"item": {"width": WIDTH, "height": HEIGHT}}]}
        wait_until(self._is_up, seconds=60, what="the site")
        page.goto(f"{self.person.url}/projects/{self.project}/label/")
        self._opened(None)

    def _is_up(self) -> bool:
        return running.answers(self.site.url + "/healthz") == 200

    def _opened(self, before: str | None) -> None:
        """Waits until another page is open than before; presses "Try again" where the site did not answer."""
        page = self.at.page

        def is_open() -> bool:
            found = page.evaluate("({...document.getElementById('label-page').dataset})")
            if found["state"] == "failed":
                self.network_back()
                if self._is_up() and page.locator("#failed-again").is_visible():
                    page.locator("#failed-again").click(no_wait_after=True)
            return found.get("opened") not in (None, before)

        wait_until(is_open, seconds=90, what="the next page", every=0.05)
        page.wait_for_selector("#stage:not(.is-loading)", state="attached")
        page.wait_for_selector("#work-area:not([inert])", state="attached")
        self.task = int(page.get_attribute("#label-page", "data-task") or 0)
        assert self.task, "there are too few images"

    # --- What she does ---

    def edit(self) -> None:
        """One edit of any kind, on the page and on the model of it."""
        choices = ["draw"] * 5 + (["nudge"] * 3 + ["reclass", "delete"] if self.selected else [])
        choices += ["undo"] if self.steps else []
        if len(self.objects) >= MOST_OBJECTS:
            choices = ["submit"]
        kind = self.dice.choice(choices)
        if kind == "submit":
            self.submit()
            return
        before = list(self.objects)
        getattr(self, kind)()
        if kind not in ("undo", "nudge"):
            self.steps.append(before)
        self.edits += 1

    def draw(self) -> None:
        taken = {(int(x // (WIDTH / COLUMNS)), int(y // (HEIGHT / ROWS))) for _, x, y, _, _ in self.objects}
        free = [(c, r) for c in range(COLUMNS) for r in range(ROWS) if (c, r) not in taken]
        column, row = self.dice.choice(free)
        left, top = column * 80 + self.dice.randint(16, 20), row * 75 + self.dice.randint(16, 20)
        width, height = self.dice.randint(20, 35), self.dice.randint(20, 35)
        key, name = self.dice.choice([("1", "cat"), ("2", "dog")])
        self.at.press("Escape", "r", key)
        self.at.drag((left, top), (left + width, top + height))
        self.objects.append((name, left, top, width, height))
        self.selected = True

    def nudge(self) -> None:
        name, x, y, width, height = self.objects[-1]
        self.at.press("m", "ArrowRight")
        self.objects[-1] = (name, x + 1, y, width, height)
        self.steps.clear()  # whether two nudges are one step depends on the clock: no undo reaches back to them

    def reclass(self) -> None:
        name, *box = self.objects[-1]
        key, other = ("2", "dog") if name == "cat" else ("1", "cat")
        self.at.press("m", key)
        self.objects[-1] = (other, *box)

    def delete(self) -> None:
        self.at.press("Delete")
        self.objects.pop()
        self.selected = False

    def undo(self) -> None:
        self.at.press("Escape", "Control+z")
        self.objects = self.steps.pop()
        self.selected = False

    def submit(self) -> None:
        before = self.at.page.get_attribute("#label-page", "data-opened")
        self.expected[self.task] = list(self.objects)
        self.at.press("Escape", "Enter")
        self.objects, self.steps, self.selected = [], [], False
        self._opened(before)
        self.edits += 1

    # --- What goes wrong ---

    def trouble(self) -> None:
        if self.trouble_left:
            self.trouble_left -= 1
            if not self.trouble_left:
                self.network_back()
            return
        if self.dice.random() > 0.15:
            return
        if not self.deck:
            self.deck = ["network", "network", "replies", "replies", "close", "crash", "server"]
            self.dice.shuffle(self.deck)
        kind = self.deck.pop()
        self.happened[kind] = self.happened.get(kind, 0) + 1
        getattr(self, f"lose_{kind}")()

    def lose_network(self) -> None:
        self.person.context.route("**/api/v1/**", lambda route: route.abort())
        self.trouble_left = self.dice.randint(2, 8)

    def lose_replies(self) -> None:
        """Requests arrive; some of the answers do not."""
        dice = random.Random(self.dice.random())

        def lose(route: Any) -> None:
            if dice.random() < 0.5:
                route.continue_()
                return
            try:
                route.fetch()
            except Exception as error:  # the web process may be dead as well
                assert "ECONN" in str(error) or "socket" in str(error) or "closed" in str(error), error
            route.abort()

        self.person.context.route("**/api/v1/tasks/**", lose)
        self.trouble_left = self.dice.randint(2, 8)

    def network_back(self) -> None:
        self.trouble_left = 0
        self.person.context.unroute_all(behavior="ignoreErrors")
        self.at.page.evaluate("dispatchEvent(new Event('online'))")

    def lose_server(self) -> None:
        # The one killed before may not have a follower yet.
        wait_until(lambda: pids(self.site, "running.web"), seconds=60, what="a web process to kill")
        kill(self.site, "running.web")

    def lose_close(self) -> None:
        self.person.context.unroute_all(behavior="ignoreErrors")
        self.at.page.close()
        self._come_back()

    def lose_crash(self) -> None:
        self.person.context.unroute_all(behavior="ignoreErrors")
        with self.at.page.expect_event("crash"), contextlib.suppress(Error):  # its process cannot answer any more
            self.at.page.goto("chrome://crash", timeout=5000)
        self.at.page.close()
        self._come_back()

    def _come_back(self) -> None:
        task, wanted = self.task, self.objects
        self.begin()
        self.steps, self.selected = [], False
        if wanted:
            assert self.task == task, "another page than the one with work on it"
            assert same(self.regions(), wanted), f"after coming back: {self.regions()} instead of {wanted}"
        else:
            self.objects = []

    def regions(self) -> list[Object]:
        """What the page lists."""
        names = [one.split(". ")[1] for one in self.at.page.locator(".object-name").all_inner_texts()]
        found = []
        for name, text in zip(names, self.at.regions(), strict=True):
            size, _, place = text.partition(" at ")
            width, height = size.split(" × ")
            x, y = place.split(", ")
            found.append((name, float(x), float(y), float(width), float(height)))
        return found

    # --- The end ---

    def finish(self) -> None:
        wait_until(self._is_up, seconds=60, what="the site")
        self.network_back()
        if self.objects:
            self.submit()
        self.network_back()
        self.at.page.wait_for_selector("#saved-state[data-state=saved][data-waiting='0']", timeout=90_000)
        assert not self.at.page.locator("#refused-open").is_visible(), "something was put aside"


def same(found: list[Object], wanted: list[Object]) -> bool:
    """The same objects in the same order, within a screen pixel or so."""
    return len(found) == len(wanted) and all(
        one[0] == other[0] and one[1:] == pytest.approx(other[1:], abs=1.6)
        for one, other in zip(found, wanted, strict=True)
    )


def run(site: Site, browser: Any, edits: int, seed: int) -> Chaos:
    code = MAKE.format(seed=seed, images=edits // 3 + 20)
    project = int(site.manage("shell", "-v0", "-c", code).split()[-1])
    person = Person(browser, site.url, "Chaya")
    person.email = f"chaya{seed}@story.example"
    person.sign_in()
    chaos = Chaos(site, person, project, seed)
    while chaos.edits < edits:
        chaos.edit()
        chaos.trouble()
    chaos.finish()
    person.context.close()
    found, left, miscounted = json.loads(site.manage("shell", "-v0", "-c", STORED.format(project=project)))
    assert {int(task) for task in found} == set(chaos.expected), "pages that were sent, and no other"
    for task, wanted in chaos.expected.items():
        answers = found[str(task)]
        assert len(answers) == 1, f"page {task} was stored {len(answers)} times"
        assert same([tuple(one) for one in answers[0]], wanted), f"page {task}: {answers[0]} instead of {wanted}"
    assert (left, miscounted) == (0, 0)
    print(f"{chaos.edits} edits on {len(chaos.expected)} pages; {chaos.happened}")
    return chaos


@pytest.mark.long
def test_edits_survive_the_death_of_network_server_and_tab(site: Site, browser: Any) -> None:
    chaos = run(site, browser, edits=120, seed=3)
    assert set(chaos.happened) == {"network", "replies", "server", "close", "crash"}, "each happened"


@pytest.mark.long
@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_thousands_of_edits_survive(site: Site, browser: Any, seed: int) -> None:
    run(site, browser, edits=1000, seed=seed)
