"""What the preferences that the site itself keeps must look like, whichever door they come through.

A name that is not listed here belongs to whoever made it; the site never reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from labeling_site.core import errors

MAX_ACTIONS = 200
MAX_KEYS = 4
ONE_KEY = ("never", "single", "grid")

_ACTION = re.compile(r"[a-z][a-z_]{0,39}")
_NAMED_KEYS = (
    "enter|escape|delete|backspace|tab|home|end|pageup|pagedown|insert|arrow(?:left|right|up|down)|f[1-9]|f1[0-2]"
)
# A key as static/js/editor/shortcuts.js writes it: event.key in lower case after ctrl+ and shift+. One visible
# character or the space; no control, format or unassigned characters, which nobody could see in the list.
_KEY = re.compile(rf"(?:ctrl\+)?(?:shift\+)?(?:{_NAMED_KEYS}|.)", re.DOTALL)


def check_keymap(value: Any) -> None:
    """Raises Invalid unless this is {action: [keys]}: an empty list leaves an action without a key."""
    if not isinstance(value, Mapping) or len(value) > MAX_ACTIONS:
        raise _refusal("keymap", _("A keymap is an object: the keys of each action, in a list."))
    for action, keys in value.items():
        if not isinstance(action, str) or not _ACTION.fullmatch(action):
            raise _refusal("keymap", _("An action is named in lower-case letters and _."))
        if not isinstance(keys, list) or len(keys) > MAX_KEYS or not all(map(_is_key, keys)):
            raise _refusal(
                f"keymap.{action}",
                _("Each action has up to %d keys, written like s, shift+s, ctrl+enter or arrowleft.") % MAX_KEYS,
            )


def _is_key(key: Any) -> bool:
    return isinstance(key, str) and bool(_KEY.fullmatch(key)) and key.isprintable() and key == key.lower()


def check_labeling(value: Any) -> None:
    """Raises Invalid unless this is {"one_key"?, "help"?}: how the labeling page behaves for this person."""
    known: dict[str, tuple[Any, ...]] = {"one_key": ONE_KEY, "help": ("", "instructions", "comments")}
    if not isinstance(value, Mapping):
        raise _refusal("labeling", _("The settings of the labeling page are an object."))
    for name, chosen in value.items():
        if name not in known:
            raise _refusal("labeling", _("There is no such setting of the labeling page."))
        if not isinstance(chosen, str) or chosen not in known[name]:
            raise _refusal(f"labeling.{name}", _("Choose one of: %s.") % ", ".join(one or "“”" for one in known[name]))


CHECKS: dict[str, Callable[[Any], None]] = {"keymap": check_keymap, "labeling": check_labeling}


def check(changes: Mapping[str, Any]) -> None:
    """Raises Invalid for a preference of the site that is not of its form; None always forgets."""
    for name, value in changes.items():
        if name in CHECKS and value is not None:
            CHECKS[name](value)


def _refusal(field: str, sentence: str) -> errors.Invalid:
    return errors.Invalid(sentence, fields={f"preferences.{field}": [sentence]})
