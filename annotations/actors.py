"""Doors for the worker: ids in, one service call."""

from __future__ import annotations

from typing import Any

from annotations.services import exporting, initializing
from labeling_site.core.jobs import Claim, job_kind
from labeling_site.core.models import Job
from projects.models import Project


def _initialization_ended(job: Job) -> None:
    """A project must not stay Initializing when its job ended without it."""
    if job.state != Job.State.SUCCEEDED:
        waiting = Project.objects.filter(pk=job.args["project"], state=Project.State.INITIALIZING)
        waiting.update(state=Project.State.FAILED, state_reason=job.error[:300])


@job_kind("annotations.initialize_project", queue="ingest", on_end=_initialization_ended)
def initialize_project(claim: Claim) -> dict[str, Any]:
    return initializing.initialize_project(claim, claim.args["project"])


@job_kind("annotations.export")
def export(claim: Claim) -> dict[str, Any]:
    return exporting.write_export(claim)
