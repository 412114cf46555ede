"""The admin in a real Chromium under the site's own content policy, which allows no inline script or style."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.running import Site

pytestmark = [pytest.mark.browser]

PASSWORD = "violet-umbrella-42"
MAKE_ROWS = """
from projects.models import User
from tests.admin.rows import make_rows
from tests.factories import make_user
if not User.objects.filter(email="root@admin.example").exists():
    make_user("Ada", email="root@admin.example", is_superuser=True)
print("project", make_rows({number}).project.pk)
"""
# Chromium logs what the policy stopped; the event says it even where nothing is logged.
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


class Admin:
    """A superuser's window, and what the browser complained about in it."""

    def __init__(self, site: Site, page: Any) -> None:
        self.site, self.page = site, page
        self.complaints: list[str] = []
        self.visited: list[str] = []
        page.add_init_script(LISTEN)
        page.on("console", lambda message: message.type in {"error", "warning"} and self._note(message.text))
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("response", lambda reply: reply.status >= 400 and self._note(f"{reply.status} {reply.url}"))

    def _note(self, text: str) -> None:
        self.complaints.append(f"{self.page.url}: {text}")

    def open(self, path: str) -> Any:
        self.page.goto(f"{self.site.url}{path}", wait_until="networkidle")
        self.look()
        return self.page

    def follow(self, do: Callable[[], object]) -> None:
        """Does what leads to another page, and looks at that."""
        with self.page.expect_navigation(wait_until="networkidle"):
            do()
        self.look()

    def look(self) -> None:
        """Notes what the policy stopped on the page that is open now."""
        self.visited.append(self.page.url)
        self.complaints += [f"{self.page.url}: {one}" for one in self.page.evaluate("window.violations")]
        self.page.evaluate("window.violations = []")


@pytest.fixture(scope="module")
def project(live_site: Site) -> int:
    printed = live_site.manage("shell", "-v", "0", "-c", MAKE_ROWS.format(number=live_site.process.pid))
    found = re.search(r"project (\d+)", printed)
    assert found
    return int(found[1])


@pytest.fixture
def admin(live_site: Site, page: Any, project: int) -> Any:
    opened = Admin(live_site, page)
    opened.open("/admin/projects/project/")
    assert "/sign-in/?next=/admin/projects/project/" in page.url
    page.fill("#id_email", "root@admin.example")
    page.fill("#id_password", PASSWORD)
    page.click("main button")
    page.wait_for_url(f"{live_site.url}/admin/projects/project/")
    yield opened
    assert opened.complaints == []


def test_a_violation_would_be_seen(live_site: Site, page: Any) -> None:
    """The listening itself works: what these tests call clean was looked at."""
    watched = Admin(live_site, page)
    watched.open("/sign-in/")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">red</p>')")
    page.wait_for_timeout(100)
    watched.look()
    assert any("style-src" in complaint for complaint in watched.complaints)


def test_index_list_search_filter_row_and_history(admin: Admin, project: int) -> None:
    page = admin.open("/admin/")
    admin.follow(lambda: page.click("#content-main .app-projects tr.model-project a >> nth=0"))
    page.fill("#nav-filter", "invit")
    assert page.locator("#nav-sidebar th[scope=row]:visible").all_inner_texts() == ["Invitations"]
    page.fill("#nav-filter", "")
    page.fill("#searchbar", "project")
    admin.follow(lambda: page.keyboard.press("Enter"))
    assert "q=project" in page.url
    admin.follow(lambda: page.click("#changelist-filter >> text=Running"))
    assert page.locator("#result_list tbody tr").count() >= 1
    page = admin.open(f"/admin/projects/project/{project}/change/")
    assert page.locator("form input[name=_save]").count() == 0
    admin.open(f"/admin/projects/project/{project}/history/")


def test_an_action_pauses_and_starts_a_project(admin: Admin, project: int) -> None:
    page = admin.open("/admin/projects/project/")
    for action, state in [("pause", "Paused"), ("start", "Running")]:
        row = page.locator("#result_list tbody tr", has=page.locator(f'input[value="{project}"]'))
        row.locator("input[name=_selected_action]").check()
        assert page.locator(".action-counter").inner_text().startswith("1 of")
        page.select_option("select[name=action]", action)
        admin.follow(lambda: page.click(".actions button[type=submit]"))
        assert "1 row done" in page.inner_text(".messagelist")
        assert row.locator(".field-state").inner_text() == state


def test_permissions_are_chosen_in_two_lists(admin: Admin) -> None:
    page = admin.open("/admin/projects/user/?q=bob")
    admin.follow(lambda: page.locator("#result_list tbody th a").first.click())
    available = page.locator("#id_user_permissions_from option", has_text="Can view project")
    available.click()
    page.locator("#id_user_permissions_add, #id_user_permissions_add_link").first.click()
    page.check("#id_is_staff")
    admin.follow(lambda: page.click("input[name=_continue]"))
    assert page.locator("#id_user_permissions_to option").all_inner_texts() == ["Projects | project | Can view project"]
    assert page.is_checked("#id_is_staff")
    admin.follow(lambda: page.click("text=Give a new password"))
    assert page.locator("#id_password1").is_visible()


def test_the_system_page_of_a_running_site(admin: Admin) -> None:
    page = admin.open("/admin/system/")
    workers = page.locator("#workers tbody tr")
    assert workers.count() >= 1
    assert re.fullmatch(r".+:\d+", workers.first.locator("td").first.inner_text())
    assert page.locator(".messagelist").count() == 0, page.locator(".messagelist").all_inner_texts()
    assert "answers" in page.inner_text("#storage")


@pytest.mark.long
def test_every_list_and_a_row_of_it_are_clean(admin: Admin) -> None:
    page = admin.open("/admin/")
    lists = page.eval_on_selector_all("#content-main th a", "links => links.map(link => link.pathname)")
    assert len(lists) > 20
    for path in lists:
        if path.count("/") < 4:
            continue
        admin.open(path)
        link = page.locator("#result_list tbody th a")
        if link.count():
            admin.open(str(link.first.get_attribute("href")))
    assert len(set(admin.visited)) > 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_light_and_dark(admin: Admin, scheme: str, tmp_path: Path, project: int) -> None:
    admin.page.emulate_media(color_scheme=scheme)
    grounds = set()
    for name, path in [
        ("index", "/admin/"),
        ("list", "/admin/projects/item/"),
        ("row", f"/admin/projects/project/{project}/change/"),
        ("system", "/admin/system/"),
    ]:
        page = admin.open(path)
        page.screenshot(path=tmp_path / f"{name}-{scheme}.png", full_page=True)
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the window"
    [ground] = grounds
    channels = [int(number) for number in re.findall(r"\d+", ground)[:3]]
    assert (sum(channels) > 3 * 128) == (scheme == "light"), ground
