"""What one row of the table of hyperparameters is: names, range, defaults, and how a value is read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from automl.vision.errors import UsageError

from .tasks import CLASSIFIES, DETECTION, LOCATES, SEGMENTATION, ModelEntry

Kind = Literal["int", "float", "bool", "choice", "text", "grid", "json"]
Scope = Literal["all", "classification", "locating", "ranged", "square", "limited", "yolo", "detection", "segmentation"]

_TRUE: Final = {"1", "true", "yes", "on", "enable", "enabled"}
_FALSE: Final = {"0", "false", "no", "off", "disable", "disabled"}


@dataclass(frozen=True)
class Default:
    """A value for tasks and models of these names; empty tuples mean any. The first that fits wins."""

    value: Any
    tasks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    def fits(self, task: str, model: str) -> bool:
        return (not self.tasks or task in self.tasks) and (not self.models or model in self.models)


YOLO: Final = ("yolov5",)
QUERIES: Final = ("rtdetrv2_r18", "rtdetrv2_r50", "mask2former_swin_t")


def value_for(value: Any, tasks: tuple[str, ...] = (), *models: str) -> Default:
    """A default for these tasks and models; without any, for all that no earlier one fits."""
    return Default(value, tasks, models)


def always(value: Any) -> tuple[Default, ...]:
    """The defaults of a row that has one for every task and model."""
    return (Default(value),)


@dataclass(frozen=True)
class Row:
    """One hyperparameter. `name` is the v2 name, under which it is stored and shown.

    `low` and `high` bound a number, ends included unless `low_open` or `high_open`. `aliases` are v1 and older names.
    `applies_when` names the setting that makes it matter, as ("optimizer", ("sgd",)); it is accepted otherwise and
    reported as having no effect.
    """

    name: str
    kind: Kind
    scope: Scope
    help: str
    defaults: tuple[Default, ...]
    aliases: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    choices: tuple[str, ...] = ()
    spellings: dict[str, str] = field(default_factory=dict)
    applies_when: tuple[str, tuple[Any, ...]] | None = None
    section: str = ""

    def applies_to(self, task: str, model: ModelEntry) -> bool:
        """Whether this task and model know the setting at all."""
        return {
            "all": True,
            "classification": task in CLASSIFIES,
            "locating": task in LOCATES,
            "ranged": task in LOCATES and not (model.is_yolo or model.has_queries),
            "square": model.is_yolo or model.has_queries,
            "limited": task in LOCATES and not model.is_yolo,
            "yolo": model.is_yolo,
            "detection": task == DETECTION,
            "segmentation": task == SEGMENTATION,
        }[self.scope]

    def default(self, task: str, model: ModelEntry) -> Any:
        return next((one.value for one in self.defaults if one.fits(task, model.name)), None)

    @property
    def optional(self) -> bool:
        """Whether "not given" is a value of its own."""
        return any(one.value is None for one in self.defaults)

    def allowed(self) -> str:
        """The allowed values, in words for a person."""
        if self.kind == "bool":
            return "true or false (also 1 or 0)"
        if self.kind == "choice":
            return ", ".join(self.choices)
        if self.kind == "grid":
            return "columns x rows such as 3x2, each from 1 to 16, more than one tile"
        if self.kind == "json":
            return "a JSON object"
        if self.kind == "text":
            return "text"
        noun = "a whole number" if self.kind == "int" else "a number"
        if self.low is not None and self.high is not None:
            ends = f"{self._number(self.low)} to {self._number(self.high)}"
            without = [
                self._number(at) for at, is_open in ((self.low, self.low_open), (self.high, self.high_open)) if is_open
            ]
            return f"{noun} from {ends}" + (f", without {' and '.join(without)}" if without else "")
        return f"{noun}, {self._number(self.low)} or more" if self.low is not None else noun

    @staticmethod
    def _number(value: float) -> str:
        return f"{value:g}"

    def read(self, given: Any) -> Any:
        """The value in its own type; UsageError with the allowed range otherwise. None means "not given"."""
        if given is None or (self.optional and isinstance(given, str) and given.strip().lower() in ("", "none")):
            if self.optional:
                return None
            raise self._refuse(given)
        reader = {
            "int": self._read_int,
            "float": self._read_float,
            "bool": self._read_bool,
            "choice": self._read_choice,
            "grid": self._read_grid,
            "json": self._read_json,
            "text": self._read_text,
        }[self.kind]
        return reader(given)

    def _refuse(self, given: Any) -> UsageError:
        return UsageError(f"{self.name} cannot be {given!r}.", f"Allowed: {self.allowed()}.")

    def _within(self, value: float, given: Any) -> None:
        if value != value or value in (float("inf"), float("-inf")):
            raise self._refuse(given)
        if self.low is not None and (value < self.low or (self.low_open and value == self.low)):
            raise self._refuse(given)
        if self.high is not None and (value > self.high or (self.high_open and value == self.high)):
            raise self._refuse(given)

    def _read_int(self, given: Any) -> int:
        try:
            value = float(given) if not isinstance(given, int) else given
            whole = int(value)
        except (TypeError, ValueError, OverflowError):
            raise self._refuse(given) from None
        if isinstance(given, bool) or whole != value:
            raise self._refuse(given)
        self._within(whole, given)
        return whole

    def _read_float(self, given: Any) -> float:
        try:
            value = float(given)
        except (TypeError, ValueError):
            raise self._refuse(given) from None
        if isinstance(given, bool):
            raise self._refuse(given)
        self._within(value, given)
        return value

    def _read_bool(self, given: Any) -> bool:
        word = str(given).strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise self._refuse(given)

    def _read_choice(self, given: Any) -> str:
        word = str(given).strip().lower()
        word = self.spellings.get(word, word)
        if word not in self.choices:
            raise self._refuse(given)
        return word

    def _read_grid(self, given: Any) -> tuple[int, int]:
        """ "3x2", "(3, 2)" or a pair, columns first."""
        text = "x".join(map(str, given)) if isinstance(given, list | tuple) else str(given)
        found = re.fullmatch(r"\s*\(?\s*(\d{1,3})\s*[x,×]\s*(\d{1,3})\s*\)?\s*", text.lower())
        if not found:
            raise self._refuse(given)
        columns, rows = int(found[1]), int(found[2])
        if not (1 <= columns <= 16 and 1 <= rows <= 16) or columns * rows < 2:
            raise self._refuse(given)
        return columns, rows

    def _read_json(self, given: Any) -> dict[str, Any]:
        try:
            value = json.loads(given) if isinstance(given, str) else given
        except ValueError:
            raise self._refuse(given) from None
        if not isinstance(value, dict):
            raise self._refuse(given)
        return value

    def _read_text(self, given: Any) -> str:
        return str(given)
