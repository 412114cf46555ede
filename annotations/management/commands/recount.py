"""`manage.py recount [project …]`: counts again and repairs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from annotations.services.recounting import recount
from projects.models import Project


class Command(BaseCommand):
    help = "Counts the items and labels of projects again, repairs the counters, and says what was wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", nargs="*", type=int, help="project numbers; all when none is given")

    def handle(self, *args: Any, **options: Any) -> None:
        projects = Project.objects.filter(deleted_at=None)
        if options["project"]:
            projects = projects.filter(pk__in=options["project"])
        for project in projects:
            wrong = recount(project=project)
            said = ", ".join(f"{key} was {stored}, is {right}" for key, (stored, right) in sorted(wrong.items()))
            self.stdout.write(f"{project.pk} {project}: {said or 'right'}")
