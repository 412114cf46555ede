"""List the hyperparameters: names, allowed values, defaults.

With --task and --model-name, only those that apply, with their defaults for that model.
"""

from __future__ import annotations

import argparse
from typing import Any

from automl.vision.errors import UsageError
from automl.vision.spec import ROWS, Row, model_entry, tasks
from automl.vision.spec.document import default_words, markdown

from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", help=f"one of {', '.join(tasks.TASKS)}")
    parser.add_argument("--model-name", metavar="NAME", help="a model; the default one of the task otherwise")
    parser.add_argument("--markdown", action="store_true", help="the whole table as docs/hyperparameters.md has it")


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    if arguments.markdown:
        output.show(markdown().rstrip("\n"))
        return {"markdown": markdown()}
    task = arguments.task or _task_of(arguments.model_name)
    if not task:
        listed = [_described(row) | {"default": default_words(row)} for row in ROWS]
    else:
        task = tasks.canonical(task)
        entry = model_entry(task, arguments.model_name)
        listed = [
            _described(row) | {"default": row.default(task, entry)} for row in ROWS if row.applies_to(task, entry)
        ]
        output.show(f"{entry.name} ({task})")
    for each in listed:
        default = "not given" if each["default"] is None else each["default"]
        output.show(f"{each['name']} = {default}\n    {each['help']}\n    Allowed: {each['allowed']}.")
    return {"hyperparameters": listed}


def _task_of(name: str | None) -> str | None:
    """The (first) task of a model; UsageError where there is no such model."""
    if name is None:
        return None
    if name not in tasks.MODELS:
        raise UsageError(f"There is no model {name!r}.", "`list-models` shows all of them.")
    return tasks.MODELS[name].tasks[0]


def _described(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "aliases": list(row.aliases),
        "type": row.kind,
        "allowed": row.allowed(),
        "low": row.low,
        "high": row.high,
        "choices": list(row.choices),
        "help": row.help,
        "scope": row.scope,
    }
