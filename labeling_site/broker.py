"""The queue: dramatiq on Redis or Valkey, with settings that bring back a killed worker's jobs in seconds."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from typing import Any

import dramatiq
import redis
from django.conf import settings
from django.db import close_old_connections
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AgeLimit, Callbacks, Middleware, Pipelines, ShutdownNotifications, TimeLimit

log = logging.getLogger(__name__)

TICK_SECONDS = 5
QUEUES = ["default", "ingest"]
WORKERS = "tessera:workers"  # sorted set of worker processes by the time they last said that they live
FORGET_WORKER_SECONDS = 3600


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


class SignOfLife(Middleware):
    """Each worker process says every few seconds that it lives, for the system page.

    Dramatiq's own heartbeats do not tell workers from web processes that only send messages.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        if isinstance(broker, RedisBroker):
            self._name = f"{socket.gethostname()}:{os.getpid()}"  # workers are forked after this object was made
            threading.Thread(target=self._say, args=(broker.client,), name="sign-of-life", daemon=True).start()

    def _say(self, client: Any) -> None:
        while True:
            try:
                client.zadd(WORKERS, {self._name: time.time()})
                client.zremrangebyscore(WORKERS, "-inf", time.time() - FORGET_WORKER_SECONDS)
            except redis.RedisError as error:  # the worker itself waits for the broker and goes on
                log.info("the broker did not hear a worker: %s", error)
            if self._stop.wait(TICK_SECONDS):
                break

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._stop.set()
        if isinstance(broker, RedisBroker):
            try:
                broker.client.zrem(WORKERS, self._name)
            except redis.RedisError as error:
                log.info("the broker did not hear that a worker ends: %s", error)


def _make_broker() -> dramatiq.Broker:
    middleware = [AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Pipelines(), Connections(), Ticker()]
    middleware.append(SignOfLife())
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
