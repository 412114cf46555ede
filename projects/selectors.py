"""Reads that pages and the API share. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from labeling_site.core.models import Job
from projects import access
from projects.access import Capability
from projects.models import (
    ApiKey,
    Counter,
    DatasetVersion,
    Favourite,
    Invitation,
    Item,
    LabelClass,
    Membership,
    Project,
    Role,
    User,
    Workspace,
)
from projects.services.names import name_key

# --- Projects --------------------------------------------------------------------------------------------------------

_LIST_COUNTS = ("total", "labeled", "skipped", "needs_review", "removed")


@dataclass(frozen=True)
class ProjectRow:
    """A project of the list with its progress. `total` leaves out removed items; `done` is labeled or skipped."""

    project: Project
    is_favourite: bool
    total: int
    labeled: int
    skipped: int
    needs_review: int
    job: Job | None

    @property
    def done(self) -> int:
        return self.labeled + self.skipped

    @property
    def percent(self) -> int:
        """Whole per cent done; 100 only when everything is."""
        return self.done * 100 // self.total if self.total else 0


def project_list(
    user: User, workspace: Workspace | None = None, *, search: str = "", state: str = "", favourites: bool = False
) -> QuerySet[Project]:
    """Projects that the user may see, newest first, with `is_favourite`; give a page of them to `with_progress`.

    `search` is part of a name or description, without regard to case.
    """
    mine = Favourite.objects.filter(project=OuterRef("pk"), user_id=user.pk)
    rows = (
        Project.objects.visible_to(user)
        .select_related("workspace", "dataset_version__dataset", "job")
        .annotate(is_favourite=Exists(mine))
        .order_by("-id")
    )
    if workspace is not None:
        rows = rows.filter(workspace=workspace)
    if search.strip():
        rows = rows.filter(Q(name_key__contains=name_key(search)) | Q(description__icontains=search.strip()))
    if state:
        rows = rows.filter(state=state)
    if favourites:
        rows = rows.filter(is_favourite=True)
    return rows


def with_progress(projects: Iterable[Project]) -> list[ProjectRow]:
    """Rows of `project_list` with their counts: one query, however many projects."""
    projects = list(projects)
    counts: dict[int, dict[str, int]] = {project.pk: {} for project in projects}
    sums = (
        Counter.objects.filter(project_id__in=counts, key__in=_LIST_COUNTS)
        .values("project_id", "key")
        .annotate(sum=Sum("value"))
        .order_by()
    )
    for row in sums:
        counts[row["project_id"]][row["key"]] = row["sum"]
    rows = []
    for project in projects:
        count = counts[project.pk]
        rows.append(
            ProjectRow(
                project=project,
                is_favourite=bool(getattr(project, "is_favourite", False)),
                total=count.get("total", 0) - count.get("removed", 0),
                labeled=count.get("labeled", 0),
                skipped=count.get("skipped", 0),
                needs_review=count.get("needs_review", 0),
                job=project.job,
            )
        )
    return rows


# --- Files -----------------------------------------------------------------------------------------------------------


def visible_item(user: User | AnonymousUser, item_id: int) -> Item | None:
    """A file of a dataset that the user may look into, or of a project that the user sees; None for any other."""
    rows = Item.objects.visible_to(user).filter(pk=item_id, dataset_version__dataset__deleted_at=None)
    item: Item | None = rows.select_related("dataset_version__dataset__datastore").first()
    if item is None or access.may(user, Capability.PREVIEW_DATASETS, item.dataset_version.dataset.workspace_id):
        return item
    labeled_in = Project.objects.visible_to(user).filter(dataset_version_id=item.dataset_version_id)
    return item if labeled_in.exists() else None


def refused_items(version: DatasetVersion) -> QuerySet[Item]:
    """Files of a version that cannot be labeled, as they were read: in the order of their paths.

    Asked for in the words of the index, so that a few among half a million are found, and counted, at once.
    """
    cannot = [state for state in Item.State if state != Item.State.OK]
    return Item.objects.filter(dataset_version=version, state__in=cannot).order_by("state", "pk")


# --- Label classes ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClassNode:
    """A class and what is below it. `depth` is 0 at the root; `key` is "1" to "9" for the first nine, else ""."""

    label_class: LabelClass
    depth: int
    key: str
    children: list[ClassNode] = field(default_factory=list)

    def walk(self) -> Iterable[ClassNode]:
        """This node and all below it, from top to bottom."""
        yield self
        for child in self.children:
            yield from child.walk()


def class_tree(project: Project, *, include_retired: bool = False) -> list[ClassNode]:
    """The roots of a project's class tree, in order; without retired and merged classes unless asked for. One query."""
    nodes: dict[int, ClassNode] = {}
    roots: list[ClassNode] = []
    keys = 0
    for row in project.label_classes.order_by("position", "id"):
        is_out = row.retired_at is not None or row.merged_into_id is not None
        if is_out and not include_retired:
            continue
        keys += not is_out
        above = nodes.get(row.parent_id) if row.parent_id else None
        node = ClassNode(
            label_class=row,
            depth=above.depth + 1 if above else 0,
            key=str(keys) if not is_out and keys <= 9 else "",
        )
        nodes[row.pk] = node
        (above.children if above else roots).append(node)
    return roots


def class_list(project: Project, *, include_retired: bool = False) -> list[ClassNode]:
    """The nodes of `class_tree` in one list, from top to bottom."""
    return [node for root in class_tree(project, include_retired=include_retired) for node in root.walk()]


# --- People ----------------------------------------------------------------------------------------------------------


def members(user: User, workspace: Workspace) -> QuerySet[Membership]:
    """The members of a workspace that the user belongs to, by role, then name."""
    return (
        Membership.objects.visible_to(user)
        .filter(workspace=workspace)
        .select_related("user", "role")
        .order_by("role__position", "user__name", "id")
    )


def open_invitations(user: User, workspace: Workspace) -> QuerySet[Invitation]:
    """Invitations that can still be used; none for people who may not manage members."""
    rows = Invitation.objects.visible_to(user).filter(workspace=workspace).select_related("role", "created_by")
    if not access.may(user, Capability.MANAGE_MEMBERS, workspace):
        return rows.none()
    return rows.filter(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())


def roles(user: User, workspace: Workspace) -> QuerySet[Role]:
    """The roles that exist in a workspace that the user belongs to: the built-in ones and its own."""
    if not access.capabilities(user, workspace):
        return Role.objects.none()
    return Role.objects.filter(Q(workspace=None) | Q(workspace=workspace)).order_by("position", "id")


def grantable_roles(user: User, workspace: Workspace) -> list[Role]:
    """Those roles that the user may give to others: none of them holds a right that the user lacks."""
    held = access.capabilities(user, workspace)
    if Capability.MANAGE_MEMBERS not in held:
        return []
    return [role for role in roles(user, workspace) if held >= set(role.capabilities)]


def api_keys(user: User, workspace: Workspace) -> QuerySet[ApiKey]:
    """One's own keys of a workspace, newest first; all of them for people who may manage members."""
    rows = ApiKey.objects.visible_to(user).filter(workspace=workspace).select_related("user")
    if not access.may(user, Capability.MANAGE_MEMBERS, workspace):
        rows = rows.filter(user_id=user.pk)
    return rows.order_by("-id")


def capability_choices(user: User, workspace: Workspace) -> Sequence[Capability]:
    """The capabilities that the user can put into an API key."""
    held = access.capabilities(user, workspace)
    return [capability for capability in Capability if capability in held]
