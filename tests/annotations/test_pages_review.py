"""The data tab: what it shows, page by page, and the decisions taken on it."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from annotations.geometry import Box, Polygon
from annotations.models import Annotation, QueueEntry, Response, Review
from annotations.services import queue
from annotations.services.answers import Answer
from projects.models import Project, TaskType, User
from projects.services import counters
from tests.annotations.labeling import answer_all, label_page, open_page, said, submit
from tests.annotations.test_pages_open import signed_in, text_of
from tests.factories import add_member, label_class, make_people, make_project

pytestmark = pytest.mark.django_db

Status = QueueEntry.Status


def tiles(page: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'<li class="tile" data-key="(\d+)"', page)]


def skip_page(actor: User, project: Project, reason: str = "") -> int:
    task = open_page(actor, project)
    assignment = task.assignments.get()
    submit(actor, task, [Answer(assignment.pk, outcome=Response.Outcome.SKIPPED, skip_reason=reason)])
    return assignment.entry_id


def labeled(project: Project) -> list[int]:
    rows = QueueEntry.objects.filter(project=project, status=Status.LABELED)
    return list(rows.order_by("-labeled_at", "-id").values_list("pk", flat=True))


def decide(client: Client, project: Project, action: str, *entries: int, **more: str) -> str:
    """What the page says after a decision."""
    data = {"action": action, "entries": entries, "next": reverse("project-data", args=[project.pk]), **more}
    answer = client.post(reverse("project-review", args=[project.pk]), data, follow=True)
    assert answer.status_code == 200, answer.status_code
    return " ".join(answer.content.decode().split())


# --- What is shown ---------------------------------------------------------------------------------------------------


def test_pages_follow_each_other_without_gap_or_repeat_though_labels_keep_coming() -> None:
    people = make_people()
    project = make_project(people.workspace, images=60)
    for _ in range(40):
        label_page(people.alice, project, label_class(project, "cat"))
    before = labeled(project)
    alice = signed_in(people.alice)
    first = alice.get(reverse("project-data", args=[project.pk]), {"layout": "4"})
    seen = tiles(first.content.decode())
    label_page(people.alice, project, label_class(project, "dog"))
    cursor = first.context["links"]["next"]
    while cursor:
        answer = alice.get(reverse("project-data", args=[project.pk]), {"layout": "4", "after": cursor})
        seen += tiles(answer.content.decode())
        cursor = answer.context["links"]["next"]
    assert seen == before
    back = alice.get(reverse("project-data", args=[project.pk]), {"before": answer.context["links"]["previous"]})
    assert tiles(back.content.decode()) == before[16:32]


def test_unlabeled_items_are_paged_by_their_number() -> None:
    people = make_people()
    project = make_project(people.workspace, images=20)
    alice = signed_in(people.alice)
    query = {"layout": "4", "status": "unlabeled"}
    first = alice.get(reverse("project-data", args=[project.pk]), query)
    second = alice.get(reverse("project-data", args=[project.pk]), {**query, "after": first.context["links"]["next"]})
    both = tiles(first.content.decode()) + tiles(second.content.decode())
    assert both == list(QueueEntry.objects.filter(project=project).order_by("-id").values_list("pk", flat=True))


@pytest.mark.parametrize("cursor", ["x", "_x", "2026-01-01_3", "yesterday_3", "_", "_" + "9" * 30])
def test_a_made_up_place_is_refused(cursor: str) -> None:
    people = make_people()
    project = make_project(people.workspace)
    for name in ("after", "before"):
        answer = signed_in(people.alice).get(reverse("project-data", args=[project.pk]), {name: cursor})
        assert answer.status_code == 400


def test_filters_narrow_what_is_shown() -> None:
    people = make_people()
    project = make_project(people.workspace, images=6)
    cat, dog = label_class(project, "cat"), label_class(project, "dog")
    label_page(people.alice, project, cat)
    label_page(people.bob, project, dog)
    skipped = skip_page(people.bob, project, "Too <dark>")
    alice = signed_in(people.alice)
    of_bob, of_alice = labeled(project)
    decide(alice, project, "approve", of_alice)

    def shown(**query: object) -> list[int]:
        return tiles(text_of(alice, "project-data", project.pk, **{key: str(value) for key, value in query.items()}))

    assert shown() == [of_bob, of_alice]
    assert shown(label_class=cat.pk) == [of_alice]
    assert shown(labeler=people.bob.pk) == [of_bob]
    assert shown(approved="yes") == [of_alice] and shown(approved="no") == [of_bob]
    assert shown(submitted_from="2099-01-01") == []
    today = QueueEntry.objects.get(pk=of_bob).labeled_at.date().isoformat()  # type: ignore[union-attr]
    assert shown(submitted_until=today) == [of_bob, of_alice], "the last day is included"
    path = QueueEntry.objects.get(pk=of_alice).item.path
    assert shown(path=path) == [of_alice]
    assert shown(status="skipped") == [skipped]
    assert "Too &lt;dark&gt;" in text_of(alice, "project-data", project.pk, status="skipped")
    assert len(shown(status="all")) == 6
    assert alice.get(reverse("project-data", args=[project.pk]), {"status": "nonsense"}).status_code == 400


def test_one_image_a_page_leads_to_the_single_view_and_on_to_the_next() -> None:
    people = make_people()
    project = make_project(people.workspace)
    for _ in range(3):
        label_page(people.alice, project, label_class(project, "cat"))
    newest, middle, oldest = labeled(project)
    alice = signed_in(people.alice)
    answer = alice.get(reverse("project-data", args=[project.pk]), {"layout": "1"})
    assert answer.status_code == 302 and f"/data/{newest}/" in answer.url
    context = alice.get(reverse("project-entry", args=[project.pk, middle])).context
    assert (context["previous"].pk, context["next"].pk) == (newest, oldest)
    # The layout is remembered; another one leads back to the grid.
    assert alice.get(reverse("project-data", args=[project.pk])).status_code == 302
    assert alice.get(reverse("project-data", args=[project.pk]), {"layout": "9"}).status_code == 200


def test_shapes_are_drawn_in_pixels_of_the_image_whatever_the_language() -> None:
    people = make_people()
    project = make_project(people.workspace, task_type=TaskType.POLYGON, images=1)
    ring = {"outer": [[1.5, 2], [40, 2.25], [30, 40]], "holes": [[[10, 10], [15, 10], [12, 15]]]}
    cat = label_class(project, "cat")
    task = open_page(people.alice, project)
    submit(people.alice, task, answer_all(task, said(cat, polygon=Polygon.from_json({"parts": [ring]}))))
    page = text_of(signed_in(people.alice), "project-data", project.pk)
    assert 'viewBox="0 0 64 48"' in page
    path = re.search(r'<path data-shape[^>]*\sd="([^"]+)"[^>]*>', page)
    assert path is not None and path[1].count("M") == 2 and "1.5,2" in path[1]
    assert f'stroke="{cat.colour}"' in path[0] and 'fill-rule="evenodd"' in path[0]


def test_new_answers_are_announced_quietly() -> None:
    people = make_people()
    project = make_project(people.workspace)
    label_page(people.alice, project, label_class(project, "cat"))
    alice = signed_in(people.alice)
    address = alice.get(reverse("project-data", args=[project.pk])).context["news_url"]
    assert "new" not in alice.get(address).content.decode()
    label_page(people.alice, project, label_class(project, "dog"))
    assert "1 new" in alice.get(address).content.decode()


# --- Decisions -------------------------------------------------------------------------------------------------------


def test_a_reviewer_approves_and_takes_it_back() -> None:
    people = make_people()
    project = make_project(people.workspace)
    for _ in range(2):
        label_page(people.alice, project, label_class(project, "cat"))
    quinn = signed_in(add_member(people.workspace, "customer_qa", name="Quinn"))
    assert "2 images approved." in decide(quinn, project, "approve", *labeled(project))
    assert counters.read(project.pk)["approved"] == 2
    assert "Approval of 1 image withdrawn." in decide(quinn, project, "unapprove", labeled(project)[0])
    assert counters.read(project.pk)["approved"] == 1


def test_a_rejected_image_returns_to_the_queue_with_its_comment() -> None:
    people = make_people()
    project = make_project(people.workspace, images=1)
    label_page(people.alice, project, label_class(project, "cat"))
    (entry,) = labeled(project)
    page = decide(signed_in(people.alice), project, "reject", entry, comment="It is a dog")
    assert "1 image rejected: it is in the queue again." in page
    row = QueueEntry.objects.get(pk=entry)
    assert (row.status, row.round, row.final_response) == (Status.UNLABELED, 2, None)
    single = text_of(signed_in(people.alice), "project-entry", project.pk, entry, status="all")
    assert "It is a dog" in single and "Rejected" in single and "Labeled" in single


def test_skipped_images_are_returned_or_removed() -> None:
    people = make_people()
    project = make_project(people.workspace, images=3)
    first, second = skip_page(people.alice, project), skip_page(people.alice, project)
    alice = signed_in(people.alice)
    assert "1 image is in the queue again." in decide(alice, project, "return", first)
    assert "1 image removed from the project." in decide(alice, project, "remove", second)
    found = dict(QueueEntry.objects.filter(pk__in=[first, second]).values_list("pk", "status"))
    assert found == {first: Status.UNLABELED, second: Status.REMOVED}


@pytest.mark.parametrize("action", ["approve", "unapprove", "reject", "return", "remove", "nonsense"])
def test_people_without_the_right_change_nothing(action: str) -> None:
    people = make_people()
    project = make_project(people.workspace)
    label_page(people.alice, project, label_class(project, "cat"))
    (entry,) = labeled(project)
    tess = signed_in(add_member(people.workspace, "team_lead", name="Tess"))
    address = reverse("project-review", args=[project.pk])
    for client, expected in ((signed_in(people.bob), {403}), (signed_in(people.charlie), {404})):
        assert client.post(address, {"action": action, "entries": [entry]}).status_code in expected
    if action not in {"reject", "return"}:  # which a team lead may
        assert tess.post(address, {"action": action, "entries": [entry]}).status_code in {400, 403}
    row = QueueEntry.objects.get(pk=entry)
    assert (row.status, row.approved, row.round) == (Status.LABELED, False, 1)
    assert not Review.objects.exists()


def test_an_image_of_another_project_is_not_touched() -> None:
    people = make_people()
    mine, other = make_project(people.workspace), make_project(people.workspace)
    label_page(people.alice, other, label_class(other, "cat"))
    (entry,) = labeled(other)
    answer = signed_in(people.alice).post(
        reverse("project-review", args=[mine.pk]), {"action": "approve", "entries": [entry]}
    )
    assert answer.status_code == 404
    assert not QueueEntry.objects.get(pk=entry).approved
    alice = signed_in(people.alice)
    assert alice.get(reverse("project-entry", args=[mine.pk, entry])).status_code == 404
    assert alice.post(reverse("project-entry-correct", args=[mine.pk, entry])).status_code == 404


def test_buttons_are_those_of_ones_rights() -> None:
    people = make_people()
    project = make_project(people.workspace)
    label_page(people.alice, project, label_class(project, "cat"))
    skip_page(people.alice, project)

    def offered(role: str, status: str) -> list[str]:
        client = signed_in(add_member(people.workspace, role, name=f"{role} {status}"))
        answer = client.get(reverse("project-data", args=[project.pk]), {"status": status})
        return [action["value"] for action in answer.context["actions"]]

    assert offered("team_lead", "labeled") == ["reject"]
    assert offered("team_lead", "skipped") == ["return"]
    assert offered("customer_qa", "labeled") == ["approve", "unapprove", "reject"]
    assert offered("customer_qa", "skipped") == ["return", "remove"]
    assert offered("customer_qa", "unlabeled") == []


def test_nothing_chosen_is_said_and_a_foreign_next_is_not_followed() -> None:
    people = make_people()
    project = make_project(people.workspace)
    label_page(people.alice, project, label_class(project, "cat"))
    alice = signed_in(people.alice)
    assert alice.post(reverse("project-review", args=[project.pk]), {"action": "approve"}).status_code == 400
    answer = alice.post(
        reverse("project-review", args=[project.pk]),
        {"action": "approve", "entries": labeled(project), "next": "https://evil.example/"},
    )
    assert answer.url == reverse("project-data", args=[project.pk])


# --- Corrections -----------------------------------------------------------------------------------------------------


def test_a_class_is_corrected_and_the_first_answer_stays_in_the_history() -> None:
    people = make_people()
    project = make_project(people.workspace)
    label_page(people.bob, project, label_class(project, "cat"))
    (entry,) = labeled(project)
    client = signed_in(add_member(people.workspace, "vendor_qa", name="Vera"))
    address = reverse("project-entry-correct", args=[project.pk, entry])
    client.post(address, {"classes": [label_class(project, "dog").pk], "comment": "Look at the ears"})
    page = text_of(client, "project-entry", project.pk, entry)
    assert "Corrected" in page and "Look at the ears" in page
    final = QueueEntry.objects.get(pk=entry).final_response
    assert final is not None and final.kind == Response.Kind.REVIEW
    assert [one.label_class.path for one in final.annotations.all()] == ["dog"]
    assert Response.objects.filter(entry=entry).count() == 2
    counts = counters.read(project.pk, "class:")
    assert counts[f"class:{label_class(project, 'dog').pk}"] == 1
    assert not counts.get(f"class:{label_class(project, 'cat').pk}")


def test_an_answer_of_the_history_is_shown_and_made_to_count() -> None:
    people = make_people()
    project = make_project(people.workspace, task_type="object_detection")
    box = Box(3, 4, 20, 10)
    label_page(people.bob, project, label_class(project, "cat"), box=box)
    (entry,) = labeled(project)
    reviewer = signed_in(add_member(people.workspace, "vendor_qa", name="Vera"))
    first = Response.objects.get(entry=entry)
    address = reverse("project-entry", args=[project.pk, entry])
    correct = reverse("project-entry-correct", args=[project.pk, entry])
    [row] = first.annotations.all()
    reviewer.post(correct, {"response": first.pk, f"class-{row.pk}": label_class(project, "dog").pk})
    plain = reviewer.get(address)
    assert [one["annotation"].label_class.path for one in plain.context["objects"]] == ["dog"]
    assert f"answer={first.pk}" in plain.text and "Let this one count" not in plain.text
    shown = reviewer.get(address, {"answer": first.pk})
    assert [one["annotation"].label_class.path for one in shown.context["objects"]] == ["cat"]
    assert "Let this one count" in shown.text and "Save the correction" not in shown.text
    assert (
        "Let this one count"
        not in signed_in(add_member(people.workspace, "customer_qa")).get(address, {"answer": first.pk}).text
    )
    assert reviewer.post(correct, {"answer": first.pk}).status_code == 302
    final = QueueEntry.objects.get(pk=entry).final_response
    assert final is not None and (final.kind, Response.objects.filter(entry=entry).count()) == (Response.Kind.REVIEW, 3)
    [again] = final.annotations.all()
    assert (again.label_class.path, again.x, again.width) == ("cat", 3, 20)
    other = make_project(people.workspace, task_type="object_detection")
    label_page(people.bob, other, label_class(other, "cat"), box=box)
    foreign = Response.objects.get(entry__project=other)
    for asked in (foreign.pk, "x", 10**19):
        assert reviewer.post(correct, {"answer": asked}).status_code == 404
        assert [one["annotation"].pk for one in reviewer.get(address, {"answer": asked}).context["objects"]] == [
            again.pk
        ]


def test_two_classes_are_refused_where_one_is_asked_for() -> None:
    people = make_people()
    project = make_project(people.workspace)
    label_page(people.bob, project, label_class(project, "cat"))
    (entry,) = labeled(project)
    both = [one.pk for one in project.label_classes.all()]
    address = reverse("project-entry-correct", args=[project.pk, entry])
    for sent in (both, [], ["x"], [10**19]):
        assert signed_in(people.alice).post(address, {"classes": sent}).status_code == 400
    assert Response.objects.filter(entry=entry).count() == 1


def test_a_box_gets_another_class_another_goes_and_the_rest_stays_as_drawn() -> None:
    people = make_people()
    project = make_project(people.workspace, task_type=TaskType.BOX, images=1)
    cat, dog = label_class(project, "cat"), label_class(project, "dog")
    task = open_page(people.bob, project)
    boxes = [*said(cat, box=Box(1, 2, 10, 10)), *said(cat, box=Box(20, 5, 8, 9)), *said(dog, box=Box(3, 3, 4, 4))]
    submit(people.bob, task, answer_all(task, boxes))
    (entry,) = labeled(project)
    first, second, third = Annotation.objects.order_by("position")
    alice = signed_in(people.alice)
    page = text_of(alice, "project-entry", project.pk, entry)
    sent = {
        "response": re.findall(r'name="response" value="(\d+)"', page)[0],
        f"class-{first.pk}": dog.pk,
        f"class-{second.pk}": cat.pk,
        f"class-{third.pk}": dog.pk,
        "delete": [third.pk],
    }
    address = reverse("project-entry-correct", args=[project.pk, entry])
    assert alice.post(address, sent).status_code == 302
    final = QueueEntry.objects.get(pk=entry).final_response
    assert final is not None
    assert [(one.label_class.path, one.x, one.y, one.width, one.height) for one in final.annotations.all()] == [
        ("dog", 1, 2, 10, 10),
        ("cat", 20, 5, 8, 9),
    ]
    # The page shows an answer that is no longer the one that counts: sending it again would undo somebody's work.
    assert alice.post(address, {**sent, "delete": []}).status_code == 409
    assert QueueEntry.objects.get(pk=entry).final_response_id == final.pk


def test_people_who_may_not_correct_see_no_form_and_are_refused() -> None:
    people = make_people()
    project = make_project(people.workspace)
    label_page(people.bob, project, label_class(project, "cat"))
    (entry,) = labeled(project)
    client = signed_in(add_member(people.workspace, "customer_qa", name="Quinn"))
    address = reverse("project-entry-correct", args=[project.pk, entry])
    assert address not in text_of(client, "project-entry", project.pk, entry)
    assert client.post(address, {"classes": [label_class(project, "dog").pk]}).status_code == 403
    assert Response.objects.filter(entry=entry).count() == 1


def test_the_cost_of_a_page_does_not_grow_with_what_is_on_it(django_assert_max_num_queries: object) -> None:
    people = make_people()
    project = make_project(people.workspace, images=40)
    for _ in range(36):
        label_page(people.alice, project, label_class(project, "cat"))
    alice = signed_in(people.alice)
    with django_assert_max_num_queries(30):  # type: ignore[operator]
        text_of(alice, "project-data", project.pk, layout="9")
    assert queue.remaining(project) == 4


def test_after_a_decision_in_the_single_view_the_next_image_opens() -> None:
    people = make_people()
    project = make_project(people.workspace)
    for _ in range(2):
        label_page(people.alice, project, label_class(project, "cat"))
    newest, oldest = labeled(project)
    alice = signed_in(people.alice)
    page = text_of(alice, "project-entry", project.pk, newest)
    following = re.findall(r'name="next" value="([^"]+)"', page[page.index('id="review"') :])[0]
    answer = alice.post(
        reverse("project-review", args=[project.pk]), {"action": "reject", "entries": [newest], "next": following}
    )
    assert answer.status_code == 302 and f"/data/{oldest}/" in answer.url
    assert alice.get(answer.url).status_code == 200
