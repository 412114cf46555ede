"""One labeling goal: a dataset version, a task type, classes, instructions, settings."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling_site.core.models import Job, TimestampedModel
from projects.models.dataset import DatasetVersion
from projects.models.scoped import ScopedQuerySet
from projects.models.user import User
from projects.models.workspace import Workspace


class TaskType(models.TextChoices):
    MULTI_CLASS = "multi_class", _("Image classification, multi-class")
    MULTI_LABEL = "multi_label", _("Image classification, multi-label")
    BOX = "object_detection", _("Object detection (bounding box)")
    POLYGON = "instance_segmentation", _("Instance segmentation (polygon)")

    @property
    def is_classification(self) -> bool:
        return self in {TaskType.MULTI_CLASS, TaskType.MULTI_LABEL}


class ProjectQuerySet(ScopedQuerySet):
    def visible_to(self, user: Any) -> ProjectQuerySet:
        return super().visible_to(user).filter(deleted_at=None)


class Project(TimestampedModel):
    """Task type and dataset version never change. A deleted project keeps its row, so its name is never used again."""

    class State(models.TextChoices):
        INITIALIZING = "initializing", _("Initializing")
        CREATED = "created", _("Created")
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        FAILED = "failed", _("Failed")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="projects")
    name = models.CharField(_("name"), max_length=120)
    name_key = models.CharField(max_length=400, editable=False)
    description = models.TextField(_("description"), blank=True, max_length=2000)
    task_type = models.CharField(_("task type"), max_length=24, choices=TaskType.choices)
    state = models.CharField(_("state"), max_length=14, choices=State.choices, default=State.INITIALIZING)
    state_reason = models.CharField(_("reason"), max_length=300, blank=True)
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="projects")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    instructions_url = models.URLField(_("address of further instructions"), blank=True, max_length=500)
    instructions = models.TextField(_("instructions"), blank=True, help_text=_("Sanitised HTML."))
    refresh_enabled = models.BooleanField(_("look for new files"), default=False)
    refreshed_at = models.DateTimeField(_("last refresh"), null=True, blank=True)
    workforce: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        _("workforce"), default=dict, blank=True
    )
    quality: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        _("quality control"), default=dict, blank=True
    )
    assist: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        _("ML assist"), default=dict, blank=True
    )
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    started_at = models.DateTimeField(_("first started"), null=True, blank=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name_key"], name="project_name_for_ever"),
            models.CheckConstraint(condition=~Q(name=""), name="project_has_name"),
        ]
        indexes = [models.Index(fields=["workspace", "deleted_at", "-id"], name="project_list")]

    def __str__(self) -> str:
        return self.name

    @property
    def topic(self) -> str:
        """The hint topic of this project, as in project:7."""
        return f"project:{self.pk}"

    @property
    def kind(self) -> TaskType:
        return TaskType(self.task_type)


class Favourite(models.Model):
    project = models.ForeignKey(Project, models.CASCADE, related_name="favourites")
    user = models.ForeignKey(User, models.CASCADE, related_name="favourites")

    class Meta:
        verbose_name = _("favourite")
        verbose_name_plural = _("favourites")
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="favourite_once")]

    def __str__(self) -> str:
        return f"{self.user} ★ {self.project}"
