"""The built-in roles as they were when the first release was made: a frozen copy, so that it never changes afterwards.

A later change of a built-in role is a migration of its own.
"""

from django.db import migrations

READ = ["read", "labeling/projects/read"]
WATCH = ["labeling/projects/summary/read", "labeling/labels/read"]
REVIEW = ["labeling/labels/reject/action", "labeling/labels/approve_unapprove/action", "labeling/export/action"]
LOOK = ["experiments/runs/read", "datasets/registered/read"]
CONTRIBUTOR = [
    *READ,
    "labeling/projects/summary/read",
    "labeling/projects/write",
    "labeling/projects/delete",
    "labeling/labels/read",
    "labeling/labels/write",
    "labeling/labels/reject/action",
    "labeling/labels/update/action",
    "labeling/labels/approve_unapprove/action",
    "labeling/export/action",
    *LOOK,
    "datasets/registered/write",
    "datastores/write",
]

# (key, name, description, capabilities) in the order in which people see them.
ROLES = [
    (
        "owner",
        "Owner",
        "Everything, and the only role that invites people.",
        [*CONTRIBUTOR, "members/write", "workspace/write"],
    ),
    ("contributor", "Contributor", "Everything but managing people and the workspace itself.", CONTRIBUTOR),
    ("labeler", "Labeler", "Labels, and sees nothing else.", [*READ, "labeling/labels/write"]),
    (
        "team_lead",
        "Labeling team lead",
        "Labels, follows progress and rejects labels.",
        [*READ, *WATCH, "labeling/labels/write", "labeling/labels/reject/action"],
    ),
    (
        "vendor_admin",
        "Vendor account admin",
        "Runs a vendor's team: labels, reviews, exports.",
        [*READ, *WATCH, "labeling/labels/write", *REVIEW, *LOOK],
    ),
    ("customer_qa", "Customer QA", "Reviews and exports; changes no label.", [*READ, *WATCH, *REVIEW, *LOOK]),
    (
        "vendor_qa",
        "Vendor QA",
        "Reviews, corrects and exports.",
        [*READ, *WATCH, *REVIEW, "labeling/labels/update/action", "experiments/runs/read"],
    ),
]


def make_roles(apps, schema_editor):
    role = apps.get_model("projects", "Role")
    for position, (key, name, description, capabilities) in enumerate(ROLES):
        role.objects.update_or_create(
            workspace=None,
            key=key,
            defaults={"name": name, "description": description, "capabilities": capabilities, "position": position},
        )


def remove_roles(apps, schema_editor):
    apps.get_model("projects", "Role").objects.filter(workspace=None, key__in=[row[0] for row in ROLES]).delete()


class Migration(migrations.Migration):
    dependencies = [("projects", "0001_initial")]
    operations = [migrations.RunPython(make_roles, remove_roles)]
