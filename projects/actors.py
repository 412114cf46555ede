"""Doors for the worker: ids in, one service call."""

from __future__ import annotations

from typing import Any

from labeling_site.core.jobs import Claim, job_kind, periodic
from projects.models import DatasetVersion
from projects.services import datasets, ingest, renditions, uploads


@job_kind("projects.scan_dataset", queue="ingest", on_end=datasets.scan_ended)
def scan_dataset(claim: Claim) -> dict[str, Any]:
    version = DatasetVersion.objects.get(pk=claim.args["version"])
    ingest.scan_version(version, claim)
    return {"items": version.item_count, "refused": version.refused_count}


@job_kind("projects.purge_dataset")
def purge_dataset(claim: Claim) -> dict[str, Any]:
    return datasets.purge_dataset(claim, claim.args["dataset"])


@periodic("projects.trim_renditions", 300)
def trim_renditions() -> None:
    renditions.trim()


@periodic("projects.forget_partial_uploads", 6 * 3600)
def forget_partial_uploads() -> None:
    uploads.forget_abandoned()
