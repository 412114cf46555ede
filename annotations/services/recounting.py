"""Counts again from the rows themselves, for the day a counter is doubted."""

from __future__ import annotations

from collections import Counter as Tally

from django.db import transaction
from django.db.models import Count

from annotations.models import Annotation, Comment, QueueEntry
from annotations.services.comments import QUESTIONS
from labeling_site.core import events
from projects.models import Project
from projects.services import counters

Status = QueueEntry.Status


def count(project: Project) -> dict[str, int]:
    """What the counters of this project ought to be."""
    entries = QueueEntry.objects.filter(project=project)
    found: Tally[str] = Tally()
    for row in entries.values("status").annotate(n=Count("id")).order_by():
        found[row["status"]] = row["n"]
    found["total"] = entries.count()
    found["approved"] = entries.filter(approved=True).count()
    free = entries.filter(status=Status.UNLABELED, open_slots__gt=0)
    for row in free.values("queue").annotate(n=Count("id")).order_by():
        found[row["queue"]] = row["n"]
    answered = entries.filter(status__in=[Status.LABELED, Status.SKIPPED], final_response__author__isnull=False)
    for row in answered.values("final_response__author").annotate(n=Count("id")).order_by():
        found[f"labeler:{row['final_response__author']}"] = row["n"]
    final = Annotation.objects.filter(response__final_for__project=project, response__final_for__status=Status.LABELED)
    for row in final.values("label_class").annotate(n=Count("id")).order_by():
        found[f"class:{row['label_class']}"] = row["n"]
    asked = Comment.objects.filter(entry__project=project, asks_lead=True, resolved_at=None)
    found[QUESTIONS] = asked.count()
    return {key: value for key, value in found.items() if value}


def recount(*, project: Project) -> dict[str, tuple[int, int]]:
    """Repairs the counters; returns what was wrong as {key: (stored, right)}."""
    with transaction.atomic():
        # Whoever changes an entry changes the counts last: once we hold these, no change is half counted.
        counters.hold(project.pk)
        right = count(project)
        stored = counters.read(project.pk)
        stored.pop(counters.VERSION, None)
        wrong = {
            key: (stored.get(key, 0), right.get(key, 0))
            for key in stored.keys() | right.keys()
            if stored.get(key, 0) != right.get(key, 0)
        }
        counters.add(project.pk, {key: now - before for key, (before, now) in wrong.items()})
        events.publish(project.topic)
    return wrong
