"""Images that show what a class is, and what only looks like it."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from labeling_site.core import errors, events
from projects import access
from projects.access import Capability
from projects.models import ClassExample, Item, LabelClass, User
from projects.services import counters
from projects.services.names import clean_text

MAX_EXAMPLES = 12
"""Of one class: more than a glance takes in helps nobody."""


def add_example(
    *, actor: User, label_class: LabelClass, item: Item, is_counter: bool = False, note: str = ""
) -> ClassExample:
    """Shows an item of the project to labelers as an example of a class, or as a counter-example.

    Raises NotFound for an item of another dataset version, Conflict where it is one already or the class has enough.
    """
    project = label_class.project
    access.require(actor, Capability.WRITE_PROJECTS, project.workspace_id)
    note = clean_text(note, field="note", limit=200)
    if item.dataset_version_id != project.dataset_version_id or item.state != Item.State.OK:
        raise errors.NotFound(_("There is no such item in this project."))
    try:
        with transaction.atomic():
            LabelClass.objects.select_for_update(of=("self",)).get(pk=label_class.pk)
            if ClassExample.objects.filter(label_class=label_class).count() >= MAX_EXAMPLES:
                raise errors.Conflict(
                    _("%(name)s has %(most)d examples already.") % {"name": label_class.path, "most": MAX_EXAMPLES},
                    way_out=_("Remove one first."),
                )
            made = ClassExample.objects.create(label_class=label_class, item=item, is_counter=is_counter, note=note)
            counters.add(project.pk, {})
            events.publish(project.topic)
    except IntegrityError:
        raise errors.Conflict(
            _("%(path)s is an example of %(name)s already.") % {"path": item.path, "name": label_class.path},
            way_out=_("Remove it first to change what it stands for."),
        ) from None
    return made


def remove_example(*, actor: User, example: ClassExample) -> None:
    """Takes an example away; the image itself stays."""
    project = example.label_class.project
    access.require(actor, Capability.WRITE_PROJECTS, project.workspace_id)
    with transaction.atomic():
        ClassExample.objects.filter(pk=example.pk).delete()
        counters.add(project.pk, {})
        events.publish(project.topic)
