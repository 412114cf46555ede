"""The small modules that every page loads, in a real Chromium under the site's own content policy.

The pages are made here and handed to the browser by playwright; only the static files are the site's.
"""

from __future__ import annotations

import mimetypes
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.template import Context, engines

from labeling_site.core.styleguide import sample

pytestmark = pytest.mark.browser

HERE = "http://tessera.test"
STATIC = Path(settings.BASE_DIR) / "static"
POLICY = "; ".join(
    f"{name} {' '.join(values)}" for name, values in settings.CONTENT_SECURITY_POLICY["DIRECTIVES"].items()
)
ALICE = SimpleNamespace(
    is_authenticated=True,
    is_staff=False,
    email="alice@example.org",
    get_full_name=lambda: "Alice",
    get_username=lambda: "alice",
)


def document(body: str) -> str:
    return f"""<!doctype html><html lang="en"><head><title>t</title><meta name="csrf-token" content="tok">
        <script src="/static/js/theme-early.js"></script><link rel="stylesheet" href="/static/css/tokens.css">
        <script type="module" src="/static/js/site.js"></script></head><body>{body}</body></html>"""


def draw(name: str, **context: Any) -> str:
    return engines["django"].engine.get_template(name).render(Context(context))


class Site:
    """Answers the browser: pages by path, fragments by function, the socket by hand."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.pages: dict[str, Any] = {}
        self.posts: list[str] = []
        self.sockets: list[Any] = []
        self.said: list[str] = []
        self.complaints: list[str] = []
        self.accepts_sockets = True
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.route(re.compile(".*"), self.answer)
        page.route_web_socket(re.compile(".*/ws/events/"), self.connect)

    def answer(self, route: Any) -> None:
        path = route.request.url.removeprefix(HERE).partition("?")[0]
        if path.startswith("/static/"):
            file = STATIC / path.removeprefix("/static/")
            kind = mimetypes.guess_type(file.name)[0] or "text/plain"
            route.fulfill(body=file.read_bytes(), content_type=kind)
            return
        if route.request.method == "POST":
            self.posts.append(f"{path} {route.request.post_data or ''}")
        made = self.pages.get(path)
        body = made() if callable(made) else made
        if body is None:
            route.fulfill(status=404, body="nothing here")
        else:
            route.fulfill(body=body, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    def connect(self, socket: Any) -> None:
        if not self.accepts_sockets:
            socket.close()
            return
        self.sockets.append(socket)
        socket.on_message(lambda message: self.said.append(message))

    def open(self, body: str, path: str = "/page") -> None:
        self.pages[path] = document(body)
        self.page.goto(HERE + path)

    def until(self, truth: Any, seconds: float = 5) -> None:
        """Waits by the browser's clock until truth() holds."""
        end = time.monotonic() + seconds
        while not truth():
            assert time.monotonic() < end, "waited in vain"
            self.page.wait_for_timeout(20)


@pytest.fixture
def site(page: Any) -> Iterator[Site]:
    made = Site(page)
    yield made
    assert made.complaints == []


