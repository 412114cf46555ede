"""What `dramatiq labeling_site.worker` loads: Django, then the broker with its one actor."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling_site.settings")
django.setup()

from labeling_site.broker import broker, run_job  # noqa: E402  Django has to be ready first

__all__ = ["broker", "run_job"]
