"""Projects, label classes and jobs, through the API."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from labeling_site.core.models import Job
from projects.models import LabelClass, Project
from tests import factories
from tests.support.api import as_person, as_program, ids, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> factories.People:
    return factories.make_people()


@pytest.fixture
def alice(people: factories.People) -> APIClient:
    return as_person(people.alice)


def ask(people: factories.People, **more: Any) -> dict[str, Any]:
    dataset = factories.make_dataset_with_images(people.workspace, 3)
    return {
        "workspace": people.workspace.pk,
        "name": "Animals",
        "task_type": "multi_class",
        "dataset": dataset.pk,
        "classes": [{"name": "cat", "colour": "#ff0000"}, {"name": "bird", "children": [{"name": "owl"}]}],
    } | more


def address(project: Project | int) -> str:
    return f"/api/v1/projects/{project if isinstance(project, int) else project.pk}/"


# --- Projects --------------------------------------------------------------------------------------------------------


def test_a_project_is_made_once_and_runs(people: factories.People, alice: APIClient) -> None:
    body = ask(people)
    made = alice.post("/api/v1/projects/", body, headers={"Idempotency-Key": "p1"})
    assert made.status_code == 201, made.content
    again = alice.post("/api/v1/projects/", body, headers={"Idempotency-Key": "p1"})
    assert again.json()["id"] == made.json()["id"]
    assert Project.objects.count() == 1
    factories.run_jobs()
    shown = alice.get(address(made.json()["id"])).json()
    assert (shown["state"], shown["counts"]["total"], shown["counts"]["unlabeled"]) == ("running", 3, 3)
    classes = alice.get(address(made.json()["id"]) + "label-classes/").json()
    assert [one["path"] for one in classes] == ["cat", "bird", "bird/owl"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"task_type": "anything"}, "task_type"),
        ({"classes": []}, "classes"),
        ({"classes": [{"name": "x"}, {"name": "X"}]}, "classes"),
        ({"classes": [{"name": "x", "colour": "red;}"}]}, "colour"),
        ({"instructions_url": "javascript:alert(1)"}, "instructions_url"),
    ],
)
def test_a_refused_project_names_the_field_and_leaves_nothing(
    people: factories.People, alice: APIClient, change: dict[str, Any], field: str
) -> None:
    reply = alice.post("/api/v1/projects/", ask(people, **change))
    assert reply.status_code in {400, 409}, reply.content
    assert field in reply.json()["fields"], reply.json()
    assert (Project.objects.count(), LabelClass.objects.count(), Job.objects.count()) == (0, 0, 0)


def test_labelers_and_strangers_make_no_projects(people: factories.People) -> None:
    body = ask(people)
    refused(as_person(people.bob).post("/api/v1/projects/", body), 404)  # a labeler does not even see the dataset
    refused(as_person(people.charlie).post("/api/v1/projects/", body), 404)
    assert not Project.objects.exists()


def test_a_project_cannot_use_a_foreign_dataset(people: factories.People, alice: APIClient) -> None:
    foreign = factories.make_dataset_with_images(factories.make_workspace(people.charlie, "Elsewhere"), 2)
    refused(alice.post("/api/v1/projects/", ask(people, dataset=foreign.pk)), 404)
    assert not Project.objects.exists()


def test_only_those_who_may_see_dashboards_get_counts(people: factories.People, alice: APIClient) -> None:
    project = factories.make_project(people.workspace)
    assert alice.get(address(project)).json()["counts"]["total"] == 4
    shown = as_person(people.bob).get(address(project))
    assert shown.status_code == 200
    assert shown.json()["counts"] is None


def test_a_list_is_filtered_by_known_names_only(people: factories.People, alice: APIClient) -> None:
    one = factories.make_project(people.workspace, name="Cats")
    two = factories.make_project(people.workspace, name="Dogs", task_type="object_detection", running=False)
    get = alice.get
    assert ids(get("/api/v1/projects/?search=cat")) == [one.pk]
    assert ids(get("/api/v1/projects/?state=running")) == [one.pk]
    assert ids(get(f"/api/v1/projects/?task_type={two.task_type}")) == [two.pk]
    assert ids(get(f"/api/v1/projects/?workspace={people.workspace.pk}")) == [two.pk, one.pk]
    assert ids(get("/api/v1/projects/?workspace=99999999999999999999999")) == []
    problem = refused(get("/api/v1/projects/?created_by__password__startswith=a"), 400)
    assert "created_by__password__startswith" in problem["fields"]


def test_pausing_starting_describing_and_deleting(people: factories.People, alice: APIClient) -> None:
    project = factories.make_project(people.workspace)
    assert alice.post(address(project) + "pause/").json()["state"] == "paused"
    assert alice.post(address(project) + "start/").json()["state"] == "running"
    changed = alice.patch(address(project), {"description": "new", "instructions": "<p onclick='x()'>look</p>"})
    assert changed.status_code == 200, changed.content
    assert (changed.json()["description"], changed.json()["instructions"]) == ("new", "<p>look</p>")
    assert alice.delete(address(project)).status_code == 204
    refused(alice.get(address(project)), 404)
    assert Project.objects.get(pk=project.pk).deleted_at, "a tombstone keeps the name from being used again"


def test_a_labeler_changes_no_project(people: factories.People) -> None:
    project = factories.make_project(people.workspace)
    bob = as_person(people.bob)
    for reply in (
        bob.post(address(project) + "pause/"),
        bob.post(address(project) + "start/"),
        bob.patch(address(project), {"description": "mine"}),
        bob.post(address(project) + "label-classes/", {"classes": [{"name": "fox"}]}),
    ):
        assert refused(reply, 403)["missing"] == "labeling/projects/write"
    assert refused(bob.delete(address(project)), 403)["missing"] == "labeling/projects/delete"
    kept = Project.objects.get(pk=project.pk)
    assert (kept.state, kept.description, kept.deleted_at) == ("running", "", None)
    assert kept.label_classes.count() == 2


def test_a_star_is_everybodys_own(people: factories.People, alice: APIClient) -> None:
    project = factories.make_project(people.workspace)
    bob = as_person(people.bob)
    assert bob.post(address(project) + "favourite/", {"favourite": True}).json()["favourite"] is True
    assert bob.get(address(project)).json()["favourite"] is True
    assert alice.get(address(project)).json()["favourite"] is False


@pytest.mark.parametrize("task_type", ["multi_class", "multi_label", "object_detection", "instance_segmentation"])
def test_a_sample_project_fills_itself(people: factories.People, alice: APIClient, task_type: str) -> None:
    made = alice.post("/api/v1/projects/sample/", {"workspace": people.workspace.pk, "task_type": task_type})
    assert made.status_code == 201, made.content
    factories.run_jobs()
    shown = alice.get(address(made.json()["id"])).json()
    assert (shown["state"], shown["task_type"]) == ("running", task_type)
    assert shown["counts"]["total"] > 0
    reply = as_person(people.bob).post(
        "/api/v1/projects/sample/", {"workspace": people.workspace.pk, "task_type": task_type}
    )
    refused(reply, 403)


def test_lists_cost_the_same_for_many_projects(
    people: factories.People, alice: APIClient, django_assert_max_num_queries: Any
) -> None:
    for _number in range(8):
        factories.make_project(people.workspace, running=False, images=1)
    with django_assert_max_num_queries(9):
        assert len(ids(alice.get("/api/v1/projects/"))) == 8


# --- Label classes ---------------------------------------------------------------------------------------------------


def test_classes_are_added_changed_moved_retired_and_restored(people: factories.People, alice: APIClient) -> None:
    project = factories.make_project(people.workspace)
    classes = address(project) + "label-classes/"
    made = alice.post(classes, {"classes": [{"name": "fox"}]})
    assert made.status_code == 201, made.content
    fox = f"/api/v1/label-classes/{made.json()[0]['id']}/"
    many = alice.post(
        classes, {"classes": [{"name": "red"}, {"name": "grey", "children": [{"name": "old"}]}], "parent": 0}
    )
    assert many.status_code == 201, many.content
    changed = alice.patch(fox, {"name": "vixen", "colour": "#123456", "description": "a fox"})
    assert changed.status_code == 200, changed.content
    assert (changed.json()["path"], changed.json()["colour"]) == ("vixen", "#123456")
    cat = factories.label_class(project, "cat")
    assert alice.post(fox + "move/", {"before": cat.pk}).status_code == 200
    assert [one["path"] for one in alice.get(classes).json()][:2] == ["vixen", "cat"]
    assert alice.post(fox + "retire/").json()["retired_at"]
    assert alice.post(fox + "restore/").json()["retired_at"] is None


def test_foreign_classes_are_neither_seen_nor_used(people: factories.People, alice: APIClient) -> None:
    project = factories.make_project(people.workspace)
    foreign = factories.make_project(factories.make_workspace(people.charlie, "Elsewhere"))
    theirs, mine = factories.label_class(foreign, "cat"), factories.label_class(project, "cat")
    refused(alice.get(f"/api/v1/label-classes/{theirs.pk}/"), 404)
    refused(alice.patch(f"/api/v1/label-classes/{theirs.pk}/", {"name": "mine now"}), 404)
    refused(alice.post(f"/api/v1/label-classes/{mine.pk}/move/", {"before": theirs.pk}), 404)
    add = {"classes": [{"name": "kitten"}], "parent": theirs.pk}
    refused(alice.post(address(project) + "label-classes/", add), 404)
    theirs.refresh_from_db()
    assert (theirs.name, LabelClass.objects.filter(name="kitten").count()) == ("cat", 0)


def test_a_class_of_a_deleted_project_is_gone(people: factories.People, alice: APIClient) -> None:
    project = factories.make_project(people.workspace)
    cat = factories.label_class(project, "cat")
    alice.delete(address(project))
    refused(alice.get(f"/api/v1/label-classes/{cat.pk}/"), 404)


# --- Jobs ------------------------------------------------------------------------------------------------------------


def test_jobs_of_the_own_workspaces_are_seen_and_stopped(people: factories.People, alice: APIClient) -> None:
    project = factories.make_project(people.workspace, running=False)
    theirs = factories.make_project(factories.make_workspace(people.charlie, "Elsewhere"), running=False)
    job = Job.objects.get(subject=project.topic)
    assert ids(alice.get("/api/v1/jobs/")) == [str(job.pk)]
    assert ids(alice.get(f"/api/v1/jobs/?subject={theirs.topic}")) == []
    assert ids(as_person(people.bob).get("/api/v1/jobs/")) == []
    refused(as_person(people.bob).post(f"/api/v1/jobs/{job.pk}/cancel/"), 404)
    refused(as_person(people.charlie).get(f"/api/v1/jobs/{job.pk}/"), 404)
    lead = as_person(factories.add_member(people.workspace, "team_lead", name="Lea"))
    assert refused(lead.post(f"/api/v1/jobs/{job.pk}/cancel/"), 403)["missing"] == "labeling/projects/write"
    job.refresh_from_db()
    assert job.state == "queued"
    assert alice.post(f"/api/v1/jobs/{job.pk}/cancel/").json()["state"] == "cancelled"
    refused(alice.post(f"/api/v1/jobs/{job.pk}/cancel/"), 409)


# --- The API as a whole ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/", "/api/v1/", "/api/v1/nothing/", "/api/v2/projects/", "/api/v1/projects"])
def test_an_unknown_address_answers_programs_in_json(alice: APIClient, path: str) -> None:
    for reply in (APIClient().get(path), alice.get(path), APIClient(enforce_csrf_checks=True).post(path, {})):
        refused(reply, 404, "not_found")


@pytest.mark.parametrize("pk", ["0", "99999999999999999999999999", "abc", "-1", "1e3", "%00"])
def test_an_impossible_number_is_not_found(alice: APIClient, pk: str) -> None:
    for noun in ("workspaces", "datasets", "uploads", "items", "projects", "label-classes", "jobs", "tasks", "exports"):
        refused(alice.get(f"/api/v1/{noun}/{pk}/"), 404)
    refused(alice.get(f"/api/v1/projects/{pk}/label-classes/"), 404)


@pytest.mark.parametrize("cursor", ["x", "cD1hYmM=", "cD0yMDI2", "bz05OTk5OTk5", "%00", "cD0lMDA="])
def test_a_made_up_cursor_is_refused_or_leads_to_nothing(
    people: factories.People, alice: APIClient, cursor: str
) -> None:
    factories.make_project(people.workspace)
    for noun in ("projects", "items", "jobs"):
        reply = alice.get(f"/api/v1/{noun}/?cursor={cursor}")
        assert reply.status_code in {200, 400}, (noun, reply.status_code)


@pytest.mark.parametrize("body", ["{", "[1]", '"x"', "null", "7", '{"workspace": {}}', '{"name": ["x"]}'])
def test_a_body_of_the_wrong_kind_is_refused(people: factories.People, body: str) -> None:
    program = as_program(people.alice, people.workspace)
    for path in ("projects/", "datasets/", "datastores/", "workspaces/", "projects/sample/"):
        reply = program.post(f"/api/v1/{path}", data=body, content_type="application/json")
        assert reply.status_code in {400, 403}, (path, reply.content[:300])
    assert not Project.objects.exists()


def test_a_defect_of_ours_answers_programs_in_json(
    people: factories.People, alice: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from projects.services import projects as service

    def broken(**_anything: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(service, "pause_project", broken)
    project = factories.make_project(people.workspace)
    alice.raise_request_exception = False
    reply = alice.post(address(project) + "pause/")
    refused(reply, 500, "server_error")
    assert b"secret detail" not in reply.content


# --- What is not understood is refused, never passed over -------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "field"),
    [("state=runing", "state"), ("task_type=boxes", "task_type"), ("page_size=0", "page_size")]
    + [(f"page_size={size}", "page_size") for size in ("x", "-1", "1001", "٣", "9" * 30)],
)
def test_a_filter_value_that_means_nothing_is_refused(alice: APIClient, query: str, field: str) -> None:
    body = refused(alice.get(f"/api/v1/projects/?{query}"), 400, "invalid")
    assert body["fields"] == {field: [body["detail"]]}, "the field says what is wrong with it"


def test_a_filter_value_that_is_known_narrows_the_list(people: factories.People, alice: APIClient) -> None:
    project = factories.make_project(people.workspace, images=1)
    assert ids(alice.get(f"/api/v1/projects/?state={project.state}&page_size=1000")) == [project.pk]
    assert ids(alice.get("/api/v1/projects/?state=paused")) == []


def test_what_never_changes_and_what_does_not_exist_is_refused_by_name(people: factories.People) -> None:
    project = factories.make_project(people.workspace, images=1)
    alice = as_person(people.alice)
    body = refused(alice.patch(address(project), {"task_type": "multi_label"}, format="json"), 400, "invalid")
    assert "task_type" in body["fields"] and "description" in body["way_out"]
    body = refused(alice.patch(address(project), {"description": "new", "desciption": "x"}, format="json"), 400)
    assert set(body["fields"]) == {"desciption"}
    body = refused(alice.patch("/api/v1/me/", {"email": "x@example.org"}, format="json"), 400)
    assert "email" in body["fields"]
    project.refresh_from_db()
    assert project.description == ""


def test_a_class_with_an_unknown_property_is_refused(people: factories.People, alice: APIClient) -> None:
    asked = ask(people, classes=[{"name": "cat", "color": "#ff0000"}])
    assert "color" in refused(alice.post("/api/v1/projects/", asked, format="json"), 400)["detail"]
    assert not Project.objects.filter(name="Animals").exists()


def test_a_number_in_the_body_that_leads_nowhere_is_named(people: factories.People, alice: APIClient) -> None:
    body = refused(alice.post("/api/v1/projects/", ask(people, dataset=987654), format="json"), 404, "not_found")
    assert "987654" in body["fields"]["dataset"][0]
    foreign = factories.make_dataset_with_images(factories.make_workspace(people.charlie, "Elsewhere"), 1)
    body = refused(alice.post("/api/v1/projects/", ask(people, dataset=foreign.pk), format="json"), 404, "not_found")
    assert str(foreign.pk) in body["fields"]["dataset"][0]
