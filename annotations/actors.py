"""Doors for the worker: ids in, one service call."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from annotations.services import drafts, exporting, initializing
from labeling_site.core.jobs import Claim, job_kind, periodic
from labeling_site.core.models import Job
from projects.models import Project
from projects.services import datasets
from projects.services.projects import mark_failed


def _initialization_ended(job: Job) -> None:
    """Neither a project nor the dataset version it reads may look as if a job were at work that ended without them."""
    if job.state == Job.State.SUCCEEDED:
        return
    datasets.scan_ended(job)
    if project := Project.objects.filter(pk=job.args["project"]).first():
        mark_failed(project, job.error or _("Preparing the project was cancelled; start it to try again."))


@job_kind("annotations.initialize_project", queue="ingest", on_end=_initialization_ended)
def initialize_project(claim: Claim) -> dict[str, Any]:
    return initializing.initialize_project(claim, claim.args["project"])


@job_kind("annotations.export")
def export(claim: Claim) -> dict[str, Any]:
    return exporting.write_export(claim)


@periodic("annotations.forget_operations", 6 * 3600)
def forget_operations() -> None:
    drafts.forget_operations()
