"""The whole URLconf as a list, and what each route asks of whoever calls it.

`EXPECTED` is the table that a new route has to join: tests/architecture/test_routes.py fails for one that is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from projects.access import BUILT_IN_ROLES
from projects.access import Capability as C

WORK_ID = "6f0d1f5e-3c39-4d43-9d2b-0d6f7d6a0b01"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SAFE = ("GET",)


# --- What there is ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Route:
    """One address: its name with namespaces, the names of its parameters, and the methods a viewset declares."""

    name: str
    parameters: tuple[str, ...]
    actions: tuple[str, ...] = ()
    callback: Any = None

    @property
    def is_api(self) -> bool:
        return self.name.startswith("api-") and self.name not in PAGES_CALLED_API

    @property
    def is_admin(self) -> bool:
        return self.name.startswith("admin:")


PAGES_CALLED_API = {"api-docs", "api-key-create", "api-key-revoke"}


def all_routes() -> list[Route]:
    return list(_walk(get_resolver().url_patterns))


def _walk(patterns: Any, namespace: str = "", parameters: tuple[str, ...] = ()) -> Iterator[Route]:
    for one in patterns:
        named = parameters + tuple(one.pattern.regex.groupindex)
        if isinstance(one, URLResolver):
            yield from _walk(one.url_patterns, f"{namespace}{one.namespace}:" if one.namespace else namespace, named)
        elif isinstance(one, URLPattern):
            declared = {method.upper() for method in getattr(one.callback, "actions", None) or ()}
            actions = tuple(sorted(declared - {"HEAD"}))  # a first request makes DRF add HEAD beside GET
            yield Route(namespace + (one.name or "-"), named, actions, one.callback)


# --- What each asks --------------------------------------------------------------------------------------------------

Values = Callable[[Any], Any]


@dataclass(frozen=True)
class Rule:
    """What one method of one route asks.

    Roles in `seen_by` (a capability, or names of roles) find the object, others get a 404. Of those who find it, only
    holders of `right` may act, others get a 403 that names it. `ok` is the status for those who may; `anonymous` the
    one for visitors ("sign-in" is a redirect there, or a 401 of the API). `is_open` routes have no foreign object:
    strangers get an answer about themselves, in which no word of our workspace may stand.
    """

    right: C | None = None
    seen_by: C | frozenset[str] | None = None
    ok: int = 200
    body: Values | None = None
    headers: Values | None = None
    query: str = ""
    anonymous: int | str = "sign-in"
    is_open: bool = False
    stranger: int = 404
    content_type: str = ""
    names_right: bool = True
    first: C | None = None  # a second right, as the one for the page on which the button stands

    def sees(self, role: str) -> bool:
        if self.seen_by is None:
            return True
        if isinstance(self.seen_by, C):
            return self.seen_by in BUILT_IN_ROLES[role][2]
        return role in self.seen_by

    def missing(self, role: str) -> list[C]:
        """The rights of which a refusal names one; none for who may."""
        held = BUILT_IN_ROLES[role][2]
        return [right for right in (self.first, self.right) if right is not None and right not in held]


@dataclass(frozen=True)
class Expected:
    """The methods of a route and where its parameters come from: names of attributes of the world."""

    rules: dict[str, Rule]
    parameters: dict[str, str] = field(default_factory=dict)


EXPECTED: dict[str, Expected] = {}
# Parameters that mean the same everywhere; "pk" is said route by route.
USUAL = {
    "project_pk": "project",
    "project_id": "project",
    "workspace_pk": "workspace",
    "dataset_id": "dataset",
    "datastore_id": "datastore",
    "item_id": "item",
    "entry_id": "entry",
    "class_id": "label_class",
    "export_id": "export",
    "membership_id": "member",
    "invitation_id": "invitation",
    "key_id": "own_key",
}


def expect(name: str, parameters: dict[str, str] | None = None, **rules: Rule) -> None:
    EXPECTED[name] = Expected({method.upper(): rule for method, rule in rules.items()}, USUAL | (parameters or {}))


def form(**values: Any) -> Values:
    """A body whose callables are asked about the world."""
    return lambda world: {name: value(world) if callable(value) else value for name, value in values.items()}


def of(name: str) -> Values:
    return lambda world: getattr(world, name).pk


LABELER = frozenset({"labeler"})
OWNER = frozenset({"owner"})
EVERYBODY_OPEN = Rule(is_open=True)
PUBLIC = Rule(is_open=True, anonymous=200)

# The API: annotations
expect(
    "api-project-task-list",
    get=Rule(),
    post=Rule(C.LABEL, ok=201, body=form(page_size=1)),
)
expect("api-project-task-heartbeat", post=Rule(C.LABEL, body=lambda world: {"tasks": [world.task.pk]}))
expect("api-project-entry-list", get=Rule(C.READ_LABELS))
expect(
    "api-project-entry-review",
    post=Rule(C.APPROVE, body=lambda world: {"action": "approve", "entries": [world.entry.pk]}),
)
expect("api-project-export-list", get=Rule(C.EXPORT), post=Rule(C.EXPORT, ok=201, body=form(format="csv")))
expect(
    "api-project-prelabel-list",
    get=Rule(C.READ_LABELS),
    post=Rule(
        C.PRELABEL,
        ok=201,
        body=lambda world: {
            "produced_by": "a model",
            "prelabels": [
                {"entry": world.open_entry.pk, "label_class": world.label_class.pk, "confidence": 0.9, "id": WORK_ID}
            ],
        },
    ),
)
expect("api-project-prelabel-clear", post=Rule(C.PRELABEL))
expect("api-project-comment-list", get=Rule(C.READ_LABELS))
expect(
    "api-entry-comment-list", {"entry_pk": "entry"}, get=Rule(), post=Rule(C.COMMENT, ok=201, body=form(text="why?"))
)
expect("api-comment-reply", {"pk": "comment"}, post=Rule(C.COMMENT, ok=201, body=form(text="so")))
for _action in ("resolve", "reopen"):
    expect(f"api-comment-{_action}", {"pk": "comment"}, post=Rule(C.COMMENT))
expect("api-project-assignment-list", get=Rule(C.WRITE_PROJECTS))
expect("api-project-dashboard", get=Rule(C.READ_SUMMARY))
expect("api-assignment-release", {"pk": "assignment"}, post=Rule(C.WRITE_PROJECTS))
for _action in ("heartbeat", "release"):
    expect(f"api-task-{_action}", {"pk": "task"}, post=Rule(seen_by=LABELER))
expect("api-task-detail", {"pk": "task"}, get=Rule(seen_by=LABELER))
expect("api-task-operations", {"pk": "task"}, post=Rule(seen_by=LABELER, body=lambda world: world.operations))
expect("api-task-submit", {"pk": "task"}, post=Rule(seen_by=LABELER, body=lambda world: world.answers))
expect("api-entry-detail", {"pk": "entry"}, get=Rule(C.READ_LABELS))
expect(
    "api-entry-correct",
    {"pk": "entry"},
    post=Rule(C.UPDATE_LABELS, body=lambda world: {"annotations": [{"label_class": world.label_class.pk}]}),
)
expect("api-export-detail", {"pk": "export"}, get=Rule(C.EXPORT), delete=Rule(C.EXPORT, ok=204))
expect("api-export-cancel", {"pk": "pending_export"}, post=Rule(C.EXPORT))
expect("api-export-download", {"pk": "export"}, get=Rule(C.EXPORT))

# The API: people
expect("api-me", get=EVERYBODY_OPEN, patch=Rule(is_open=True, body=form(name="Somebody"), stranger=200))
expect("api-me-password", post=Rule(ok=204, is_open=True, body=form(current="violet-umbrella-42", new="amber-fox-77x")))
expect(
    "api-workspace-list",
    get=EVERYBODY_OPEN,
    post=Rule(C.MANAGE_WORKSPACE, ok=201, is_open=True, names_right=False, body=form(name="Another")),
)
expect(
    "api-workspace-detail",
    {"pk": "workspace"},
    get=Rule(),
    patch=Rule(C.MANAGE_WORKSPACE, body=form(name="Renamed")),
    delete=Rule(C.MANAGE_WORKSPACE, ok=204),
)
expect("api-workspace-roles", {"pk": "workspace"}, get=Rule())
expect("api-member-list", get=Rule())
expect(
    "api-member-detail",
    {"pk": "member"},
    get=Rule(seen_by=C.READ_SUMMARY),
    patch=Rule(C.MANAGE_MEMBERS, seen_by=C.READ_SUMMARY, body=form(role=of("role"))),
    delete=Rule(C.MANAGE_MEMBERS, seen_by=C.READ_SUMMARY, ok=204),
)
expect(
    "api-invitation-list",
    get=Rule(C.MANAGE_MEMBERS),
    post=Rule(C.MANAGE_MEMBERS, ok=201, body=form(role=of("role"))),
)
expect("api-invitation-detail", {"pk": "invitation"}, delete=Rule(C.MANAGE_MEMBERS, ok=204))
expect("api-key-list", get=Rule(), post=Rule(ok=201, body=form(name="key", capabilities=["read"])))
expect("api-key-detail", {"pk": "own_key"}, delete=Rule(seen_by=OWNER, ok=204))
expect("api-accept-invitation-list", post=Rule(ok=409, is_open=True, stranger=201, body=form(token=lambda w: w.token)))

# The API: files
expect(
    "api-datastore-list",
    get=EVERYBODY_OPEN,
    post=Rule(
        C.MANAGE_DATASTORES,
        ok=201,
        body=form(name="disk", workspace=of("workspace"), root=lambda world: str(world.folder)),
    ),
)
expect(
    "api-datastore-detail",
    {"pk": "datastore"},
    get=Rule(seen_by=C.PREVIEW_DATASETS),
    delete=Rule(C.MANAGE_DATASTORES, seen_by=C.PREVIEW_DATASETS, ok=204),
)
expect("api-datastore-preview", {"pk": "datastore"}, get=Rule(C.WRITE_DATASETS, seen_by=C.PREVIEW_DATASETS))
expect(
    "api-dataset-list",
    get=EVERYBODY_OPEN,
    post=Rule(C.WRITE_DATASETS, ok=201, body=form(name="more", kind="upload", workspace=of("workspace"))),
)
expect(
    "api-dataset-detail",
    {"pk": "dataset"},
    get=Rule(seen_by=C.PREVIEW_DATASETS),
    delete=Rule(C.WRITE_DATASETS, seen_by=C.PREVIEW_DATASETS, ok=204),
)
expect(
    "api-dataset-uploads",
    {"pk": "dataset"},
    get=Rule(seen_by=C.PREVIEW_DATASETS),
    post=Rule(
        C.WRITE_DATASETS,
        seen_by=C.PREVIEW_DATASETS,
        ok=201,
        body=lambda world: {"files": [{"path": "new.png", "size": 9}]},
    ),
)
expect(
    "api-dataset-versions",
    {"pk": "dataset"},
    get=Rule(seen_by=C.PREVIEW_DATASETS),
    post=Rule(C.WRITE_DATASETS, seen_by=C.PREVIEW_DATASETS, ok=201),
)
expect(
    "api-upload-detail",
    {"pk": "upload"},
    get=Rule(seen_by=C.PREVIEW_DATASETS),
    patch=Rule(
        C.WRITE_DATASETS,
        seen_by=C.PREVIEW_DATASETS,
        body=lambda world: b"abc",
        content_type="application/octet-stream",
        headers=lambda world: {"Upload-Offset": "0"},
    ),
)
expect("api-item-list", get=EVERYBODY_OPEN)
expect("api-item-detail", {"pk": "item"}, get=Rule(seen_by=C.PREVIEW_DATASETS))

# The API: projects
expect(
    "api-project-list",
    get=EVERYBODY_OPEN,
    post=Rule(
        C.WRITE_PROJECTS,
        seen_by=C.PREVIEW_DATASETS,
        ok=201,
        body=form(
            name="New one",
            workspace=of("workspace"),
            dataset=of("dataset"),
            task_type="multi_class",
            classes=[{"name": "x"}],
        ),
    ),
)
expect(
    "api-project-sample",
    post=Rule(C.WRITE_PROJECTS, ok=201, body=form(workspace=of("workspace"), task_type="multi_class")),
)
expect(
    "api-project-detail",
    {"pk": "project"},
    get=Rule(),
    patch=Rule(C.WRITE_PROJECTS, body=form(description="new")),
    delete=Rule(C.DELETE_PROJECTS, ok=204),
)
expect("api-project-favourite", {"pk": "project"}, post=Rule(body=form(favourite=True)))
expect("api-project-pause", {"pk": "project"}, post=Rule(C.WRITE_PROJECTS))
expect("api-project-start", {"pk": "paused_project"}, post=Rule(C.WRITE_PROJECTS))
expect(
    "api-project-class-list",
    get=Rule(),
    post=Rule(C.WRITE_PROJECTS, ok=201, body=lambda world: {"classes": [{"name": "fox"}]}),
)
expect(
    "api-class-detail",
    {"pk": "label_class"},
    get=Rule(),
    patch=Rule(C.WRITE_PROJECTS, body=form(name="renamed")),
)
for _action in ("move", "retire", "restore"):
    expect(f"api-class-{_action}", {"pk": "label_class"}, post=Rule(C.WRITE_PROJECTS))
expect(
    "api-class-example-list",
    {"class_pk": "label_class"},
    get=Rule(),
    post=Rule(C.WRITE_PROJECTS, ok=201, body=lambda world: {"item": world.entry.item_id}),
)
expect("api-example-detail", {"pk": "example"}, delete=Rule(C.WRITE_PROJECTS, ok=204))
expect("api-job-list", get=EVERYBODY_OPEN)
expect("api-job-detail", {"pk": "job"}, get=Rule(seen_by=C.READ_SUMMARY))
expect("api-job-cancel", {"pk": "job"}, post=Rule(C.WRITE_PROJECTS, seen_by=C.READ_SUMMARY))
expect("api-schema", get=PUBLIC)
expect("api-docs", get=PUBLIC)
expect("healthz", get=PUBLIC)

# Pages: people
expect("home", get=Rule(ok=302, is_open=True, stranger=200))
expect("setup", {"token": "wrong_token"}, get=Rule(ok=404, anonymous=404), post=Rule(ok=404, anonymous=404))
expect("sign-in", get=Rule(ok=302, is_open=True, anonymous=200), post=Rule(ok=302, is_open=True, anonymous=200))
expect("sign-out", post=Rule(ok=302, is_open=True))
expect("invitation", {"token": "token"}, get=PUBLIC, post=Rule(ok=409, is_open=True, anonymous=400, stranger=302))
expect("account", get=EVERYBODY_OPEN, post=Rule(ok=302, is_open=True, body=form(name="Somebody")))
expect(
    "account-password",
    post=Rule(ok=302, is_open=True, body=form(current="violet-umbrella-42", new="amber-fox-77x")),
)
expect("api-key-create", post=Rule(is_open=True, body=form(name="key", days="30", capabilities=["read"])))
expect("api-key-revoke", post=Rule(ok=302, seen_by=OWNER))
expect(
    "workspace-members",
    get=Rule(C.MANAGE_MEMBERS, is_open=True),
    post=Rule(C.MANAGE_MEMBERS, is_open=True, body=form(role=of("role"), days="7")),
)
expect("member-role", post=Rule(C.MANAGE_MEMBERS, ok=302, body=form(role=of("role"))))
expect("member-remove", post=Rule(C.MANAGE_MEMBERS, ok=302))
expect("invitation-revoke", post=Rule(C.MANAGE_MEMBERS, ok=302))
expect(
    "workspace-settings",
    get=Rule(C.MANAGE_WORKSPACE, is_open=True),
    post=Rule(C.MANAGE_WORKSPACE, ok=302, is_open=True, body=form(name="Renamed")),
)
expect(
    "workspace-delete",
    post=Rule(C.MANAGE_WORKSPACE, ok=302, is_open=True, body=form(typed_name=lambda world: world.workspace.name)),
)
expect(
    "workspace-new",
    get=EVERYBODY_OPEN,
    post=Rule(C.MANAGE_WORKSPACE, ok=302, is_open=True, names_right=False, body=form(name="Another")),
)
expect("workspace-switch", post=Rule(ok=302, body=form(workspace=of("workspace"))))

# Pages: files
expect(
    "datastores",
    get=Rule(C.PREVIEW_DATASETS, is_open=True),
    post=Rule(
        C.MANAGE_DATASTORES,
        first=C.PREVIEW_DATASETS,
        ok=302,
        is_open=True,
        body=form(name="disk", root=lambda world: str(world.folder)),
    ),
)
expect("datastore-delete", post=Rule(C.MANAGE_DATASTORES, ok=302))
expect("datastore-preview", get=Rule(C.WRITE_DATASETS, query="path=**"))
expect("datasets", get=Rule(C.PREVIEW_DATASETS, is_open=True))
expect(
    "dataset-new",
    get=Rule(C.WRITE_DATASETS, is_open=True),
    post=Rule(C.WRITE_DATASETS, ok=302, is_open=True, body=form(name="more", kind="upload")),
)
expect("dataset", get=Rule(C.PREVIEW_DATASETS))
expect("dataset-panel", get=Rule(C.PREVIEW_DATASETS))
expect("dataset-upload-counts", get=Rule(C.WRITE_DATASETS))
expect("dataset-scan", post=Rule(C.WRITE_DATASETS, ok=302))
expect("dataset-delete", post=Rule(C.WRITE_DATASETS, ok=302))
# No project labels this item; where one does, everybody in the workspace sees it (tests/projects/test_renditions.py).
expect("item-image", get=Rule(seen_by=C.PREVIEW_DATASETS, anonymous=404))
expect("item-samples", {"item_id": "scan"}, get=Rule(seen_by=C.PREVIEW_DATASETS, anonymous=404))
expect(
    "item-tile",
    {"item_id": "poster", "level": "finest", "column": "finest", "row": "finest"},
    get=Rule(seen_by=C.PREVIEW_DATASETS, anonymous=404),
)

# Pages: projects
expect("projects", get=Rule(C.READ_PROJECTS, is_open=True))
expect("projects-panel", get=Rule(C.READ_PROJECTS, is_open=True))
expect(
    "projects-command",
    post=Rule(ok=302, is_open=True, body=lambda world: {"action": "pause", "projects": [world.project.pk]}),
)
expect("sample-project", post=Rule(C.WRITE_PROJECTS, ok=302, is_open=True, body=form(task_type="multi_class")))
expect(
    "project-new",
    get=Rule(C.WRITE_PROJECTS, is_open=True),
    post=Rule(C.WRITE_PROJECTS, ok=400, is_open=True, body=form(name="")),
)
expect("project-favourite", post=Rule(ok=302, body=form(on="1")))

# Pages: one project
SUMMARY_OR_LABEL = Rule(C.READ_SUMMARY)
expect("project", get=SUMMARY_OR_LABEL)
expect("project-dashboard-panel", get=Rule(C.READ_SUMMARY))
expect("project-head", get=Rule(C.READ_PROJECTS))
expect("project-state", post=Rule(C.WRITE_PROJECTS, ok=302, body=form(action="pause")))
expect("project-label", get=Rule(C.LABEL))
expect("project-instructions", get=Rule(C.READ_PROJECTS))
expect("project-data", get=Rule(C.READ_LABELS))
expect("project-data-news", get=Rule(C.READ_LABELS, query="since=2026-01-01T00:00:00Z"))
expect(
    "project-review",
    post=Rule(
        C.APPROVE, first=C.READ_LABELS, ok=302, body=lambda world: {"action": "approve", "entries": [world.entry.pk]}
    ),
)
expect("project-entry", get=Rule(C.READ_LABELS))
expect(
    "project-entry-correct",
    post=Rule(C.UPDATE_LABELS, ok=302, body=lambda world: {"classes": [world.label_class.pk]}),
)
expect("project-entry-comment", post=Rule(C.COMMENT, ok=302, body=form(text="why?")))
expect("project-comment-change", {"comment_id": "comment"}, post=Rule(C.COMMENT, ok=302, body=form(do="resolve")))
expect(
    "project-example-add",
    post=Rule(C.WRITE_PROJECTS, ok=302, body=lambda world: {"label_class": world.label_class.pk}),
)
expect("project-example-remove", {"example_id": "example"}, post=Rule(C.WRITE_PROJECTS, ok=302))
expect(
    "project-details",
    get=Rule(C.READ_SUMMARY),
    post=Rule(C.WRITE_PROJECTS, first=C.READ_SUMMARY, ok=302, body=form(description="new")),
)
expect(
    "project-details-section",
    {"section": "section"},
    get=Rule(C.READ_SUMMARY),
    post=Rule(C.WRITE_PROJECTS, first=C.READ_SUMMARY, ok=302, body=form(description="new")),
)
expect("project-classes-add", post=Rule(C.WRITE_PROJECTS, ok=302, body=form(lines="fox")))
expect("project-class-change", post=Rule(C.WRITE_PROJECTS, ok=302, body=form(do="retire")))
expect(
    "project-delete",
    post=Rule(C.DELETE_PROJECTS, ok=302, body=form(name=lambda world: world.project.name)),
)
expect("project-exports", get=Rule(C.EXPORT), post=Rule(C.EXPORT, ok=302, body=form(format="csv")))
expect("project-exports-panel", get=Rule(C.EXPORT))
expect("project-export-change", post=Rule(C.EXPORT, ok=302, body=form(action="delete")))
expect("export-download", {"token": "download"}, get=Rule(is_open=True, anonymous=200))

# Not of one shape with the rest: looked at by tests of their own.
APART = {"api-unknown", "styleguide"}
