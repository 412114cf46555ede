"""What of people's rich text reaches other people's pages."""

from __future__ import annotations

import pytest

from labeling_site.core import errors
from projects.services.instructions import MAX_CHARACTERS, clean_url, sanitise

PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    "html",
    [
        "<h2>Rules</h2><p><b>Bold</b>, <i>italic</i>, <u>underlined</u></p>",
        "<ul><li>one</li><li>two</li></ul><ol><li>first</li></ol>",
        '<p class="align-center">centred</p><span class="text-large">large</span>',
        f'<p><img src="{PIXEL}" alt="a cat"></p>',
    ],
)
def test_what_the_editor_writes_is_kept(html):
    assert sanitise(html) == html


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        f'<img src="{PIXEL}" onload="alert(1)">',
        '<img src="https://evil.example/pixel.gif">',
        '<img src="data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+">',
        '<img src="data:text/html;base64,PHNjcmlwdD4=">',
        '<a href="javascript:alert(1)">x</a>',
        '<a href=" jAvAsCrIpT:alert(1)">x</a>',
        '<a href="java\nscript:alert(1)">x</a>',
        '<a href="data:text/html,<script>alert(1)</script>">x</a>',
        '<a href="vbscript:x">x</a>',
        "<svg onload=alert(1)></svg>",
        "<math><mtext><script>alert(1)</script></mtext></math>",
        '<iframe src="https://evil.example"></iframe>',
        '<object data="x"></object><embed src="x">',
        '<form action="https://evil.example"><input name="password"></form>',
        '<style>@import "https://evil.example"</style>',
        '<p style="position:fixed;inset:0">over everything</p>',
        '<p class="modal overlay">dressed up as ours</p>',
        '<p id="submit" data-topic="x" slot="y">in disguise</p>',
        '<base href="https://evil.example"><meta http-equiv="refresh" content="0">',
        '<live-panel src="https://evil.example"></live-panel>',
        "<!-- <script>alert(1)</script> -->",
        '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    ],
)
def test_nothing_runs_loads_or_dresses_up(html):
    clean = sanitise(html).lower()
    for trace in (
        *("<script", "onerror=", "onload=", "javascript:", "vbscript:", "evil.example", "<svg", "<iframe", "<style"),
        *("style=", "<form", "<input", "<object", "<embed", "<meta", "<base", "live-panel", "modal", "id=", "<!--"),
        *("data:text", "svg+xml", "data-topic", "slot="),
    ):
        assert trace not in clean.replace("&lt;", "‹"), trace


def test_links_open_apart_and_tell_nobody_where_from():
    clean = sanitise('<a href="https://example.org/rules">rules</a>')
    assert 'href="https://example.org/rules"' in clean
    assert 'rel="noopener noreferrer nofollow"' in clean and 'target="_blank"' in clean


def test_cleaning_twice_changes_nothing():
    once = sanitise('<p onclick=x>a <a href="https://example.org">b</a> & c <b>d</p>')
    assert sanitise(once) == once


def test_too_much_is_refused():
    with pytest.raises(errors.TooLarge):
        sanitise("x" * (MAX_CHARACTERS + 1))


@pytest.mark.parametrize("url", ["", "  ", "https://example.org/rules?x=1", "http://intranet.example/labeling"])
def test_addresses_of_pages(url):
    assert clean_url(url) == url.strip()


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "ftp://example.org", "rules", "https://", "https://e.org/" + "x" * 500],
)
def test_other_addresses_are_refused(url):
    with pytest.raises(errors.Invalid) as refusal:
        clean_url(url)
    assert "instructions_url" in refusal.value.fields
