"""Making projects, what may change about them, and their states."""

from __future__ import annotations

import pytest

from annotations.models import QueueEntry
from labeling_site.core import errors
from labeling_site.core.models import Job
from projects import selectors
from projects.access import Capability
from projects.models import Dataset, DatasetVersion, Datastore, Favourite, Project, TaskType, Upload
from projects.services import counters, projects
from tests.factories import (
    add_member,
    make_dataset_with_images,
    make_people,
    make_project,
    make_workspace,
    run_jobs,
    with_api_key,
)

pytestmark = pytest.mark.django_db

State = Project.State


def create(people, **more) -> Project:
    values = {
        "actor": people.alice,
        "workspace": people.workspace,
        "name": "Birds",
        "task_type": TaskType.BOX,
        "classes": [{"name": "bird"}],
    } | more
    if "dataset" not in values:
        values["dataset"] = make_dataset_with_images(people.workspace, 2)
    return projects.create_project(**values)


# --- Making ----------------------------------------------------------------------------------------------------------


def test_a_new_project_initializes_and_then_runs():
    people = make_people()
    project = create(people, description=" All of them ", instructions="<p onclick=x>Look</p>")
    assert project.state == State.INITIALIZING and project.started_at is None
    assert (project.description, project.instructions) == ("All of them", "<p>Look</p>")
    assert project.job.tenant_id == people.workspace.pk and project.job.subject == project.topic
    run_jobs()
    project.refresh_from_db()
    assert project.state == State.RUNNING and project.started_at is not None
    assert QueueEntry.objects.filter(project=project).count() == 2
    assert counters.read(project.pk)["total"] == 2


@pytest.mark.parametrize("key", ["labeler", "team_lead", "vendor_admin", "customer_qa", "vendor_qa"])
def test_people_of_the_team_make_change_and_delete_no_project(key):
    people = make_people()
    project = make_project(people.workspace)
    dora = add_member(people.workspace, key, name="Dora")
    for refused in (
        lambda: create(people, actor=dora),
        lambda: projects.update_project(actor=dora, project=project, description="Mine"),
        lambda: projects.pause_project(actor=dora, project=project),
        lambda: projects.delete_project(actor=dora, project=project),
    ):
        with pytest.raises(errors.Forbidden):
            refused()
    project.refresh_from_db()
    assert Project.objects.count() == 1
    assert (project.description, project.state, project.deleted_at) == ("", State.RUNNING, None)


def test_strangers_find_no_project():
    people = make_people()
    make_workspace(people.charlie)
    project = make_project(people.workspace)
    for refused in (
        lambda: create(people, actor=people.charlie),
        lambda: projects.update_project(actor=people.charlie, project=project, description="Mine"),
        lambda: projects.pause_project(actor=people.charlie, project=project),
        lambda: projects.delete_project(actor=people.charlie, project=project),
        lambda: projects.set_favourite(actor=people.charlie, project=project, favourite=True),
    ):
        with pytest.raises(errors.NotFound):
            refused()
    project.refresh_from_db()
    assert (project.description, project.state, project.deleted_at) == ("", State.RUNNING, None)
    assert not Favourite.objects.exists() and not Project.objects.visible_to(people.charlie).exists()


def test_contributors_make_projects_and_so_does_a_key_with_the_right():
    people = make_people()
    dora = add_member(people.workspace, "contributor", name="Dora")
    assert create(people, actor=dora).created_by == dora
    program = with_api_key(dora, people.workspace, [Capability.WRITE_PROJECTS])
    assert create(people, actor=program, name="Cats").created_by == dora
    narrow = with_api_key(dora, people.workspace, [Capability.LABEL])
    with pytest.raises(errors.Forbidden):
        create(people, actor=narrow, name="Dogs")
    assert Project.objects.count() == 2


