"""Hyperparameters as options: every row of the table under its v2 name, v1 name and aliases."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from automl.vision.spec import ROWS, Row


def add(parser: argparse.ArgumentParser, only: Sequence[str] | None = None) -> None:
    """One option per hyperparameter (of `only`, where given), in the sections of the table; dashes and underscores
    both work."""
    groups: dict[str, Any] = {}
    for row in ROWS:
        if only is not None and row.name not in only:
            continue
        if row.section not in groups:
            groups[row.section] = parser.add_argument_group(f"hyperparameters: {row.section.lower()}")
        groups[row.section].add_argument(
            *_spellings(row), dest=f"set_{row.name}", metavar="VALUE", default=argparse.SUPPRESS, help=_help(row)
        )


def given(arguments: argparse.Namespace) -> dict[str, str]:
    """The hyperparameters that were given, as text, under their v2 names."""
    return {name[4:]: value for name, value in vars(arguments).items() if name.startswith("set_")}


def _spellings(row: Row) -> list[str]:
    names = [row.name, *row.aliases]
    return list(dict.fromkeys(f"--{each}" for name in names for each in (name.replace("_", "-"), name)))


def _help(row: Row) -> str:
    return f"{row.help} Allowed: {row.allowed()}.".replace("%", "%%")
