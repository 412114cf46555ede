"""The hands of a labeler: finds the image on the stage, drags, clicks, presses keys, and remembers what was given."""

from __future__ import annotations

from typing import Any

Point = tuple[float, float]

# How the stage shows a whole image, said once more and independently: as large as fits with a margin, in the middle.
MARGIN = 24
LARGEST = 12.0


class LabelPage:
    """The labeling page of one project in one browser page. `task` is what the site handed out, None at the end."""

    def __init__(self, page: Any, url: str, project: int) -> None:
        self.page = page
        self.url = url
        self.project = project
        self.task: dict[str, Any] | None = None
        self.reason = ""

    # --- Getting work ---

    def open(self) -> dict[str, Any] | None:
        self.page.goto(f"{self.url}/projects/{self.project}/label/")
        self.page.wait_for_selector("#label-page[data-opened]", timeout=20_000)
        return self.look()

    def start(self) -> dict[str, Any] | None:
        """Presses "Start labeling" below the instructions."""
        return self.next_after(lambda: self.page.click("#start-labeling"))

    def next_after(self, act: Any) -> dict[str, Any] | None:
        """Does something that ends in the next page; returns that task, once all that was done is saved."""
        before = self.page.get_attribute("#label-page", "data-opened")
        act()
        self.page.wait_for_function(
            "(old) => (document.getElementById('label-page').dataset.opened ?? null) !== old",
            arg=before,
            timeout=20_000,
        )
        return self.look()

    def submit(self, key: str = "Enter") -> dict[str, Any] | None:
        return self.next_after(lambda: self.page.keyboard.press(key))

    def look(self, *, saved: bool = True) -> dict[str, Any] | None:
        """Takes in what is open now: the task, or the reason why there is none."""
        # The page answers keys once nothing is on its way any more.
        self.page.wait_for_selector("#work-area:not([inert])", state="attached")
        if saved:
            self.wait_saved()
        pk = self.page.get_attribute("#label-page", "data-task")
        self.task, self.reason = None, ""
        if not pk:
            self.reason = self.page.get_attribute("#label-page", "data-state") or ""
            return None
        self.page.wait_for_selector("#stage:not(.is-loading)", state="attached")
        # What is taken ahead is there, so that leaving the page gives all of it back.
        self.page.wait_for_selector("#label-page[data-ahead]", state="attached")
        reply = self.page.context.request.get(f"{self.url}/api/v1/tasks/{pk}/")
        assert reply.ok, reply.status
        self.task = reply.json()
        return self.task

    def wait_saved(self) -> None:
        """Until everything has reached the server."""
        self.page.wait_for_selector(
            "#saved-state[data-state=saved][data-waiting='0']", state="attached", timeout=20_000
        )

    @property
    def item(self) -> dict[str, Any]:
        assert self.task is not None
        return dict(self.task["assignments"][0]["item"])

    # --- Where things are ---

    def to_screen(self, point: Point) -> Point:
        """Where a pixel of the image lies in the window while the whole image is shown."""
        stage = self.page.locator("#stage").bounding_box()
        width, height = self.item["width"], self.item["height"]
        scale = min((stage["width"] - MARGIN) / width, (stage["height"] - MARGIN) / height, LARGEST)
        left = stage["x"] + (stage["width"] - width * scale) / 2
        top = stage["y"] + (stage["height"] - height * scale) / 2
        return left + point[0] * scale, top + point[1] * scale

    def scale(self) -> float:
        (left, _), (right, _) = self.to_screen((0, 0)), self.to_screen((1, 0))
        return right - left

    # --- Hands ---

    def move(self, point: Point) -> None:
        self.page.mouse.move(*self.to_screen(point))

    def click(self, point: Point) -> None:
        self.page.mouse.click(*self.to_screen(point))

    def drag(self, start: Point, end: Point) -> None:
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        self.move(start)
        self.page.mouse.down()
        self.move(middle)
        self.move(end)
        self.page.mouse.up()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def draw(self, left: int, top: int = 50) -> None:
        """A box of the first class, 60 pixels wide and high."""
        self.press("1", "r")
        self.drag((left, top), (left + 60, top + 60))

    def polygon(self, points: list[Point]) -> None:
        for point in points:
            self.click(point)
        self.press("Enter")

    # --- What the page says ---

    def says(self, state: str) -> str:
        """The words for how safe the work is, once that is `state`."""
        self.page.wait_for_selector(f"#saved-state[data-state={state}]", state="attached", timeout=20_000)
        return str(self.page.inner_text("#saved-text"))

    def key_of(self, name: str) -> str:
        """The key that the tags panel shows for a class."""
        row = self.page.locator(".tag-pick").filter(has=self.page.get_by_text(name, exact=True))
        return str(row.locator("kbd").inner_text()).lower()

    def regions(self) -> list[str]:
        return list(self.page.locator(".object-place").all_inner_texts())

    def chips(self) -> list[str]:
        return list(self.page.locator(".chip-name:visible").all_inner_texts())

    def hint(self) -> str:
        return str(self.page.locator("#hint").inner_text())

    def is_enabled(self, button: str) -> bool:
        return bool(self.page.locator(f"#{button}").is_enabled())