# --- Names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", "  ", "a/b", "tab\there", "x" * 121, "\u200b", "zero\x00", "txt.\u202egpj", "a\u2028b"]
)
def test_names_that_are_refused(name):
    people = make_people()
    with pytest.raises(errors.Invalid) as refusal:
        create(people, name=name)
    assert "name" in refusal.value.fields
    assert not Project.objects.exists() and not Job.objects.exists()


@pytest.mark.parametrize("name", [" Birds ", "x" * 120, "Vögel №1 – 鳥 🐦", "<b>&\"'", "A"])
def test_names_that_are_taken_as_they_are(name):
    assert create(make_people(), name=name).name == name.strip()


@pytest.mark.parametrize("again", ["Birds", "birds", " BIRDS ", "Bi\u0072ds"])
def test_a_name_is_used_once_whatever_its_case_even_after_deletion(again):
    people = make_people()
    project = create(people)
    for _round in range(2):
        with pytest.raises(errors.Conflict) as refusal:
            create(people, name=again)
        assert "name" in refusal.value.fields
        assert Project.objects.count() == 1
        if project.deleted_at is None:
            project = projects.delete_project(actor=people.alice, project=project)


def test_composed_and_decomposed_letters_are_the_same_name():
    people = make_people()
    create(people, name="Café")
    with pytest.raises(errors.Conflict):
        create(people, name="Cafe\u0301")
    assert Project.objects.count() == 1


def test_another_workspace_may_use_the_same_name():
    people = make_people()
    create(people)
    other = make_workspace(people.charlie)
    made = create(people, actor=people.charlie, workspace=other, dataset=make_dataset_with_images(other, 1))
    assert made.name == "Birds"


# --- Data ------------------------------------------------------------------------------------------------------------


def test_a_project_pins_the_datasets_present_version():
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 2)
    assert create(people, dataset=dataset).dataset_version == dataset.versions.get()


def test_files_uploaded_since_the_last_version_make_a_new_one():
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 2)
    Upload.objects.create(dataset=dataset, path="late.png", size=1, received=1, state=Upload.State.STORED)
    project = create(people, dataset=dataset)
    assert project.dataset_version.number == 2
    assert project.dataset_version.state == DatasetVersion.State.PENDING


def test_a_failed_version_is_not_pinned():
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 2)
    DatasetVersion.objects.create(dataset=dataset, number=2, state=DatasetVersion.State.FAILED)
    assert create(people, dataset=dataset).dataset_version.number == 1


def test_a_dataset_of_another_workspace_does_not_exist_here():
    people = make_people()
    foreign = make_dataset_with_images(make_workspace(people.charlie), 1)
    with pytest.raises(errors.NotFound):
        create(people, dataset=foreign)
    assert not Project.objects.exists()


def test_a_dataset_without_a_file_is_refused():
    people = make_people()
    empty = Dataset.objects.create(
        workspace=people.workspace,
        name="empty",
        kind=Dataset.Kind.UPLOAD,
        datastore=Datastore.objects.get(workspace=people.workspace),
    )
    with pytest.raises(errors.Invalid) as refusal:
        create(people, dataset=empty)
    assert "dataset" in refusal.value.fields
    assert not Project.objects.exists() and not DatasetVersion.objects.exists()


# --- Settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("task_type", {"task_type": "text"}),
        ("classes", {"classes": []}),
        ("classes", {"classes": [{"name": "a/b"}]}),
        ("description", {"description": "x" * 2001}),
        ("instructions_url", {"instructions_url": "javascript:alert(1)"}),
        ("quality.max_labelers", {"quality": {"consensus": True, "min_labelers": 3, "max_labelers": 2}}),
        ("quality.min_labelers", {"quality": {"consensus": True, "min_labelers": 1}}),
        ("quality.max_labelers", {"quality": {"consensus": True, "max_labelers": 1000}}),
        ("quality.consensus", {"quality": {"consensus": "yes"}}),
        ("quality.speed", {"quality": {"speed": 1}}),
        ("assist.target_precision", {"assist": {"target_precision": 1.5}}),
        ("assist.mode", {"assist": {"mode": "magic"}}),
        ("workforce.vendor", {"workforce": {"vendor": 7}}),
    ],
)
def test_settings_that_are_refused_leave_nothing_behind(field, more):
    people = make_people()
    with pytest.raises(errors.Invalid) as refusal:
        create(people, **more)
    assert field in refusal.value.fields
    assert not Project.objects.exists() and not Job.objects.exists()


