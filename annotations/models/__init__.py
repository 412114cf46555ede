from annotations.models.comment import Comment
from annotations.models.draft import Draft, Operation
from annotations.models.prelabel import Prelabel, PrelabelDecision
from annotations.models.queue_entry import QueueEntry
from annotations.models.response import Annotation, Response
from annotations.models.review import Review
from annotations.models.task import PAGE_SIZES, Assignment, Task
from annotations.models.transfer import Transfer

__all__ = [
    "PAGE_SIZES",
    "Annotation",
    "Assignment",
    "Comment",
    "Draft",
    "Operation",
    "Prelabel",
    "PrelabelDecision",
    "QueueEntry",
    "Response",
    "Review",
    "Task",
    "Transfer",
]
