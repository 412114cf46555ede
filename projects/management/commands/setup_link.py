"""manage.py setup_link"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from projects.services.accounts import make_setup_link


class Command(BaseCommand):
    help = "Prints a one-time link that makes the first administrator; prints nothing where there is one already."

    def handle(self, *args: Any, **options: Any) -> None:
        link = make_setup_link()
        if link:
            self.stdout.write(link)
