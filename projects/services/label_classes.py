"""The tree of label classes. Labels refer to a class by id, so nothing here ever touches a label.

`position` counts through the whole tree from top to bottom, so ordering by it lists parents before their children and
siblings in their order; keys 1–9 belong to the first nine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling_site.core import errors, events
from projects import access
from projects.access import Capability
from projects.models import LabelClass, Project, User
from projects.services import counters
from projects.services.colours import colour_for
from projects.services.names import clean_name, clean_text, name_key

MAX_DEPTH = 6
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_SEED_KEYS = ("name", "colour", "description", "children")


@dataclass(frozen=True)
class _Seed:
    """One class of a tree that is about to be stored; `parent` is the number of the seed above it."""

    name: str
    colour: str
    description: str
    depth: int
    parent: int | None


def add_class(
    *,
    actor: User,
    project: Project,
    name: str,
    parent: LabelClass | None = None,
    colour: str = "",
    description: str = "",
) -> LabelClass:
    """One more class, as the last below `parent` or at the root; existing labels stay as they are."""
    seed = {"name": name, "colour": colour, "description": description}
    return add_classes(actor=actor, project=project, classes=[seed], parent=parent)[0]


def add_classes(
    *, actor: User, project: Project, classes: Sequence[Mapping[str, Any]], parent: LabelClass | None = None
) -> list[LabelClass]:
    """A tree of classes at once, all or none: {"name", "colour"?, "description"?, "children"?} each.

    Raises Conflict for a name that its parent has already, Invalid for names, colours or depths we cannot take.
    """
    with _changing(actor, project) as project:
        if parent is not None:
            parent = _row(parent, project)
            if parent.retired_at:
                raise errors.Conflict(_("%s is retired.") % parent.path, way_out=_("Restore it first."))
        return plant(project, classes, parent)


def rename_class(*, actor: User, label_class: LabelClass, name: str) -> LabelClass:
    """Another name for the same class; the paths below it follow. Existing labels show the new name."""
    name = clean_name(name)
    with _changing(actor, label_class.project) as project:
        row = _row(label_class, project)
        row.name, row.name_key = name, name_key(name)
        row.path = f"{row.path.rpartition('/')[0]}/{name}".lstrip("/")
        try:
            with transaction.atomic():
                row.save(update_fields=["name", "name_key", "path", "updated_at"])
        except IntegrityError:
            raise _taken(row.path) from None
        known: dict[int | None, LabelClass] = {row.pk: row}
        below = list(_below(row, project))
        for child in below:
            child.path = f"{known[child.parent_id].path}/{child.name}"
            known[child.pk] = child
        LabelClass.objects.bulk_update(below, ["path"], batch_size=500)
        return row


def recolour_class(*, actor: User, label_class: LabelClass, colour: str) -> LabelClass:
    with _changing(actor, label_class.project) as project:
        row = _row(label_class, project)
        row.colour = _clean_colour(colour)
        row.save(update_fields=["colour", "updated_at"])
        return row


def describe_class(*, actor: User, label_class: LabelClass, description: str) -> LabelClass:
    """A hint for labelers about when to choose this class."""
    text = clean_text(description, field="description", limit=500)
    with _changing(actor, label_class.project) as project:
        row = _row(label_class, project)
        row.description = text
        row.save(update_fields=["description", "updated_at"])
        return row


def move_class(*, actor: User, label_class: LabelClass, before: LabelClass | None = None) -> LabelClass:
    """Puts a class, with all below it, before one of its siblings, or last when `before` is None."""
    with _changing(actor, label_class.project) as project:
        row = _row(label_class, project)
        rows = list(project.label_classes.order_by("position", "id"))
        siblings = [other for other in rows if other.parent_id == row.parent_id and other.pk != row.pk]
        place = len(siblings)
        if before is not None:
            places = [index for index, other in enumerate(siblings) if other.pk == before.pk]
            if not places:
                raise errors.Invalid(_("A class can be moved only among the classes beside it."))
            place = places[0]
        siblings.insert(place, row)
        children: dict[int | None, list[LabelClass]] = {}
        for other in rows:
            children.setdefault(other.parent_id, []).append(other)
        children[row.parent_id] = siblings
        changed = []
        for position, other in enumerate(_preorder(children, None)):
            if other.position != position:
                other.position = position
                changed.append(other)
        LabelClass.objects.bulk_update(changed, ["position"], batch_size=500)
        return _row(row, project)


def retire_class(*, actor: User, label_class: LabelClass) -> LabelClass:
    """Takes a class and all below it out of what labelers choose from. Labels that use it stay, and stay readable.

    Raises Conflict when no class would be left.
    """
    with _changing(actor, label_class.project) as project:
        row = _row(label_class, project)
        if row.retired_at:
            return row
        ids = [row.pk, *(child.pk for child in _below(row, project))]
        if not project.label_classes.filter(retired_at=None).exclude(pk__in=ids).exists():
            raise errors.Conflict(_("A project needs at least one label class."), way_out=_("Add another one first."))
        # One time for the whole branch: restoring takes back exactly what this call retired.
        project.label_classes.filter(pk__in=ids, retired_at=None).update(retired_at=timezone.now())
        return _row(row, project)


def restore_class(*, actor: User, label_class: LabelClass) -> LabelClass:
    """Undoes `retire_class`, with what was retired together with it. Raises Conflict below a retired class."""
    with _changing(actor, label_class.project) as project:
        row = _row(label_class, project)
        if row.retired_at is None:
            return row
        if row.parent and row.parent.retired_at:
            raise errors.Conflict(_("%s is retired.") % row.parent.path, way_out=_("Restore it first."))
        ids = [row.pk, *(child.pk for child in _below(row, project))]
        project.label_classes.filter(pk__in=ids, retired_at=row.retired_at).update(retired_at=None)
        return _row(row, project)


def resolved_ids(project_id: int) -> dict[int, int]:
    """Each class id of a project, and the id it counts as once merges are followed; a circle ends where it began."""
    targets = dict(LabelClass.objects.filter(project_id=project_id).values_list("pk", "merged_into_id"))
    resolved = {}
    for pk in targets:
        seen, at = {pk}, pk
        while (following := targets.get(at)) is not None and following not in seen:
            seen.add(following)
            at = following
        resolved[pk] = at
    return resolved


# --- Pieces ----------------------------------------------------------------------------------------------------------


def plant(project: Project, classes: Sequence[Mapping[str, Any]], parent: LabelClass | None = None) -> list[LabelClass]:
    """Stores a tree below `parent` and returns its rows from top to bottom. Callers hold the project and may write."""
    depth = parent.path.count("/") + 1 if parent else 0
    seeds = _collect(classes, depth, None, [])
    place = _end_of(parent, project)
    project.label_classes.filter(position__gte=place).update(position=F("position") + len(seeds))
    used = project.label_classes.count()
    rows: dict[int, LabelClass] = {}
    # Level by level, as children need the ids of their parents.
    for level in sorted({seed.depth for seed in seeds}):
        batch = [index for index, seed in enumerate(seeds) if seed.depth == level]
        for index in batch:
            seed = seeds[index]
            above = rows[seed.parent] if seed.parent is not None else parent
            rows[index] = LabelClass(
                project=project,
                parent=above,
                name=seed.name,
                name_key=name_key(seed.name),
                path=f"{above.path}/{seed.name}" if above else seed.name,
                colour=seed.colour or colour_for(used + index),
                description=seed.description,
                position=place + index,
            )
        _store(project, [rows[index] for index in batch])
    return [rows[index] for index in range(len(seeds))]


def _store(project: Project, rows: list[LabelClass]) -> None:
    for parent_id in {row.parent_id for row in rows}:
        wanted = [row for row in rows if row.parent_id == parent_id]
        present = set(project.label_classes.filter(parent_id=parent_id).values_list("name_key", flat=True))
        for row in wanted:
            if row.name_key in present:
                raise _taken(row.path)
            present.add(row.name_key)
    LabelClass.objects.bulk_create(rows, batch_size=500)


def _collect(classes: Any, depth: int, parent: int | None, seeds: list[_Seed]) -> list[_Seed]:
    """Appends the tree to `seeds` from top to bottom; `parent` is an index into it."""
    if not isinstance(classes, Sequence) or isinstance(classes, str):
        raise _refusal(_("Label classes come as a list."))
    if classes and depth >= MAX_DEPTH:
        raise _refusal(_("Classes go at most %d levels deep.") % MAX_DEPTH)
    for entry in classes:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise _refusal(_("Each label class needs a name."))
        if unknown := sorted(str(key) for key in entry if key not in _SEED_KEYS):
            raise _refusal(
                _("A label class has no %(unknown)s; it has: %(known)s.")
                % {"unknown": ", ".join(unknown), "known": ", ".join(_SEED_KEYS)}
            )
        seeds.append(
            _Seed(
                name=clean_name(entry["name"], field="classes"),
                colour=_clean_colour(entry["colour"]) if entry.get("colour") else "",
                description=clean_text(str(entry.get("description") or ""), field="classes", limit=500),
                depth=depth,
                parent=parent,
            )
        )
        _collect(entry.get("children") or [], depth + 1, len(seeds) - 1, seeds)
    return seeds


def _end_of(parent: LabelClass | None, project: Project) -> int:
    """The position behind the last class below `parent`, or behind all."""
    rows: Iterable[LabelClass] = project.label_classes.all() if parent is None else [parent, *_below(parent, project)]
    return max((row.position for row in rows), default=-1) + 1


def _below(row: LabelClass, project: Project) -> Iterator[LabelClass]:
    """All classes below this one, parents before children."""
    inside = {row.pk}
    for other in project.label_classes.order_by("position", "id"):
        if other.parent_id in inside:
            inside.add(other.pk)
            yield other


def _preorder(children: Mapping[int | None, list[LabelClass]], parent_id: int | None) -> Iterator[LabelClass]:
    for row in children.get(parent_id, []):
        yield row
        yield from _preorder(children, row.pk)


@contextmanager
def _changing(actor: User, project: Project) -> Iterator[Project]:
    """A transaction with the project locked and the right checked, which tells everybody at its end."""
    with transaction.atomic():
        rows = Project.objects.select_for_update(no_key=True)  # see projects.lock
        row: Project | None = rows.filter(pk=project.pk, deleted_at=None).first()
        if row is None:
            raise errors.NotFound(_("There is no such thing here, or it is not yours to see."))
        access.require(actor, Capability.WRITE_PROJECTS, row.workspace_id)
        yield row
        events.publish(row.topic)
        counters.add(row.pk, {})


def _row(label_class: LabelClass, project: Project) -> LabelClass:
    row: LabelClass | None = project.label_classes.select_related("parent").filter(pk=label_class.pk).first()
    if row is None:
        raise errors.NotFound(_("There is no such label class in this project."))
    return row


def _clean_colour(value: Any) -> str:
    colour = str(value).strip().lower()
    if not _COLOUR.fullmatch(colour):
        sentence = _("A colour looks like #1f77b4.")
        raise errors.Invalid(sentence, fields={"colour": [sentence]})
    return colour


def _taken(path: str) -> errors.Conflict:
    sentence = _("There is a class %s already.") % path
    return errors.Conflict(
        sentence,
        way_out=_("Choose another name, or restore that one if it is retired."),
        fields={"classes": [sentence]},
    )


def _refusal(sentence: str) -> errors.Invalid:
    return errors.Invalid(sentence, fields={"classes": [sentence]})
