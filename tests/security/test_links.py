"""Links that let somebody in: forged, old, passed on, or made by a person whose rights have ended since."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone

from annotations.services import exporting
from projects.models import ApiKey, Membership, User, Workspace
from projects.services import api_keys, invitations, projects, workspaces
from tests import factories
from tests.factories import PASSWORD
from tests.support.api import as_person, as_program, refused

pytestmark = pytest.mark.django_db


# --- Downloads -------------------------------------------------------------------------------------------------------


class Exported:
    """A finished export of Alice's workspace, and Dora, who may download it."""

    def __init__(self) -> None:
        self.people = factories.make_people()
        self.dora = factories.add_member(self.people.workspace, "contributor", name="Dora")
        self.project = factories.make_project(self.people.workspace, images=1)
        self.transfer = exporting.start_export(actor=self.dora, project=self.project, format="csv", options={})
        factories.run_jobs()
        self.transfer.refresh_from_db()

    def link(self, client: Any) -> str:
        return str(client.get(f"/api/v1/exports/{self.transfer.pk}/download/").json()["url"])


@pytest.fixture
def exported() -> Exported:
    return Exported()


def test_a_link_is_good_for_whoever_holds_it(exported: Exported) -> None:
    link = exported.link(as_person(exported.dora))
    reply = Client().get(link)
    assert reply.status_code == 200
    assert reply["Content-Disposition"].startswith("attachment;")
    assert reply["Cache-Control"] == "private, no-store"


def test_a_forged_link_opens_nothing(exported: Exported) -> None:
    real = exported.link(as_person(exported.dora)).rstrip("/").rpartition("/")[2]
    other_salt = signing.dumps(exported.transfer.pk, salt="another")
    unsalted = signing.dumps(exported.transfer.pk)
    of_another_kind = signing.dumps({"transfer": exported.transfer.pk}, salt=exporting.SALT)
    bare = signing.dumps(exported.transfer.pk, salt=exporting.SALT)  # says nobody who made it
    wrong = [real[:-1] + ("a" if real[-1] != "a" else "b"), real[1:], real.swapcase(), str(exported.transfer.pk)]
    wrong += [other_salt, unsalted, of_another_kind, bare, "x", "::", "%00", real + ":x"]
    for token in wrong:
        assert Client().get(f"/exports/{token}/").status_code in {404, 410}, token


