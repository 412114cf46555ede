"""Labeling projects: making, changing, pausing, deleting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling_site.core import errors, events, jobs
from labeling_site.core.models import Job
from projects import access
from projects.access import Capability
from projects.models import Dataset, DatasetVersion, Favourite, Project, TaskType, Upload, User, Workspace
from projects.services import counters, label_classes, project_settings
from projects.services import instructions as rich_text
from projects.services.names import clean_name, clean_text, name_key

DESCRIPTION_LIMIT = 2000
INITIALIZE = "annotations.initialize_project"
State = Project.State


def create_project(
    *,
    actor: User,
    workspace: Workspace,
    name: str,
    task_type: str,
    dataset: Dataset,
    classes: Sequence[Mapping[str, Any]],
    description: str = "",
    instructions: str = "",
    instructions_url: str = "",
    refresh_enabled: bool = False,
    workforce: Mapping[str, Any] | None = None,
    quality: Mapping[str, Any] | None = None,
    assist: Mapping[str, Any] | None = None,
) -> Project:
    """A project in the state Initializing, and the job that fills its queue. It pins the dataset's present version.

    `classes` is a tree: {"name", "colour"?, "description"?, "children"?} each. Raises Invalid with the field that
    cannot be taken, Conflict for a name that this workspace has used before, be it by a deleted project.
    """
    values = {
        "name": (name := clean_name(name)),
        "name_key": name_key(name),
        "task_type": _clean_task_type(task_type),
        "description": clean_text(description, field="description", limit=DESCRIPTION_LIMIT),
        "instructions": rich_text.sanitise(instructions),
        "instructions_url": rich_text.clean_url(instructions_url),
        "refresh_enabled": refresh_enabled,
        "workforce": project_settings.clean_workforce(workforce or {}),
        "quality": project_settings.clean_quality(quality or {}),
        "assist": project_settings.clean_assist(assist or {}),
    }
    if not classes:
        sentence = _("A project needs at least one label class.")
        raise errors.Invalid(sentence, fields={"classes": [sentence]})
    with transaction.atomic():
        access.require(actor, Capability.WRITE_PROJECTS, workspace)
        version = _version_to_pin(dataset, workspace)
        try:
            with transaction.atomic():
                project = Project.objects.create(
                    workspace=workspace, dataset_version=version, created_by=actor, **values
                )
        except IntegrityError:
            raise _name_was_used(name) from None
        label_classes.plant(project, classes)
        _enqueue_initialization(project, actor)
        _tell(project)
    return project


def update_project(
    *,
    actor: User,
    project: Project,
    description: str | None = None,
    instructions: str | None = None,
    instructions_url: str | None = None,
    refresh_enabled: bool | None = None,
    workforce: Mapping[str, Any] | None = None,
    quality: Mapping[str, Any] | None = None,
    assist: Mapping[str, Any] | None = None,
) -> Project:
    """Changes what may change; None leaves a setting alone. Name, task type, dataset and vendor never change."""
    values: dict[str, Any] = {}
    if description is not None:
        values["description"] = clean_text(description, field="description", limit=DESCRIPTION_LIMIT)
    if instructions is not None:
        values["instructions"] = rich_text.sanitise(instructions)
    if instructions_url is not None:
        values["instructions_url"] = rich_text.clean_url(instructions_url)
    if refresh_enabled is not None:
        values["refresh_enabled"] = refresh_enabled
    if workforce is not None:
        values["workforce"] = project_settings.clean_workforce(workforce)
    if quality is not None:
        values["quality"] = project_settings.clean_quality(quality)
    if assist is not None:
        values["assist"] = project_settings.clean_assist(assist)
    with transaction.atomic():
        project = lock(project)
        access.require(actor, Capability.WRITE_PROJECTS, project.workspace_id)
        if "workforce" in values and values["workforce"] != project_settings.clean_workforce(project.workforce):
            raise errors.Conflict(
                _("The labeling company of a project cannot be changed."), way_out=_("Create another project for it.")
            )
        _save(project, **values)
    return project


def pause_project(*, actor: User, project: Project) -> Project:
    """Running → Paused: nobody gets new work, review and export go on."""
    with transaction.atomic():
        project = lock(project)
        access.require(actor, Capability.WRITE_PROJECTS, project.workspace_id)
        if project.state != State.RUNNING:
            raise _wrong_state(project, _("Only a running project can be paused."))
        _save(project, state=State.PAUSED)
    return project


def start_project(*, actor: User, project: Project) -> Project:
    """Created or Paused → Running. A project that failed to initialize tries again."""
    with transaction.atomic():
        project = lock(project)
        access.require(actor, Capability.WRITE_PROJECTS, project.workspace_id)
        if project.state in {State.CREATED, State.PAUSED}:
            _save(project, state=State.RUNNING, started_at=project.started_at or timezone.now())
        elif project.state == State.FAILED:
            _save(project, state=State.INITIALIZING, state_reason="")
            _enqueue_initialization(project, actor)
        else:
            raise _wrong_state(project, _("Only a paused project can be started."))
    return project


def delete_project(*, actor: User, project: Project) -> Project:
    """Takes the project out of everybody's sight and stops its jobs. Its row stays, so that its name stays taken."""
    with transaction.atomic():
        access.require(actor, Capability.DELETE_PROJECTS, project.workspace_id)
        # Jobs first, then the project: a worker that publishes locks in this order too.
        jobs.cancel_all(Job.objects.filter(subject=project.topic))
        project = lock(project)
        _save(project, deleted_at=timezone.now())
    return project


