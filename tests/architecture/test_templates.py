"""What every template keeps to: it compiles, brings no inline script or style, escapes, speaks through gettext."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template import engines
from django.template.base import Lexer, TokenType
from django.urls import get_resolver

ROOT = Path(settings.BASE_DIR) / "templates"
TEMPLATES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.html"))

# Words that are the same in every language: names, units, signs, keys and code.
NOT_TRANSLATED = {"Tessera", "API", "COCO", "CSV", "JSON", "DICOM", "Ctrl", "Shift", "Alt", "Enter", "Esc", "px", "MB"}
IS_CODE = re.compile(r"<(code|kbd|pre|samp)\b.*?</\1>", re.S)
TAG = re.compile(r"<!--.*?-->|<[^>]*>", re.S)
COMMENT = re.compile(r"{%\s*comment\s*%}.*?{%\s*endcomment\s*%}|{#.*?#}", re.S)
# Blocks such as page_class hold names of CSS classes.
CLASS_BLOCK = re.compile(r"{%\s*block\s+\w+_class\s*%}.*?{%\s*endblock[^%]*%}", re.S)
TRANSLATED_BLOCK = re.compile(r"{%\s*blocktrans(?:late)?\b.*?{%\s*endblocktrans(?:late)?\s*%}", re.S)
VISIBLE_ATTRIBUTES = re.compile(
    r"""\s(?:title|alt|placeholder|aria-label|data-confirm[\w-]*|data-copied)=(["'])(.*?)\1""", re.S
)
WORD = re.compile(r"[^\W\d_]{2,}")


def source(name: str) -> str:
    return COMMENT.sub("", (ROOT / name).read_text(encoding="utf-8"))


def without_template_code(text: str) -> str:
    """Drops {{ }} and {% %}, and what stands between blocktranslate tags."""
    text = TRANSLATED_BLOCK.sub("", text)
    return "".join(token.contents if token.token_type == TokenType.TEXT else "\x00" for token in Lexer(text).tokenize())


def untranslated(text: str) -> list[str]:
    """Runs of words in the text or in visible attributes that do not go through gettext."""
    plain = without_template_code(IS_CODE.sub(" ", CLASS_BLOCK.sub("", text)))
    found = [value for _quote, value in VISIBLE_ATTRIBUTES.findall(plain)]
    found += TAG.sub("\n", plain).split("\n")
    return [
        piece.replace("\x00", "…").strip()
        for piece in found
        if any(word not in NOT_TRANSLATED for word in WORD.findall(piece))
    ]


def test_there_are_templates() -> None:
    assert {"base.html", "base_plain.html", "500.html", "errors/429.html"} <= set(TEMPLATES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_compiles(name: str) -> None:
    engines["django"].get_template(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_keeps_to_the_content_policy_and_escapes(name: str) -> None:
    text = source(name)
    plain = without_template_code(text)
    for tag in re.findall(r"<script\b[^>]*>", text, re.I):
        assert re.search(r"\ssrc=", tag), f"a script without src: {tag}"
    assert not re.search(r"<style\b", text, re.I), "a <style> element"
    assert not re.search(r"<[^>]*\sstyle\s*=", plain, re.I), "a style attribute"
    assert not re.search(r"<[^>]*\son[a-z]+\s*=", plain, re.I), "an inline event handler"
    assert not re.search(r"""(?:href|src|action)\s*=\s*["']?\s*javascript:""", plain, re.I), "a javascript: address"
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?:https?:)?//[^"']*\.(?:js|css|woff2?)\b""", plain), (
        "a file from elsewhere"
    )
    assert not re.search(r"\|\s*safe(?:seq)?\b", text), "the filter safe"
    assert not re.search(r"{%\s*autoescape\s+off", text), "autoescape off"


@pytest.mark.parametrize("name", TEMPLATES)
def test_its_words_go_through_gettext(name: str) -> None:
    assert untranslated(source(name)) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_static_files_and_icons_it_names_exist(name: str) -> None:
    text = source(name)
    for path in re.findall(r"""{%\s*static\s+["']([^"']+)["']""", text):
        assert finders.find(path), path
    sprite = (Path(settings.BASE_DIR) / "static/img/icons.svg").read_text(encoding="utf-8")
    icons = set(re.findall(r'<symbol id="([\w-]+)"', sprite))
    used = re.findall(r"""_icon\.html["']\s+with\s+name=["']([\w-]+)""", text)
    used += re.findall(r"""_empty\.html["']\s+with\s[^%]*?icon=["']([\w-]+)""", text)
    assert set(used) <= icons, sorted(set(used) - icons)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_templates_it_includes_exist(name: str) -> None:
    """An include is looked up only when it is drawn, so compiling does not find a wrong name."""
    for path in re.findall(r"""{%\s*(?:include|extends)\s+["']([^"']+)["']""", source(name)):
        engines["django"].get_template(path)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_form_that_posts_has_a_token(name: str) -> None:
    for form in re.findall(r"<form\b[^>]*\bmethod=[\"']?post\b.*?</form>", source(name), re.I | re.S):
        assert "{% csrf_token %}" in form, form[:120]


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_addresses_it_names_exist(name: str) -> None:
    """Also those written `{% url … as x %}`, which hide a link instead of failing."""
    text = source(name)
    names = set(re.findall(r"""{%\s*url\s+["']([\w:-]+)["']""", text))
    known = _url_names(get_resolver(), "")
    assert names <= known | {"styleguide"}, sorted(names - known)


def _url_names(resolver: object, prefix: str) -> set[str]:
    names: set[str] = set()
    for pattern in resolver.url_patterns:  # type: ignore[attr-defined]
        if hasattr(pattern, "url_patterns"):
            space = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            names |= _url_names(pattern, space)
        elif pattern.name:
            names.add(prefix + pattern.name)
    return names


class TestTheChecksThemselves:
    """A check that finds nothing anywhere proves nothing."""

    @pytest.mark.parametrize(
        "text",
        [
            "<p>Hello there</p>",
            '<button aria-label="Close me"></button>',
            "{% if x %}Words{% endif %}",
            "<p>{{ count }} items</p>",
        ],
    )
    def test_bare_words_are_found(self, text: str) -> None:
        assert untranslated(text)

    @pytest.mark.parametrize(
        "text",
        [
            '<p>{% translate "Hello there" %}</p>',
            "{% blocktranslate trimmed %}Hello <b>there</b>{% endblocktranslate %}",
            "<kbd>Enter</kbd> <code>GET /api/</code>",
            '<input type="text" name="name" class="wide">',
            '<img src="x" alt="">',
        ],
    )
    def test_marked_words_are_not(self, text: str) -> None:
        assert untranslated(text) == []


# --- Style sheets and modules ----------------------------------------------------------------------------------------
STATIC = Path(settings.BASE_DIR) / "static"
MODULES = sorted(path.relative_to(STATIC).as_posix() for path in (STATIC / "js").rglob("*.js"))
SHEETS = sorted(path.relative_to(STATIC).as_posix() for path in (STATIC / "css").glob("*.css"))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_files_that_exist_and_makes_no_html_of_data(name: str) -> None:
    path = STATIC / name
    text = path.read_text(encoding="utf-8")
    for wanted in re.findall(r"""(?:^|\s)(?:import|export)\b[^;"']*?["'](\.[^"']+)["']""", text):
        assert (path.parent / wanted).resolve().is_file(), wanted
    code = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)
    # Reading innerHTML is harmless; what is written with it is parsed.
    assert not re.search(r"\.(?:inner|outer)HTML\s*\+?=(?!=)", code), "HTML assigned"
    for forbidden in ("insertAdjacentHTML", "document.write", "eval(", "new Function", "setHTMLUnsafe"):
        assert forbidden not in code, forbidden


