"""Sample numbers for /styleguide/, the page that shows every component (with DEBUG on)."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from labeling_site.core.charts import Segment, bars, donut


def sample() -> dict[str, Any]:
    """The context variable `sample` of templates/styleguide.html."""
    names = [_("ace of spades"), _("king of hearts"), _("queen of diamonds, upside down"), _("joker"), _("back")]
    return {
        "donut": donut(
            [
                Segment(_("Completed"), 745, "seg-done"),
                Segment(_("Skipped"), 87, "seg-skipped"),
                Segment(_("Needs review"), 61, "seg-review"),
                Segment(_("Incomplete"), 311, "seg-open"),
            ],
            title=_("Progress"),
            note=_("745 / 1,204 labeled"),
        ),
        "bars": bars(
            [
                (name, count, f"class-{at}")
                for at, (name, count) in enumerate(zip(names, (240, 181, 96, 12, 1), strict=True))
            ],
            title=_("Labels by class"),
        ),
        "steps": [
            {"label": _("Project details"), "state": "done", "url": "#details"},
            {"label": _("Data"), "state": "done", "url": "#details"},
            {"label": _("Label classes"), "state": "current", "note": _("at least two")},
            {"label": _("Instructions"), "state": "pending"},
        ],
    }
