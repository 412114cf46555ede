"""The three settings of a project that are kept as JSON: workforce, quality control, ML assist. One checker each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from labeling_site.core import errors
from projects.services.names import clean_name

MAX_LABELERS = 20

_Check = Callable[[str, Any], Any]


def clean_workforce(values: Mapping[str, Any]) -> dict[str, Any]:
    """{"vendor": name of the labeling company, "" for one's own people}."""
    return _clean("workforce", values, {"vendor": ("", _vendor)})


def clean_quality(values: Mapping[str, Any]) -> dict[str, Any]:
    """{"consensus": bool, "min_labelers": 1–20, "max_labelers": min–20}; without consensus both are 1."""
    checks: dict[str, tuple[Any, _Check]] = {
        "consensus": (False, _flag),
        "min_labelers": (2, _between(1, MAX_LABELERS)),
        "max_labelers": (3, _between(1, MAX_LABELERS)),
    }
    kept = _clean("quality", values, checks)
    if not kept["consensus"]:
        return {"consensus": False, "min_labelers": 1, "max_labelers": 1}
    if kept["min_labelers"] < 2:
        raise _refusal("quality.min_labelers", _("Consensus needs at least two labelers an item."))
    if kept["max_labelers"] < kept["min_labelers"]:
        raise _refusal("quality.max_labelers", _("The maximum of labelers is below the minimum."))
    return kept


def clean_assist(values: Mapping[str, Any]) -> dict[str, Any]:
    """{"enabled": bool, "mode": "suggest" or "auto_accept", "target_precision": 0.5–0.999}."""
    return _clean(
        "assist",
        values,
        {
            "enabled": (False, _flag),
            "mode": ("suggest", _one_of("suggest", "auto_accept")),
            "target_precision": (0.9, _between(0.5, 0.999)),
        },
    )


def _clean(group: str, values: Mapping[str, Any], checks: dict[str, tuple[Any, _Check]]) -> dict[str, Any]:
    unknown = sorted(set(values) - set(checks))
    if unknown:
        raise _refusal(f"{group}.{unknown[0]}", _("There is no such setting; known are: %s.") % ", ".join(checks))
    return {
        name: check(f"{group}.{name}", values[name]) if values.get(name) is not None else default
        for name, (default, check) in checks.items()
    }


def _vendor(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _refusal(field, _("The name of a company is a text."))
    return clean_name(value, field=field, slash=True) if value.strip() else ""


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refusal(field, _("This is either on or off (true or false)."))
    return value


def _between(low: float, high: float) -> _Check:
    whole = isinstance(low, int)

    def check(field: str, value: Any) -> float:
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            raise _refusal(field, _("Give a number from %(low)s to %(high)s.") % {"low": low, "high": high})
        return value

    return check


def _one_of(*choices: str) -> _Check:
    def check(field: str, value: Any) -> str:
        if value not in choices:
            raise _refusal(field, _("Choose from: %s.") % ", ".join(choices))
        return str(value)

    return check


def _refusal(field: str, sentence: str) -> errors.Invalid:
    return errors.Invalid(sentence, fields={field: [sentence]})
