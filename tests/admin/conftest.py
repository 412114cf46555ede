"""The rows that the tests of the admin look at: made once for each file, and as they were for each test."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from tests.admin.rows import Rows, make_rows


@pytest.fixture(scope="module")
def standing_rows(django_db_setup: None, django_db_blocker: Any, broker_server: None) -> Iterator[Rows]:
    """Making them takes longer than most of the tests."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_rows()
        transaction.set_rollback(True)


@pytest.fixture
def _django_db_helper(standing_rows: Rows) -> Iterator[None]:
    """In place of a transaction of the test's own: a savepoint in the one that holds the rows."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def rows(standing_rows: Rows) -> Rows:
    return copy.deepcopy(standing_rows)
