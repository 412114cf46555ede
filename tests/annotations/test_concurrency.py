"""Fifty labelers at once: nothing handed out twice, nothing lost, nothing stored twice. On SQLite and on PostgreSQL."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter as Tally
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import close_old_connections, connection, transaction

from annotations.models import Annotation, Assignment, Draft, Operation, QueueEntry, Response
from annotations.services import editing, queue, submission
from annotations.services.recounting import count, recount
from projects.models import Project, User
from projects.services import counters, projects
from tests import factories
from tests.annotations.labeling import answer_all, said

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

LABELERS = 50
ITEMS = 600


def work(labeler: User, project: Project, start: threading.Barrier, seed: int) -> Tally[str]:
    """Labels until nothing is left; sends a third of the submits twice at once, gives some pages back."""
    dice = random.Random(seed)
    done: Tally[str] = Tally()
    cat = project.label_classes.get(path="cat")
    try:
        start.wait(timeout=60)
        while True:
            task = queue.next_task(actor=labeler, project=project, page_size=dice.choice([1, 4, 9])).task
            if task is None:
                return done
            if dice.random() < 0.1:
                queue.release_task(actor=labeler, task=task)
                done["released"] += 1
                continue
            tasks = [task]
            if dice.random() < 0.4:  # a page ahead, as the labeling page takes it
                ahead = queue.next_task(actor=labeler, project=project, page_size=1, holding=[task.pk], ahead=True)
                tasks += [ahead.task] if ahead.task else []
            for one in tasks:
                done["items"] += answer_twice(labeler, one, answer_all(one, said(cat)), dice, done)
    finally:
        connection.close()


def answer_twice(labeler: User, task: Any, answers: Any, dice: random.Random, done: Tally[str]) -> int:
    operation = uuid.uuid4()
    threads = [
        threading.Thread(target=submit_quietly, args=(labeler, task, operation, answers, done))
        for _ in range(2 if dice.random() < 0.33 else 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(answers)


def submit_quietly(labeler, task, operation, answers, done) -> None:  # type: ignore[no-untyped-def]
    try:
        submission.submit_task(actor=labeler, task=task, operation_id=operation, answers=answers)
    except Exception as error:
        done[f"error {type(error).__name__}: {error}"] += 1
    finally:
        connection.close()


def test_fifty_labelers_at_once() -> None:
    people = factories.make_people()
    project = factories.make_project(people.workspace, images=ITEMS)
    labelers = [factories.add_member(people.workspace, name=f"Labeler {n}") for n in range(LABELERS)]
    start = threading.Barrier(LABELERS)
    close_old_connections()
    with ThreadPoolExecutor(LABELERS) as pool:
        jobs = [pool.submit(work, who, project, start, seed) for seed, who in enumerate(labelers)]
        total = sum((job.result(timeout=300) for job in jobs), Tally[str]())
    assert [key for key in total if key.startswith("error")] == []
    entries = QueueEntry.objects.filter(project=project)
    assert entries.filter(status="labeled").count() == ITEMS
    assert total["items"] == ITEMS, "every item was answered by exactly one person"
    assert Response.objects.count() == ITEMS, "no submit was lost, none counted twice"
    assert Annotation.objects.count() == ITEMS
    assert Assignment.objects.filter(state="done").count() == ITEMS
    assert not Assignment.objects.filter(state="live").exists()
    stored = {key: value for key, value in counters.read(project.pk).items() if value and key != "version"}
    assert stored == count(project)


def in_background(call: Callable[[], Any]) -> threading.Thread:
    """Runs `call` in a thread with a connection of its own."""

    def run() -> None:
        try:
            call()
        finally:
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_edits_sent_many_times_at_once_are_applied_once() -> None:
    people = factories.make_people()
    project = factories.make_project(people.workspace, images=1)
    cat = project.label_classes.get(path="cat")
    task = queue.next_task(actor=people.bob, project=project).task
    assert task is not None
    held, browser = task.assignments.get(), uuid.uuid4()

    def edit(number: int) -> editing.Edit:
        name = str(uuid.uuid4())
        change = {"id": name, "after": {"id": name, "label_class": cat.pk, "skip_reason": str(number)}, "at": number}
        return editing.Edit(uuid.uuid4(), held.pk, [change])

    edits = [edit(number) for number in range(40)]
    failed: list[Exception] = []

    def send(seed: int) -> None:
        """All of it in order, in batches of random sizes, as a browser whose replies get lost does."""
        dice = random.Random(seed)
        at = 0
        try:
            while at < len(edits):
                size = dice.randint(1, 12)
                done = editing.apply_operations(
                    actor=people.bob, task=task, client=browser, edits=edits[at : at + size]
                )
                assert {one.code for one in done.verdicts} == {""}
                at += size
        except Exception as error:
            failed.append(error)

    threads = [in_background(lambda seed=seed: send(seed)) for seed in range(8)]  # type: ignore[misc]
    for thread in threads:
        thread.join(timeout=60)
    assert failed == []
    draft = Draft.objects.get()
    assert Operation.objects.count() == draft.revision == len(edits)
    assert sorted(int(row["skip_reason"]) for row in draft.annotations) == list(range(len(edits)))


@pytest.mark.skipif(connection.vendor == "sqlite", reason="only on PostgreSQL: SQLite has one writer at a time")
def test_pages_are_handed_out_while_settings_of_the_project_are_being_saved() -> None:
    people = factories.make_people()
    project = factories.make_project(people.workspace, images=2)
    with transaction.atomic():
        projects.lock(project)
        labeler = in_background(lambda: queue.next_task(actor=people.bob, project=project))
        labeler.join(timeout=10)
        assert not labeler.is_alive(), "a hand-out waits for the project's row"
    assert Assignment.objects.filter(state="live").count() == 1


def test_a_recount_while_somebody_submits_neither_loses_nor_doubles_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters.random, "randrange", lambda shards: 0)  # the rows that both want
    people = factories.make_people()
    project = factories.make_project(people.workspace, images=3)
    task = queue.next_task(actor=people.bob, project=project).task
    assert task is not None
    answers = answer_all(task, said(project.label_classes.get(path="cat")))
    is_stored = threading.Event()

    def submit_slowly() -> None:
        with transaction.atomic():
            submission.submit_task(actor=people.bob, task=task, operation_id=uuid.uuid4(), answers=answers)
            is_stored.set()
            time.sleep(0.5)  # the recount has begun by now, and waits

    labeler = in_background(submit_slowly)
    assert is_stored.wait(timeout=10)
    assert recount(project=project) == {}
    labeler.join(timeout=10)
    stored = {key: value for key, value in counters.read(project.pk).items() if value and key != "version"}
    assert stored == count(project) and stored["labeled"] == 1
