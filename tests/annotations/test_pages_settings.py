"""Dashboard numbers, commands, details, classes, exports: forms in, what changed out."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse

from annotations.models import Transfer
from annotations.services import exporting
from labeling_site.core.models import Job
from projects.models import Project, TaskType
from tests.annotations.labeling import label_page
from tests.annotations.test_pages_open import signed_in, text_of
from tests.factories import label_class, make_people, make_project, run_jobs

pytestmark = pytest.mark.django_db

State = Project.State


def squeezed(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


# --- Dashboard -------------------------------------------------------------------------------------------------------


def test_the_dashboard_counts_what_was_labeled() -> None:
    people = make_people()
    project = make_project(people.workspace, images=5)
    for actor, name in ((people.alice, "cat"), (people.alice, "cat"), (people.bob, "dog")):
        label_page(actor, project, label_class(project, name))
    page = squeezed(text_of(signed_in(people.alice), "project", project.pk))
    assert "60%" in page and "3 / 5 assets labeled" in page
    assert "Completed 3" in page and "Incomplete 2" in page
    assert "cat 2 / 3 (67 %)" in page and "dog 1 / 3 (33 %)" in page
    assert "Manual 2" in page
    assert "Alice 2 / 3" in page and "Bob 1 / 3" in page


def test_classes_of_the_distribution_come_ten_a_page() -> None:
    people = make_people()
    project = make_project(people.workspace, images=2, classes=[f"class {n:02}" for n in range(12)])
    label_page(people.alice, project, label_class(project, "class 11"))
    alice = signed_in(people.alice)
    assert "class 11" in text_of(alice, "project-dashboard-panel", project.pk)
    second = text_of(alice, "project-dashboard-panel", project.pk, classes="2")
    assert "class 10" in second and "class 11" not in second and "2 / 2" in second


def test_queues_of_ml_assist_are_locked_while_it_is_off() -> None:
    people = make_people()
    off, on = make_project(people.workspace), make_project(people.workspace, assist={"enabled": True})
    alice = signed_in(people.alice)
    assert text_of(alice, "project", off.pk).count("#lock") == 2
    page = text_of(alice, "project", on.pk)
    assert "#lock" not in page and "due at 20 labeled items (0 so far)" in page


@pytest.mark.parametrize("task_type", [TaskType.BOX, TaskType.POLYGON])
def test_only_classification_has_clusters(task_type: str) -> None:
    people = make_people()
    project = make_project(people.workspace, task_type=task_type)
    page = squeezed(text_of(signed_in(people.alice), "project-dashboard-panel", project.pk))
    assert "Prelabeled" in page and "Clustered ML" not in page and not re.search(r"Clustered \d", page)


def test_a_project_is_paused_and_started_from_its_head() -> None:
    people = make_people()
    project = make_project(people.workspace)
    alice, address = signed_in(people.alice), reverse("project-state", args=[project.pk])
    for action, state in (("pause", State.PAUSED), ("start", State.RUNNING)):
        alice.post(address, {"action": action})
        project.refresh_from_db()
        assert project.state == state
    assert signed_in(people.bob).post(address, {"action": "pause"}).status_code == 403
    assert alice.post(address, {"action": "explode"}).status_code == 400
    project.refresh_from_db()
    assert project.state == State.RUNNING


def test_a_paused_project_offers_no_labeling() -> None:
    people = make_people()
    project = make_project(people.workspace)
    Project.objects.filter(pk=project.pk).update(state=State.PAUSED)
    head = text_of(signed_in(people.alice), "project-head", project.pk)
    assert "Start" in head and reverse("project-label", args=[project.pk]) not in head


# --- Details ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "sent", "field", "expected"),
    [
        ("overview", {"description": "Cats of the town"}, "description", "Cats of the town"),
        ("refresh", {"refresh_enabled": "on"}, "refresh_enabled", True),
        ("refresh", {}, "refresh_enabled", False),
        ("instructions", {"instructions": "<p>Hi<script>x</script></p>"}, "instructions", "<p>Hi</p>"),
        (
            "assist",
            {"enabled": "on", "mode": "auto_accept", "target_precision": "95"},
            "assist",
            {"enabled": True, "mode": "auto_accept", "target_precision": 0.95},
        ),
        (
            "quality",
            {"consensus": "on", "min_labelers": "2", "max_labelers": "5"},
            "quality",
            {"consensus": True, "min_labelers": 2, "max_labelers": 5},
        ),
    ],
)
def test_settings_are_saved(section: str, sent: dict[str, str], field: str, expected: object) -> None:
    people = make_people()
    project = make_project(people.workspace)
    address = reverse("project-details-section", args=[project.pk, section])
    answer = signed_in(people.alice).post(address, sent)
    assert answer.status_code == 302 and answer.url == address
    project.refresh_from_db()
    assert getattr(project, field) == expected


@pytest.mark.parametrize(
    ("section", "sent", "words"),
    [
        ("quality", {"consensus": "on", "min_labelers": "4", "max_labelers": "3"}, "maximum of labelers"),
        ("assist", {"enabled": "on", "mode": "suggest", "target_precision": "100"}, "99"),
        ("instructions", {"instructions": "kept text", "instructions_url": "no address"}, "kept text"),
    ],
)
def test_what_cannot_be_taken_stays_in_the_form_with_the_reason(section: str, sent: dict[str, str], words: str) -> None:
    people = make_people()
    project = make_project(people.workspace)
    address = reverse("project-details-section", args=[project.pk, section])
    answer = signed_in(people.alice).post(address, sent)
    assert answer.status_code == 400
    assert words in answer.content.decode() and "errorlist" in answer.content.decode()
    before = project.quality, project.assist, project.instructions
    project.refresh_from_db()
    assert (project.quality, project.assist, project.instructions) == before


def test_people_who_may_not_change_see_settings_and_are_refused() -> None:
    from tests.factories import add_member

    people = make_people()
    project = make_project(people.workspace)
    tess = signed_in(add_member(people.workspace, "team_lead", name="Tess"))
    page = text_of(tess, "project-details-section", project.pk, "overview")
    assert "Only people who may change projects can change this." in page
    answer = tess.post(reverse("project-details-section", args=[project.pk, "overview"]), {"description": "mine"})
    assert answer.status_code == 403
    project.refresh_from_db()
    assert project.description == ""


def test_a_project_is_deleted_only_when_its_name_is_typed() -> None:
    people = make_people()
    project = make_project(people.workspace, name="Owls")
    alice, address = signed_in(people.alice), reverse("project-delete", args=[project.pk])
    field = re.findall(
        r'<input id="delete-name" name="(\w+)"', text_of(alice, "project-details-section", project.pk, "general")
    )[0]
    assert alice.post(address, {field: "owls"}).status_code == 400
    project.refresh_from_db()
    assert project.deleted_at is None
    assert alice.post(address, {field: " Owls "}).url == reverse("projects")
    project.refresh_from_db()
    assert project.deleted_at is not None
    assert alice.get(reverse("project", args=[project.pk])).status_code == 404


# --- Classes ---------------------------------------------------------------------------------------------------------


def paths(project: Project, **filters: object) -> list[str]:
    return list(project.label_classes.filter(**filters).order_by("position", "id").values_list("path", flat=True))


def test_classes_are_added_line_by_line_below_another() -> None:
    people = make_people()
    project = make_project(people.workspace, classes=["Animal", "Car"])
    parent = label_class(project, "Animal")
    signed_in(people.alice).post(
        reverse("project-classes-add", args=[project.pk]), {"lines": "Cat\n  Persian\nDog", "parent": parent.pk}
    )
    assert paths(project) == ["Animal", "Animal/Cat", "Animal/Cat/Persian", "Animal/Dog", "Car"]


def test_a_class_is_renamed_recoloured_moved_retired_and_restored() -> None:
    people = make_people()
    project = make_project(people.workspace, classes=["a", "b", "c"])
    alice = signed_in(people.alice)
    b = label_class(project, "b")
    address = reverse("project-class-change", args=[project.pk, b.pk])
    alice.post(address, {"do": "save", "name": "bee", "colour": "#123456"})
    b.refresh_from_db()
    assert (b.path, b.colour) == ("bee", "#123456")
    alice.post(address, {"do": "up"})
    assert paths(project) == ["bee", "a", "c"]
    alice.post(address, {"do": "up"})
    assert paths(project) == ["bee", "a", "c"], "the first stays first"
    for _ in range(2):
        alice.post(address, {"do": "down"})
    assert paths(project) == ["a", "c", "bee"]
    alice.post(address, {"do": "retire"})
    assert paths(project, retired_at=None) == ["a", "c"]
    assert "Restore" in text_of(alice, "project-details-section", project.pk, "classes")
    alice.post(address, {"do": "restore"})
    assert paths(project, retired_at=None) == ["a", "c", "bee"]


def test_classes_of_others_and_of_other_projects_are_out_of_reach() -> None:
    people = make_people()
    mine, other = make_project(people.workspace), make_project(people.workspace)
    foreign = label_class(other, "cat")
    address = reverse("project-class-change", args=[mine.pk, foreign.pk])
    assert signed_in(people.alice).post(address, {"do": "retire"}).status_code == 404
    address = reverse("project-class-change", args=[other.pk, foreign.pk])
    assert signed_in(people.bob).post(address, {"do": "retire"}).status_code == 403
    foreign.refresh_from_db()
    assert foreign.retired_at is None


# --- Exports ---------------------------------------------------------------------------------------------------------


def exported(client: Client, project: Project, **sent: str) -> Transfer:
    answer = client.post(reverse("project-exports", args=[project.pk]), sent)
    assert answer.status_code == 302
    run_jobs()
    return Transfer.objects.select_related("job").latest("pk")


def downloaded(client: Client, transfer: Transfer, action: str = "download") -> bytes:
    address = reverse("project-export-change", args=[transfer.project_id, transfer.pk])
    link = client.post(address, {"action": action}).url
    answer = Client().get(link)  # the link alone is enough, for an hour
    assert answer.status_code == 200 and "attachment" in answer["Content-Disposition"]
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_an_export_is_asked_for_listed_and_downloaded() -> None:
    people = make_people()
    project = make_project(people.workspace, images=2)
    label_page(people.bob, project, label_class(project, "dog"))
    alice = signed_in(people.alice)
    transfer = exported(alice, project, format="csv", labeler_details="on")
    rows = list(csv.DictReader(io.StringIO(downloaded(alice, transfer).decode())))
    assert [row["label"] for row in rows] == ["dog"]
    page = squeezed(text_of(alice, "project-exports-panel", project.pk))
    assert "Succeeded" in page and "1 item, 1 label" in page and "with labelers" in page
    assert "Nothing was lost on the way." in page


def test_the_last_day_of_an_export_is_included() -> None:
    people = make_people()
    project = make_project(people.workspace, images=2)
    label_page(people.bob, project, label_class(project, "dog"))
    alice = signed_in(people.alice)
    today = project.queue_entries.get(status="labeled").labeled_at.date().isoformat()
    transfer = exported(alice, project, format="coco", submitted_from=today, submitted_until=today)
    assert len(json.loads(downloaded(alice, transfer))["annotations"]) == 1


def test_what_a_format_cannot_hold_is_said_in_words_and_listed_in_a_file() -> None:
    people = make_people()
    project = make_project(people.workspace, task_type=TaskType.BOX, images=1)
    label_page(people.alice, project)  # no objects
    alice = signed_in(people.alice)
    transfer = exported(alice, project, format="csv")
    assert "1 image without objects has no row." in text_of(alice, "project-exports", project.pk)
    assert b'"code": "no_objects"' in downloaded(alice, transfer, "report")


def test_a_running_export_shows_its_progress_and_can_be_cancelled() -> None:
    people = make_people()
    project = make_project(people.workspace)
    alice = signed_in(people.alice)
    alice.post(reverse("project-exports", args=[project.pk]), {"format": "coco"})
    transfer = Transfer.objects.get()
    assert "Queued" in text_of(alice, "project-exports-panel", project.pk)
    address = reverse("project-export-change", args=[project.pk, transfer.pk])
    assert alice.post(address, {"action": "download"}).status_code == 409, "not ready yet"
    alice.post(address, {"action": "cancel"})
    assert Job.objects.get(pk=transfer.job_id).state == Job.State.CANCELLED
    alice.post(address, {"action": "delete"})
    assert not Transfer.objects.exists()


def test_a_wrong_export_is_refused_and_leaves_nothing() -> None:
    people = make_people()
    project = make_project(people.workspace)
    alice, address = signed_in(people.alice), reverse("project-exports", args=[project.pk])
    for sent in ({"format": "xml"}, {"format": "coco", "submitted_from": "soon"}, {}):
        assert alice.post(address, sent).status_code == 400
    assert signed_in(people.bob).post(address, {"format": "coco"}).status_code == 403
    assert not Transfer.objects.exists()


def test_a_download_link_ends_and_cannot_be_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    people = make_people()
    project = make_project(people.workspace)
    label_page(people.alice, project, label_class(project, "cat"))
    transfer = exported(signed_in(people.alice), project, format="jsonl")
    token = exporting.download_token(actor=people.alice, transfer=transfer)
    address = reverse("export-download", args=[token])
    assert Client().get(address).status_code == 200
    for wrong in (token[:-2], "1", signing.dumps(transfer.pk, salt="another")):
        assert Client().get(reverse("export-download", args=[wrong])).status_code == 404
    monkeypatch.setattr(exporting, "LINK_SECONDS", -1)
    assert Client().get(address).status_code == 410
