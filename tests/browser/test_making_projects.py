"""The wizard, uploads and the live list, in a real Chromium against a whole site."""

from __future__ import annotations

import io
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from projects.pages.wizard_form import parse_lines
from tests.support.running import Site, be_ready_to_intercept, wait_until

pytestmark = [pytest.mark.browser]

PASSWORD = "violet-umbrella-42"
_numbers = itertools.count(1)


def shell(site: Site, code: str) -> str:
    return site.manage("shell", "-v", "0", "-c", code).strip()


@pytest.fixture
def alice(live_site: Site, page: Any) -> Any:
    """A page of somebody who owns an empty workspace; complaints of the browser fail the test."""
    email = f"alice{next(_numbers)}@wizard.example"
    shell(
        live_site,
        "from tests.factories import make_user, make_workspace;"
        f"make_workspace(make_user('Alice', email='{email}'), name='Atelier')",
    )
    be_ready_to_intercept(page.context)
    complaints: list[str] = []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{live_site.url}/sign-in/")
    page.fill("#id_email", email)
    page.fill("#id_password", PASSWORD)
    page.click("main button")
    page.wait_for_url(f"{live_site.url}/")
    page.expected = []
    yield page
    unexpected = [one for one in complaints if not any(re.search(pattern, one) for pattern in page.expected)]
    assert unexpected == []


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    paths = []
    for number in range(12):
        path = tmp_path / f"gull-{number:02}.png"
        Image.new("RGB", (40, 30), (number * 20, 90, 120)).save(path)
        paths.append(str(path))
    (tmp_path / "notes.txt").write_text("no image")
    return [*paths, str(tmp_path / "notes.txt")]


def counts(page: Any) -> dict[str, int]:
    return dict(page.evaluate("document.querySelector('file-uploader').counts"))


def step(page: Any) -> str:
    return str(page.locator(".step[data-state=current] button").inner_text())


def to_data_step(page: Any, site: Site, name: str) -> None:
    page.goto(f"{site.url}/projects/new/")
    page.fill("#id_name", name)
    page.click("[data-next]")
    page.click("[data-next]")
    assert step(page) == "Data"
    page.check("input[name=source][value=upload]")


def test_a_project_from_an_upload_survives_a_reload(live_site: Site, alice: Any, images: list[str]) -> None:
    to_data_step(alice, live_site, "Harbour")
    alice.click("[data-next]")
    assert step(alice) == "Data" and "Upload at least one image" in alice.inner_text("[data-upload-error]")
    alice.set_input_files("#upload-files", images)
    wait_until(lambda: counts(alice)["stored"] == 12, seconds=30, what="the upload")
    assert counts(alice)["refused"] == 1
    wait_until(lambda: "notes.txt" in alice.inner_text(".upload-list"), seconds=10, what="the refused file's row")
    alice.click("[data-next]")
    alice.click("[data-next]")
    alice.locator("[data-tree] input[type=text]").fill("Gull")
    alice.keyboard.press("Enter")
    alice.keyboard.type("gull")
    alice.click("[data-next]")
    assert step(alice) == "Label classes" and "twice" in alice.inner_text("[data-tree-error]")
    alice.locator("[data-tree] input[type=text]").last.fill("Tern")
    alice.locator("[data-do=child]").first.click()
    alice.keyboard.type("Herring gull")
    alice.wait_for_timeout(400)  # the draft is written a moment after the last key
    alice.reload()
    assert step(alice) == "Label classes"
    names = alice.locator("[data-tree] input[type=text]")
    assert [names.nth(at).input_value() for at in range(names.count())] == ["Gull", "Herring gull", "Tern"]
    for _step in range(3):
        alice.click("[data-next]")
    assert alice.locator("[data-next]").is_hidden()
    alice.click("[data-create]")
    alice.wait_for_url(re.compile(r"/projects/\d+/$"))
    assert "Harbour" in alice.inner_text("h1")
    assert alice.evaluate("sessionStorage.length") == 0
    facts = shell(
        live_site,
        "from projects.models import *; import json;"
        "p = Project.objects.get(name='Harbour', created_by__email__endswith='@wizard.example');"
        "print(json.dumps([p.dataset_version.dataset.uploads.filter(state='stored').count(),"
        " list(p.label_classes.order_by('position').values_list('path', flat=True))]))",
    )
    assert json.loads(facts) == [12, ["Gull", "Gull/Herring gull", "Tern"]]


