"""Long jobs: rows first, messages second.

A job is enqueued inside the transaction that needs it and sent after commit. A worker claims the row with a fencing
token, reports progress with it, and loses it when another worker took over. `sweep` re-sends what a lost message or a
killed worker left behind.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, close_old_connections, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling_site.core import errors, events
from labeling_site.core.models import IdempotencyRecord, Job, Lock

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 3
STALE_SECONDS = 15  # a running job without heartbeat for this long has lost its worker
RESEND_SECONDS = 30
MAX_ATTEMPTS = 5
FORGET_TOGETHER = 500
MOST_WAITING = 200  # of one person


class Cancelled(Exception):
    """Somebody asked this job to stop."""


class Superseded(Exception):
    """Another worker holds the job now; whatever this one still does must not be published."""


@dataclass(frozen=True)
class Kind:
    name: str
    run: Callable[[Claim], dict[str, Any] | None]
    queue: str
    on_end: Callable[[Job], None] | None


_kinds: dict[str, Kind] = {}
_periodic: list[tuple[str, int, Callable[[], Any]]] = []


def job_kind(
    name: str, *, queue: str = "default", on_end: Callable[[Job], None] | None = None
) -> Callable[[Callable[[Claim], dict[str, Any] | None]], Callable[[Claim], dict[str, Any] | None]]:
    """Registers the function that does jobs of this kind. Apps enqueue by name, so no app imports another upward.

    `on_end(job)` runs in the transaction that ends the job, however it ended.
    """

    def register(run: Callable[[Claim], dict[str, Any] | None]) -> Callable[[Claim], dict[str, Any] | None]:
        if name in _kinds:
            raise ValueError(f"job kind {name} is registered twice")
        _kinds[name] = Kind(name, run, queue, on_end)
        return run

    return register


def periodic(name: str, seconds: int) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Registers a function that one worker of all calls about every `seconds`."""

    def register(run: Callable[[], Any]) -> Callable[[], Any]:
        _periodic.append((name, seconds, run))
        return run

    return register


def enqueue(
    *,
    kind: str,
    args: dict[str, Any],
    tenant_id: int | None,
    subject: str = "",
    requested_by_id: int | None = None,
    total: int | None = None,
) -> Job:
    """Writes a queued job and sends it when the surrounding transaction commits.

    Raises TooMany for a person of whom MOST_WAITING jobs wait already: nobody keeps all others waiting.
    """
    if requested_by_id is not None:
        waiting = Job.objects.filter(state=Job.State.QUEUED, requested_by_id=requested_by_id)[:MOST_WAITING].count()
        if waiting >= MOST_WAITING:
            raise errors.TooMany(
                _("%d jobs of yours are waiting already.") % waiting,
                way_out=_("Try again when some of them are done."),
                retry_after=60,
            )
    job = Job.objects.create(
        kind=kind,
        queue=_kinds[kind].queue,
        args=args,
        tenant_id=tenant_id,
        subject=subject,
        requested_by_id=requested_by_id,
        total=total,
        sent_at=timezone.now(),
    )
    transaction.on_commit(lambda: send(job))
    return job


def send(job: Job) -> None:
    """Hands the id to the queue. A broker that is down is no error: the sweep sends again."""
    from labeling_site.broker import run_job

    try:
        run_job.send_with_options(args=(str(job.id),), queue_name=job.queue)
    except Exception as error:  # any broker failure: the row stays queued and the sweep retries it
        log.warning("job %s could not be sent now, it will be sent again: %s", job.id, error)


