"""Whatever a person can have done, a program can have done too: every public service is reached by the API."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.architecture import sources

APPS = ("projects", "annotations", "automl")
# Services for which there is a reason not to be in the API.
ELSEWHERE: dict[str, str] = {}


def public_services() -> set[str]:
    """Dotted names of service functions that act for somebody: they take `actor`."""
    found = set()
    for path in sources.files():
        if path.parts[0] in APPS and path.parts[1] == "services":
            module = ".".join(path.with_suffix("").parts)
            for node in sources.tree(path).body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    keywords = {argument.arg for argument in node.args.kwonlyargs}
                    if "actor" in keywords:
                        found.add(f"{module}.{node.name}")
    return found


def named_by_the_api() -> set[str]:
    """Dotted names that API modules use, with imported names put in place of their short forms."""
    found: set[str] = set()
    for path in sources.files():
        if len(path.parts) > 2 and path.parts[1] == "api":
            found |= _uses(path)
    return found


def _uses(path: Path) -> set[str]:
    short: dict[str, str] = {}
    found = set()
    for node in ast.walk(sources.tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            short |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(sources.tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in short:
            found.add(f"{short[node.value.id]}.{node.attr}")
        elif isinstance(node, ast.Name) and node.id in short:
            found.add(short[node.id])
    return found


def test_every_service_that_acts_for_somebody_has_a_route() -> None:
    services = public_services()
    assert len(services) > 40, "the search finds services"
    missing = services - named_by_the_api() - set(ELSEWHERE)
    assert not missing, "these can be done by pages only; give them a route, or a reason in ELSEWHERE"


def test_no_exception_outlives_its_service() -> None:
    assert not set(ELSEWHERE) - public_services()
    assert not set(ELSEWHERE) & named_by_the_api()
