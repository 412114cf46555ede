"""The creation wizard: one post makes a project, and a refusal names its field and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from projects.models import Dataset, Datastore, LabelClass, Project, User, Workspace
from projects.pages.wizard_form import STEPS, WizardForm, parse_lines
from projects.services import datastores
from tests.factories import image_bytes, make_dataset_with_images, make_people, make_workspace

pytestmark = pytest.mark.django_db

TREE = [
    {"name": "Gull", "colour": "#00aaaa", "children": [{"name": "Herring gull", "colour": "", "children": []}]},
    {"name": "Tern", "colour": "#770066", "children": []},
]


def signed_in(user: User) -> Client:
    client = Client(headers={"accept": "application/json"})
    client.force_login(user)
    return client


def entries(dataset: Dataset | None = None, **changes: Any) -> dict[str, Any]:
    """What a person who changes nothing else sends."""
    return {
        "name": "Harbour",
        "task_type": "object_detection",
        "source": "existing",
        "dataset": dataset.pk if dataset else "",
        "classes": json.dumps(TREE),
        "min_labelers": "2",
        "max_labelers": "3",
        "target_precision": "90",
        "mode": "suggest",
    } | changes


def local_datastore(tmp_path: Path, workspace: Workspace, owner: User, settings: Any) -> Datastore:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").write_bytes(image_bytes())
    (folder / "notes.txt").write_text("x")
    settings.LOCAL_FOLDERS = [folder]
    return datastores.create_local_datastore(actor=owner, workspace=workspace, name="Disk", root=str(folder))


def test_every_field_stands_in_one_step_and_eight_steps_in_order() -> None:
    labels = [str(step.label) for step in STEPS]
    assert labels == [
        *("Project details", "Add workforce", "Data", "Incremental refresh", "Label classes"),
        *("Labeling instructions", "Quality control", "ML assisted labeling"),
    ]
    people = make_people()
    form = WizardForm(user=people.alice, workspace=people.workspace)
    assert sorted(name for step in STEPS for name in step.fields) == sorted(form.fields)
    client = Client()
    client.force_login(people.alice)
    text = client.get(reverse("project-new")).content.decode()
    found = [text.index(f'data-step="{step.key}"') for step in STEPS]
    assert found == sorted(found)
    assert all(f'name="{name}"' in text for name in form.fields)


def test_alice_creates_a_project_over_a_dataset_with_all_that_she_chose() -> None:
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 2)
    answer = signed_in(people.alice).post(
        reverse("project-new"),
        entries(
            dataset,
            description="Birds in the harbour",
            use_vendor="on",
            vendor="Eyes Ltd.",
            refresh_enabled="on",
            instructions_url="https://example.org/rules",
            instructions='<p class="align-center">Tight <b>boxes</b></p><script>alert(1)</script>',
            consensus="on",
            max_labelers="4",
            assist_enabled="on",
            target_precision="95",
        ),
    )
    project = Project.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {"url": reverse("project", args=[project.pk])}
    assert (project.name, project.task_type, project.created_by) == ("Harbour", "object_detection", people.alice)
    assert project.dataset_version.dataset == dataset
    assert project.description == "Birds in the harbour"
    assert project.workforce == {"vendor": "Eyes Ltd."}
    assert project.refresh_enabled is True
    assert project.instructions_url == "https://example.org/rules"
    assert project.instructions == '<p class="align-center">Tight <b>boxes</b></p>'
    assert project.quality == {"consensus": True, "min_labelers": 2, "max_labelers": 4}
    assert project.assist["enabled"] is True and project.assist["target_precision"] == 0.95
    classes = LabelClass.objects.filter(project=project).order_by("position")
    assert [(row.path, row.colour) for row in classes][::2] == [("Gull", "#00aaaa"), ("Tern", "#770066")]
    assert classes[1].path == "Gull/Herring gull"


def test_a_browser_without_scripts_is_led_to_the_project() -> None:
    people = make_people()
    client = Client()
    client.force_login(people.alice)
    changes = {"classes": "", "classes_text": "Gull\n  Herring gull\nTern/Arctic tern\n"}
    answer = client.post(reverse("project-new"), entries(make_dataset_with_images(people.workspace, 1), **changes))
    project = Project.objects.get()
    assert answer.status_code == 302 and answer.url == reverse("project", args=[project.pk])
    paths = LabelClass.objects.filter(project=project).order_by("position").values_list("path", flat=True)
    assert list(paths) == ["Gull", "Gull/Herring gull", "Tern", "Tern/Arctic tern"]


def test_a_folder_of_a_datastore_becomes_a_dataset_and_a_project_together(tmp_path: Path, settings: Any) -> None:
    people = make_people()
    datastore = local_datastore(tmp_path, people.workspace, people.alice, settings)
    chosen = {"source": "datastore", "datastore": datastore.pk, "dataset_name": "Port", "path": "*.png"}
    answer = signed_in(people.alice).post(reverse("project-new"), entries(**chosen))
    assert answer.status_code == 201
    dataset = Dataset.objects.get()
    assert (dataset.name, dataset.kind, dataset.path) == ("Port", "datastore", "*.png")
    assert Project.objects.get().dataset_version.dataset == dataset


def test_a_project_name_that_is_taken_leaves_no_dataset_behind(tmp_path: Path, settings: Any) -> None:
    people = make_people()
    datastore = local_datastore(tmp_path, people.workspace, people.alice, settings)
    client = signed_in(people.alice)
    client.post(reverse("project-new"), entries(make_dataset_with_images(people.workspace, 1, name="first")))
    chosen = {"source": "datastore", "datastore": datastore.pk, "dataset_name": "Port", "name": "hARBOUR"}
    answer = client.post(reverse("project-new"), entries(**chosen))
    assert answer.status_code == 400 and list(answer.json()["fields"]) == ["name"]
    assert not Dataset.objects.filter(name="Port").exists() and Project.objects.count() == 1


def test_a_dataset_name_that_is_taken_is_told_beside_its_own_field(tmp_path: Path, settings: Any) -> None:
    people = make_people()
    datastore = local_datastore(tmp_path, people.workspace, people.alice, settings)
    make_dataset_with_images(people.workspace, 1, name="Port")
    chosen = {"source": "datastore", "datastore": datastore.pk, "dataset_name": "Port"}
    answer = signed_in(people.alice).post(reverse("project-new"), entries(**chosen))
    assert answer.status_code == 400 and list(answer.json()["fields"]) == ["dataset_name"]
    assert not Project.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"task_type": "text"}, "task_type"),
        ({"use_vendor": "on", "vendor": ""}, "vendor"),
        ({"dataset": ""}, "dataset"),
        ({"source": "datastore"}, "datastore"),
        ({"source": "upload"}, "upload_name"),
        ({"classes": "[]"}, "classes"),
        ({"classes": "{broken"}, "classes"),
        ({"classes": '[{"name": 3}]'}, "classes"),
        ({"classes": '[{"name": "a"}, {"name": " A "}]'}, "classes"),
        ({"classes": '[{"name": "a/b"}]'}, "classes"),
        ({"instructions_url": "javascript:alert(1)"}, "instructions_url"),
        ({"consensus": "on", "min_labelers": "5", "max_labelers": "3"}, "max_labelers"),
        ({"consensus": "on", "min_labelers": "1"}, "min_labelers"),
        ({"assist_enabled": "on", "target_precision": "100"}, "target_precision"),
    ],
)
def test_a_refusal_names_the_field_and_makes_nothing(changes: dict[str, Any], field: str) -> None:
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 1)
    answer = signed_in(people.alice).post(reverse("project-new"), entries(dataset) | changes)
    assert answer.status_code == 400, answer.content
    assert field in answer.json()["fields"], answer.json()
    assert not Project.objects.exists() and not LabelClass.objects.exists()


def test_seven_levels_of_classes_are_one_too_many() -> None:
    people = make_people()
    tree: list[dict[str, Any]] = []
    for level in range(7, 0, -1):
        tree = [{"name": f"level {level}", "children": tree}]
    dataset = make_dataset_with_images(people.workspace, 1)
    answer = signed_in(people.alice).post(reverse("project-new"), entries(dataset, classes=json.dumps(tree)))
    assert answer.status_code == 400 and "classes" in answer.json()["fields"]
    six = json.dumps(tree[0]["children"])
    assert signed_in(people.alice).post(reverse("project-new"), entries(dataset, classes=six)).status_code == 201


def test_data_of_another_workspace_cannot_be_taken(tmp_path: Path, settings: Any) -> None:
    people = make_people()
    theirs = make_workspace(people.charlie, name="Elsewhere")
    dataset = make_dataset_with_images(theirs, 1)
    datastore = local_datastore(tmp_path, theirs, people.charlie, settings)
    client = signed_in(people.alice)
    answer = client.post(reverse("project-new"), entries(dataset))
    assert answer.status_code == 400 and "dataset" in answer.json()["fields"]
    chosen = {"source": "datastore", "datastore": datastore.pk, "dataset_name": "Port"}
    assert client.post(reverse("project-new"), entries(**chosen)).status_code == 400
    chosen = {"source": "upload", "uploaded_dataset": dataset.pk}
    assert client.post(reverse("project-new"), entries(**chosen)).status_code == 400
    assert not Project.objects.exists()
    assert "Elsewhere" not in client.get(reverse("project-new")).content.decode()


def test_a_form_opened_in_one_workspace_stays_in_it_when_another_tab_has_switched() -> None:
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 1)
    second = make_workspace(people.alice, name="Second")
    theirs = make_workspace(people.charlie, name="Elsewhere")
    client = signed_in(people.alice)
    client.post(reverse("workspace-switch"), {"workspace": second.pk})
    sent = entries(dataset, workspace=people.workspace.pk)
    assert client.post(reverse("project-new"), entries(dataset, workspace=theirs.pk)).status_code == 404
    assert not Project.objects.exists()
    assert client.post(reverse("project-new"), sent).status_code == 201
    assert Project.objects.get().workspace == people.workspace


def test_a_labeler_gets_neither_the_page_nor_a_project() -> None:
    people = make_people()
    dataset = make_dataset_with_images(people.workspace, 1)
    client = Client()
    client.force_login(people.bob)
    answer = client.get(reverse("project-new"))
    assert answer.status_code == 403 and "create and change projects" in answer.content.decode()
    assert client.post(reverse("project-new"), entries(dataset)).status_code == 403
    assert not Project.objects.exists()


def test_the_post_needs_the_csrf_token() -> None:
    people = make_people()
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.alice)
    answer = client.post(reverse("project-new"), entries(make_dataset_with_images(people.workspace, 1)))
    assert answer.status_code == 403 and not Project.objects.exists()


def test_what_was_entered_comes_back_as_text() -> None:
    people = make_people()
    client = Client()
    client.force_login(people.alice)
    hostile = '"><script>alert(1)</script>'
    answer = client.post(reverse("project-new"), entries(name=hostile, instructions="</textarea><script>x</script>"))
    text = answer.content.decode()
    assert answer.status_code == 400
    assert "<script>alert(1)" not in text and "</textarea><script>" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_classes_from_lines() -> None:
    def paths(nodes: list[dict[str, Any]], above: str = "") -> list[str]:
        found = []
        for node in nodes:
            path = f"{above}/{node['name']}" if above else node["name"]
            found += [path, *paths(node["children"], path)]
        return found

    assert paths(parse_lines("a\n\tb\n\t\tc\nd")) == ["a", "a/b", "a/b/c", "d"]
    assert paths(parse_lines("a/b/c\na/d\nA \n")) == ["a", "a/b", "a/b/c", "a/d"]
    assert paths(parse_lines("x\r\n    y\r\n  z\n\n/")) == ["x", "x/y", "x/z"]
    assert parse_lines("") == []
