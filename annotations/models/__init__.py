from annotations.models.draft import Draft, Operation
from annotations.models.queue_entry import QueueEntry
from annotations.models.response import Annotation, Response
from annotations.models.review import Review
from annotations.models.task import Assignment, Task
from annotations.models.transfer import Transfer

__all__ = [
    "Annotation",
    "Assignment",
    "Draft",
    "Operation",
    "QueueEntry",
    "Response",
    "Review",
    "Task",
    "Transfer",
]
