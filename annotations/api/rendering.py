"""Rows as the API shows them. Plain functions: a page of nine items is built in one pass over loaded rows."""

from __future__ import annotations

from typing import Any

from annotations.models import Annotation, Assignment, Comment, Draft, Prelabel, QueueEntry, Response, Review, Task
from projects.models import Item, User
from projects.pages.media import item_image_url, item_samples_url, item_tiles


def task_json(task: Task) -> dict[str, Any]:
    """A task loaded by `selectors.with_page`."""
    assignments = list(task.assignments.all())
    live = [row.expires_at for row in assignments if row.state == Assignment.State.LIVE]
    return {
        "id": task.pk,
        "project": task.project_id,
        "page_size": task.page_size,
        "state": task.state,
        "created_at": task.created_at,
        "submitted_at": task.submitted_at,
        "expires_at": min(live) if live else None,
        "assignments": [_assignment(row, task.labeler_id) for row in assignments],
    }


def _assignment(row: Assignment, labeler_id: int) -> dict[str, Any]:
    entry = row.entry
    responses = [one for one in row.responses.all() if one.author_id == labeler_id]
    rejected = [one for one in entry.reviews.all() if one.action == Review.Action.REJECT]
    return {
        "id": row.pk,
        "position": row.position,
        "state": row.state,
        "expires_at": row.expires_at,
        "round": row.round,
        "slot": row.slot,
        "entry": entry.pk,
        "status": entry.status,
        "queue": entry.queue,
        "item": item_json(entry.item),
        "rejection": {"comment": rejected[0].comment, "at": rejected[0].created_at} if rejected else None,
        "response": response_json(responses[0]) if responses else None,
        "draft": draft_json(getattr(row, "draft", None)),
        "prelabels": [] if responses else [prelabel_json(one) for one in entry.prelabels.all()],
        "comments": _comment_counts(entry, labeler_id),
    }


def _comment_counts(entry: QueueEntry, labeler_id: int) -> dict[str, int]:
    """How many threads the labeler may read (services.comments.visible_threads), and how many are open."""
    threads = [one for one in entry.comments.all() if entry.slots == 1 or one.author_id == labeler_id]
    return {"total": len(threads), "open": sum(one.resolved_at is None for one in threads)}


def draft_json(draft: Draft | None) -> dict[str, Any] | None:
    """What was done and not submitted: `annotations` is null where everything is submitted."""
    if draft is None:
        return None
    return {"revision": draft.revision, "annotations": draft.annotations if draft.is_open else None}


def item_json(item: Item) -> dict[str, Any]:
    """Facts about a file that a labeler may know, and where its pictures are."""
    return {
        "id": item.pk,
        "path": item.path,
        "name": item.name,
        "width": item.width,
        "height": item.height,
        "frames": item.frames,
        "is_dicom": item.is_dicom,
        "facts": item.facts,
        "image_url": item_image_url(item),
        "thumbnail_url": item_image_url(item, max_side=256),
        "samples_url": item_samples_url(item),
        "tiles": item_tiles(item),
    }


def response_json(response: Response) -> dict[str, Any]:
    """An answer with its annotations, in drawing order."""
    return {
        "id": response.pk,
        "kind": response.kind,
        "outcome": response.outcome,
        "skip_reason": response.skip_reason,
        "submitted_at": response.submitted_at,
        "active_seconds": response.active_seconds,
        "actions": response.actions,
        "annotations": [annotation_json(one) for one in response.annotations.all()],
    }


def annotation_json(one: Annotation) -> dict[str, Any]:
    """One class or object; geometry in pixels of the image as a person sees it."""
    found: dict[str, Any] = {"id": str(one.client_id), "label_class": one.label_class_id, "frame": one.frame}
    return found | {"origin": one.origin} | _geometry(one)


def prelabel_json(one: Prelabel) -> dict[str, Any]:
    """A suggestion. Its id is that of the annotation which it becomes when somebody accepts it."""
    found: dict[str, Any] = {"id": str(one.key), "label_class": one.label_class_id, "frame": one.frame}
    return found | {"confidence": one.confidence, "produced_by": one.produced_by} | _geometry(one)


def _geometry(one: Annotation | Prelabel) -> dict[str, Any]:
    if one.polygon:
        return {"polygon": one.polygon}
    if one.width is not None:
        return {"box": {"x": one.x, "y": one.y, "width": one.width, "height": one.height}}
    return {}


def comment_json(one: Comment, reader: User) -> dict[str, Any]:
    """A remark or an answer; a remark that begins a thread also says where it points, and whether it is settled."""
    found: dict[str, Any] = {
        "id": one.pk,
        "author": {"id": one.author.pk, "name": one.author.name} if one.author else None,
        "is_mine": one.author_id == reader.pk,
        "text": one.text,
        "created_at": one.created_at,
    }
    if one.thread_id is not None:
        return found | {"thread": one.thread_id}
    return found | {
        "entry": one.entry_id,
        "frame": one.frame,
        "point": None if one.x is None else [one.x, one.y],
        "asks_lead": one.asks_lead,
        "resolved_at": one.resolved_at,
        "resolved_by": str(one.resolved_by or ""),
        "replies": [comment_json(answer, reader) for answer in one.replies.all()],
    }


def entry_json(entry: QueueEntry, annotations: list[Annotation]) -> dict[str, Any]:
    """An entry of the data tab, loaded by `selectors.entries`, with the annotations that count."""
    response = entry.final_response
    author = response.author if response else None
    return {
        "id": entry.pk,
        "status": entry.status,
        "queue": entry.queue,
        "round": entry.round,
        "approved": entry.approved,
        "labeled_at": entry.labeled_at,
        "item": item_json(entry.item),
        "labeler": {"id": author.pk, "name": author.name} if author else None,
        "skip_reason": response.skip_reason if response else "",
        "annotations": [annotation_json(one) for one in annotations],
    }
