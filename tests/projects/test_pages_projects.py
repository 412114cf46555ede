"""The list of projects: who sees what, stars, commands on several, the first run, samples."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from labeling_site.core import events
from projects.models import Favourite, Project, User
from projects.services import counters
from tests.factories import add_member, make_people, make_project, make_user, make_workspace

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, address: str = "/projects/") -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def test_visitors_are_sent_to_sign_in_and_back() -> None:
    for address in ("/", "/projects/", "/projects/panel/", "/projects/new/"):
        answer = Client().get(address)
        assert answer.status_code == 302 and answer.url == f"/sign-in/?next={address}"


def test_the_first_visit_offers_a_project_and_four_samples() -> None:
    people = make_people()
    text = page(signed_in(people.alice), "/")
    assert reverse("project-new") in text
    assert all(f'value="{kind}"' in text for kind in ("multi_class", "multi_label", "object_detection"))
    # Bob may not create projects: he is told to wait.
    answer = signed_in(people.bob).get("/", follow=True)
    assert answer.redirect_chain == [("/projects/", 302)]
    assert reverse("project-new") not in answer.content.decode()


def test_somebody_without_a_workspace_is_told_how_to_get_into_one() -> None:
    answer = signed_in(make_user("Charlie")).get("/projects/", follow=True)
    assert answer.redirect_chain == [("/workspace/new/", 302)]
    assert "invitation" in answer.content.decode()


def test_alice_sees_progress_state_and_commands_and_bob_only_what_he_may_do() -> None:
    people = make_people()
    project = make_project(people.workspace, name="Harbour")
    counters.add(project.pk, {"labeled": 3, "total": 1})
    total = counters.read(project.pk)["total"]
    text = page(signed_in(people.alice))
    assert "Harbour" in text and f"3 / {total}" in text and "Running" in text
    assert "Showing 1–1 of 1" in text
    for word in ("Add project", 'value="delete"', 'value="pause"'):
        assert word in text
    text = page(signed_in(people.bob))
    assert "Harbour" in text and reverse("project-label", args=[project.pk]) in text
    for word in ("Add project", 'value="delete"', f"3 / {total}", f'href="{reverse("project", args=[project.pk])}"'):
        assert word not in text


def test_projects_of_other_workspaces_never_show() -> None:
    people = make_people()
    make_project(people.workspace, name="Harbour")
    make_workspace(people.charlie, name="Elsewhere")
    client = signed_in(people.charlie)
    assert "Harbour" not in page(client) and "Harbour" not in page(client, "/projects/panel/")
    # Not even by claiming to be in that workspace.
    session = client.session
    session["workspace"] = people.workspace.pk
    session.save()
    assert "Harbour" not in page(client)


def test_search_and_order() -> None:
    people = make_people()
    for name in ("Gulls", "Terns", "Ärger"):
        make_project(people.workspace, name=name)
    client = signed_in(people.alice)
    text = page(client, "/projects/?q=GULL")
    assert "Gulls" in text and "Terns" not in text
    assert "Ärger" in page(client, "/projects/?q=äRG")
    text = page(client, "/projects/?q=nothing")
    assert "Gulls" not in text and "Show all projects" in text
    text = page(client, "/projects/?sort=name")
    assert text.index("Gulls") < text.index("Terns")
    text = page(client, "/projects/?sort=-name")
    assert text.index("Terns") < text.index("Gulls")
    for sort in ("progress", "-progress", "type", "state", "recent", "workspace__name"):
        assert "Gulls" in page(client, f"/projects/?sort={sort}")


def test_least_progress_comes_first() -> None:
    people = make_people()
    ahead, behind = make_project(people.workspace, name="Ahead"), make_project(people.workspace, name="Behind")
    counters.add(ahead.pk, {"labeled": 2})
    counters.add(behind.pk, {"labeled": 1})
    client = signed_in(people.alice)
    text = page(client, "/projects/?sort=progress")
    assert text.index("Behind") < text.index("Ahead")
    text = page(client, "/projects/?sort=-progress")
    assert text.index("Ahead") < text.index("Behind")


def test_names_are_text_never_markup() -> None:
    people = make_people()
    make_project(people.workspace, name="<img src=x onerror=alert(1)>")
    text = page(signed_in(people.alice))
    assert "<img src=x" not in text and "&lt;img src=x onerror=alert(1)&gt;" in text


def test_the_cost_of_the_list_does_not_grow_with_the_projects(django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    people = make_people()
    client = signed_in(people.alice)
    for number in range(3):
        make_project(people.workspace, name=f"p{number}")
    page(client)
    with django_assert_max_num_queries(20) as few:
        page(client)
    for number in range(3, 9):
        make_project(people.workspace, name=f"p{number}")
    with django_assert_max_num_queries(len(few.captured_queries)):
        page(client)


def test_a_star_is_ones_own() -> None:
    people = make_people()
    project = make_project(people.workspace)
    address = reverse("project-favourite", args=[project.pk])
    bob = signed_in(people.bob)
    assert bob.get(address).status_code == 405
    assert bob.post(address, {"on": "1"}).status_code == 302
    assert list(Favourite.objects.values_list("user", "project")) == [(people.bob.pk, project.pk)]
    assert "#star-filled" in page(bob)
    assert "#star-filled" not in page(signed_in(people.alice))
    assert bob.post(address, {"on": "0"}).status_code == 302
    assert not Favourite.objects.exists()
    assert signed_in(people.charlie).post(address, {"on": "1"}).status_code == 404
    assert not Favourite.objects.exists()


def test_alice_pauses_starts_and_deletes_several() -> None:
    people = make_people()
    one, two = make_project(people.workspace, name="One"), make_project(people.workspace, name="Two")
    client = signed_in(people.alice)
    chosen = {"projects": [one.pk, two.pk]}
    address = reverse("projects-command")
    answer = client.post(address, chosen | {"action": "pause"}, follow=True)
    assert "2 projects paused." in answer.content.decode()
    assert set(Project.objects.values_list("state", flat=True)) == {"paused"}
    client.post(address, chosen | {"action": "start"})
    assert set(Project.objects.values_list("state", flat=True)) == {"running"}
    # One cannot be started: its refusal is told, the rest is done.
    client.post(address, {"projects": [one.pk], "action": "pause"})
    answer = client.post(address, chosen | {"action": "start"}, follow=True)
    text = answer.content.decode()
    assert "1 project started." in text and "Two: " in text
    client.post(address, chosen | {"action": "delete"})
    assert Project.objects.filter(deleted_at=None).count() == 0


def test_bob_and_charlie_change_nothing() -> None:
    people = make_people()
    project = make_project(people.workspace)
    address = reverse("projects-command")
    make_workspace(people.charlie, name="Elsewhere")
    for person in (people.bob, people.charlie):
        for action in ("pause", "delete"):
            signed_in(person).post(address, {"projects": [project.pk], "action": action})
    project.refresh_from_db()
    assert project.state == "running" and project.deleted_at is None


def test_a_command_without_a_choice_or_of_another_name_is_refused() -> None:
    people = make_people()
    project = make_project(people.workspace)
    client = signed_in(people.alice)
    address = reverse("projects-command")
    assert client.post(address, {"action": "pause"}).status_code == 400
    assert client.post(address, {"action": "rename", "projects": [project.pk]}).status_code == 400
    assert client.get(address).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people.alice)
    assert strict.post(address, {"action": "pause", "projects": [project.pk]}).status_code == 403
    project.refresh_from_db()
    assert project.state == "running"


def test_going_back_after_a_command_stays_on_the_site() -> None:
    people = make_people()
    project = make_project(people.workspace)
    client = signed_in(people.alice)
    chosen = {"projects": [project.pk], "action": "pause"}
    answer = client.post(reverse("projects-command"), chosen | {"next": "https://evil.example/"})
    assert answer.url == "/projects/"
    answer = client.post(reverse("projects-command"), chosen | {"next": "/projects/?q=x", "action": "start"})
    assert answer.url == "/projects/?q=x"


def test_alice_tries_a_sample_and_a_labeler_cannot() -> None:
    people = make_people()
    address = reverse("sample-project")
    answer = signed_in(people.alice).post(address, {"task_type": "object_detection"})
    sample = Project.objects.get()
    assert answer.status_code == 302 and answer.url == reverse("project", args=[sample.pk])
    assert sample.task_type == "object_detection" and sample.workspace == people.workspace
    assert signed_in(people.alice).post(address, {"task_type": "text"}).status_code == 400
    assert signed_in(people.bob).post(address, {"task_type": "multi_class"}).status_code == 403
    assert Project.objects.count() == 1


def test_a_team_lead_may_look_but_not_manage() -> None:
    people = make_people()
    project = make_project(people.workspace, name="Harbour")
    lead = add_member(people.workspace, "team_lead", name="Lena")
    text = page(signed_in(lead))
    assert f'href="{reverse("project", args=[project.pk])}"' in text
    assert 'value="delete"' not in text and "Add project" not in text


def test_who_may_not_see_progress_cannot_order_by_it() -> None:
    people = make_people()
    first, second = (make_project(people.workspace, name=name, images=1) for name in ("Harbour", "Quay"))
    counters.add(first.pk, {"labeled": 1})
    text = page(signed_in(people.alice), "/projects/?sort=-progress")
    assert "Most progress" in text and text.index("Harbour") < text.index("Quay")
    text = page(signed_in(people.bob), "/projects/?sort=-progress")
    assert "Most progress" not in text and text.index("Quay") < text.index("Harbour")
    assert second.pk > first.pk


def test_a_fresh_list_is_not_asked_for_twice() -> None:
    people = make_people()
    make_project(people.workspace, images=1)
    text = page(signed_in(people.alice))
    version = events.version(f"workspace:{people.workspace.pk}")
    assert version and f'topic="workspace:{people.workspace.pk}" version="{version}"' in text