class TestLivePanel:
    PANEL = '<live-panel src="/fragment" topic="project:1" version="3" data-no-poll>{}</live-panel>'

    def asked(self, site: Site, fragments: list[str]) -> list[float]:
        """Serves the fragments one by one, the last for ever; returns the times at which they were asked for."""
        times: list[float] = []

        def fragment() -> str:
            times.append(time.monotonic())
            return fragments[min(len(times), len(fragments)) - 1]

        site.pages["/fragment"] = fragment
        return times

    def test_it_follows_its_topic_and_shows_what_the_server_says(self, site: Site) -> None:
        times = self.asked(site, ["<p>two</p>"])
        site.open(self.PANEL.format("<p>one</p>"))
        site.until(lambda: site.said == ['{"subscribe":["project:1"]}'])
        site.sockets[0].send('{"versions": {"project:1": 3}}')
        site.page.wait_for_timeout(700)
        assert times == [], "nothing changed, so nothing was asked"
        site.sockets[0].send('{"topic": "project:1", "version": 4}')
        site.page.wait_for_selector("text=two")
        assert len(times) == 1
        assert site.page.evaluate("window.tesseraSocketFrames") == 2

    def test_two_panels_share_one_socket(self, site: Site) -> None:
        self.asked(site, ["<p>new</p>"])
        site.open(self.PANEL.format("a") + self.PANEL.format("b").replace("project:1", "project:2"))
        site.until(lambda: len(site.said) >= 1)
        site.page.wait_for_timeout(100)
        assert len(site.sockets) == 1
        assert {"project:1", "project:2"} == set(re.findall(r"project:\d", "".join(site.said)))

    def test_many_hints_cost_at_most_two_requests_a_second(self, site: Site) -> None:
        times = self.asked(site, ["<p>x</p>"])
        site.open(self.PANEL.format(""))
        site.until(lambda: bool(site.said))
        began = time.monotonic()
        for version in range(4, 54):
            site.sockets[0].send(f'{{"topic": "project:1", "version": {version}}}')
            site.page.wait_for_timeout(20)
        site.page.wait_for_timeout(800)
        # Counted over the time it really took: single gaps shift on a busy machine, the rate does not.
        assert 2 <= len(times) <= 2 * (time.monotonic() - began) + 2

    def test_a_lost_hint_is_healed_by_the_heartbeat(self, site: Site) -> None:
        times = self.asked(site, ["<p>healed</p>"])
        site.open(self.PANEL.format("old"))
        site.until(lambda: bool(site.said))
        site.sockets[0].send('{"versions": {"project:1": 9}}')
        site.page.wait_for_selector("text=healed")
        assert len(times) == 1

    def test_focus_typed_text_open_menus_and_colours_survive(self, site: Site) -> None:
        body = (
            '<input id="q"><details id="d"><summary>s</summary>in</details>'
            '<b class="dot" data-colour="#ff4400"></b><ul>{}</ul>'
        )
        self.asked(site, [body.format('<li id="n2">two</li><li id="n1">one</li>')])
        site.open(self.PANEL.format(body.format('<li id="n1">one</li>')))
        page = site.page
        page.fill("#q", "half a wo")
        page.click("summary")
        page.focus("#q")
        page.evaluate("document.getElementById('n1').mark = 7")
        site.until(lambda: bool(site.said))
        site.sockets[0].send('{"topic": "project:1", "version": 4}')
        page.wait_for_selector("#n2")
        assert page.evaluate("document.activeElement.id") == "q"
        assert page.input_value("#q") == "half a wo"
        assert page.evaluate("document.getElementById('d').open")
        assert page.evaluate("document.getElementById('n1').mark") == 7, "a keyed node is moved, not made again"
        assert page.locator("li").all_inner_texts() == ["two", "one"]
        assert page.evaluate("document.querySelector('.dot').style.getPropertyValue('--class-colour')") == "#ff4400"

    def test_a_script_in_a_fragment_does_not_run(self, site: Site) -> None:
        self.asked(site, ["<p>swapped</p><script>window.ran = true</script>"])
        site.open(self.PANEL.format(""))
        site.until(lambda: bool(site.said))
        site.sockets[0].send('{"topic": "project:1", "version": 4}')
        site.page.wait_for_selector("text=swapped")
        assert site.page.evaluate("window.ran") is None
        assert all("Content Security Policy" in text for text in site.complaints)
        site.complaints.clear()

    def test_what_is_shown_stays_when_the_server_refuses(self, site: Site) -> None:
        site.open(self.PANEL.format("<p>as it was</p>"))
        site.until(lambda: bool(site.said))
        site.sockets[0].send('{"topic": "project:1", "version": 4}')
        site.page.wait_for_selector("live-panel[data-stale]")
        assert site.page.inner_text("live-panel") == "as it was"
        assert any("404" in text for text in site.complaints)
        site.complaints.clear()

    def test_it_comes_back_after_the_line_was_cut(self, site: Site) -> None:
        times = self.asked(site, ["<p>after</p>"])
        site.open(self.PANEL.format("before"))
        site.until(lambda: bool(site.said))
        assert site.page.get_attribute("html", "data-live") == "on"
        site.sockets[0].close()
        site.page.wait_for_selector("html[data-live=off]", state="attached")
        site.until(lambda: len(site.said) == 2)
        site.sockets[1].send('{"versions": {"project:1": 5}}')
        site.page.wait_for_selector("text=after")
        assert len(times) == 1

    def test_without_a_socket_it_polls_unless_told_not_to(self, site: Site) -> None:
        site.page.clock.install()
        site.accepts_sockets = False
        times = self.asked(site, ["<p>polled</p>"])
        site.open(self.PANEL.format("x").replace(" data-no-poll", ""))
        site.page.clock.run_for(19_000)
        assert times == []
        site.page.clock.run_for(3_000)
        site.page.wait_for_selector("text=polled")
        site.open(self.PANEL.format("x"), "/still")
        before = len(times)
        site.page.clock.run_for(60_000)
        assert len(times) == before
        site.complaints.clear()  # a refused socket is an error line in the console


