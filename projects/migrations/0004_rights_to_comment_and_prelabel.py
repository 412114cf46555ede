"""Two rights that the first release did not know: everybody comments; owners and contributors store prelabels."""

from django.db import migrations

COMMENT, PRELABEL = "labeling/comments/write", "labeling/prelabels/write"
GRANTED = {
    "owner": [COMMENT, PRELABEL],
    "contributor": [COMMENT, PRELABEL],
    "labeler": [COMMENT],
    "team_lead": [COMMENT],
    "vendor_admin": [COMMENT],
    "customer_qa": [COMMENT],
    "vendor_qa": [COMMENT],
}


def grant(apps, schema_editor):
    for role in apps.get_model("projects", "Role").objects.filter(workspace=None, key__in=GRANTED):
        role.capabilities = [*role.capabilities, *(one for one in GRANTED[role.key] if one not in role.capabilities)]
        role.save(update_fields=["capabilities"])


def take_back(apps, schema_editor):
    for role in apps.get_model("projects", "Role").objects.filter(workspace=None, key__in=GRANTED):
        role.capabilities = [one for one in role.capabilities if one not in (COMMENT, PRELABEL)]
        role.save(update_fields=["capabilities"])


class Migration(migrations.Migration):
    dependencies = [("projects", "0003_class_examples")]
    operations = [migrations.RunPython(grant, take_back)]