def test_each_step_is_checked_before_the_next(live_site: Site, alice: Any, images: list[str]) -> None:
    alice.goto(f"{live_site.url}/projects/new/")
    alice.fill("#id_name", "Har/bour")
    alice.click("[data-next]")
    assert step(alice) == "Project details" and "slash" in alice.inner_text("#id_name_error")
    to_data_step(alice, live_site, "Harbour wall")
    alice.set_input_files("#upload-files", images[:1])
    wait_until(lambda: counts(alice)["stored"] == 1, seconds=30, what="the upload")
    alice.click("[data-next]")
    alice.click("[data-next]")
    alice.click("[data-next]")
    assert step(alice) == "Label classes" and "At least one class" in alice.inner_text("[data-tree-error]")
    assert alice.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
    alice.keyboard.type("Gull")
    alice.click("[data-next]")
    alice.click("[data-next]")
    assert step(alice) == "Quality control"
    alice.locator("input[name=consensus]").check()
    alice.fill("#id_min_labelers", "5")
    alice.fill("#id_max_labelers", "2")
    alice.click("[data-next]")
    assert step(alice) == "Quality control" and "less than" in alice.inner_text("#id_max_labelers_error")
    alice.fill("#id_max_labelers", "6")
    alice.click("[data-next]")
    assert step(alice) == "ML assisted labeling"


def test_a_taken_name_leads_back_to_its_step(live_site: Site, alice: Any, images: list[str]) -> None:
    alice.expected.append("400")
    for attempt in range(2):
        to_data_step(alice, live_site, "Twice")
        alice.fill("#id_upload_name", f"files {attempt}")
        alice.set_input_files("#upload-files", images[:1])
        wait_until(lambda: counts(alice)["stored"] == 1, seconds=30, what="the upload")
        alice.click("[data-next]")
        alice.click("[data-next]")
        alice.locator("[data-tree] input[type=text]").fill("Gull")
        for _step in range(3):
            alice.click("[data-next]")
        alice.click("[data-create]")
        if attempt == 0:
            alice.wait_for_url(re.compile(r"/projects/\d+/$"))
    alice.wait_for_selector("[data-step=details] .errorlist")
    assert step(alice) == "Project details" and "used before" in alice.inner_text("[data-step=details] .errorlist")
    alice.fill("#id_name", "Twice, again")
    alice.click('[data-go="7"]')
    alice.click("[data-create]")
    alice.wait_for_url(re.compile(r"/projects/\d+/$"))


def test_only_what_failed_is_sent_again(live_site: Site, alice: Any, images: list[str]) -> None:
    alice.expected.append("403")
    sent: list[str] = []
    alice.on("request", lambda request: request.method == "PATCH" and sent.append(request.url))
    to_data_step(alice, live_site, "Retry")
    refusals = itertools.count()

    def sometimes(route: Any) -> None:
        # A refusal, which is not tried again by itself.
        if next(refusals) < 3:
            route.fulfill(status=403, content_type="application/problem+json", body='{"detail": "Not now."}')
        else:
            route.continue_()

    alice.route("**/api/v1/uploads/**", sometimes)
    alice.set_input_files("#upload-files", images[:12])
    wait_until(lambda: counts(alice)["open"] == 0, seconds=30, what="the upload")
    assert (counts(alice)["stored"], counts(alice)["failed"]) == (9, 3)
    assert "Not now." in alice.inner_text(".upload-list")
    before = len(sent)
    alice.click("[data-upload-retry]")
    wait_until(lambda: counts(alice)["stored"] == 12, seconds=30, what="the second try")
    assert len(sent) - before == 3