def test_settings_have_defaults_and_are_kept():
    people = make_people()
    plain = create(people)
    assert plain.quality == {"consensus": False, "min_labelers": 1, "max_labelers": 1}
    assert plain.assist == {"enabled": False, "mode": "suggest", "target_precision": 0.9}
    assert plain.workforce == {"vendor": ""}
    rich = create(
        people,
        name="Cats",
        refresh_enabled=True,
        quality={"consensus": True, "min_labelers": 2, "max_labelers": 4},
        assist={"enabled": True, "target_precision": 0.95},
        workforce={"vendor": "Labels & Co"},
    )
    rich.refresh_from_db()
    assert rich.refresh_enabled
    assert rich.quality == {"consensus": True, "min_labelers": 2, "max_labelers": 4}
    assert rich.assist == {"enabled": True, "mode": "suggest", "target_precision": 0.95}
    assert rich.workforce == {"vendor": "Labels & Co"}


def test_what_may_change_changes_alone():
    people = make_people()
    project = create(people, description="Before", instructions="<p>Before</p>")
    projects.update_project(actor=people.alice, project=project, instructions="<p>After</p><script>x</script>")
    project.refresh_from_db()
    assert (project.description, project.instructions) == ("Before", "<p>After</p>")
    projects.update_project(actor=people.alice, project=project, description="", assist={"enabled": True})
    project.refresh_from_db()
    assert (project.description, project.assist["enabled"]) == ("", True)


def test_the_labeling_company_of_a_project_never_changes():
    people = make_people()
    project = create(people, workforce={"vendor": "Labels & Co"})
    projects.update_project(actor=people.alice, project=project, workforce={"vendor": "Labels & Co"})
    with pytest.raises(errors.Conflict):
        projects.update_project(actor=people.alice, project=project, description="x", workforce={"vendor": ""})
    project.refresh_from_db()
    assert (project.workforce, project.description) == ({"vendor": "Labels & Co"}, "")


def test_task_type_and_dataset_cannot_even_be_asked_to_change():
    people = make_people()
    project = create(people)
    for change in ({"task_type": TaskType.POLYGON}, {"dataset": project.dataset_version.dataset}, {"name": "New"}):
        with pytest.raises(TypeError):
            projects.update_project(actor=people.alice, project=project, **change)


# --- States ----------------------------------------------------------------------------------------------------------


def test_running_and_paused_take_turns():
    people = make_people()
    project = make_project(people.workspace)
    began = project.started_at
    before = counters.read(project.pk)["version"]
    assert projects.pause_project(actor=people.alice, project=project).state == State.PAUSED
    with pytest.raises(errors.Conflict):
        projects.pause_project(actor=people.alice, project=project)
    started = projects.start_project(actor=people.alice, project=project)
    assert (started.state, started.started_at) == (State.RUNNING, began)
    with pytest.raises(errors.Conflict):
        projects.start_project(actor=people.alice, project=project)
    assert counters.read(project.pk)["version"] == before + 2, "each change is one hint, a refusal is none"


def test_a_project_that_initializes_is_neither_paused_nor_started():
    people = make_people()
    project = create(people)
    for refused in (projects.pause_project, projects.start_project):
        with pytest.raises(errors.Conflict) as refusal:
            refused(actor=people.alice, project=project)
        assert refusal.value.extra["state"] == "initializing"
    project.refresh_from_db()
    assert project.state == State.INITIALIZING


