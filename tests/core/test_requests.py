"""Requests that are larger, deeper or earlier than anything real: a sentence, and nothing changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from labeling_site.core import jobs
from labeling_site.core.models import IdempotencyRecord
from labeling_site.static_files import StaticFromMemory
from tests import factories
from tests.support.running import run_async


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.mark.django_db
def test_a_body_that_is_too_large_is_refused_in_words_for_programs(
    people: factories.People, settings: LazySettings
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    client = signed_in(people.bob)
    answer = client.patch("/api/v1/me/", b'{"name": "' + b"x" * 1000 + b'"}', content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert client.patch("/api/v1/me/", {"name": "Bo"}, content_type="application/json").status_code == 200
    people.bob.refresh_from_db()
    assert people.bob.name == "Bo"


@pytest.mark.django_db
def test_a_body_of_brackets_is_refused(people: factories.People) -> None:
    body = b'{"preferences": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    answer = signed_in(people.bob).patch("/api/v1/me/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


@pytest.mark.django_db
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_times_at_the_ends_of_the_calendar_are_refused(people: factories.People, moment: str) -> None:
    project = factories.make_project(people.workspace, images=1)
    client = signed_in(people.alice)
    api, page = f"/api/v1/projects/{project.pk}/entries/", f"/projects/{project.pk}/data/"
    assert client.get(api, {"submitted_from": moment}).status_code == 400
    assert client.get(page, {"submitted_until": moment}).status_code == 400
    assert client.get(page, {"after": f"{moment}_5"}).status_code == 400
    assert client.get(api, {"submitted_from": "0001-01-01"}).status_code == 200


@pytest.mark.django_db
def test_a_workspace_with_thousands_of_digits_is_nobodys(people: factories.People) -> None:
    assert signed_in(people.alice).post("/projects/new/", {"workspace": "9" * 5000}).status_code == 404


@pytest.mark.parametrize("name", ["/etc/passwd", "a\0b", "x" * 5000, "../settings.py", "a/../../settings.py"])
def test_a_static_file_that_cannot_be_is_not_found(name: str) -> None:
    said: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    async def nothing(*args: Any) -> None:
        raise AssertionError("only static files are asked for here")

    scope = {"type": "http", "method": "GET", "path": f"/static/{name}", "headers": []}
    run_async(StaticFromMemory(nothing)(scope, nothing, send))
    assert (said[0]["status"], said[1]["body"]) == (404, b"")


@pytest.mark.django_db
def test_replies_to_repeated_requests_are_kept_a_day_and_no_longer(people: factories.People) -> None:
    for key, hours in (("old", 25), ("young", 23)):
        row = IdempotencyRecord.objects.create(user_id=people.alice.pk, key=key, fingerprint="-")
        IdempotencyRecord.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(hours=hours))
    jobs.tick()
    assert [row.key for row in IdempotencyRecord.objects.all()] == ["young"]
