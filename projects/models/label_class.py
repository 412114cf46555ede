"""The tree of things that can be labeled. Labels refer to a class by id; nothing here ever rewrites a label."""

from __future__ import annotations

import unicodedata
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling_site.core.models import TimestampedModel
from projects.models.item import Item
from projects.models.project import Project
from projects.models.scoped import ScopedQuerySet


def name_key(name: str) -> str:
    """The form under which names are compared: composed, without case, with single spaces."""
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).split())


class LabelClassQuerySet(ScopedQuerySet):
    workspace_path = "project__workspace_id"


class LabelClass(TimestampedModel):
    """A class at any level of the tree may be chosen. Retired and merged classes stay, so old labels stay readable."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="label_classes")
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="children")
    name = models.CharField(_("name"), max_length=120)
    name_key = models.CharField(max_length=400, editable=False)
    path = models.CharField(_("path"), max_length=800, editable=False, help_text=_("Names joined with /."))
    colour = models.CharField(_("colour"), max_length=7, help_text=_("As in #1f77b4."))
    description = models.CharField(_("description"), max_length=500, blank=True)
    position = models.PositiveIntegerField(_("position"), default=0)
    retired_at = models.DateTimeField(_("retired"), null=True, blank=True)
    merged_into = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="merged_from")

    objects = LabelClassQuerySet.as_manager()

    class Meta:
        verbose_name = _("label class")
        verbose_name_plural = _("label classes")
        ordering: ClassVar[list[str]] = ["position", "id"]
        # NULL parents are distinct to a plain constraint, so roots have their own.
        constraints = [
            models.UniqueConstraint(
                fields=["project", "parent", "name_key"], condition=Q(parent__isnull=False), name="class_name_below"
            ),
            models.UniqueConstraint(
                fields=["project", "name_key"], condition=Q(parent__isnull=True), name="class_name_at_root"
            ),
        ]

    def __str__(self) -> str:
        return self.path or self.name


class ClassExampleQuerySet(ScopedQuerySet):
    workspace_path = "label_class__project__workspace_id"


class ClassExample(models.Model):
    """An image that shows what a class is, or, as a counter-example, what only looks like it."""

    label_class = models.ForeignKey(LabelClass, models.CASCADE, related_name="examples")
    item = models.ForeignKey(Item, models.CASCADE, related_name="+")
    is_counter = models.BooleanField(_("counter-example"), default=False)
    note = models.CharField(_("note"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("chosen"), auto_now_add=True)

    objects = ClassExampleQuerySet.as_manager()

    class Meta:
        verbose_name = _("example of a class")
        verbose_name_plural = _("examples of classes")
        ordering: ClassVar[list[str]] = ["is_counter", "id"]
        constraints = [models.UniqueConstraint(fields=["label_class", "item"], name="class_example_once")]

    def __str__(self) -> str:
        return f"{self.label_class} · {self.item}"
