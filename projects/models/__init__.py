from projects.models.api_key import ApiKey
from projects.models.counter import Counter
from projects.models.dataset import Dataset, DatasetVersion, Upload
from projects.models.datastore import Datastore
from projects.models.item import Item
from projects.models.label_class import ClassExample, LabelClass
from projects.models.project import Favourite, Project, TaskType
from projects.models.user import SetupToken, User
from projects.models.workspace import Invitation, Membership, Role, Workspace

__all__ = [
    "ApiKey",
    "ClassExample",
    "Counter",
    "Dataset",
    "DatasetVersion",
    "Datastore",
    "Favourite",
    "Invitation",
    "Item",
    "LabelClass",
    "Membership",
    "Project",
    "Role",
    "SetupToken",
    "TaskType",
    "Upload",
    "User",
    "Workspace",
]
