"""Charts and form fields as the templates draw them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django import forms
from django.template import Context, engines

from labeling_site.core.charts import Segment, bars, donut


def draw(name: str, **context: Any) -> str:
    return engines["django"].engine.get_template(name).render(Context(context))


class TestDonut:
    def test_segments_follow_each_other_round_the_ring(self) -> None:
        made = donut(
            [Segment("a", 1, "seg-done"), Segment("b", 2, "seg-skipped"), Segment("c", 1, "seg-open")], title="t"
        )
        assert [(row["offset"], row["length"]) for row in made["segments"]] == [
            ("0.000", "25.000"),
            ("-25.000", "50.000"),
            ("-75.000", "25.000"),
        ]

    @pytest.mark.parametrize(
        ("done", "left", "percent"), [(0, 0, 0), (0, 5, 0), (999, 1, 99), (5, 0, 100), (1, 999, 0)]
    )
    def test_a_hundred_per_cent_means_all(self, done: int, left: int, percent: int) -> None:
        assert donut([Segment("a", done, "seg-done"), Segment("b", left, "seg-open")], title="t")["percent"] == percent

    def test_something_is_never_shown_as_nothing_nor_nearly_all_as_all(self) -> None:
        shares = [row["percent"] for row in donut([Segment("a", 1, ""), Segment("b", 999, "")], title="t")["segments"]]
        assert shares == ["<1", "99"]

    def test_it_is_drawn_with_names_and_counts_and_escapes_them(self) -> None:
        html = draw("components/_donut.html", donut=donut([Segment("<b>x</b>", 3, "seg-done")], title="Progress"))
        assert html.count("<circle") == 2
        assert "<b>x" not in html
        assert 'aria-label="Progress: 100 %"' in html


class TestBars:
    def test_the_longest_fills_the_track_and_shares_are_of_the_total(self) -> None:
        made = bars([("car", 30, "#ff4400"), ("bus", 15, "class-1")], title="t", total=60)
        assert [(row["width"], row["percent"]) for row in made["rows"]] == [("100.00", "50"), ("50.00", "25")]
        html = draw("components/_bars.html", bars=made)
        assert 'data-colour="#ff4400"' in html
        assert "30 / 60 (50 %)" in html
        assert "style=" not in html

    def test_nothing_to_count_draws_no_bar(self) -> None:
        assert bars([("car", 0, "class-0")], title="t")["rows"][0]["width"] == "0.00"
        assert bars([], title="t")["rows"] == []


class Sample(forms.Form):
    name = forms.CharField(help_text="Up to <b>9</b> letters", max_length=9)
    note = forms.CharField(required=False)
    agreed = forms.BooleanField(label="I agree")
    kind = forms.ChoiceField(choices=[("a", "Apple"), ("b", "Pear")], widget=forms.RadioSelect)
    hidden = forms.CharField(widget=forms.HiddenInput, required=False)

    def clean(self) -> dict[str, Any]:
        raise forms.ValidationError("Not <i>today</i>.")


class TestFields:
    html = ""

    @pytest.fixture(autouse=True)
    def drawn(self) -> None:
        self.html = str(Sample({"name": "much too long a name", "kind": "b"}))

    def test_help_and_errors_are_tied_to_the_field_and_escaped(self) -> None:
        tag = re.search(r'<input type="text" name="name"[^>]*>', self.html)
        assert tag
        wanted = re.search(r'aria-describedby="([^"]+)"', tag.group())
        assert wanted
        for name in wanted.group(1).split():
            assert f'id="{name}"' in self.html
        assert 'aria-invalid="true"' in tag.group()
        assert "Up to &lt;b&gt;9" in self.html
        assert "Not &lt;i&gt;today" in self.html

    def test_every_widget_has_a_name_people_read(self) -> None:
        ids = re.findall(r'<input type="(?:text|checkbox|radio)"[^>]* id="([^"]+)"', self.html)
        assert len(ids) == 5
        for name in ids:
            assert f'for="{name}"' in self.html, name
        assert "<legend>Kind" in self.html

    def test_only_optional_fields_say_so(self) -> None:
        assert self.html.count('class="optional"') == 1

    def test_hidden_fields_have_no_label(self) -> None:
        assert self.html.count('name="hidden"') == 1
        assert 'for="id_hidden"' not in self.html

    def test_radio_cards_show_text_beside_the_choice(self) -> None:
        html = draw(
            "components/_radio_cards.html",
            field=Sample()["kind"],
            descriptions=[{"value": "b", "text": "Grows on trees"}],
        )
        assert re.search(r"Pear</strong><small>Grows on trees", html)
        assert "Apple</strong></span>" in html