def test_a_large_file_goes_on_where_the_server_is_after_a_reload(live_site: Site, alice: Any, tmp_path: Path) -> None:
    alice.expected.append("Failed to load resource")
    held = io.BytesIO()
    Image.effect_noise((2400, 1600), 60).convert("RGB").save(held, "BMP")
    large = tmp_path / "large.bmp"
    large.write_bytes(held.getvalue())
    assert large.stat().st_size > 9_000_000
    offsets: list[int] = []
    alice.on(
        "request",
        lambda request: request.method == "PATCH" and offsets.append(int(request.headers["upload-offset"])),
    )
    alice.goto(f"{live_site.url}/datasets/new/")
    alice.fill("#id_name", "Large")
    alice.click("main form button.btn-primary")
    alice.wait_for_url(re.compile(r"/datasets/\d+/$"))
    # The second chunk never gets through.
    alice.route(
        "**/api/v1/uploads/**",
        lambda route: route.abort() if route.request.headers["upload-offset"] != "0" else route.continue_(),
    )
    alice.set_input_files("#upload-files", str(large))
    # Asking the page lets playwright answer the requests meanwhile.
    wait_until(lambda: counts(alice) and len(offsets) >= 2, seconds=30, what="the second chunk")
    alice.unroute("**/api/v1/uploads/**")
    alice.on("dialog", lambda dialog: dialog.accept())
    alice.reload()
    offsets.clear()
    alice.set_input_files("#upload-files", str(large))
    wait_until(lambda: counts(alice)["stored"] == 1, seconds=30, what="the rest")
    assert min(offsets) == 4 * 1024 * 1024
    # The page reads the new file by itself, and shows it without a reload.
    alice.wait_for_selector(".thumb:has-text('large.bmp') img", timeout=30_000)


def test_the_list_moves_by_itself_and_keeps_what_is_ticked(live_site: Site, alice: Any) -> None:
    alice.locator("button[name=task_type]").first.click()
    alice.wait_for_url(re.compile(r"/projects/\d+/$"))
    number = int(re.findall(r"\d+", alice.url)[-1])
    alice.goto(f"{live_site.url}/projects/")
    alice.wait_for_selector(".pill[data-state=running]", timeout=30_000)
    alice.check("input[name=projects]")
    assert alice.locator("button[value=delete]").is_enabled()
    shell(
        live_site,
        "from projects.models import *; from projects.services.projects import pause_project;"
        "from labeling_site.core import events;"
        f"p = Project.objects.get(pk={number}); pause_project(actor=p.created_by, project=p); events.flush()",
    )
    alice.wait_for_selector(".pill[data-state=paused]", timeout=30_000)
    assert alice.is_checked("input[name=projects]") and "1 chosen" in alice.inner_text("#selection")
    # Deleting asks first; the harmless answer changes nothing.
    alice.click("button[value=delete]")
    alice.click("#confirm-dialog button[value=cancel]")
    assert alice.locator(".project-table tbody tr").count() == 1
    alice.click("button[value=delete]")
    alice.click("#confirm-dialog [data-confirm-ok]")
    alice.wait_for_selector(".empty")


def test_instructions_keep_their_looks_and_nothing_that_runs(live_site: Site, alice: Any) -> None:
    alice.goto(f"{live_site.url}/projects/new/")
    alice.evaluate("document.querySelector('project-wizard').show(5)")
    alice.click(".rich-area")
    alice.keyboard.type("Rules")
    alice.click("[data-command=bigger]")
    alice.click("[data-command=align-center]")
    alice.keyboard.press("Enter")
    alice.click("[data-command=align-left]")
    alice.click("[data-command=smaller]")
    alice.click("[data-command=insertUnorderedList]")
    alice.keyboard.type("Every bird")
    written = alice.input_value("#id_instructions")
    assert '<h3 class="align-center">Rules</h3>' in written
    assert "<ul><li>Every bird</li></ul>" in written and "<p><ul>" not in written
    alice.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData("text/html", "<style>p{color:red}</style><p onclick='x()' style=color:red>"
            + "Pasted a style='b' <b>bold</b><img src=x onerror='window.ran=1'>"
            + "<a href='javascript:x()'>link</a><script>window.ran=1</scr" + "ipt></p>");
          const area = document.querySelector(".rich-area");
          area.focus();
          area.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
        }"""
    )
    written = alice.input_value("#id_instructions")
    assert "Pasted a style='b' <b>bold</b>" in written
    assert not re.search(r"onclick|onerror|script|javascript|<img", written)
    assert alice.evaluate("window.ran") is None


LINES = [
    "a\n\tb\n\t\tc\nd",
    "a/b/c\na/d\nA \n",
    "x\r\n    y\r\n  z\n\n/",
    "",
    " lone",
    "Ärger\nÄRGER\n  ä/b",
    "a /b\n   c",
]


def test_classes_from_lines_mean_the_same_in_the_browser_and_on_the_server(live_site: Site, alice: Any) -> None:
    for lines in LINES:
        found = alice.evaluate("async (lines) => (await import('/static/js/class-lines.js')).parseLines(lines)", lines)
        assert found == parse_lines(lines), lines