def test_a_link_ends_after_an_hour(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    link = exported.link(as_person(exported.dora))
    monkeypatch.setattr(exporting, "LINK_SECONDS", -1)
    assert Client().get(link).status_code == 410


def end_membership(exported: Exported) -> None:
    member = factories.membership(exported.people.workspace, exported.dora)
    workspaces.remove_member(actor=exported.people.alice, membership=member)


def lower_role(exported: Exported) -> None:
    member = factories.membership(exported.people.workspace, exported.dora)
    workspaces.change_role(actor=exported.people.alice, membership=member, role=factories.role("labeler"))


def close_account(exported: Exported) -> None:
    User.objects.filter(pk=exported.dora.pk).update(is_active=False)


def delete_workspace(exported: Exported) -> None:
    workspaces.delete_workspace(actor=exported.people.alice, workspace=exported.people.workspace)


def delete_project(exported: Exported) -> None:
    projects.delete_project(actor=exported.people.alice, project=exported.project)


@pytest.mark.parametrize("ending", [end_membership, lower_role, close_account, delete_workspace, delete_project])
def test_a_link_dies_with_the_right_of_whoever_asked_for_it(exported: Exported, ending: Any) -> None:
    link = exported.link(as_person(exported.dora))
    report = f"{link}?report=1"
    assert [Client().get(one).status_code for one in (link, report)] == [200, 200]
    ending(exported)
    assert [Client().get(one).status_code for one in (link, report)] == [410, 410]
    assert as_person(exported.dora).get(link).status_code == 410


def test_a_link_that_a_program_asked_for_dies_with_its_key(exported: Exported) -> None:
    link = exported.link(as_program(exported.dora, exported.people.workspace))
    by_hand = exported.link(as_person(exported.dora))
    assert Client().get(link).status_code == 200
    ApiKey.objects.update(revoked_at=timezone.now())
    assert Client().get(link).status_code == 410
    assert Client().get(by_hand).status_code == 200


def test_an_administrator_s_link_needs_no_membership(exported: Exported) -> None:
    ada = factories.make_user("Ada", is_superuser=True)
    token = exporting.download_token(actor=ada, transfer=exported.transfer)
    assert Client().get(f"/exports/{token}/").status_code == 200
    User.objects.filter(pk=ada.pk).update(is_superuser=False)
    assert Client().get(f"/exports/{token}/").status_code == 410


@pytest.mark.parametrize("name", ['a"; filename="evil.html', "a\u202egnp.exe", "ä" * 60, "../../etc/passwd", "a;b,c=d"])
def test_a_project_s_name_breaks_out_of_no_header(name: str) -> None:
    people = factories.make_people()
    project = factories.make_project(people.workspace, images=1)
    type(project).objects.filter(pk=project.pk).update(name=name)
    transfer = exporting.start_export(actor=people.alice, project=project, format="csv", options={})
    factories.run_jobs()
    transfer.refresh_from_db()
    reply = Client().get(f"/exports/{exporting.download_token(actor=people.alice, transfer=transfer)}/")
    said = reply["Content-Disposition"]
    assert re.fullmatch(r"""attachment; filename(="[ !#-.0-\[\]-~]+"|\*=utf-8''[\w.%-]+)""", said, re.ASCII), said
    assert reply["X-Content-Type-Options"] == "nosniff"
    assert reply["Content-Type"].startswith("text/csv")


# --- Keys ------------------------------------------------------------------------------------------------------------


def test_a_key_that_is_revoked_in_the_middle_of_an_upload_sends_no_further_byte() -> None:
    people = factories.make_people()
    dataset = factories.make_dataset_from_bytes(people.workspace, {"a.png": factories.image_bytes()})
    program = as_program(people.alice, people.workspace)
    asked = {"files": [{"path": "b.png", "size": 8}]}
    upload = program.post(f"/api/v1/datasets/{dataset.pk}/uploads/", asked).json()["uploads"][0]

    def send(offset: int) -> Any:
        return program.patch(
            f"/api/v1/uploads/{upload['id']}/",
            b"1234",
            content_type="application/octet-stream",
            headers={"Upload-Offset": str(offset)},
        )

    assert send(0).json()["received"] == 4
    api_keys.revoke_api_key(actor=people.alice, api_key=ApiKey.objects.get())
    refused(send(4), 401)
    row = dataset.uploads.get(path="b.png")
    assert (row.received, row.state) == (4, "receiving")


def test_a_key_changes_nothing_about_its_person() -> None:
    """Preferences hold shortcuts and the like: a key that may only read must not rewrite them."""
    people = factories.make_people()
    program = as_program(people.bob, people.workspace)
    for path, body in [
        ("/api/v1/me/", {"name": "Mallory"}),
        ("/api/v1/me/", {"preferences": {"theme": "dark"}}),
    ]:
        refused(program.patch(path, body), 403)
    refused(program.post("/api/v1/me/password/", {"current": PASSWORD, "new": "amber-fox-77x"}), 403)
    people.bob.refresh_from_db()
    assert (people.bob.name, people.bob.preferences) == ("Bob", {})
    assert people.bob.check_password(PASSWORD)


# --- Invitations -----------------------------------------------------------------------------------------------------


def token_of(people: factories.People, **more: Any) -> str:
    asked = {"actor": people.alice, "workspace": people.workspace, "role": factories.role("labeler")} | more
    return invitations.invite(**asked)[1].rstrip("/").rpartition("/")[2]


def test_no_field_beside_those_of_the_form_raises_what_an_invitation_gives() -> None:
    people = factories.make_people()
    owner = factories.role("owner").pk
    other = factories.make_workspace(people.charlie, "Elsewhere")
    forged = {
        "role": owner,
        "role_id": owner,
        "capabilities": "workspace/write",
        "is_staff": "on",
        "is_superuser": "on",
        "is_active": "on",
        "workspace": other.pk,
        "workspace_id": other.pk,
        "actor": people.alice.pk,
        "token": token_of(people, role=factories.role("owner")),
    }
    client = Client()
    sent = {"name": "Eve", "email": "eve@example.org", "password": PASSWORD}
    assert client.post(f"/invitations/{token_of(people)}/", sent | forged).status_code == 302
    eve = User.objects.get(email="eve@example.org")
    member = Membership.objects.get(user=eve)
    assert (member.workspace, member.role.key) == (people.workspace, "labeler")
    assert not eve.is_staff and not eve.is_superuser and not eve.user_permissions.exists()
    reply = as_person(people.charlie).post("/api/v1/invitations/", forged | {"token": token_of(people)})
    assert reply.status_code == 201, reply.content
    assert Membership.objects.get(user=people.charlie, workspace=people.workspace).role.key == "labeler"


def test_a_set_up_or_profile_form_raises_no_rights_either() -> None:
    people = factories.make_people()
    client = Client()
    client.force_login(people.bob)
    forged = {
        "is_staff": "on",
        "is_superuser": "on",
        "email": "root@example.org",
        "password": "x",
        "pk": "1",
        "id": "1",
    }
    assert client.post("/account/", {"name": "Bob", **forged}).status_code == 302
    assert as_person(people.bob).patch("/api/v1/me/", {"name": "Bob", **forged}).status_code == 200
    people.bob.refresh_from_db()
    assert not people.bob.is_staff and not people.bob.is_superuser and people.bob.email == "bob@example.org"
    assert people.bob.check_password(PASSWORD)


def test_the_holder_of_an_invitation_cannot_ask_at_leisure_who_has_an_account() -> None:
    people = factories.make_people()
    path = f"/invitations/{token_of(people)}/"

    def ask(number: int, **more: str) -> Any:
        sent = {"name": "Eve", "email": people.charlie.email, "password": PASSWORD}
        return Client(REMOTE_ADDR=f"192.0.2.{number}").post(path, sent)

    statuses = [ask(number).status_code for number in range(14)]
    assert statuses == [400] * 10 + [429] * 4, "however many addresses ask"
    other = f"/invitations/{token_of(people)}/"
    sent = {"name": "Dora", "email": "dora@example.org", "password": PASSWORD}
    assert Client().post(other, sent).status_code == 302, "other invitations are not held up"


def test_links_say_the_address_of_the_site_whatever_the_request_says() -> None:
    """An invitation or set-up link that names the Host of a forged request would lead people to somebody else."""
    from django.conf import settings

    people = factories.make_people()
    client = as_person(people.alice)
    asked = {"role": factories.role("labeler").pk}
    path = f"/api/v1/workspaces/{people.workspace.pk}/invitations/"
    evil = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "X-Original-Host": "evil.example"}
    reply = client.post(path, asked, headers=evil)
    assert reply.json()["url"].startswith(settings.PUBLIC_URL + "/invitations/")
    assert client.post(path, asked, headers={"Host": "evil.example"}).status_code == 400
    local = client.post(path, asked, headers={"Host": "localhost"})
    assert local.json()["url"].startswith(settings.PUBLIC_URL + "/invitations/")


def test_an_invitation_s_maker_who_is_gone_invites_nobody() -> None:
    people = factories.make_people()
    dora = factories.add_member(people.workspace, "owner", name="Dora")
    token = token_of(people, actor=dora)
    User.objects.filter(pk=dora.pk).update(is_active=False)
    sent = {"name": "Eve", "email": "eve@example.org", "password": PASSWORD}
    assert Client().post(f"/invitations/{token}/", sent).status_code == 410
    assert not User.objects.filter(email="eve@example.org").exists()
    Workspace.objects.update(deleted_at=timezone.now() - timedelta(hours=1))
    assert Client().get(f"/invitations/{token_of_deleted(people)}/").status_code == 404


def token_of_deleted(people: factories.People) -> str:
    Workspace.objects.update(deleted_at=None)
    token = token_of(people)
    Workspace.objects.update(deleted_at=timezone.now())
    return token
