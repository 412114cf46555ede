"""The only place that decides "may". Capabilities are code; roles are rows that hold some of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling_site.core import errors
from labeling_site.core.parsing import row_id

if TYPE_CHECKING:
    from projects.models import User, Workspace


class Capability(TextChoices):
    """One permitted verb each; the values follow the action names that parity.md A.5.2 lists."""

    READ_WORKSPACE = "read", gettext_lazy("see the workspace")
    READ_PROJECTS = "labeling/projects/read", gettext_lazy("see projects")
    READ_SUMMARY = "labeling/projects/summary/read", gettext_lazy("see dashboards")
    WRITE_PROJECTS = "labeling/projects/write", gettext_lazy("create and change projects")
    DELETE_PROJECTS = "labeling/projects/delete", gettext_lazy("delete projects")
    READ_LABELS = "labeling/labels/read", gettext_lazy("see submitted labels")
    LABEL = "labeling/labels/write", gettext_lazy("label")
    REJECT = "labeling/labels/reject/action", gettext_lazy("reject labels")
    UPDATE_LABELS = "labeling/labels/update/action", gettext_lazy("change submitted labels")
    APPROVE = "labeling/labels/approve_unapprove/action", gettext_lazy("approve labels")
    COMMENT = "labeling/comments/write", gettext_lazy("comment on images")
    PRELABEL = "labeling/prelabels/write", gettext_lazy("store suggestions of models")
    EXPORT = "labeling/export/action", gettext_lazy("export labels")
    READ_RUNS = "experiments/runs/read", gettext_lazy("see training runs")
    PREVIEW_DATASETS = "datasets/registered/read", gettext_lazy("look into datasets")
    WRITE_DATASETS = "datasets/registered/write", gettext_lazy("create datasets and upload files")
    MANAGE_DATASTORES = "datastores/write", gettext_lazy("add datastores")
    MANAGE_MEMBERS = "members/write", gettext_lazy("invite people and assign roles")
    MANAGE_WORKSPACE = "workspace/write", gettext_lazy("rename or delete the workspace")


C = Capability
READING = [C.READ_WORKSPACE, C.READ_PROJECTS]
_TALK = [*READING, C.COMMENT]
_NOT_CONTRIBUTOR = {C.MANAGE_MEMBERS, C.MANAGE_WORKSPACE}

# parity.md A.5.3; where the prose and the action list differ, the action list wins (decisions.md). An explicit N and a
# blank both mean "not granted" here: nobody has two roles in one workspace. Commenting is ours, and everybody's.
BUILT_IN_ROLES: dict[str, tuple[str, str, list[Capability]]] = {
    "owner": ("Owner", "Everything, and the only role that invites people.", list(Capability)),
    "contributor": (
        "Contributor",
        "Everything but managing people and the workspace itself.",
        [capability for capability in Capability if capability not in _NOT_CONTRIBUTOR],
    ),
    "labeler": ("Labeler", "Labels, and sees nothing else.", [*_TALK, C.LABEL]),
    "team_lead": (
        "Labeling team lead",
        "Labels, follows progress and rejects labels.",
        [*_TALK, C.READ_SUMMARY, C.READ_LABELS, C.LABEL, C.REJECT],
    ),
    "vendor_admin": (
        "Vendor account admin",
        "Runs a vendor's team: labels, reviews, exports.",
        [
            *_TALK,
            C.READ_SUMMARY,
            C.READ_LABELS,
            C.LABEL,
            C.REJECT,
            C.APPROVE,
            C.EXPORT,
            C.READ_RUNS,
            C.PREVIEW_DATASETS,
        ],
    ),
    "customer_qa": (
        "Customer QA",
        "Reviews and exports; changes no label.",
        [*_TALK, C.READ_SUMMARY, C.READ_LABELS, C.REJECT, C.APPROVE, C.EXPORT, C.READ_RUNS, C.PREVIEW_DATASETS],
    ),
    "vendor_qa": (
        "Vendor QA",
        "Reviews, corrects and exports.",
        [*_TALK, C.READ_SUMMARY, C.READ_LABELS, C.REJECT, C.UPDATE_LABELS, C.APPROVE, C.EXPORT, C.READ_RUNS],
    ),
}


def capabilities(user: User | AnonymousUser, workspace: Workspace | int) -> frozenset[str]:
    """What this user may do in this workspace; empty for strangers. An API key narrows it further."""
    if not user.is_authenticated or not user.is_active:
        return frozenset()
    workspace_id = workspace if isinstance(workspace, int) else workspace.pk
    from projects.models import Membership

    held = (
        Membership.objects.filter(user_id=user.pk, workspace_id=workspace_id, workspace__deleted_at=None)
        .values_list("role__capabilities", flat=True)
        .first()
    )
    granted = frozenset(held or ())
    key: Any = getattr(user, "api_key", None)
    if key is not None:
        granted = granted & frozenset(key.capabilities) if key.workspace_id == workspace_id else frozenset()
    return granted


def may(user: User | AnonymousUser, capability: Capability, workspace: Workspace | int) -> bool:
    return capability in capabilities(user, workspace)


def is_administrator(user: User | AnonymousUser) -> bool:
    """Somebody who runs the site, here in person and not through an API key."""
    return user.is_active and getattr(user, "is_superuser", False) and getattr(user, "api_key", None) is None


def require(user: User | AnonymousUser, capability: Capability, workspace: Workspace | int) -> None:
    """Raises Forbidden, naming the missing right; NotFound for somebody who is no member at all.

    Administrators of the site pass: only the admin shows them rows of workspaces that are not theirs (`visible_to`
    does not), and what they do there goes through the same services.
    """
    if is_administrator(user):
        return
    held = capabilities(user, workspace)
    if not held:
        raise errors.NotFound(_("There is no such thing here, or it is not yours to see."))
    if capability not in held:
        raise errors.Forbidden(
            _("Your role does not include the right to %s.") % capability.label,
            way_out=_("Ask an owner of the workspace for it."),
            missing=capability.value,
        )


def visible_topics(user_id: int, topics: Iterable[str]) -> list[str]:
    """Those hint topics that this user may follow: workspace:7, project:7, dataset:7."""
    from projects.models import Dataset, Project, User, Workspace

    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        return []
    tables: dict[str, Any] = {"workspace": Workspace, "project": Project, "dataset": Dataset}
    seen = []
    for topic in topics:
        prefix, _sep, pk = topic.partition(":")
        if prefix in tables and tables[prefix].objects.visible_to(user).filter(pk=row_id(pk)).exists():
            seen.append(topic)
    return seen
