"""One corpus of hostile names through every page: nothing of it becomes an element, an attribute or a script.

First as the server draws the pages, then in a real Chromium, where scripts draw from JSON too.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotations.models import Prelabel, QueueEntry
from annotations.services import comments, prelabels, reviewing
from annotations.services.answers import AnswerAnnotation
from annotations.services.prelabels import Suggestion
from projects.models import Dataset, Datastore, Item, LabelClass, Project, User, Workspace
from projects.services import class_examples, instructions, projects
from tests import factories
from tests.annotations.labeling import answer_all, label_page, open_page, submit
from tests.architecture import routes
from tests.architecture.routes import APART, EXPECTED
from tests.support.running import Site

# <qxss> is an element that no page of ours has: a parser that sees it has been broken into.
CORPUS = [
    '"><qxss onqxss=1>',
    "'><qxss onqxss=1>",
    "</script><qxss>",
    "</title></textarea></style><qxss>",
    "<img src=x onerror=qxss()>",
    "<svg onload=qxss()>",
    "--><qxss>",
    "{{7*7}}<qxss>",
    "javascript:qxss()",
    '" onmouseover="qxss()',
    "&lt;qxss&gt;<qxss>",
    "\u2028<qxss>\u202e",
]
ALL = " ".join(CORPUS)[:110]
# Several at once, as many as the shortest name may hold: each page is drawn three times instead of twelve. An address
# that scripts could take for their own has to begin with "javascript:".
NAMES = [" ".join(CORPUS[at] for at in chosen) for chosen in ((0, 1, 2, 3), (8, 4, 5, 9), (6, 7, 10, 11))]


class Broken(HTMLParser):
    """Collects what somebody's name became in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "qxss":
            self.found.append(tag)
        for name, value in attrs:
            if name.startswith("on"):
                self.found.append(f"{name} in <{tag}>")
            if name in {"href", "src", "action", "formaction"} and (value or "").strip().startswith("javascript:"):
                self.found.append(f"{value} in <{tag}>")


def broken(html: str) -> list[str]:
    parser = Broken()
    parser.feed(html)
    return parser.found


def test_the_parser_sees_what_it_looks_for() -> None:
    for one in CORPUS:
        if "<" in one:
            assert broken(f"<p>{one}</p>") or broken(f'<p title="{one}">'), one
    assert broken('<p title="" onmouseover="qxss()">')
    assert not broken("<p>&lt;qxss&gt;</p>")
    assert max(map(len, NAMES)) <= 100
    assert all(any(one in name for name in NAMES) for one in CORPUS)


