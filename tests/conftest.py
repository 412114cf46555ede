"""Fixtures that all tests share. Everything else stays beside the tests that use it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connections
from pytest_django.plugin import blocking_manager_key

from tests.support import running

# In CI a test that skips is a test that failed, except for these reasons.
ALLOWED_SKIPS = (
    "sample data is not here",
    "needs root",
    "needs curl",
    "only on PostgreSQL",
    "only on SQLite",
    "only on Linux",
)


# --- The run as a whole ----------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_skips] = []


# Folders whose files take long although they hold few tests: they begin first, so that no worker has one left alone.
LONG_FILES = ("journeys", "start", "deploy", "browser", "security")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return LONG_FILES.index(folder) if folder in LONG_FILES else len(LONG_FILES)

    items.sort(key=place)


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    asked = bool(marker and marker.kwargs.get("transaction"))
    return asked or bool({"transactional_db", "live_server"} & set(getattr(item, "fixturenames", ())))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """A test that commits empties every table when it ends: the rows that migrations made come back at once.

    The migrations themselves make them again. Django's own way (serialized_rollback) keeps them on the connection
    object, which is another one while a browser's event loop runs in this thread.
    """
    yield
    if nextitem is None or not _commits(item):
        return  # after the last test the test database itself is gone
    with item.config.stash[blocking_manager_key].unblock():
        roles = importlib.import_module("projects.migrations.0002_built_in_roles")
        rights = importlib.import_module("projects.migrations.0004_rights_to_comment_and_prelabel")
        if not apps.get_model("projects", "Role").objects.exists():
            roles.make_roles(apps, None)
            rights.grant(apps, None)
        connections.close_all()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _seen_skips.append((report.nodeid, reason.removeprefix("Skipped: ")))


_seen_skips: list[tuple[str, str]] = []
_skips = pytest.StashKey[list[tuple[str, str]]]()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI", "").lower() not in {"1", "true"}:
        return
    forbidden = [skip for skip in _seen_skips if not skip[1].startswith(ALLOWED_SKIPS)]
    session.config.stash[_skips] = forbidden
    if forbidden and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for name, reason in config.stash[_skips]:
        terminalreporter.write_line(f"skipped for a reason that CI does not accept: {name}: {reason}", red=True)


# --- Around every test -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def broker_server() -> Iterator[None]:
    """A real Valkey on the socket that the test settings name, unless the run was given a Redis of its own."""
    if os.environ.get("TESSERA_TEST_REDIS_URL"):
        yield
        return
    with running.embedded_broker(Path(os.environ["TESSERA_HOME"])):
        yield


@pytest.fixture(autouse=True)
def empty_cache(broker_server: None) -> None:
    """Throttle counters and cached answers of one test are no business of the next."""
    from django.core.cache import cache

    cache.clear()


# --- Asked for by name -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder of sample data sets: TESSERA_TEST_DATA, else ../shared/data beside the checkout."""
    folder = Path(os.environ.get("TESSERA_TEST_DATA") or running.ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("sample data is not here: set TESSERA_TEST_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def live_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Site]:
    """A whole site (web, worker, broker, database file) under its supervisor, shared by the tests of this process."""
    site = running.start_site(tmp_path_factory.mktemp("site") / "home")
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium driven by playwright; `browser.new_context()` gives each test its own."""
    from playwright.sync_api import sync_playwright

    chromium = running.find_chromium()
    if chromium is None:
        pytest.skip("Chromium is not on PATH")
    # Playwright's loop runs in this thread, which makes Django believe the test itself were asynchronous.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    flags = running.CHROMIUM_FLAGS + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        driven = playwright.chromium.launch(executable_path=chromium, headless=True, args=flags)
        try:
            yield driven
        finally:
            driven.close()
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A fresh page in a context of its own (1440 × 900), closed after the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        yield context.new_page()
    finally:
        context.close()
