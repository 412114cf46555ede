"""Which entries the data tab shows, in which order, page by page.

Pages are found by key, not by offset: the cursor names the last entry seen, as in `2026-11-21T10:00:00.5_17`, or `_17`
where the order is by number alone. So page 5,000 costs what page one does, and nothing is shown twice when new labels
arrive on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from annotations import selectors
from annotations.models import QueueEntry
from annotations.pages.common import with_whole_days
from annotations.selectors import EntryFilter
from labeling_site.core import errors
from projects.models import Project

Status = QueueEntry.Status
ALL = "all"
# Only of these is it certain that each entry says when it was answered.
BY_TIME = frozenset({Status.LABELED, Status.SKIPPED})
FIELDS = ("status", "label_class", "labeler", "approved", "submitted_from", "submitted_until", "path", "questions")
MANY = 1000


@dataclass(frozen=True)
class Browse:
    """A filter in force, and where its pages are cut."""

    project: Project
    status: str
    wanted: EntryFilter
    values: dict[str, str]

    @classmethod
    def from_query(cls, project: Project, query: Mapping[str, str]) -> Browse:
        """From a query string; labeled items where no status is asked for, and all for status=all."""
        values = {name: query.get(name, "").strip() for name in FIELDS}
        values["status"] = values["status"] or Status.LABELED
        asked = with_whole_days({key: value for key, value in values.items() if value})
        if asked["status"] == ALL:
            del asked["status"]
        return cls(project, values["status"], EntryFilter.from_query(asked), values)

    @property
    def by_time(self) -> bool:
        return self.status in BY_TIME

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the status was asked for."""
        return any(value for name, value in self.values.items() if name != "status")

    @property
    def query(self) -> str:
        """The filter as a query string, for links that keep it."""
        return urlencode({name: value for name, value in self.values.items() if value})

    def rows(self) -> QuerySet[QueueEntry]:
        """The entries, newest answer first, else by number from the last."""
        rows = selectors.entries(self.project, self.wanted)
        return rows.order_by("-labeled_at", "-id") if self.by_time else rows.order_by("-id")

    def cursor_of(self, entry: QueueEntry) -> str:
        when = entry.labeled_at.isoformat() if self.by_time and entry.labeled_at else ""
        return f"{when}_{entry.pk}"

    def _read(self, cursor: str) -> tuple[datetime | None, int]:
        when, _sep, pk = cursor.rpartition("_")
        try:
            found = datetime.fromisoformat(when) if when else None
            if bool(found) != self.by_time or not pk.isdecimal() or len(pk) > 18 or (found and not found.tzinfo):
                raise ValueError(cursor)
            if found:
                found.astimezone(UTC)  # as databases keep it: there is no such form at the ends of the calendar
        except (ValueError, OverflowError):
            raise errors.Invalid(
                _("This place in the list does not exist."), way_out=_("Go to the first page.")
            ) from None
        return found, int(pk)

    def after(self, cursor: str) -> QuerySet[QueueEntry]:
        """Entries behind the one the cursor names, in order."""
        when, pk = self._read(cursor)
        # The plain bound beside the exact one is what an index can follow.
        behind = Q(pk__lt=pk)
        if when:
            behind = Q(labeled_at__lte=when) & (Q(labeled_at__lt=when) | behind)
        return self.rows().filter(behind)

    def before(self, cursor: str) -> QuerySet[QueueEntry]:
        """Entries in front of the one the cursor names, nearest first."""
        when, pk = self._read(cursor)
        ahead = Q(pk__gt=pk)
        if when:
            ahead = Q(labeled_at__gte=when) & (Q(labeled_at__gt=when) | ahead)
        return self.rows().filter(ahead).reverse()

    def page(self, query: Mapping[str, str], size: int) -> BrowsePage:
        """The page that ?after= or ?before= names, else the first."""
        if before := query.get("before", ""):
            found = list(self.before(before)[: size + 1])
            more_ahead, found = len(found) > size, found[:size][::-1]
            if more_ahead or found:
                return BrowsePage(self, found, has_previous=more_ahead, has_next=True)
        if after := query.get("after", ""):
            found = list(self.after(after)[: size + 1])
            return BrowsePage(self, found[:size], has_previous=True, has_next=len(found) > size)
        found = list(self.rows()[: size + 1])
        return BrowsePage(self, found[:size], has_previous=False, has_next=len(found) > size)

    def neighbours(self, entry: QueueEntry) -> tuple[QueueEntry | None, QueueEntry | None]:
        """The entries in front of and behind this one, as far as the filter still has a place for it."""
        if self.by_time and entry.labeled_at is None:
            return None, None
        cursor = self.cursor_of(entry)
        return self.before(cursor).first(), self.after(cursor).first()

    def newer_than(self, when: datetime) -> int:
        """How many entries were answered after `when`, counted up to MANY."""
        return self.rows().filter(labeled_at__gt=when)[:MANY].count() if self.by_time else 0


@dataclass(frozen=True)
class BrowsePage:
    browse: Browse
    entries: list[QueueEntry]
    has_previous: bool
    has_next: bool

    def links(self) -> dict[str, Any]:
        """`previous` and `next`: cursors, or "" where there is nothing."""
        first, last = (self.entries[0], self.entries[-1]) if self.entries else (None, None)
        return {
            "previous": self.browse.cursor_of(first) if first and self.has_previous else "",
            "next": self.browse.cursor_of(last) if last and self.has_next else "",
        }