@pytest.fixture
def named(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """A world in which everything that people can name carries a piece of the corpus."""
    nasty = request.param
    people = factories.make_people()
    alice, bob = people.alice, people.bob
    project = factories.make_project(people.workspace, images=4)
    label_class = project.label_classes.order_by("position")[0]
    label_page(bob, project, label_class)
    skipped = open_page(bob, project)
    submit(bob, skipped, answer_all(skipped, [], outcome="skipped", skip_reason=nasty))
    entry = QueueEntry.objects.filter(project=project, status="labeled").get()
    reviewing.approve(actor=alice, project=project, entry_ids=[entry.pk], comment=nasty)
    reviewing.reject(actor=alice, project=project, entry_ids=[entry.pk], comment=nasty)
    label_page(bob, project, label_class)
    entry = QueueEntry.objects.filter(project=project, status="labeled").order_by("pk")[0]
    dataset = project.dataset_version.dataset
    comment = comments.comment(actor=bob, entry=_of(entry), text=nasty, asks_lead=True)
    comments.reply(actor=alice, thread=comment, text=nasty)
    example = class_examples.add_example(actor=alice, label_class=label_class, item=_of(entry).item, note=nasty)
    suggested = Suggestion(
        QueueEntry.objects.filter(project=project, status="unlabeled")[0].pk,
        AnswerAnnotation(uuid.uuid4(), label_class.pk),
        0.5,
    )
    prelabels.store(actor=alice, project=project, produced_by="a model", suggestions=[suggested])
    _rename_everything(nasty)
    yield {
        "project_id": project.pk,
        "dataset_id": dataset.pk,
        "entry_id": entry.pk,
        "class_id": label_class.pk,
        "comment_id": comment.pk,
        "example_id": example.pk,
        "item_id": entry.item_id,
        "section": "overview",
        "alice": alice,
        "bob": bob,
        "nasty": nasty,
    }


def _of(entry: QueueEntry) -> QueueEntry:
    """The entry with what comments need of it."""
    return QueueEntry.objects.select_related("project", "item").get(pk=entry.pk)


def _rename_everything(nasty: str) -> None:
    """Writes `nasty` wherever people can write, past the services: some rows may be older than today's rules."""
    short = nasty[:100]
    # Past the checks of preferences, too: what is on the page as data stays data.
    User.objects.update(name=short, preferences={"keymap": {nasty: [nasty]}, "labeling": {"help": nasty}})
    Prelabel.objects.update(produced_by=nasty)
    Workspace.objects.update(name=short)
    Datastore.objects.update(name=short)
    Dataset.objects.update(name=short, description=nasty, path=nasty)
    Project.objects.update(
        name=short,
        description=nasty,
        instructions=instructions.sanitise(f"<p>{nasty}</p>"),
        workforce={"vendor": short},
    )
    for row in LabelClass.objects.all():
        LabelClass.objects.filter(pk=row.pk).update(name=short, path=f"{row.pk}/{short}", description=nasty)
    for item in Item.objects.all():
        path = f"folder {nasty}/{item.pk} {nasty}.png"
        Item.objects.filter(pk=item.pk).update(path=path, facts={"modality": nasty, "patient": nasty})
    Item.objects.filter(pk=Item.objects.order_by("-pk")[0].pk).update(state="refused", reason=nasty)


SECTIONS = ["overview", "data", "refresh", "workforce", "classes", "instructions", "quality", "assist", "general"]


@pytest.mark.django_db
@pytest.mark.parametrize("named", NAMES, indirect=True, ids=range(len(NAMES)))
def test_no_name_breaks_out_of_a_page(named: dict[str, Any]) -> None:
    drawn = 0
    for user in (named["alice"], named["bob"]):
        client = Client()
        client.force_login(user)
        for route in routes.all_routes():
            if route.is_api or route.is_admin or route.name in APART or "GET" not in EXPECTED[route.name].rules:
                continue
            if not set(route.parameters) <= set(named):
                continue
            for section in SECTIONS if "section" in route.parameters else [""]:
                values = {name: named[name] for name in route.parameters} | ({"section": section} if section else {})
                for query in ({}, {"q": named["nasty"], "path": named["nasty"], "next": named["nasty"]}):
                    reply = client.get(reverse(route.name, kwargs=values), query)
                    if "html" not in reply.get("Content-Type", ""):
                        continue
                    assert not broken(reply.content.decode()), f"{route.name} {section} {query}"
                    drawn += reply.status_code == 200
    assert drawn > 30


@pytest.mark.django_db
@pytest.mark.parametrize("named", [ALL], indirect=True)
def test_no_name_breaks_out_of_the_admin(named: dict[str, Any]) -> None:
    client = Client()
    client.force_login(factories.make_user("Ada", is_superuser=True))
    for route in routes.all_routes():
        if not route.name.endswith("_changelist"):
            continue
        listed = client.get(reverse(route.name))
        assert not broken(listed.content.decode()), route.name
        for link in set(re.findall(r'href="([^"]+/change/)"', listed.content.decode())):
            address = link if link.startswith("/") else reverse(route.name) + link
            assert not broken(client.get(address).content.decode()), address


@pytest.mark.django_db
def test_forms_show_hostile_input_again_without_running_it() -> None:
    people = factories.make_people()
    client = Client()
    client.force_login(people.alice)
    for name in ("project-new", "dataset-new", "datastores", "workspace-settings", "workspace-members", "account"):
        fields = ("name", "email", "root", "path", "classes", "instructions", "description", "kind", "role")
        for one in CORPUS:
            reply = client.post(reverse(name), dict.fromkeys(fields, one), follow=True)
            assert reply.status_code < 500
            assert not broken(reply.content.decode()), (name, one)


@pytest.mark.django_db
def test_instructions_keep_their_form_and_lose_their_scripts() -> None:
    people = factories.make_people()
    project = factories.make_project(people.workspace, running=False)
    html = "".join(f"<p>{one}</p>" for one in CORPUS)
    html += '<a href="javascript:qxss()">x</a><a href="https://example.org/">y</a><iframe src="/x"></iframe><b>bold</b>'
    html += '<form action="/sign-out/"><button>z</button></form><math><mi xlink:href="javascript:qxss()">'
    changed = projects.update_project(actor=people.alice, project=project, instructions=html)
    assert not broken(changed.instructions)
    for gone in ("<iframe", "<form", "<button", "<math", "<svg", "src=x", "<script", 'javascript:qxss()"'):
        assert gone not in changed.instructions, gone
    assert "<b>bold</b>" in changed.instructions
    assert 'href="https://example.org/"' in changed.instructions


# --- In a browser ----------------------------------------------------------------------------------------------------

MAKE = """
import sys, json
sys.path.insert(0, {root!r})
from tests import factories
from projects.models import LabelClass, Project, Dataset, User, Workspace
from projects.services import instructions
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
nasty = {nasty!r}
alice = factories.make_user("Alice", email="alice.xss@example.org")
workspace = factories.make_workspace(alice, "Names")
dataset = factories.make_dataset_with_images(workspace, 3)
for number, item in enumerate(dataset.versions.get().items.all()):
    item.path = f"{{number}} {{nasty}}.png"
    item.save()
project = factories.make_project(workspace, dataset=dataset, running=False)
Project.objects.filter(pk=project.pk).update(name=nasty, description=nasty, instructions=instructions.sanitise(nasty))
LabelClass.objects.filter(project=project).update(name=nasty, path=nasty, description=nasty)
Dataset.objects.filter(pk=dataset.pk).update(name=nasty)
Workspace.objects.filter(pk=workspace.pk).update(name=nasty)
kept = {{"keymap": {{"skip": [nasty, "q"], nasty: [nasty]}}, "labeling": {{"help": "comments"}}}}
User.objects.filter(pk=alice.pk).update(name=nasty, preferences=kept)
session = SessionStore()
session[SESSION_KEY] = str(alice.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = alice.get_session_auth_hash()
session["workspace"] = workspace.pk
session.create()
print("MADE", json.dumps({{"session": session.session_key, "project": project.pk, "dataset": dataset.pk}}))
"""


def _open_everything(page: Any) -> None:
    """Shows on the labeling page what people wrote: a comment of theirs, a class's help, their keys."""
    page.wait_for_selector("#comment-form:visible")
    page.fill("#comment-text", ALL)
    page.click("#comment-send")
    page.wait_for_selector(".thread .comment-text")
    assert page.inner_text(".thread .comment-text").split() == ALL.split()
    page.locator(".tag-about").first.click()
    page.wait_for_selector(".class-help")
    page.locator("#comment-text").blur()
    page.keyboard.press("?")
    page.click("#keymap-edit")
    page.wait_for_selector("[data-record=skip]")
    page.keyboard.press("Escape")


@pytest.mark.browser
def test_no_name_runs_in_a_browser(live_site: Site, page: Any) -> None:
    from tests.support import running

    printed = live_site.manage("shell", "-c", MAKE.format(root=str(running.ROOT), nasty=ALL))
    made = json.loads(printed.partition("MADE ")[2].splitlines()[0])
    page.context.add_cookies([{"name": "tessera_session", "value": made["session"], "url": live_site.url}])
    said: list[str] = []
    page.on("console", lambda message: message.type == "error" and said.append(message.text))
    page.on("dialog", lambda dialog: (said.append(f"dialog {dialog.message}"), dialog.dismiss()))
    project, dataset = made["project"], made["dataset"]
    running.wait_until(
        lambda: page.request.get(f"{live_site.url}/api/v1/projects/{project}/").json()["state"] == "running",
        seconds=40,
        what="the project",
        every=0.5,
    )
    for path in (
        *("/projects/", "/projects/new/", "/datasets/", f"/datasets/{dataset}/", "/datastores/", "/account/"),
        *("/workspace/members/", "/workspace/settings/", f"/projects/{project}/", f"/projects/{project}/data/"),
        *(f"/projects/{project}/label/", f"/projects/{project}/exports/", f"/projects/{project}/details/classes/"),
        f"/projects/{project}/details/instructions/",
    ):
        reply = page.goto(live_site.url + path, wait_until="load")
        assert reply.status == 200, path
        page.wait_for_timeout(400)
        if path.endswith("/label/") and (start := page.get_by_role("button", name="Start labeling")).count():
            start.first.click()
            page.wait_for_timeout(800)
            _open_everything(page)
        assert page.locator("qxss").count() == 0, path
        assert page.evaluate("document.querySelectorAll('[onqxss],[onerror],[onload],[onmouseover]').length") == 0, path
        refused = [line for line in said if "Content Security Policy" in line or "qxss" in line or "dialog" in line]
        assert not refused, (path, refused)
