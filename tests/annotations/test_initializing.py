"""A project's first job: however it ends, neither the project nor its dataset version is left half-way."""

from __future__ import annotations

import pytest

from annotations.models import QueueEntry
from annotations.services import exporting
from labeling_site.core import events, jobs
from labeling_site.core.models import Job
from projects.models import DatasetVersion, Project
from projects.services import ingest, projects
from tests import factories

pytestmark = pytest.mark.django_db
State = Project.State


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


def unread_project(people: factories.People, *, images: int = 3) -> tuple[Project, DatasetVersion]:
    """A project that waits for its first job, over files that nobody has read yet."""
    dataset = factories.make_dataset_with_images(people.workspace, images)
    version = dataset.versions.get()
    version.items.all().delete()
    DatasetVersion.objects.filter(pk=version.pk).update(state=DatasetVersion.State.PENDING, item_count=0, file_count=0)
    return factories.make_project(people.workspace, dataset=dataset, running=False), version


@pytest.mark.django_db(transaction=True)  # a job that breaks down gives its connection back
def test_a_version_is_not_left_being_read_when_the_projects_job_breaks_down(
    people: factories.People, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, version = unread_project(people)

    def breaks_down(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "_scan", breaks_down)
        jobs.run(str(project.job_id))
    project.refresh_from_db()
    version.refresh_from_db()
    assert project.state == State.FAILED and "the disk is gone" in project.state_reason
    assert version.state == DatasetVersion.State.FAILED and "the disk is gone" in version.error
    projects.start_project(actor=people.alice, project=project)
    factories.run_jobs()
    project.refresh_from_db()
    version.refresh_from_db()
    assert (project.state, version.state) == (State.RUNNING, DatasetVersion.State.READY)
    assert QueueEntry.objects.filter(project=project).count() == 3


def test_a_project_whose_job_was_cancelled_says_so_and_starts_again(people: factories.People) -> None:
    project, _version = unread_project(people)
    before = events.version(project.topic)
    jobs.cancel(Job.objects.get(pk=project.job_id))
    project.refresh_from_db()
    assert project.state == State.FAILED
    assert "cancelled" in project.state_reason, "a person has to know why, and what to do"
    assert events.version(project.topic) > before, "or an open page would never learn of it"
    projects.start_project(actor=people.alice, project=project)
    factories.run_jobs()
    project.refresh_from_db()
    assert (project.state, project.state_reason) == (State.RUNNING, "")


def test_a_job_that_is_repeated_by_an_administrator_fills_the_project_after_all(people: factories.People) -> None:
    project, _version = unread_project(people)
    job = Job.objects.get(pk=project.job_id)
    jobs.cancel(job)
    jobs.requeue(job)
    factories.run_jobs()
    project.refresh_from_db()
    assert (project.state, project.state_reason) == (State.RUNNING, "")
    assert QueueEntry.objects.filter(project=project).count() == 3


def test_a_repeated_job_of_a_deleted_project_changes_nothing(people: factories.People) -> None:
    project, _version = unread_project(people)
    projects.delete_project(actor=people.alice, project=project)
    jobs.requeue(Job.objects.get(pk=project.job_id))
    factories.run_jobs()
    assert not QueueEntry.objects.filter(project=project).exists()


def test_pages_of_a_project_learn_that_an_export_has_come_further_and_ended(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=1)
    seen = [events.version(project.topic)]
    exporting.start_export(actor=people.alice, project=project, format="coco", options={})
    seen.append(events.version(project.topic))
    factories.run_jobs()
    seen.append(events.version(project.topic))
    assert seen == sorted(set(seen)), "a page asks again only when the number moved"


def test_a_datasets_page_learns_that_a_projects_job_has_read_its_files(people: factories.People) -> None:
    _project, version = unread_project(people)
    before = events.version(f"dataset:{version.dataset_id}")
    factories.run_jobs()
    assert events.version(f"dataset:{version.dataset_id}") > before
