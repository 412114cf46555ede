"""The queue: dramatiq on Redis or Valkey, with settings that bring back a killed worker's jobs in seconds."""

from __future__ import annotations

import threading
from typing import Any

import dramatiq
from django.conf import settings
from django.db import close_old_connections
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AgeLimit, Callbacks, Middleware, Pipelines, ShutdownNotifications, TimeLimit

TICK_SECONDS = 5
QUEUES = ["default", "ingest"]


class Connections(Middleware):
    """A worker thread lives long; it must not keep a database connection that has died."""

    def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
        close_old_connections()

    def after_process_message(self, broker: dramatiq.Broker, message: Any, **kwargs: Any) -> None:
        close_old_connections()


class Ticker(Middleware):
    """Calls `jobs.tick` every few seconds in each worker process; turns are taken in the database."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        from labeling_site.core import jobs

        def loop() -> None:
            while not self._stop.wait(TICK_SECONDS):
                close_old_connections()
                jobs.tick_safely()

        threading.Thread(target=loop, name="ticker", daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._stop.set()


def _make_broker() -> dramatiq.Broker:
    middleware = [AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Pipelines(), Connections(), Ticker()]
    if settings.REDIS_URL == "stub://":
        return StubBroker(middleware=middleware)
    # Defaults (60 s heartbeat, maintenance on 0.1 % of commands) leave a killed worker's jobs lying for minutes.
    return RedisBroker(
        url=settings.REDIS_URL, middleware=middleware, heartbeat_timeout=15_000, maintenance_chance=100_000
    )


broker = _make_broker()
dramatiq.set_broker(broker)
for _queue in QUEUES:
    broker.declare_queue(_queue)


# A job's own row decides about retries and repeats, so the queue does neither (there is no Retries middleware); a day
# is the longest a job may take.
@dramatiq.actor(time_limit=24 * 3600 * 1000)
def run_job(job_id: str) -> None:
    """Does the job with this id, if it is still to be done."""
    from labeling_site.core import jobs

    jobs.run(job_id)
