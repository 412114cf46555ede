"""Short hands for tests that label."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from annotations.geometry import Box, Polygon
from annotations.models import Assignment, Task
from annotations.services import editing, queue, submission
from annotations.services.answers import Answer, AnswerAnnotation
from annotations.services.submission import Submitted
from projects.models import LabelClass, Project, User


def said(*classes: LabelClass, box: Box | None = None, polygon: Polygon | None = None) -> list[AnswerAnnotation]:
    """One annotation for each class."""
    return [AnswerAnnotation(uuid.uuid4(), one.pk, box=box, polygon=polygon) for one in classes]


def open_page(actor: User, project: Project, page_size: int = 1) -> Task:
    task = queue.next_task(actor=actor, project=project, page_size=page_size).task
    assert task is not None
    return task


def answer_all(task: Task, annotations: Sequence[AnswerAnnotation], **fields: object) -> list[Answer]:
    """The same answer for each item of the page, with client ids of their own."""
    return [
        Answer(
            pk,
            annotations=[
                AnswerAnnotation(uuid.uuid4(), one.label_class_id, one.frame, one.box, one.polygon)
                for one in annotations
            ],
            **fields,  # type: ignore[arg-type]
        )
        for pk in task.assignments.values_list("pk", flat=True)
    ]


def submit(
    actor: User, task: Task, answers: Sequence[Answer], operation_id: uuid.UUID | None = None, *, opinion: bool = False
) -> Submitted:
    return submission.submit_task(
        actor=actor, task=task, operation_id=operation_id or uuid.uuid4(), answers=answers, opinion=opinion
    )


def label_page(actor: User, project: Project, *classes: LabelClass, page_size: int = 1, box: Box | None = None) -> Task:
    """Opens a page and gives each image these classes."""
    task = open_page(actor, project, page_size)
    submit(actor, task, answer_all(task, said(*classes, box=box)))
    return task


def edit_once(actor: User, assignment: Assignment, label_class: LabelClass) -> None:
    """One edit of an open page, not submitted: gives the image this class."""
    name = str(uuid.uuid4())
    change = {"id": name, "after": {"id": name, "label_class": label_class.pk}, "at": 0}
    edit = editing.Edit(uuid.uuid4(), assignment.pk, [change])
    editing.apply_operations(actor=actor, task=assignment.task, client=uuid.uuid4(), edits=[edit])
