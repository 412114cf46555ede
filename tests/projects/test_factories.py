"""The things tests start from are what they say."""

from __future__ import annotations

import pytest
from django.core.files.storage import default_storage

from annotations.models import QueueEntry
from projects.models import Item, Project
from tests.factories import label_class, make_people, make_project


@pytest.mark.django_db
def test_a_project_for_tests_runs_and_its_images_decode():
    people = make_people()
    project = make_project(people.workspace, images=3, classes=["cat", {"name": "dog", "children": [{"name": "pug"}]}])
    assert project.state == Project.State.RUNNING
    assert QueueEntry.objects.filter(project=project).count() == 3
    item = Item.objects.filter(dataset_version=project.dataset_version).first()
    with default_storage.open(item.storage_key) as stored:
        assert stored.read(8) == b"\x89PNG\r\n\x1a\n"
    assert label_class(project, "dog/pug").parent == label_class(project, "dog")
