"""Which of our modules a bundle needs, found by reading their imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ENTRIES = ("automl.vision.runtime", "automl.vision.serving")


@cache
def needed() -> dict[str, Path]:
    """Files by their path in a bundle (automl/vision/…): the runtime, the server, and all that they import of ours,
    also inside functions; not what is imported for type checkers alone."""
    waiting = [_name(path) for entry in ENTRIES for path in _path(entry).parent.rglob("*.py")]
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        path = _path(name)
        where = path.relative_to(ROOT).as_posix()
        if where not in found:
            found[where] = path
            parts = name.split(".")
            waiting += [".".join(parts[:count]) for count in range(1, len(parts))]  # the packages around it
            waiting += [one for one in _imports(name, path) if _exists(one)]
    return dict(sorted(found.items()))


def _imports(name: str, path: Path) -> Iterator[str]:
    """Dotted names that a module imports. `from package import name` gives both, the package and the name in it."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in _statements(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below, but none that only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from _statements(child)


def _path(name: str) -> Path:
    place = ROOT.joinpath(*name.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _exists(name: str) -> bool:
    return (name == "automl" or name.startswith("automl.")) and _path(name).is_file()


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