def test_a_project_that_failed_says_why_and_tries_again():
    people = make_people()
    project = create(people)
    projects.mark_failed(project, "The folder is away. " * 30)
    project.refresh_from_db()
    assert project.state == State.FAILED
    assert project.state_reason.startswith("The folder is away.") and len(project.state_reason) == 300
    failed_job = project.job_id
    projects.start_project(actor=people.alice, project=project)
    project.refresh_from_db()
    assert (project.state, project.state_reason) == (State.INITIALIZING, "")
    assert project.job_id != failed_job
    run_jobs()
    project.refresh_from_db()
    assert project.state == State.RUNNING


def test_late_news_of_the_initialization_changes_nothing():
    people = make_people()
    project = make_project(people.workspace)
    projects.pause_project(actor=people.alice, project=project)
    projects.mark_initialized(project)
    projects.mark_failed(project, "late")
    project.refresh_from_db()
    assert (project.state, project.state_reason) == (State.PAUSED, "")


def test_a_deleted_project_is_nobodys_and_its_jobs_stop():
    people = make_people()
    project = create(people)
    projects.delete_project(actor=people.alice, project=project)
    assert Job.objects.get(pk=project.job_id).state == Job.State.CANCELLED
    assert not Project.objects.visible_to(people.alice).exists()
    assert Project.objects.filter(pk=project.pk).exists(), "the row keeps the name taken"
    for again in (projects.delete_project, projects.pause_project, projects.start_project):
        with pytest.raises(errors.NotFound):
            again(actor=people.alice, project=project)


def test_writing_projects_is_not_yet_deleting_them():
    people = make_people()
    project = make_project(people.workspace)
    program = with_api_key(people.alice, people.workspace, [Capability.WRITE_PROJECTS])
    with pytest.raises(errors.Forbidden):
        projects.delete_project(actor=program, project=project)
    project.refresh_from_db()
    assert project.deleted_at is None


# --- The list --------------------------------------------------------------------------------------------------------


def test_a_star_is_ones_own():
    people = make_people()
    project = make_project(people.workspace)
    for _twice in range(2):
        projects.set_favourite(actor=people.bob, project=project, favourite=True)
    assert [row.is_favourite for row in selectors.project_list(people.bob)] == [True]
    assert [row.is_favourite for row in selectors.project_list(people.alice)] == [False]
    assert list(selectors.project_list(people.bob, favourites=True)) == [project]
    projects.set_favourite(actor=people.bob, project=project, favourite=False)
    assert not selectors.project_list(people.bob, favourites=True).exists()


def test_the_list_shows_progress():
    people = make_people()
    project = make_project(people.workspace, images=8)
    counters.add(project.pk, {"unlabeled": -4, "labeled": 2, "skipped": 1, "removed": 1, "class:1": 2})
    row = selectors.with_progress(selectors.project_list(people.alice))[0]
    assert (row.total, row.labeled, row.skipped, row.done, row.percent) == (7, 2, 1, 3, 42)


def test_the_list_costs_the_same_however_long_it_is(django_assert_num_queries):
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 1)
    for number in range(7):
        project = create(people, name=f"project {number}", dataset=dataset)
        counters.add(project.pk, {"total": 5, "labeled": number})
        with django_assert_num_queries(2):
            rows = selectors.with_progress(selectors.project_list(people.alice, people.workspace))
            shown = [(row.project.name, row.project.dataset_version.dataset.name, row.job.state) for row in rows]
        assert len(shown) == number + 1
    assert [row.labeled for row in rows] == [6, 5, 4, 3, 2, 1, 0]


def test_the_list_is_searched_by_name_and_description_and_by_state():
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 1)
    create(people, name="Große Vögel", dataset=dataset)
    create(people, name="Cats", description="with whiskers", dataset=dataset)

    def found(**more) -> list[str]:
        return [row.name for row in selectors.project_list(people.alice, people.workspace, **more)]

    assert found() == ["Cats", "Große Vögel"]
    assert found(search="GROSSE") == ["Große Vögel"]
    assert found(search=" whisk ") == ["Cats"]
    assert found(search="%") == []
    assert found(state="running") == []
    assert len(found(state="initializing")) == 2
