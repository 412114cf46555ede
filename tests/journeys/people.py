"""People of a story: each with a browser context of their own, and what their browser complained about."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import Any

PASSWORD = "violet-umbrella-42"
WIDTHS = (1440, 390)
HEIGHT = 900
# Chromium names a violation in the console too; this catches those that a report-only policy would only whisper.
WATCH = "document.addEventListener('securitypolicyviolation', (e) => console.error('CSP: ' + e.violatedDirective));"
_numbers = itertools.count(1)


class Person:
    """Somebody at a browser. `complaints` are console errors, script errors, broken policies and refused requests."""

    def __init__(self, browser: Any, url: str, name: str) -> None:
        self.name = name
        self.email = f"{name.lower()}@story.example"
        self.url = url
        self.context = browser.new_context(viewport={"width": WIDTHS[0], "height": HEIGHT}, accept_downloads=True)
        self.context.add_init_script(WATCH)
        self.context.set_default_timeout(30_000)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))
        self.page.on(
            "response",
            lambda reply: reply.status >= 400 and self.complaints.append(f"{reply.status} {reply.url}"),
        )

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"{self.page.url}: {message.text}")

    def forgive(self, pattern: str) -> None:
        """Takes back the complaints that a test called forth on purpose."""
        self.complaints[:] = [one for one in self.complaints if not re.search(pattern, one)]

    def go(self, path: str) -> Any:
        self.page.goto(path if path.startswith("http") else self.url + path)
        return self.page

    def sign_in(self) -> None:
        self.go("/sign-in/")
        self.page.fill("#id_email", self.email)
        self.page.fill("#id_password", PASSWORD)
        self.page.click("main button")
        self.page.wait_for_url(lambda url: "/sign-in/" not in url)

    def look(self, name: str, *, widths: tuple[int, ...] = WIDTHS) -> None:
        """Sees that the page does not scroll sideways at any width; keeps pictures where TESSERA_STORY_PICTURES asks.

        A page that is being worked on comes back as it was, at its first width.
        """
        folder = os.environ.get("TESSERA_STORY_PICTURES")
        number = next(_numbers)
        for width in widths:
            self.page.set_viewport_size({"width": width, "height": HEIGHT})
            over = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, f"{name} scrolls {over} px sideways at {width} px"
            for scheme in ("light", "dark") if folder else ():
                self.page.emulate_media(color_scheme=scheme)
                self.page.wait_for_timeout(120)
                path = Path(str(folder)) / f"{number:02}-{name}-{width}-{scheme}.png"
                self.page.screenshot(path=path, full_page="label" not in name)
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
        self.page.wait_for_timeout(50)

    def get(self, path: str) -> Any:
        """What the API answers this person's session."""
        reply = self.context.request.get(f"{self.url}/api/v1/{path}")
        assert reply.ok, f"{reply.status} {path}"
        return reply.json()

    def draft(self, task: int) -> list[dict[str, Any]] | None:
        """What the server keeps of the first image of a page that is not submitted."""
        found = self.get(f"tasks/{task}/")["assignments"][0]["draft"]
        return found["annotations"] if found else None

    def answers(self, project: int) -> list[list[dict[str, Any]]]:
        """The annotations of each submitted page of one image."""
        tasks = self.get(f"projects/{project}/tasks/")["results"]
        return [one["assignments"][0]["response"]["annotations"] for one in tasks if one["state"] == "submitted"]


def pause_polling(page: Any) -> None:
    """From now on panels of this page move by the socket alone."""
    page.wait_for_selector("html[data-live=on]", state="attached")
    page.evaluate(
        "for (const one of document.querySelectorAll('live-panel'))"
        " { one.setAttribute('data-no-poll', ''); one.schedulePoll(); }"
    )