class Claim:
    """A worker's hold on a running job. Every write is refused once the token is no longer ours."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.token = job.token
        self._stop = threading.Event()

    @property
    def args(self) -> dict[str, Any]:
        return self.job.args

    def _mine(self) -> Any:
        return Job.objects.filter(pk=self.job.pk, token=self.token, state=Job.State.RUNNING)

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Stores progress and beats. Raises Superseded or Cancelled when this worker has to stop."""
        values: dict[str, Any] = {"done": done, "heartbeat_at": timezone.now()}
        if total is not None:
            values["total"] = total
        if message:
            values["message"] = message[:300]
        self.check(self._mine().update(**values))
        events.publish(self.job.subject)

    def check(self, updated: int | None = None) -> None:
        """Raises Superseded or Cancelled when this worker has to stop."""
        if updated == 0:
            raise Superseded
        row = self._mine().values_list("cancel_requested", flat=True).first()
        if row is None:
            raise Superseded
        if row:
            raise Cancelled

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """A transaction in which results become visible, only if the job is still ours."""
        with transaction.atomic():
            if (
                not Job.objects.select_for_update()
                .filter(pk=self.job.pk, token=self.token, state=Job.State.RUNNING)
                .exists()
            ):
                raise Superseded
            yield

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beats from a thread of its own, so that one long step does not look like a dead worker."""

        def beat() -> None:
            while not self._stop.wait(HEARTBEAT_SECONDS):
                try:
                    self._mine().update(heartbeat_at=timezone.now())
                except Exception:  # a database that is away for a moment must not end the work
                    log.warning("heartbeat of job %s failed", self.job.pk, exc_info=True)
            connection.close()

        thread = threading.Thread(target=beat, name=f"heartbeat-{self.job.pk}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(timeout=5)


def claim(job_id: str | uuid.UUID) -> Claim | None:
    """Takes the job if it is queued, or running on a worker that went silent. None when there is nothing to do."""
    now = timezone.now()
    stale = now - timedelta(seconds=STALE_SECONDS)
    free = Q(state=Job.State.QUEUED) | Q(state=Job.State.RUNNING, heartbeat_at__lt=stale)
    token = uuid.uuid4()
    won = Job.objects.filter(free, pk=job_id).update(
        state=Job.State.RUNNING, token=token, started_at=now, heartbeat_at=now, attempts=F("attempts") + 1, error=""
    )
    if not won:
        return None
    return Claim(Job.objects.get(pk=job_id))


def run(job_id: str) -> None:
    """Claims and does one job to its end; every outcome is a state of the row."""
    held = claim(job_id)
    if held is None:
        return
    job, kind = held.job, _kinds.get(held.job.kind)
    if kind is None:
        _end(held, Job.State.FAILED, error=_("This worker does not know jobs of the kind %s.") % job.kind)
        return
    try:
        with held.beating():
            if job.cancel_requested:
                raise Cancelled
            result = kind.run(held)
    except Superseded:
        log.info("job %s went to another worker", job.pk)
    except Cancelled:
        _end(held, Job.State.CANCELLED)
    except errors.AppError as error:
        _end(held, Job.State.FAILED, error=str(error))
    except Exception as error:
        log.exception("job %s (%s) failed", job.pk, job.kind)
        close_old_connections()
        _end(
            held,
            Job.State.FAILED,
            error=_("An unexpected error stopped this job: %s") % f"{type(error).__name__}: {error}",
        )
    else:
        _end(held, Job.State.SUCCEEDED, result=result or {})


def storable(text: str) -> str:
    """The text with what no database keeps (NUL, halves of characters, as in odd file names) written as \\x00."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def _end(held: Claim, state: str, *, error: str = "", result: dict[str, Any] | None = None) -> None:
    with transaction.atomic():
        values: dict[str, Any] = {"state": state, "ended_at": timezone.now(), "error": storable(error)[:4000]}
        if result is not None:
            values["result"] = result
        if not held._mine().update(**values):
            return
        job = Job.objects.get(pk=held.job.pk)
        kind = _kinds.get(job.kind)
        if kind and kind.on_end:
            kind.on_end(job)
        events.publish(job.subject)


