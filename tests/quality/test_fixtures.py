"""The shared fixtures themselves: a real browser in front of a whole site."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import running


@pytest.mark.browser
def test_a_browser_reaches_the_whole_site_without_errors_on_the_page(page: Any, live_site: running.Site) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{live_site.url}/sign-in/")
    assert page.locator("form").count() >= 1
    assert page.evaluate("getComputedStyle(document.body).fontFamily") != ""
    assert errors == []
