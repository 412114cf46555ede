"""The permission matrix, as rows."""

from __future__ import annotations

import pytest

from projects.access import BUILT_IN_ROLES, Capability
from projects.models import Role

C = Capability

# parity.md A.5.3, row by row: which of the five team roles hold the right.
MATRIX = {
    C.READ_WORKSPACE: "labeler team_lead vendor_admin customer_qa vendor_qa",
    C.READ_PROJECTS: "labeler team_lead vendor_admin customer_qa vendor_qa",
    C.READ_SUMMARY: "team_lead vendor_admin customer_qa vendor_qa",
    C.WRITE_PROJECTS: "",
    C.DELETE_PROJECTS: "",
    C.READ_LABELS: "team_lead vendor_admin customer_qa vendor_qa",
    C.LABEL: "labeler team_lead vendor_admin",
    C.REJECT: "team_lead vendor_admin customer_qa vendor_qa",
    C.UPDATE_LABELS: "vendor_qa",
    C.APPROVE: "vendor_admin customer_qa vendor_qa",
    C.COMMENT: "labeler team_lead vendor_admin customer_qa vendor_qa",
    C.PRELABEL: "",
    C.EXPORT: "vendor_admin customer_qa vendor_qa",
    C.READ_RUNS: "vendor_admin customer_qa vendor_qa",
    C.PREVIEW_DATASETS: "vendor_admin customer_qa",
    C.WRITE_DATASETS: "",
    C.MANAGE_DATASTORES: "",
    C.MANAGE_MEMBERS: "",
    C.MANAGE_WORKSPACE: "",
}


@pytest.mark.django_db
def test_the_migration_made_the_matrix():
    held = {row.key: set(row.capabilities) for row in Role.objects.filter(workspace=None)}
    assert set(MATRIX) == set(Capability)
    for capability, keys in MATRIX.items():
        wanted = {"owner", *keys.split()}
        if capability not in {C.MANAGE_MEMBERS, C.MANAGE_WORKSPACE}:
            wanted.add("contributor")
        assert {key for key, rights in held.items() if capability in rights} == wanted, capability


@pytest.mark.django_db
def test_the_rows_are_what_the_code_calls_built_in():
    rows = Role.objects.filter(workspace=None).order_by("position")
    assert [(row.key, row.name, row.description, set(row.capabilities)) for row in rows] == [
        (key, name, description, {*map(str, held)}) for key, (name, description, held) in BUILT_IN_ROLES.items()
    ]