def cancel(job: Job) -> None:
    """Asks a job to stop: a queued one ends at once, a running one at its next progress report."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job.pk)
        if job.has_ended:
            raise errors.Conflict(_("This job has already ended."))
        _stop(job)


def cancel_all(rows: QuerySet[Job]) -> None:
    """Asks all these jobs to stop, in one order whoever asks; those that have ended by now stay as they are.

    Call it before locking rows that these jobs change: a worker that publishes holds its job's row first.
    """
    with transaction.atomic():
        for job in list(rows.exclude(state__in=Job.ENDED).order_by("pk").select_for_update()):
            _stop(job)


def _stop(job: Job) -> None:
    """The job's row is locked, and it has not ended."""
    if job.state == Job.State.QUEUED:
        job.state, job.ended_at = Job.State.CANCELLED, timezone.now()
        kind = _kinds.get(job.kind)
        if kind and kind.on_end:
            kind.on_end(job)
    job.cancel_requested = True
    job.save(update_fields=["state", "ended_at", "cancel_requested", "updated_at"])
    events.publish(job.subject)


def requeue(job: Job) -> None:
    """Starts an ended or stuck job again from its beginning."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job.pk)
        if job.state == Job.State.SUCCEEDED:
            raise errors.Conflict(_("This job has succeeded; there is nothing to repeat."))
        job.state, job.token, job.error, job.cancel_requested = Job.State.QUEUED, None, "", False
        job.attempts, job.ended_at, job.sent_at = 0, None, timezone.now()
        job.save()
        transaction.on_commit(lambda: send(job))
        events.publish(job.subject)


def take_turn(name: str, seconds: int) -> bool:
    """True for one caller of all processes about every `seconds`; a conditional update decides."""
    now = timezone.now()
    if Lock.objects.filter(pk=name, taken_at__lt=now - timedelta(seconds=seconds)).update(taken_at=now):
        return True
    try:
        with transaction.atomic():
            return Lock.objects.get_or_create(pk=name, defaults={"taken_at": now})[1]
    except IntegrityError:
        return False


def sweep() -> int:
    """Sends again what nobody claimed, and what lost its worker. Returns how many jobs were sent."""
    now = timezone.now()
    unclaimed = Job.objects.filter(state=Job.State.QUEUED, sent_at__lt=now - timedelta(seconds=RESEND_SECONDS))
    silent = Job.objects.filter(state=Job.State.RUNNING, heartbeat_at__lt=now - timedelta(seconds=STALE_SECONDS))
    hopeless = silent.filter(attempts__gte=MAX_ATTEMPTS)
    for job in hopeless:
        try:
            _end(Claim(job), Job.State.FAILED, error=_("Its worker was lost %d times.") % job.attempts)
        except Exception:  # one job that cannot even be ended must not keep the others from being sent again
            log.exception("job %s (%s) could not be ended", job.pk, job.kind)
    sent = 0
    for job in [*unclaimed, *silent.filter(attempts__lt=MAX_ATTEMPTS)]:
        Job.objects.filter(pk=job.pk).update(sent_at=now)
        send(job)
        sent += 1
    return sent


@periodic("core.forget_replies", 3600)
def forget_replies() -> int:
    """Deletes replies that were remembered for repeated requests a day ago or longer; returns how many."""
    old = IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - timedelta(days=1))
    gone = 0
    # In small portions: on SQLite nobody else writes meanwhile.
    while chunk := list(old.values_list("pk", flat=True)[:FORGET_TOGETHER]):
        gone += IdempotencyRecord.objects.filter(pk__in=chunk).delete()[0]
    return gone


def tick() -> None:
    """Runs whatever periodic work is due; called every few seconds in every worker."""
    if take_turn("sweep", 5):
        sweep()
    for name, seconds, run_periodic in _periodic:
        if take_turn(name, seconds):
            try:
                run_periodic()
            except Exception:  # one failing chore must not stop the others; it is logged and tried again
                log.exception("periodic work %s failed", name)


def tick_safely() -> None:
    """`tick` for a thread that has to go on whatever happens, such as a database that is away for a while."""
    try:
        tick()
    except Exception:
        log.warning("periodic work could not run now", exc_info=True)
