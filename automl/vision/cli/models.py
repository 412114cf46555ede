"""List the models of each task, and how many groups of layers --layers-to-freeze counts in each.

Those marked with + are ours, beyond the names of the parity list."""

from __future__ import annotations

import argparse
from typing import Any

from automl.vision.spec import tasks

from .output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", help=f"only those of one task: {', '.join(tasks.TASKS)}")


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    wanted = [tasks.canonical(arguments.task)] if arguments.task else list(tasks.TASKS)
    found: dict[str, list[dict[str, Any]]] = {}
    for task in wanted:
        output.show(task)
        found[task] = []
        for entry in tasks.models_for(task):
            is_default = entry.name == tasks.DEFAULT_MODELS[task]
            found[task].append(
                {
                    "name": entry.name,
                    "layer_groups": entry.layer_groups,
                    "default": is_default,
                    "beyond_parity": entry.beyond_parity,
                }
            )
            name = f"{entry.name} +" if entry.beyond_parity else entry.name
            groups = f"{entry.layer_groups} layer groups"
            output.show(f"  {name:<28} {groups}{', the default' if is_default else ''}")
    return {"models": found}