@pytest.mark.parametrize("name", SHEETS)
def test_a_sheet_uses_only_tokens_that_exist(name: str) -> None:
    known = set()
    for sheet in SHEETS:
        known |= set(re.findall(r"(--[\w-]+)\s*:", (STATIC / sheet).read_text(encoding="utf-8")))
    known |= {"--class-colour"}  # set by js/colours.js
    used = set(re.findall(r"var\((--[\w-]+)\s*\)", (STATIC / name).read_text(encoding="utf-8")))
    assert used <= known, sorted(used - known)


def test_the_palette_is_the_same_in_style_and_script() -> None:
    tokens = (STATIC / "css/tokens.css").read_text(encoding="utf-8")
    style = [re.search(rf"--class-{n}: (#\w+);", tokens).group(1) for n in range(12)]  # type: ignore[union-attr]
    script = (STATIC / "js/colours.js").read_text(encoding="utf-8")
    block = script[script.index("PALETTE = [") : script.index("];")]
    assert re.findall(r'"(#\w+)"', block) == style


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    r, g, b = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


PAIRS = [
    *((ink, ground, 4.5) for ink in ("text", "text-2", "text-3") for ground in ("bg", "surface", "surface-2")),
    *((ink, ground, 4.5) for ink in ("accent-text", "danger") for ground in ("bg", "surface")),
    *((kind, f"{kind}-soft", 4.5) for kind in ("info", "success", "warning", "danger", "neutral")),
    ("accent-text", "accent-soft", 4.5),
    ("accent-ink", "accent", 4.5),
    ("accent-ink", "accent-hover", 4.5),
    ("danger-ink", "danger", 4.5),
    ("text", "info-soft", 4.5),
    *(("line-strong", ground, 3.0) for ground in ("bg", "surface")),
    *((f"seg-{kind}", "surface", 3.0) for kind in ("done", "skipped", "review")),
    *(("focus", ground, 3.0) for ground in ("bg", "surface", "surface-2")),
]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground", "least"), PAIRS)
def test_contrast_is_that_of_wcag_aa(ink: str, ground: str, least: float, theme: int) -> None:
    tokens = (STATIC / "css/tokens.css").read_text(encoding="utf-8")
    colours = {
        name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", tokens)
    }
    assert _contrast(colours[ink][theme], colours[ground][theme]) >= least


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_two_landmarks_have_one_name(name: str) -> None:
    """What scrolls in a section is a group: a second region of the same name tells nobody where they are."""
    text = source(name)
    named = re.findall(r"<section\b[^>]*aria-labelledby=\"([\w-]+)\"", text)
    named += re.findall(r"role=\"region\"[^>]*aria-labelledby=\"([\w-]+)\"", text)
    assert sorted(named) == sorted(set(named))


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_link_that_leads_nowhere_says_so(name: str) -> None:
    """An <a> without href has no role of its own, so its label and its being off would not be read out."""
    for tag in re.findall(r"<a\b.*?>", source(name).replace("%}>", "%} >")):
        if 'aria-disabled="true"' in tag:
            assert re.search(r'role="link" aria-disabled="true"', tag), tag


def test_the_name_of_the_site_is_read_out_on_a_phone_too() -> None:
    rule = re.search(r"\.brand span \{([^}]*)\}", (STATIC / "css/layout.css").read_text(encoding="utf-8"))
    assert rule and "display: none" not in rule[1]
