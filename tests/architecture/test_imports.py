"""Who may import whom (ARCHITECTURE.md). Also imports inside functions count: a late import is an import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture import sources

APPS = ("projects", "annotations", "automl")
DJANGO = ("django", "rest_framework", "drf_spectacular", "channels", "dramatiq")
# What core may know of the rest of labeling_site: the queue behind `send`, imported when it sends.
SHARED = ("labeling_site.core", "labeling_site.broker")


def below(path: Path, *folders: str) -> bool:
    return any(path == Path(folder) or Path(folder) in path.parents for folder in folders)


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def foreign_to(*allowed: str) -> Callable[[str], bool]:
    """Names of the site that are not under `allowed`."""
    return lambda name: within(name, *APPS, "labeling_site") and not within(name, *allowed)


RULES: list[tuple[str, Callable[[Path], bool], Callable[[str], bool]]] = [
    (
        "core imports no app and no other part of the site",
        lambda path: below(path, "labeling_site/core", "labeling_site/broker.py"),
        # labeling_site itself is no Django app, so core's AppConfig registers its system checks.
        lambda name: foreign_to(*SHARED, "labeling_site.checks")(name) and name != "labeling_site",
    ),
    (
        "projects imports no other app, and of labeling_site only what all share",
        lambda path: below(path, "projects"),
        lambda name: foreign_to("projects", *SHARED)(name) and name != "labeling_site",
    ),
    (
        "annotations imports projects, and of labeling_site only what all share",
        lambda path: below(path, "annotations"),
        lambda name: foreign_to("annotations", "projects", *SHARED)(name) and name != "labeling_site",
    ),
    (
        "automl imports annotations and projects, and of labeling_site only what all share",
        lambda path: below(path, "automl"),
        lambda name: foreign_to("automl", "annotations", "projects", *SHARED)(name) and name != "labeling_site",
    ),
    (
        "these are programs and pure functions: never Django, never the site",
        lambda path: below(
            path,
            *("automl/vision", "automl/search", "projects/media", "projects/samples.py"),
            *("annotations/geometry.py", "annotations/rings.py", "annotations/formats"),
        ),
        lambda name: within(name, *DJANGO, "labeling_site"),
    ),
    (
        "torch belongs to automl/vision alone",
        lambda path: not below(path, "automl/vision"),
        lambda name: within(name, "torch", "torchvision", "timm"),
    ),
    (
        "what runs in a bundle imports no torch",
        lambda path: below(path, "automl/vision/serving", "automl/vision/runtime"),
        lambda name: within(name, "torch", "torchvision", "timm", "automl.vision.models", "automl.vision.train"),
    ),
    (
        "one module knows the engines, and keeps OpenVINO's telemetry out",
        lambda path: path != Path("automl/vision/runtime/sessions.py"),
        # Its quantizer rewrites a file, and runs no model but while it looks at the ranges.
        lambda name: within(name, "onnxruntime", "openvino") and not within(name, "onnxruntime.quantization"),
    ),
    (
        "vision and search know nothing of rows",
        lambda path: below(path, "automl/vision", "automl/search"),
        lambda name: within(name, "projects", "annotations", "automl.models", "automl.services"),
    ),
    (
        "services never see a request, a page or the API",
        lambda path: below(path, "projects/services", "annotations/services", "automl/services"),
        lambda name: (
            within(name, "django.http", "rest_framework", "django.shortcuts")
            or any(within(name, f"{app}.{door}") for app in APPS for door in ("pages", "api", "admin"))
        ),
    ),
    (
        "models know nothing of services and doors",
        lambda path: below(path, "projects/models", "annotations/models", "automl/models"),
        lambda name: any(within(name, f"{app}.{door}") for app in APPS for door in ("services", "pages", "api")),
    ),
    (
        "migrations import no code of the site: they have to run as they were",
        lambda path: path.parent.name == "migrations",
        lambda name: within(name, *APPS, "labeling_site"),
    ),
]


@pytest.mark.parametrize(("sentence", "concerns", "forbidden"), RULES, ids=[rule[0] for rule in RULES])
def test_imports_go_one_way(sentence: str, concerns: Callable[[Path], bool], forbidden: Callable[[str], bool]) -> None:
    found = [
        f"{path}:{line} imports {name}"
        for path in sources.files()
        if concerns(path)
        for name, line in sources.imports(path)
        if forbidden(name)
    ]
    assert not found, sentence


def test_the_rules_look_at_files_that_exist() -> None:
    """A rule about a folder that was renamed would hold for ever."""
    seen = sources.files()
    assert len(seen) > 100
    for sentence, concerns, _forbidden in RULES:
        is_to_come = "automl" in sentence or "vision" in sentence  # rules that wait for their code
        assert any(concerns(path) for path in seen) or is_to_come, sentence


def test_a_wrong_import_would_be_noticed() -> None:
    path = Path("projects/services/projects.py")
    names = [name for name, _line in sources.imports(path)]
    assert "projects.access" in names
    assert any(foreign_to("annotations", *SHARED)(name) for name in names)