def set_favourite(*, actor: User, project: Project, favourite: bool) -> None:
    """Stars a project for oneself, or takes the star away; twice is once."""
    with transaction.atomic():
        access.require(actor, Capability.READ_PROJECTS, project.workspace_id)
        if favourite:
            Favourite.objects.get_or_create(project=project, user=actor)
        else:
            Favourite.objects.filter(project=project, user=actor).delete()


# --- What the initializing job reports -------------------------------------------------------------------------------


def mark_initializing(project: Project, job: Job) -> Project:
    """The project's own job begins; one that is asked again after it failed makes the project Initializing again."""
    with transaction.atomic():
        row: Project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if row.state == State.FAILED and row.deleted_at is None and row.job_id == job.pk:
            _save(row, state=State.INITIALIZING, state_reason="")
    return row


def mark_initialized(project: Project) -> None:
    """The queue is filled: the project is created. Nothing happens to one that was deleted or failed meanwhile."""
    with transaction.atomic():
        row = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if row.state == State.INITIALIZING:
            _save(row, state=State.CREATED, state_reason="")


def mark_started(project: Project) -> None:
    """A created project starts by itself, once."""
    with transaction.atomic():
        row = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if row.state == State.CREATED:
            _save(row, state=State.RUNNING, started_at=timezone.now())


def mark_failed(project: Project, reason: str) -> None:
    """The queue could not be filled; `reason` is a sentence for people."""
    with transaction.atomic():
        row = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if row.state == State.INITIALIZING:
            _save(row, state=State.FAILED, state_reason=reason[:300])


# --- Pieces ----------------------------------------------------------------------------------------------------------


def lock(project: Project) -> Project:
    """The project's row, locked. Raises NotFound once it is deleted.

    A lock without the key lets rows that point to the project go on being written, as those of a page handed out are;
    with the key such a writer, who holds counters, and we, who are about to want them, would wait for each other.
    """
    row: Project | None = Project.objects.select_for_update(no_key=True).filter(pk=project.pk, deleted_at=None).first()
    if row is None:
        raise errors.NotFound(_("There is no such thing here, or it is not yours to see."))
    return row


def _save(project: Project, **values: Any) -> None:
    for name, value in values.items():
        setattr(project, name, value)
    project.save(update_fields=[*values, "updated_at"])
    _tell(project)


def _tell(project: Project) -> None:
    events.publish(project.topic)
    events.publish(f"workspace:{project.workspace_id}")
    counters.add(project.pk, {})


def _enqueue_initialization(project: Project, actor: User) -> None:
    project.job = jobs.enqueue(
        kind=INITIALIZE,
        args={"project": project.pk},
        tenant_id=project.workspace_id,
        subject=project.topic,
        requested_by_id=actor.pk,
    )
    project.save(update_fields=["job"])


def _clean_task_type(value: str) -> str:
    if value not in TaskType.values:
        sentence = _("There is no task type %s.") % value[:60]
        raise errors.Invalid(
            sentence, way_out=_("Choose from: %s.") % ", ".join(TaskType.values), fields={"task_type": [sentence]}
        )
    return value


def _version_to_pin(dataset: Dataset, workspace: Workspace) -> DatasetVersion:
    """The dataset's newest version that did not fail; a new one where there is none, or where files came since."""
    row = Dataset.objects.select_for_update().filter(pk=dataset.pk, workspace=workspace, deleted_at=None).first()
    if row is None:
        raise errors.NotFound(_("There is no such dataset in this workspace."))
    newest: DatasetVersion | None = row.versions.exclude(state=DatasetVersion.State.FAILED).order_by("-number").first()
    if row.kind == Dataset.Kind.UPLOAD:
        stored = row.uploads.filter(state=Upload.State.STORED)
        if not stored.exists():
            sentence = _("No file has been uploaded into this dataset yet.")
            raise errors.Invalid(sentence, way_out=_("Upload images first."), fields={"dataset": [sentence]})
        if newest is not None and stored.filter(updated_at__gt=newest.created_at).exists():
            newest = None
    if newest is None:
        last = row.versions.order_by("-number").values_list("number", flat=True).first() or 0
        newest = DatasetVersion.objects.create(dataset=row, number=last + 1)
    return newest


def _name_was_used(name: str) -> errors.Conflict:
    return errors.Conflict(
        _("The name %s was used in this workspace before; names are never used twice.") % name,
        way_out=_("Choose another name."),
        fields={"name": [_("This name was used before.")]},
    )


def _wrong_state(project: Project, sentence: str) -> errors.Conflict:
    return errors.Conflict(
        sentence, way_out=_("This one is: %s.") % State(project.state).label, state=str(project.state)
    )
