"""Long jobs end in one of their states, whatever happens, and never stand in each other's way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from labeling_site.core import jobs
from labeling_site.core.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def kinds() -> Iterator[dict[str, jobs.Kind]]:
    """The registered kinds, as they were again after the test."""
    before = dict(jobs._kinds)
    yield jobs._kinds
    jobs._kinds.clear()
    jobs._kinds.update(before)


def silent_job(kind: str, attempts: int) -> Job:
    """A running job whose worker has not been heard of for a minute."""
    past = timezone.now() - timedelta(minutes=1)
    job = jobs.enqueue(kind=kind, args={}, tenant_id=None)
    Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING, heartbeat_at=past, attempts=attempts)
    return job


def test_a_job_that_cannot_be_ended_keeps_no_other_from_being_sent_again(kinds: dict[str, jobs.Kind]) -> None:
    def refuses_to_end(job: Job) -> None:
        raise ValueError("broken")

    jobs.job_kind("test.poison", on_end=refuses_to_end)(lambda claim: None)
    jobs.job_kind("test.good")(lambda claim: None)
    silent_job("test.poison", jobs.MAX_ATTEMPTS)
    lost = silent_job("test.poison", jobs.MAX_ATTEMPTS)
    waiting = silent_job("test.good", 1)
    assert jobs.sweep() == 1
    waiting.refresh_from_db()
    assert waiting.sent_at and timezone.now() - waiting.sent_at < timedelta(seconds=10)
    lost.refresh_from_db()
    assert lost.state == Job.State.RUNNING, "what could not be ended is not half ended"


@pytest.mark.django_db(transaction=True)  # a job that breaks down gives its connection back
@pytest.mark.parametrize(
    ("said", "kept"), [("a\0b", "a\\x00b"), ("photo\udcff.png", "photo\\udcff.png")], ids=["nul", "surrogate"]
)
def test_an_error_that_no_database_can_keep_still_ends_the_job(
    kinds: dict[str, jobs.Kind], said: str, kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "labeling_site.core.jobs")  # parallel test processes cannot tell each other this

    def fails(claim: jobs.Claim) -> dict[str, Any]:
        raise RuntimeError(said)

    jobs.job_kind("test.odd_error")(fails)
    job = jobs.enqueue(kind="test.odd_error", args={}, tenant_id=None)
    jobs.run(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.FAILED and kept in job.error


def test_stopping_several_jobs_passes_over_those_that_have_ended(kinds: dict[str, jobs.Kind]) -> None:
    jobs.job_kind("test.plain")(lambda claim: None)
    ended, queued, running = (jobs.enqueue(kind="test.plain", args={}, tenant_id=7) for _ in range(3))
    jobs.run(str(ended.pk))
    jobs.claim(running.pk)
    jobs.cancel_all(Job.objects.filter(tenant_id=7))
    found = {job.pk: (job.state, job.cancel_requested) for job in Job.objects.filter(tenant_id=7)}
    assert found == {
        ended.pk: (Job.State.SUCCEEDED, False),
        queued.pk: (Job.State.CANCELLED, True),
        running.pk: (Job.State.RUNNING, True),
    }