class TestConfirm:
    FORM = '<form method="post" action="/gone" data-confirm="Sure?" data-confirm-danger>\
        <button name="what" value="all">Delete</button></form>'

    def test_nothing_is_sent_before_yes(self, site: Site) -> None:
        site.pages["/gone"] = document("gone")
        site.open(self.FORM + draw("components/_overlays.html"))
        page = site.page
        page.click("text=Delete")
        page.wait_for_selector("#confirm-dialog[open]")
        assert page.evaluate("document.activeElement.value") == "cancel"
        page.keyboard.press("Escape")
        page.wait_for_timeout(100)
        assert site.posts == []
        page.click("form[data-confirm] button")
        page.click("[data-confirm-ok]")
        page.wait_for_url("**/gone")
        assert site.posts == ["/gone what=all"], "sent once, with the button that was pressed"

    def test_a_form_is_sent_once_however_often_one_clicks(self, site: Site) -> None:
        site.open('<form method="post" action="/slow"><button>Send</button></form>')
        site.page.evaluate(
            "() => { const f = document.forms[0]; f.addEventListener('submit', () => (window.n = (window.n || 0) + 1));"
            " const b = f.querySelector('button'); b.click(); setTimeout(() => b.click(), 50); }"
        )
        site.page.wait_for_url("**/slow")
        assert len(site.posts) == 1
        site.complaints.clear()  # /slow has no page


class TestMenuThemeDialog:
    def test_a_menu_opens_by_keyboard_and_closes_by_escape(self, site: Site) -> None:
        site.open(draw("components/_header.html", user=ALICE))
        page = site.page
        summary = page.locator('summary[aria-label="Theme"]')
        summary.focus()
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.dataset.themeChoice") == "auto"
        page.keyboard.press("ArrowUp")
        assert page.evaluate("document.activeElement.dataset.themeChoice") == "dark"
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
        assert page.locator("details.menu[open]").count() == 0

    def test_a_chosen_theme_stays_and_auto_follows_the_system(self, site: Site) -> None:
        site.page.emulate_media(color_scheme="light")
        site.open(draw("components/_header.html", user=ALICE))
        page = site.page

        def ground() -> str:
            return page.evaluate(
                "() => { const b = document.createElement('i'); b.setAttribute('class', 'x'); document.body.append(b);"
                " b.style.color = 'var(--bg)'; return getComputedStyle(b).color; }"
            )

        light = ground()
        page.click('summary[aria-label="Theme"]')
        page.click('[data-theme-choice="dark"] >> nth=0')
        assert ground() != light
        page.reload()
        assert page.get_attribute("html", "data-theme") == "dark"
        assert page.get_attribute('[data-theme-choice="dark"] >> nth=0', "aria-pressed") == "true"
        page.click('summary[aria-label="Theme"]')
        page.click('[data-theme-choice="auto"] >> nth=0')
        assert ground() == light
        page.emulate_media(color_scheme="dark")
        assert ground() != light

    def test_a_dialog_opens_from_its_button_and_gives_the_focus_back(self, site: Site) -> None:
        site.open(
            '<button id="b" data-open-dialog="d">open</button>'
            '<dialog id="d" class="dialog"><input id="i"><button data-close-dialog>shut</button></dialog>'
        )
        site.page.click("#b")
        assert site.page.evaluate("document.activeElement.id") == "i"
        site.page.click("text=shut")
        assert site.page.evaluate("[document.activeElement.id, document.getElementById('d').open]") == ["b", False]


class TestApiHelper:
    def test_a_problem_becomes_a_sentence(self, site: Site) -> None:
        site.open("<p>x</p>")
        site.page.route(
            HERE + "/api/v1/things/",
            lambda route: route.fulfill(
                status=409,
                content_type="application/problem+json",
                body='{"title": "Conflict", "detail": "The name is taken.", "way_out": "Choose another."}',
            ),
        )
        with site.page.expect_request("**/api/v1/things/") as sent:
            said = site.page.evaluate(
                """async () => { const { api } = await import("/static/js/csrf.js");
                try { await api("POST", "/api/v1/things/", { a: 1 }, { idempotencyKey: "k1" }); return "no error"; }
                catch (error) { return [error.message, error.status]; } }"""
            )
        assert said == ["The name is taken. Choose another.", 409]
        headers = sent.value.headers
        assert (headers["x-csrftoken"], headers["idempotency-key"]) == ("tok", "k1")
        site.complaints.clear()  # Chromium logs every 409


def test_times_and_progress_speak(site: Site) -> None:
    site.open(
        '<relative-time datetime="2020-01-01T00:00:00Z">then</relative-time>'
        '<tessera-progress value="30" max="60" label="Importing"></tessera-progress>'
    )
    assert re.fullmatch(r"\d+ years ago", site.page.inner_text("relative-time"))
    assert site.page.inner_text("tessera-progress") == "50 %"
    assert site.page.get_by_role("progressbar", name="Importing").count() == 1


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_style_guide_draws_every_part_without_scrolling_sideways(site: Site, width: int, scheme: str) -> None:
    site.page.set_viewport_size({"width": width, "height": 900})
    site.page.emulate_media(color_scheme=scheme)
    site.pages["/styleguide/"] = draw("styleguide.html", user=ALICE, sample=sample(), csrf_token="tok")
    site.page.goto(HERE + "/styleguide/")
    site.page.wait_for_selector("tessera-progress progress")
    assert site.page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    assert site.page.locator(".donut-seg").count() == 4
    assert site.page.get_by_role("img", name="Progress: 61 %").count() == 1
